"""`dnsdisco serve`: check everything that was written, then become the supervisor."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from dataclasses import replace
from typing import Any, NoReturn, TYPE_CHECKING

import click

from dnsdisco.cli import options
from dnsdisco.config.load import find, is_here, SEARCHED
from dnsdisco.errors import ConfigError
from dnsdisco.log.lines import LEVELS, Lines
from dnsdisco.supervisor import signals
from dnsdisco.supervisor.document import document
from dnsdisco.written.endpoints import listener

if TYPE_CHECKING:
    from dnsdisco.config.sources import Given, Inspection


@click.command("serve", short_help="Answer DNS queries.")
@options.source_options
@click.option(
    "--listen",
    multiple=True,
    type=options.LISTENER,
    help="Answer here, over UDP and TCP; tls://ADDR:PORT: over TLS, https://ADDR:PORT/PATH: over HTTPS. Several times for several addresses. "
    "Default: 127.0.0.1:53 and [::1]:53.",
)
@click.option(
    "--zone",
    multiple=True,
    type=options.ZONE,
    help="Serve the services under this name. Several times for several zones. Default: svc.local.",
)
@click.option(
    "--upstream",
    multiple=True,
    type=options.UPSTREAM,
    callback=options.none_or_some,
    help="Forward other names here: an address, tls://ADDR#NAME, or a resolv.conf. `none`: forward nothing. Default: /etc/resolv.conf.",
)
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Processes that answer. Default: 1.")
@click.option(
    "--http",
    type=options.ADDRESS_OR_OFF,
    metavar="ADDR:PORT|off",
    help="Where health, metrics and the JSON API are served. Default: 127.0.0.1:8053.",
)
@click.option(
    "--state-dir",
    type=options.PATH,
    metavar="DIR|off",
    help="Where the last good view of each provider is kept. Default: ~/.local/state/dnsdisco.",
)
@click.option(
    "--control",
    type=options.PATH,
    metavar="PATH|off",
    help="The socket that the command line talks to. Default: control.sock in the state folder.",
)
@click.option("--log-level", type=click.Choice(list(LEVELS)), help="The lowest level to log. Default: info.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="json: every line is an object. Default: text.")
def command(config: str | None, **flags: object) -> None:
    """Answer DNS queries for the services that the providers know, and forward every other name.

    SIGTERM and SIGINT end it, SIGHUP reloads the configuration; a bad one is logged and not used. SIGUSR1 logs statistics.
    """
    signals.ignore_until_taken()
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema
    from dnsdisco.settings.forms import for_workers, to_plain  # noqa: PLC0415  likewise

    given = compose.source(config, **flags)
    inspection = compose.inspection(given)
    if inspection.settings is None:
        _refuse(given, inspection)
    settings = to_plain(inspection.settings)
    if given.config is None:  # from now on it is this one: gone at a reload is a fault then, and not a server without services
        given = replace(given, config=find(), is_found=True)
    _say_configuration(given, settings)
    listen = [listener(entry).apart() for entry in inspection.settings.listen]
    told = {"source": given.plain(), "settings": settings, "worker_settings": for_workers(inspection.settings), "listen": listen}
    told["origins"] = dict(inspection.origins)
    fd = document(json.dumps(told).encode())
    os.set_inheritable(fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    # The same process goes on, so that a service manager's main PID, LISTEN_PID and signals reach the supervisor itself.
    os.execv(sys.executable, [sys.executable, *_safe_path(), "-m", "dnsdisco.supervisor", str(fd)])  # noqa: S606  no shell is wanted


def _refuse(given: Given, inspection: Inspection) -> NoReturn:
    """Every fault, in the form that the log is wanted in; that one may stand in a file that has faults elsewhere."""
    remains = inspection.remains
    if (given.flags.get("log_format") or (remains and remains.log_format)) != "json":
        raise ConfigError(inspection.problems)
    lines = Lines({"log_format": "json"})
    for problem in inspection.problems:
        lines.event("warning" if problem.is_warning else "error", "the configuration cannot be used", reason=str(problem))
    sys.exit(1)


def _say_configuration(given: Given, settings: dict[str, Any]) -> None:
    """Which file is used and how it was found: the first thing to know where a setting seems to do nothing."""
    file = os.path.abspath(given.config) if given.config else None  # noqa: PTH100  `..` as it was written
    if file is None:
        found, text = "none", f"no configuration file: there is none at {' or '.join(SEARCHED)}"
    else:
        found = "named" if not given.is_found else "working directory" if is_here(given.config or "") else "system"
        how = {"named": "named by --config", "working directory": "found in the working directory", "system": "found in its place"}
        text = f"configuration: {file}, {how[found]}"
    Lines(settings).contract("info", f"dnsdisco: {text}", "configuration", file=file, found=found)


def _safe_path() -> list[str]:
    """`-P` where the working directory is not on our own path: with `-m` Python would put it there, and a file called json.py
    that happens to lie in it would be run."""
    here = pathlib.Path.cwd()
    return [] if any(pathlib.Path(entry or ".").resolve() == here for entry in sys.path) else ["-P"]
