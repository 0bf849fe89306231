"""The two settings that a client on this machine needs, read without the schema, so that `dnsdisco query` starts at once."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from dnsdisco.config.load import find, read
from dnsdisco.errors import ConfigError
from dnsdisco.written import addresses, endpoints, names


class Glance(NamedTuple):
    server: str = "127.0.0.1:53"  # the first address that the server listens on for plain DNS, as addresses.address() writes it
    zone: str = "svc.local"  # the first zone


def glance(config: str | None = None) -> Glance:
    """From the file *config*, or the one that is found; the defaults for whatever cannot be read (`dnsdisco check` has the reason).

    Raises ConfigError for a file in the working directory that is not to be trusted: it could name an attacker's server.
    """
    path = config or find()
    values = {}
    if path:
        document = read(path, is_found=config is None)
        if document.is_distrusted:
            raise ConfigError(document.problems)
        values = document.values
    server, zone = Glance()
    with contextlib.suppress(KeyError, StopIteration, TypeError, ValueError):
        plain = (each for each in map(endpoints.listener, values["listen"]) if not each.scheme)
        server = addresses.address(next(plain).address)
    with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
        zone = names.zone(values["zones"][0])
    return Glance(server, zone)
