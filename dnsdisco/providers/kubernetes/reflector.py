"""One resource in one scope, followed: a whole list, then a watch from its version, again and again (KEP-365, KEP-956 for the words).

What it does by itself, without a report: a watch that ends as announced, and one that is cut after it has worked, go on
from the last version; a version that the server has forgotten (410, as a status or as an event) and a line that cannot be read mean a
new list. Whatever else fails ends it, and is for the caller to wait out.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dnsdisco.errors import ProviderError
from dnsdisco.model.diff import Key
from dnsdisco.providers.forked import in_child
from dnsdisco.providers.kubernetes.connection import api_error, ApiConnection, ApiError, read_piece, socket_of
from dnsdisco.providers.kubernetes.credentials import TYPE
from dnsdisco.providers.kubernetes.objects import key_of
from dnsdisco.providers.kubernetes.options import Options
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.providers.kubernetes.resources import list_whole, Listing, parse
from dnsdisco.providers.kubernetes.watch_plan import WatchedList
from dnsdisco.providers.values import parsed

LINE_OCTETS_MAX = 32 * 2**20  # of one event; etcd takes objects of 1.5 MB
STEADY_S = 5.0  # a watch that lasted so long, or that brought an event, did not fail at once
PAUSE_MIN_S, PAUSE_MAX_S = 0.25, 2.0  # before a watch is asked for again that the server closes as soon as it is open
RESUMED_RELIST_S = 120.0  # after going on from before a loss: a server restored from a backup would keep silent about what it lost
SPREAD = 0.1  # of every period, either way: what many servers began together they do not end together


@dataclass(frozen=True, slots=True)
class Replaced:
    """All objects at once, of a list that is whole."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class Put:
    fact: Any
    version: str


@dataclass(frozen=True, slots=True)
class Dropped:
    key: Key | None  # None: nothing of interest went; only the version is news
    version: str


