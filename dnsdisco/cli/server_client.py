"""Asks the running server over its control socket: where that is, a question and its JSON, a stream of events.

path = server_client.path(config, state_dir, control)
server_client.ask(path, "GET", "/v1/status")
for event in server_client.events(path, "/v1/events"): ...
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlencode

from dnsdisco.admin.socket_file import reachable
from dnsdisco.errors import ConfigError, ServerError

VARIABLE = "DNSDISCO_CONTROL"
INDEX = "X-Dnsdisco-Index"
HOST = "dnsdisco"  # the server takes any
REPLY_S = 10.0  # the server answers within 5 s, a reload apart
RELOAD_S = 30.0
WAIT_S = 30.0  # for a change, before the question is asked anew
SILENCE_S = 40.0  # of a stream, which gives a sign of life every 15 s
REPLY_OCTETS_MAX = 256 * 1024 * 1024  # a list of 100,000 services
LINE_OCTETS_MAX = 1024 * 1024  # of an event


class ServerSentEvent(NamedTuple):
    """An event. *number*: the Last-Event-ID of a client that connects again; "": none."""

    kind: str
    data: Any
    number: str


class ServerAbsent(ServerError):
    """There is no server to ask."""


class ServerRefused(ServerError):
    """The server refuses; *reply* is its whole answer."""

    def __init__(self, status: int, reply: Mapping[str, Any]) -> None:
        super().__init__(str(reply.get("error", f"the server answers with status {status}")))
        self.status, self.reply = status, reply


def path(config: str | None, state_dir: str | None, control: str | None) -> str:
    """The server's, by the flag, the environment, the configuration, the default. A file with faults elsewhere will do: the server that runs
    has read an earlier one. Raises ServerError where there is none, ConfigError for a file that cannot be read or is not to be trusted, and for a wrong flag."""
    if control is not None:
        return control
    if named := named_by_variable():
        return named
    from dnsdisco.cli import compose  # noqa: PLC0415  a client that knows the path needs no schema
    from dnsdisco.config.sources import inspect  # noqa: PLC0415

    found = inspect(compose.source(config, state_dir=state_dir))
    settings = found.settings or found.remains
    if settings is None or any(not problem.line for problem in found.problems):
        raise ConfigError(found.problems)
    if settings.control is None:
        raise ServerAbsent("this configuration has `control: off`: the server cannot be talked to")
    return settings.control


def named_by_variable() -> str | None:
    return os.environ.get(VARIABLE) or None


def ask(path: str, method: str, target: str, query: Mapping[str, Any] | None = None, *, seconds: float = REPLY_S) -> Any:
    """The reply's JSON. *query*: None and False are left out. Raises ServerError with the way out, ServerRefused with the server's word."""
    connection = _OverSocket(path, seconds)
    try:
        response = connection.asked(method, target, query)
        octets = response.read(REPLY_OCTETS_MAX)
    except (OSError, HTTPException) as error:
        raise _unreachable(path, error) from None
    finally:
        connection.close()
    return _read(path, response.status, octets)


def followed(path: str, target: str, index: int | None, wait_s: float = WAIT_S) -> tuple[int, Any]:
    """The serial and the JSON of *target*, once it has changed since the serial *index*, or after *wait_s*; None: at once. None in place of
    JSON: there is no such thing. Raises as ask() does."""
    connection = _OverSocket(path, wait_s + REPLY_S)
    try:
        response = connection.asked("GET", target, {} if index is None else {"index": index, "wait": f"{wait_s:g}s"})
        octets = response.read(REPLY_OCTETS_MAX)
    except (OSError, HTTPException) as error:
        raise _unreachable(path, error) from None
    finally:
        connection.close()
    serial = int(response.headers.get(INDEX, "0"))
    if response.status == 404 and serial:
        return serial, None
    return serial, _read(path, response.status, octets)


def events(path: str, target: str, query: Mapping[str, Any] | None = None, last: str | None = None) -> Iterator[ServerSentEvent]:
    """Until the server ends it. *last*: the number of the last event that was read from an earlier stream. Raises as ask() does."""
    connection = _OverSocket(path, SILENCE_S)
    try:
        response = connection.asked("GET", target, query, {} if last is None else {"Last-Event-ID": last})
        if response.status != 200:
            _read(path, response.status, response.read(LINE_OCTETS_MAX))
        yield from _parsed(response)
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(path, error) from None
    finally:
        connection.close()


class _OverSocket(HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(HOST, timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with reachable(self._path) as address:
            self.sock.connect(address)

    def asked(
        self, method: str, target: str, query: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        given = {key: "true" if value is True else value for key, value in (query or {}).items() if value not in (None, False)}
        self.request(method, f"{target}?{urlencode(given)}" if given else target, headers=dict(headers or {}))
        return self.getresponse()


def _read(path: str, status: int, octets: bytes) -> Any:
    try:
        reply = json.loads(octets)
    except ValueError:
        raise ServerError(f"the server at {path} went away before it answered") from None
    if status >= 400:
        raise ServerRefused(status, reply if isinstance(reply, dict) else {})
    return reply


def _parsed(response: HTTPResponse) -> Iterator[ServerSentEvent]:
    kind, data, number = "", "", ""
    while line := response.readline(LINE_OCTETS_MAX):
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data = value
        elif name == "id":
            number = value
        elif not name and data:  # the blank line that ends an event
            yield ServerSentEvent(kind, json.loads(data), number)
            kind = data = ""


def _unreachable(path: str, error: Exception) -> ServerError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return ServerAbsent(
                f"no server listens at {path}. Start one with `dnsdisco serve`; a running one names its own in its first lines "
                "(`control socket`): give it with --control, or give the same --config or --state-dir as to `dnsdisco serve`"
            )
        case PermissionError():
            return ServerError(f"{path} may not be used by you: ask as the user that the server runs as, or as root")
        case TimeoutError():
            return ServerError(f"the server at {path} does not answer")
        case HTTPException() | ValueError() | ConnectionError():
            return ServerError(f"the server at {path} went away before it answered")
        case _:
            return ServerError(f"{path} cannot be used: {getattr(error, 'strerror', None) or error}")
