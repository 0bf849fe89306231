"""Stand-ins at the edges of the control process: a provider that follows a script, and the worker's end of a link."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dnsdisco.control.parameters import ControlParameters, HttpDoor, NoHttp
from dnsdisco.control.run import Control
from dnsdisco.model import delta, unread
from dnsdisco.model.delta import Assembler, pack
from dnsdisco.model.entry import Entry, ProviderState
from dnsdisco.model.service import Instance, Service, Snapshot
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain

SETTINGS: dict[str, Any] = {
    "zones": ["svc.local"],
    "listen": ["127.0.0.1:53"],
    "workers": 1,
    "chain": "first",
    "when_all_unhealthy": "fail_open",
    "startup_timeout": 0.3,
    "stale_after": 30.0,
    "providers": [],
    "zone_files": [],
    "state_dir": None,
    "http": None,
}


def svc(name: str, *addresses: str, **more: Any) -> Service:
    return Service(name, instances=tuple(Instance("", address) for address in addresses), **more)


def snapshot(*services: Service, changed: Any = None) -> Snapshot:
    return Snapshot({service.key: service for service in services}, changed)


def numbered(count: int, address: str = "10.0.0.1") -> Snapshot:
    return snapshot(*(svc(f"s{n}", address) for n in range(count)))


class Scripted(ServiceDiscovery):
    """Yields, raises or does what it is told to, one thing after another; waits when there is nothing."""

    type = "scripted"

    def __init__(self, *script: Any) -> None:
        self.script: queue.Queue[Any] = queue.Queue()
        self.watches: list[float] = []  # when each began
        self.closed = 0
        self.then(*script)

    def then(self, *script: Any) -> Scripted:
        for step in script:
            self.script.put(step)
        return self

    def get_services(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError

    def watch(self, stop: threading.Event) -> Iterator[Any]:
        self.watches.append(time.monotonic())
        while not stop.is_set():
            try:
                step = self.script.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(step, BaseException):
                raise step
            if step is StopIteration:
                return
            if callable(step):
                step = step(stop)
                if step is None:
                    continue
            yield step

    def close(self) -> None:
        self.closed += 1


class Worker:
    """The worker's end of a link, and the replica that it makes of what comes. It checks the protocol while it reads."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.entries: dict[str, Entry] = {}
        self.states: dict[str, ProviderState] = {}
        self.records: list[Any] = []
        self.settings: dict[str, Any] | None = None
        self.serial = 0
        self.seen: list[str] = []  # ops
        self.arrived: list[tuple[float, int]] = []  # when each serial was complete
        self.is_silent = False  # applies, and does not say so
        self.flushes: list[tuple[Any, Any]] = []
        self.on_flush: Callable[[dict[str, Any]], None] = lambda _message: None
        self.on_explain: Callable[[dict[str, Any]], None] = lambda _message: None
        self.on_record: Callable[[dict[str, Any]], None] = lambda _message: None
        self._assembler = Assembler()
        self._joiner = delta.Joiner()
        self._fresh: dict[str, Entry] | None = None
        self._parts: list[Any] = []
        sock.setblocking(False)

    def listen(self) -> Worker:
        asyncio.get_running_loop().add_reader(self.sock.fileno(), self.read)
        return self

    def deafen(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())

    def say(self, op: str, **fields: Any) -> None:
        for datagram in pack({"op": op, **fields}):
            self.sock.send(datagram)

    def read(self) -> None:
        while True:
            try:
                datagram = self.sock.recv(delta.PIECE_OCTETS + 1)
            except BlockingIOError:
                return
            assert len(datagram) <= delta.PIECE_OCTETS + 1
            if (message := self._assembler.feed(datagram)) is not None:
                self.take(message)

    def take(self, message: dict[str, Any]) -> None:
        if message["op"] == "alive":  # between any two others
            return
        self.seen.append(message["op"])
        match message["op"]:
            case "begin":
                self._fresh, self._parts, self._joiner = {}, [], delta.Joiner()
            case "services":
                assert self._fresh is not None
                self._fresh |= {entry.key: entry for entry in map(unread.read, message["lines"])}
            case "put":
                assert self._fresh is not None
                self._fresh |= {entry.key: entry for entry in self._joiner.take(message["entries"])}
            case "end":
                assert self._fresh is not None
                self.entries, self._fresh = self._fresh, None
                self.states = {state.name: state for state in delta.states_from_plain(message["providers"])}
                self._advance(message["serial"])
            case "delta":
                assert self._fresh is None
                if message["base"] != self.serial:
                    self.say("resync", serial=self.serial)
                    return
                self._parts.append(message)
                if not message["more"]:
                    for part in self._parts:
                        for key in part["drop"]:
                            del self.entries[key]
                    for part in self._parts:
                        self.entries |= {entry.key: entry for entry in self._joiner.take(part["put"])}
                    self._parts = []
                    self.states = {state.name: state for state in delta.states_from_plain(message["providers"])}
                    self._advance(message["serial"])
            case "zone":
                self._parts += delta.records_from_plain(message["records"])
                if not message["more"]:
                    self.records, self._parts = self._parts, []
                    if self._fresh is None:
                        assert message["base"] == self.serial
                        self._advance(message["serial"])
            case "providers":
                self.states = {state.name: state for state in delta.states_from_plain(message["providers"])}
            case "settings":
                self.settings = message["settings"]
            case "flush":
                self.flushes.append((message["name"], message["tree"]))
                self.on_flush(message)
            case "record":
                self.on_record(message)
            case "explain":
                self.on_explain(message)
            case other:
                raise AssertionError(other)

    def addresses(self) -> dict[str, list[str]]:
        return {key: [instance.address for instance in entry.service.instances] for key, entry in self.entries.items()}

    def _advance(self, serial: int) -> None:
        assert serial >= self.serial
        self.serial = serial
        self.arrived.append((time.monotonic(), serial))
        if not self.is_silent:
            self.say("applied", serial=serial)


