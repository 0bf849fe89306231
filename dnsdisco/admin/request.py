"""The arguments and results of a page, and the declarations and readers of query parameters."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qsl

from dnsdisco.written.units import duration_s, number_from, shown

TEXT_CHARACTERS_MAX = 1024  # of a parameter: a domain name of 255 octets, each of them escaped, takes 1,020
PARAMETERS_MAX = 32  # of a query; no page has so many
JSON = "application/json"

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case


class RequestRefused(Exception):
    """Ends a request with that status; *headers* go with it, and *more* stands beside the reason in the body."""

    def __init__(self, status: int, reason: str, *headers: tuple[bytes, bytes], more: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers, self.more = status, reason, headers, more or {}


class ApiRequest(NamedTuple):
    """*query* has a value for each parameter of the route, the default where it was not given; *values* are those in the path."""

    method: str
    query: Mapping[str, Any]
    values: Mapping[str, str]
    headers: Headers
    body: bytes
    is_owner: bool  # it came through the control socket
    watch: Callable[[], None]  # to be called before a wait for something to happen; raises RequestRefused where too many wait

    def header(self, name: bytes) -> bytes | None:
        return next((value for each, value in self.headers if each == name), None)


class ApiReply(NamedTuple):
    """*ended* is called once, when the last octet has gone or never will. *is_stream*: it goes on until the client has had enough."""

    body: bytes | AsyncGenerator[bytes, None] = b""
    status: int = 200
    media_type: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    ended: Callable[[], None] = lambda: None
    is_stream: bool = False


class Parameter(NamedTuple):
    """A parameter of a query. *read* raises ValueError with the expected form; *schema* is the same as JSON Schema."""

    name: str
    summary: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    default: Any = None


def text(name: str, summary: str) -> Parameter:
    return Parameter(name, summary, _text, {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX})


def whole(name: str, summary: str, low: int, high: int) -> Parameter:
    return Parameter(
        name, summary, lambda value: number_from(value, low, high), {"type": "integer", "minimum": low, "maximum": high}
    )


def seconds(name: str, summary: str, high: float, default: str) -> Parameter:
    """A duration as everywhere: `30s`, `1m`, `0.5`."""
    summary = f"{summary} At most {high:.0f} s."
    schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m)?$", "default": default}
    return Parameter(name, summary, lambda value: duration_s(value, 0.0, high), schema, duration_s(default))


def address(name: str, summary: str, default: str) -> Parameter:
    return Parameter(
        name, summary, _address, {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}], "default": default}, default
    )


def flag(name: str, summary: str) -> Parameter:
    return Parameter(name, summary, _flag, {"type": "boolean", "default": False}, default=False)


def query_of(written: str, parameters: Collection[Parameter]) -> dict[str, Any]:
    """The values of *parameters*. Others are passed over. Raises RequestRefused."""
    found = {each.name: each.default for each in parameters}
    if not (written and parameters):
        return found
    try:
        pairs = parse_qsl(written, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        _refuse(f"the query cannot be read: {error}")
    given: set[str] = set()
    by_name = {each.name: each for each in parameters}
    for name, value in pairs:
        parameter = by_name.get(name)
        if parameter is None:
            continue
        if name in given:
            _refuse(f"{name} is given twice")
        given.add(name)
        try:
            found[name] = parameter.read(value)
        except ValueError as error:
            _refuse(f"{name}: {error}")
    return found


def _refuse(reason: str) -> NoReturn:
    raise RequestRefused(400, reason) from None


def _text(value: str) -> str:
    if not 0 < len(value) <= TEXT_CHARACTERS_MAX:
        raise ValueError(f"expected 1 to {TEXT_CHARACTERS_MAX} characters")
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"expected an IP address, found {shown(value)}") from None


def _flag(value: str) -> bool:
    """`?all` and `?all=1` alike."""
    words = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value.lower() not in words:
        raise ValueError(f"expected true or false, found {shown(value)}")
    return words[value.lower()]
