"""A server in a thread of the test: the same control and worker objects that `dnsdisco serve` runs as processes, in one event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Self

from dnsdisco.cli.stub import exchange, question
from dnsdisco.config.reading import checked
from dnsdisco.control.parameters import ControlParameters
from dnsdisco.control.run import Control
from dnsdisco.errors import ConfigError, Problem, ProviderError, UpstreamError
from dnsdisco.presentation.message import decode
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.server.worker import Worker, WorkerParameters
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import for_workers
from dnsdisco.wire.constants import A, AAAA
from dnsdisco.wire.name import from_text as name_from_text

PORTS_TRIED = 50  # each is free with a chance of one half at the very least
WAIT_S = 10.0  # for the start, and for a change to be answered: far more than either takes


class MemoryServiceDiscovery(ServiceDiscovery):
    """Services that the test holds in its hand. `fail()` makes the backend look down until the next set()."""

    type = "memory"

    def __init__(self, services: Mapping[str, Mapping[str, Any]]) -> None:
        self._services: dict[str, Any] = dict(services)
        self._error: str | None = None
        self._changed = threading.Condition()
        self._version = 0
        self.taken = -1  # the last version that the reader of watch() has taken and come back from

    def get_services(self) -> dict[str, dict[str, Any]]:
        with self._changed:
            if self._error is not None:
                raise ProviderError(self.type, self._error)
            return dict(self._services)

    def watch(self, stop: threading.Event) -> Iterator[dict[str, dict[str, Any]]]:
        seen = -1
        while not stop.is_set():
            with self._changed:
                if self._version == seen and self._error is None:
                    self._changed.wait(0.1)
                seen = self._version
            yield self.get_services()
            self.taken = seen

    def set(self, services: Mapping[str, Mapping[str, Any]]) -> int:
        """The version that they are."""
        with self._changed:
            self._services, self._error, self._version = dict(services), None, self._version + 1
            self._changed.notify_all()
            return self._version

    def fail(self, reason: str = "connection refused") -> None:
        with self._changed:
            self._error = reason
            self._changed.notify_all()


class Server:
    """Context manager. Other *settings* are those of the configuration file (docs/configuration.md), such as `ttl=1`.

    Raises ConfigError with every fault of them.
    """

    def __init__(
        self, services: Mapping[str, Mapping[str, Any]] | None = None, *, provider: ServiceDiscovery | None = None, **settings: Any
    ) -> None:
        """*provider*, in place of *services*: one of your own, to be tested. No query is forwarded, unless `forward` sets upstreams."""
        self.provider = provider or MemoryServiceDiscovery(services or {})
        self.address, self.port = "127.0.0.1", 0
        self._settings = _checked(settings)._replace(providers=({"type": self.provider.type},))
        self._thread = threading.Thread(target=self._run, name="dnsdisco.testing", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._control: Control | None = None
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(WAIT_S) or self._error is not None:
            self.__exit__()
            why = f"is not ready after {WAIT_S} s" if self._error is None else f"did not start: {self._error}"
            raise RuntimeError(f"the server {why}") from self._error
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(WAIT_S)

    def set(self, services: Mapping[str, Mapping[str, Any]]) -> None:
        """Other services; returns when the server answers with them. Only without a provider of your own."""
        assert isinstance(self.provider, MemoryServiceDiscovery)
        version = self.provider.set(services)
        until = time.monotonic() + WAIT_S
        while self.provider.taken < version or not self._is_answered():
            if time.monotonic() > until:
                raise RuntimeError(f"the change is not answered after {WAIT_S} s")
            time.sleep(0.002)

    def fail(self, reason: str = "connection refused") -> None:
        """The backend of the services looks down from now on. Only without a provider of your own."""
        assert isinstance(self.provider, MemoryServiceDiscovery)
        self.provider.fail(reason)

    def addresses(self, name: str) -> list[str]:
        """The A and AAAA records of *name*, sorted; []: none. Raises UpstreamError for SERVFAIL, REFUSED and their like."""
        found: list[str] = []
        for rtype in (A, AAAA):
            got = exchange((self.address, self.port), question(name_from_text(name), rtype))
            answer = decode(got.reply)
            if answer.rcode not in ("NOERROR", "NXDOMAIN"):
                raise UpstreamError(f"{self.address}:{self.port}", "rcode", answer.rcode, reply=got.reply)
            found += [record.data for record in answer.answer if record.type in ("A", "AAAA")]
        return sorted(found)

    def _is_answered(self) -> bool:
        """The worker answers with all that control has heard."""
        control, worker = self._control, self._worker
        assert control is not None
        assert worker is not None
        return control.ask(lambda: control.chain.is_settled and worker.catalog.serial == control.publisher.serial).result(WAIT_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001  reported where it can be acted on: in the test's thread
            self._error = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        with ExitStack() as sockets:
            udp, tcp = (sockets.enter_context(sock) for sock in one_port(self.address))
            self.port = tcp.getsockname()[1]
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sockets.enter_context(ours)
            sockets.enter_context(theirs)
            address = f"{self.address}:{self.port}"
            self._worker = Worker(
                WorkerParameters(
                    0,
                    [("udp", udp, address), ("tcp", tcp, address)],
                    theirs,
                    for_workers(self._settings),
                    lambda _event: None,
                    os.urandom(16),
                )
            )
            self._control = Control(
                ControlParameters(
                    links=[ours],
                    say=self._hear,
                    settings=self._settings,
                    environ={},
                    create=lambda _entry, _environ: self.provider,
                    resolve=lambda: self._settings,
                )
            )
            await asyncio.gather(self._worker.run(), self._control.run())

    def _hear(self, event: str, **fields: Any) -> None:
        if event == "fatal":
            self._error = RuntimeError(str(fields.get("message")))
        if event in ("ready", "fatal"):
            self._ready.set()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._control is not None:
            self._control.stop()


def _checked(given: dict[str, Any]) -> Settings:
    """The settings of a test, whole and canonical. `providers` is not among those that may be *given*: see Server's *provider*."""
    if "providers" in given:
        raise ConfigError((Problem("", 0, 0, "providers", "this server has one provider: give it as provider=…"),))
    return checked({"forward": {"upstreams": []}, "http": "off", "state_dir": "off", **given})


def one_port(address: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on one port, the caller's to close. What is free for TCP may be somebody's for UDP.

    *address*: IPv4. Raises OSError when PORTS_TRIED of them in a row are.
    """
    for _ in range(PORTS_TRIED):
        tcp = socket.create_server((address, 0), backlog=512)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return udp, tcp
    raise OSError(f"{PORTS_TRIED} ports of {address} in a row are free for TCP and not for UDP")