class Log:
    """A structlog logger's place: keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **fields: self.lines.append((level, event, fields))

    def said(self, event: str) -> list[dict[str, Any]]:
        return [fields for _, said, fields in self.lines if said == event]


class Bench:
    """A control process with its workers in one event loop."""

    http: Callable[..., HttpDoor] = staticmethod(lambda _control, _log: NoHttp())

    def __init__(self, providers: Mapping[str, ServiceDiscovery], workers: int = 1, **settings: Any) -> None:
        self.providers = dict(providers)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(workers)]
        self.links = [ours for ours, _ in pairs]
        self.workers = [Worker(theirs) for _, theirs in pairs]
        self.worker = self.workers[0]
        entries = settings.pop("entries", None) or [{"type": name} for name in providers]
        self.settings = {**SETTINGS, "providers": entries, **settings}
        self.next_settings: dict[str, Any] | Exception = self.settings
        self.status: list[dict[str, Any]] = []
        self.log = Log()
        self.control: Control
        self.code: int | None = None

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.status if line["event"] == event]

    def start(self, *, restarts: int = 0, kept: dict[str, Any] | None = None) -> None:
        self.control = Control(
            ControlParameters(
                self.links,
                lambda event, **fields: self.status.append({"event": event, **fields}),
                from_plain(Settings, self.settings),
                {},
                self._create,
                self._resolve,
                restarts,
                kept or {},
                self.http,
            ),
            self.log,  # type: ignore[arg-type]
        )
        self.running = asyncio.ensure_future(self.control.run())

    async def stop(self) -> int:
        self.control.stop()
        return await asyncio.wait_for(self.running, 1)

    def _create(self, entry: Mapping[str, Any], environ: Mapping[str, str]) -> ServiceDiscovery:
        provider = self.providers[entry.get("use", entry["type"])]
        if isinstance(provider, Exception):
            raise provider
        return provider

    def _resolve(self) -> Settings:
        if isinstance(self.next_settings, Exception):
            raise self.next_settings
        return from_plain(Settings, self.next_settings)


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> float:
    """Seconds until *condition* held."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, "it did not come"
        await asyncio.sleep(0.002)
    return time.monotonic() - started


def with_bench(bench: Bench, scenario: Callable[[Bench], Any], *, says_hello: bool = True, **start: Any) -> Bench:
    """Run *scenario* against a started bench; its workers listen and have said hello."""

    async def whole() -> None:
        for worker in bench.workers:
            worker.listen()
            if says_hello:
                worker.say("hello", serial=0)
        bench.start(**start)
        try:
            await scenario(bench)
        finally:
            await bench.stop()
            for worker in bench.workers:
                worker.deafen()
                worker.sock.close()
            for link in bench.links:
                link.close()

    asyncio.run(whole())
    assert not bench.log.said("internal error")
    return bench