@dataclass(frozen=True, slots=True)
class ObjectRefused:
    """It is there in a new state, which cannot be used."""

    key: Key
    version: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The server is there, and what was reported is what it has."""


@dataclass(frozen=True, slots=True)
class Broken:
    error: ProviderError


Report = Callable[[Replaced | Put | Dropped | ObjectRefused | Heard | Broken], None]  # raises Stopped when the session has ended


class Stopped(Exception):
    """Nobody wants to know any more."""


class _Forgotten(Exception):
    """The version is too old, or what came after it could not be read: only a new list can show the state."""


class Reflector:
    """Runs in a thread of its own, as long as it is wanted: run() returns after stop() or after it has reported Broken."""

    def __init__(
        self, connection: ApiConnection, source: WatchedList, options: Options, faults: Faults, report: Report, version: str = ""
    ) -> None:
        """*version*: where to go on from; "": begin with a list."""
        self._connection, self._source, self._options, self._faults, self._report = connection, source, options, faults, report
        self._version = version
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None
        self._relist_at = time.monotonic() + _spread(min(options.relist_s, RESUMED_RELIST_S))  # a list moves it on
        self._was_forgotten = False  # since the last event
        in_child(self._forget_socket)

    def run(self) -> None:
        """Never raises."""
        with suppress(Stopped):
            try:
                self._follow()
            except ProviderError as error:
                self._report(Broken(error))
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001  whatever a server sends, the thread ends with a report
                self._report(Broken(ProviderError(TYPE, f"{self._source.resource.plural}: {type(error).__name__}: {error}")))

    def stop(self) -> None:
        """Returns at once; a thread that waits for octets wakes up, one that waits for a connection ends with its time limit."""
        self._stopped.set()
        waiting = self._socket
        if waiting is not None:
            with suppress(OSError):
                # Not SSLSocket.shutdown(), which takes the TLS state from under the thread that reads.
                socket.socket.shutdown(waiting, socket.SHUT_RDWR)

    def _forget_socket(self) -> None:
        """The thread that reads from it is the parent's, and is not to be woken up by a child."""
        self._socket = None

    def _follow(self) -> None:
        short_watches = 0
        while True:
            self._check()
            if not self._version or time.monotonic() >= self._relist_at:
                self._list()
            began_at, version = time.monotonic(), self._version
            try:
                self._watch()
            except _Forgotten:
                if self._was_forgotten:
                    raise ApiError(f"the API server forgets {self._source.resource.plural} as soon as it has listed them") from None
                self._was_forgotten, self._version = True, ""
                continue
            except ApiError as error:
                has_worked = self._has_lasted(began_at) or version != self._version
                if error.status or error.is_denied or error.is_silence or not has_worked:
                    raise
            if self._has_lasted(began_at):
                short_watches, self._was_forgotten = 0, False
                continue
            short_watches += 1
            if short_watches > 1:
                self._stopped.wait(min(PAUSE_MIN_S * 2 ** min(short_watches - 2, 8), PAUSE_MAX_S))

    def _list(self) -> None:
        source = self._source
        selectors = source.selectors(self._options.labels)
        listing = list_whole(self._connection, source.resource, source.namespace, selectors, self._faults, self._check)
        if source.wanted is not None:
            wanted = {key: fact for key, fact in listing.objects.items() if source.wants(key[0])}
            listing = listing._replace(objects=wanted, refused=frozenset(key for key in listing.refused if source.wants(key[0])))
        self._report(Replaced(listing))
        self._version = listing.version
        self._relist_at = time.monotonic() + _spread(self._options.relist_s)

    def _watch(self) -> None:
        """One watch request, until it ends as announced. Raises _Forgotten and ApiError."""
        seconds = max(1, round(min(_spread(self._options.watch_s), self._relist_at - time.monotonic())))
        source = self._source
        query = {
            **source.selectors(self._options.labels),
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        try:
            response = self._connection.open("GET", source.resource.path(source.namespace), query)
        except ApiError as error:
            if error.status == http.client.GONE:
                raise _Forgotten from None
            raise
        try:
            patience_s = seconds + self._options.answer_s
            is_patient = self._listen_to(response, patience_s)
            self._report(Heard())
            self._read(response, time.monotonic() + patience_s, is_patient=is_patient)
        finally:
            self._socket = None
            response.close()

    def _listen_to(self, response: Any, seconds: float) -> bool:
        """Let the watch be silent for so long. False: its socket cannot be had, so `answer_s` holds, and silence is no failure."""
        self._socket = socket_of(response)
        self._check()  # stop() may have come before there was a socket to close
        if self._socket is None:
            return False
        self._socket.settimeout(seconds)
        return True

    def _read(self, response: Any, until: float, *, is_patient: bool) -> None:
        try:
            for line in _lines(response):
                self._check()
                if line.strip():
                    self._take(line)
                if time.monotonic() > until:  # a server that keeps no time must not keep our old credentials either
                    return
        except ApiError as error:
            self._check()
            if is_patient or not error.is_silence:
                raise

    def _take(self, line: bytes) -> None:
        """One event."""
        try:
            event = parsed(line)
            kind, item = event["type"], event["object"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Forgotten from None  # the object of the event is not known
        if kind == "ERROR":
            self._raise(item if isinstance(item, Mapping) else {})
        version = _version_of(item) or self._version
        if kind == "BOOKMARK":
            self._advance(Dropped(None, version))
        elif kind == "DELETED":
            key = key_of(item)
            if key is None:
                raise _Forgotten
            self._advance(Dropped(key, version))
        elif kind in ("ADDED", "MODIFIED"):
            self._take_object(item, version)

    def _take_object(self, item: Any, version: str) -> None:
        source = self._source
        key = key_of(item)
        try:
            fact = parse(source.resource, item, self._faults) if key is None or source.wants(key[0]) else None
        except ValueError:
            self._advance(Dropped(None, version) if key is None else ObjectRefused(key, version))
            return
        self._advance(Dropped(key, version) if fact is None else Put(fact, version))

    def _advance(self, event: Put | Dropped | ObjectRefused) -> None:
        self._report(event)
        self._version = event.version
        self._was_forgotten = False

    def _raise(self, status: Mapping[str, Any]) -> None:
        code = status.get("code")
        if code == http.client.GONE or status.get("reason") in ("Expired", "Gone"):
            raise _Forgotten
        code = code if isinstance(code, int) and not isinstance(code, bool) else 500
        raise api_error(code, status, self._connection.redacted)

    def _has_lasted(self, began_at: float) -> bool:
        return time.monotonic() - began_at > min(STEADY_S, self._options.watch_s / 2)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped


def _lines(response: Any) -> Iterator[bytes]:
    """Whole lines; what stands after the last line end was cut, and is not used. Raises ApiError when one does not end."""
    begun: list[bytes] = []
    octets = 0
    while piece := read_piece(response):
        *whole, rest = piece.split(b"\n")
        if whole:
            yield b"".join((*begun, whole[0]))
            yield from whole[1:]
            begun, octets = [], 0
        begun.append(rest)
        octets += len(rest)
        if octets > LINE_OCTETS_MAX:
            raise ApiError(f"the API server sent an event of more than {LINE_OCTETS_MAX} octets")


def _version_of(item: Any) -> str:
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    return version if isinstance(version, str) else ""


def _spread(seconds: float) -> float:
    return seconds * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311  spreads load, hides nothing
