"""The three settings that a client on this machine needs, read without the schema, so that `dnsdisco query` starts at once."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from dnsdisco.config.load import find, read
from dnsdisco.config.places import places
from dnsdisco.config.values import absolute
from dnsdisco.errors import ConfigError
from dnsdisco.written import endpoints, names


class Glance(NamedTuple):
    servers: tuple[str, ...] = (
        "127.0.0.1:53",
    )  # that the server listens on for plain DNS, else for any; as endpoints.listener() reads them
    zone: str = "svc.local"  # the first zone
    control: str | None = None  # the control socket


def glance(config: str | None = None) -> Glance:
    """Read them from the file *config*, or the one that is found; defaults replace what cannot be read (`dnsdisco check` has the reason).

    Raises ConfigError for a file in the working directory that is not to be trusted: it could name an attacker's server.
    """
    path = config or find()
    values = {}
    if path:
        document = read(path, is_found=config is None)
        if document.is_distrusted:
            raise ConfigError(document.problems)
        values = document.values
    servers, zone, _ = Glance()
    with contextlib.suppress(KeyError, TypeError, ValueError):
        listen = tuple(map(endpoints.listener, values["listen"]))
        servers = tuple(str(each) for each in listen if not each.scheme) or tuple(map(str, listen)) or servers
    with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
        zone = names.zone(values["zones"][0])
    folder, slash, _ = (path or "").rpartition("/")
    written: dict[str, str | None] = {key: _place(values[key], folder + slash) for key in ("state_dir", "control") if key in values}
    return Glance(servers, zone, places(written, os.environ)["control"])


def _place(written: object, folder: str) -> str | None:
    """None: it is off, or cannot be read."""
    with contextlib.suppress(ValueError):
        if isinstance(written, str) and written.lower() not in ("off", "none"):
            return absolute(written, folder, os.environ)
    return None
