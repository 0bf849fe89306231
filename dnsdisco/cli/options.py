"""The options that several commands share, and the configuration Source that they make."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TYPE_CHECKING, TypeVar

import click

from dnsdisco.errors import DnsdiscoError
from dnsdisco.written import addresses, endpoints, names, units

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic for type checkers alone


class Checked(_ParamType):
    """A text that one of the `units` can read; else wrong usage, exit 2."""

    def __init__(self, name: str, read: Callable[[Any], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _or(words: tuple[str, ...], read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if value in words else read(value)


def _interval(value: str) -> str:
    units.duration_s(value, 0.1, 86400)
    return value  # providers read it themselves, as they do in a services file


def _host_and_port(value: str) -> str:
    """The target of a TCP check: an address or a host name, with a port."""
    host, _, port = value.rpartition(":")
    addresses.port(port)
    try:
        return addresses.address(value)
    except ValueError:
        return f"{names.dns_name(host)}:{port}"


def none_or_some(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """`none` is the answer to how many, and so stands alone; twice is no contradiction."""
    words = _NO_UPSTREAM.intersection(given)
    if words and len(_NO_UPSTREAM.union(given)) > len(_NO_UPSTREAM):
        raise click.BadParameter(f"{min(words)} and an address contradict each other", ctx, param)
    return ("none",) if words else given


COMPLETION_S = 1.0  # a person who has pressed a key waits no longer
_NO_UPSTREAM = frozenset(("none", "off"))
LISTENER = Checked("ADDR:PORT", lambda value: str(endpoints.listener(value)))
ADDRESS_OR_OFF = Checked("ADDR:PORT|off", _or(("off", "none"), lambda value: addresses.address(value, lowest_port=0)))
UPSTREAM = Checked("ADDR[:PORT]", _or(tuple(_NO_UPSTREAM), endpoints.upstream_or_path))
ZONE = Checked("NAME", names.zone)
CHECKED = Checked("A:P", _host_and_port)
INTERVAL = Checked("DURATION", _interval)

PATH = click.Path()  # any: it says to a shell that completes a line that files belong here


def _provider_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The installed providers, for a shell that completes a line."""
    from dnsdisco.providers import registry  # noqa: PLC0415  no other use of these options needs it

    return [name for name in registry.types() if name.startswith(incomplete)]


def record_types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes a line."""
    from dnsdisco.wire.constants import TYPES  # noqa: PLC0415  no other use of these options needs it

    return [name for name in sorted(TYPES) if name.startswith(incomplete.upper())]


def service_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes a line: the services of the running server, if it names them in time."""
    from dnsdisco.cli import server_client  # noqa: PLC0415  no other use of these options needs it

    found: list[str] = []

    def ask() -> None:
        with suppress(DnsdiscoError):
            path = server_client.path(*(ctx.params.get(key) for key in ("config", "state_dir", "control")))
            found.extend(server_client.ask(path, "GET", "/v1/services", seconds=COMPLETION_S)["services"])

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(COMPLETION_S)
    return [name for name in found if name.startswith(incomplete.lower())]


_CONFIG = click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="The configuration file. Default: dnsdisco.yaml here, else /etc/dnsdisco/dnsdisco.yaml, if there is one.",
)
_PROVIDER = click.option(
    "--provider",
    multiple=True,
    shell_complete=_provider_names,
    metavar="NAME",
    help="Ask only this provider: env, static, consul, kubernetes or a plug-in. Several times: the first that has a service wins.",
)
_SERVICES = click.option("--services", type=PATH, metavar="FILE", help="The services file of the static provider (YAML or JSON).")
_STATE_DIR = click.option("--state-dir", type=PATH, metavar="DIR|off", help="The server's, if it was given one by a flag.")
_CONTROL = click.option(
    "--control",
    type=PATH,
    metavar="PATH",
    help="The server's control socket, which it names at its start. Default: DNSDISCO_CONTROL, else as the configuration has it.",
)


def config_option(function: Decorated) -> Decorated:
    return _CONFIG(function)


def services_option(function: Decorated) -> Decorated:
    return _SERVICES(function)


def source_options(function: Decorated) -> Decorated:
    """--config, --provider, --services: for every command that asks providers."""
    return _CONFIG(_PROVIDER(_SERVICES(function)))


def server_options(function: Decorated) -> Decorated:
    """--config, --state-dir, --control: for every command that asks the running server; server_client.path() takes them."""
    return _CONFIG(_STATE_DIR(_CONTROL(function)))


def control_option(function: Decorated) -> Decorated:
    return _CONTROL(function)
