"""A worker put together: sockets, responder, forwarder, link; from its parameters to its end. Wires, and decides nothing about DNS."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TYPE_CHECKING

from dnsdisco import sockaddr
from dnsdisco.answer.hot_entries import MOMENT_S
from dnsdisco.cache.statistics import CacheStatistics
from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.log.lines import Lines
from dnsdisco.server import journal
from dnsdisco.server import log as server_log
from dnsdisco.server.answer_policy import Clock
from dnsdisco.server.control_link import ControlLink
from dnsdisco.server.inspector import Inspector
from dnsdisco.server.latency import Latency
from dnsdisco.server.listeners import Listeners
from dnsdisco.server.replica import Replica
from dnsdisco.server.serve import Responder
from dnsdisco.server.settings import WorkerSettings
from dnsdisco.server.statistics import (
    AdmissionStatistics,
    FAULTS,
    FORGOTTEN,
    LIMITED,
    LINK,
    WorkerStatistics,
)
from dnsdisco.wire.cookie import Cookies
from dnsdisco.zone.catalog import Catalog

if TYPE_CHECKING:
    from dnsdisco.server.late_sockets import LateSockets

log = logging.getLogger("dnsdisco.worker")

TICK_S = MOMENT_S  # for what comes with time alone
SECOND_TICKS = round(1 / TICK_S)
PAUSE_S = 0.25  # a tick that is later than this: we stood still, and queries have piled up
DRAIN_S = 2.0  # for what is in flight at the end
SILENCE_S_MIN = 2.0  # of control, which speaks twice a second, before it is taken for away, however small `stale_after` is
CATALOG_WAIT_S = 2.0  # for the first catalog: questions wait in the kernel, which beats telling a known name's client to give up
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Monotonic seconds that go on while the machine sleeps: a TTL of an hour is over after a night with the lid closed."""
    return time.clock_gettime(_CLOCK)


class WorkerParameters(NamedTuple):
    """The parameters that the supervisor, which owns the sockets, sends at the start; `say` writes a status line."""

    worker: int
    listeners: Sequence[tuple[str, socket.socket, str]]  # transport, socket, detail (listeners.py)
    link: socket.socket
    settings: dict[str, Any]
    say: Callable[[str], None]
    cookie_secret: bytes  # 16 octets; equal in all workers, so that each knows the cookies of the others
    journal: Sequence[int] = ()  # the descriptors where control keeps the last whole catalog
    late: socket.socket | None = None  # where sockets come from that are bound later; None: there will be none
    absent: Sequence[tuple[str, int]] = ()  # of what is listened on, the addresses and ports for which there is no socket yet
    lines: Lines | None = None  # where this process logs to; None: the caller has set it up


class Worker:
    """One event loop's worth. `run()` until `stop()`, or until its supervisor is gone."""

    def __init__(self, parameters: WorkerParameters) -> None:
        """Raises WireError, ValueError or TypeError for settings that cannot be used. Does no I/O."""
        self._parameters = parameters
        bound = [sock.getsockname() for _, sock, _ in parameters.listeners]
        self._own = [*((sockaddr.host_of(name), name[1]) for name in bound), *parameters.absent]
        self._settings = self._settings_from(parameters.settings)
        self.catalog = Catalog()
        self.forwarder = Forwarder(self._settings.configured.forward, own=self._own, secret=parameters.cookie_secret)
        self.responder = Responder(
            self._settings.policy(recursion=False),
            self.catalog,
            self.forwarder,
            cookies=Cookies(parameters.cookie_secret),
            clock=Clock(now, time.time),
            draw=random.random,
        )
        self._latency = Latency()
        self._listeners: Listeners | None = None
        self._link: ControlLink | None = None
        self._late: LateSockets | None = None
        self._replica = Replica(self.catalog, self.responder)
        self._silent_since = ""  # a time of day: when control was last heard of
        self._ended: asyncio.Future[None] | None = None
        self._is_stopped = self._is_ready = self._is_listening = False
        self._recursion = False
        self._upstreams: tuple[str, ...] = ()
        self._ticks, self._ticked_at = 0, float("inf")
        self._counted = WorkerStatistics()

    async def run(self) -> None:
        """Listen and answer until stop(); then finish what is in flight."""
        parameters = self._parameters
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_internal_error)
        self._ended = loop.create_future()
        await self.forwarder.start()
        self._configure()
        self._link = ControlLink(
            parameters.link,
            self._replica,
            loop,
            on_settings=self._apply,
            on_whole=self._on_whole,
            on_closed=self.stop,
            statistics=self.statistics,
        )
        self._link.upstreams = self.forwarder.describe
        self._listeners = Listeners(parameters.listeners, self.responder, loop, self._latency)
        self._listeners.apply(self._settings.configured.tls)
        self._link.inspect = Inspector(self.responder, self._link, self._listeners.record, loop).take
        if parameters.late is not None:
            from dnsdisco.server.late_sockets import LateSockets  # noqa: PLC0415  most workers have none

            self._late = LateSockets(parameters.late, self._listeners.take, loop)
        self._tick()
        await self._link.replay(journal.read(parameters.journal))
        self._link.start()
        loop.call_later(CATALOG_WAIT_S, self._listen)
        if not self._is_stopped:
            await self._ended
        await self._drain()

    def stop(self) -> None:
        """Begin to end. A second call ends at once what the first one still waits for."""
        if self._is_stopped and self._listeners is not None:
            self._listeners.close()
        self._is_stopped = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def statistics(self) -> dict[str, int]:
        """Everything counted since the start, flat, by name. `answers.TYPE.RCODE` are numbers."""
        counts = {f"answers.{qtype}.{rcode}": count for (qtype, rcode), count in self.responder.fast_path.table.counts().items()}
        counts |= FAULTS.named(self.responder.faults)
        counts |= self.forwarder.figures()
        counts |= CacheStatistics.named(self.responder.statistics)
        counts |= LIMITED.named(self.responder.limited)
        counts |= FORGOTTEN.named(self.responder.forgotten)
        counts |= AdmissionStatistics.named({"networks": len(self.responder.fast_path.admission.buckets)})
        counts |= self._latency.counters()
        if self._listeners is not None:
            counts |= self._listeners.figures()
        if self._link is not None:
            counts |= LINK.named(self._link.counters)
            self._counted.serial = self._link.serial
        self._counted.in_flight = self.responder.in_flight
        self._counted.log_lines_lost = 0 if self._parameters.lines is None else self._parameters.lines.lost
        return counts | self._counted.figures()

    # while it runs

    def _listen(self) -> None:
        """Begin to answer: with the first catalog, or without it when control does not come."""
        if self._is_listening or self._is_stopped:
            return
        assert self._listeners is not None
        self._is_listening = True
        self._listeners.start()

    def _tick(self) -> None:
        assert self._ended is not None
        assert self._listeners is not None
        if self._ended.done():
            return
        loop = asyncio.get_running_loop()
        if self._is_listening and loop.time() - self._ticked_at > TICK_S + PAUSE_S:
            self._listeners.catch_up()
        self._ticked_at = loop.time()
        loop.call_later(TICK_S, self._tick)
        self.responder.tick()
        if (self.forwarder.is_on, self._addresses()) != (self._recursion, self._upstreams):
            self._configure()
        self._ticks += 1
        if self._ticks % SECOND_TICKS == 0:
            self._look_at_link()
            self._listeners.look()

    def _look_at_link(self) -> None:
        if self._link is None:
            return
        self._link.tick()
        silent_s = self._link.silent_s
        if silent_s < max(self._settings.configured.stale_after, SILENCE_S_MIN):
            self._silent_since = ""
        elif not self._silent_since:
            self._silent_since = time.strftime("%H:%M:%SZ", time.gmtime(time.time() - silent_s))
            log.warning("no message from the control process: answers are marked as stale")
        since = self._silent_since
        self._replica.set_silence(f"no message from the control process since {since}" if since else "")

    def _on_whole(self) -> None:
        # The catalog lives long and has no cycles: the collector need not walk through it for every few thousand new objects.
        gc.freeze()
        self._listen()
        if not self._is_ready:
            self._is_ready = True
            self._parameters.say("ready")

    def _settings_from(self, plain: Mapping[str, Any]) -> WorkerSettings:
        return WorkerSettings.from_plain(plain, [address for address, _ in self._own])

    def _apply(self, plain: dict[str, Any]) -> None:
        """New settings; bad ones raise and change nothing."""
        settings = self._settings_from(plain)
        if self._parameters.lines is not None:
            server_log.apply(self._parameters.lines, settings.configured._asdict())
        if self._listeners is not None:
            self._listeners.apply(settings.configured.tls)
        if settings == self._settings:
            return
        self._settings = settings
        self.forwarder.apply(settings.configured.forward)
        self._configure()

    def _configure(self) -> None:
        self._recursion, self._upstreams = self.forwarder.is_on, self._addresses()
        policy = self._settings.policy(recursion=self._recursion)
        # What came from other upstreams, before resolv.conf named these, is asked for anew.
        self.responder.configure(policy._replace(origin=(policy.origin, self._upstreams)))

    def _addresses(self) -> tuple[str, ...]:
        return tuple(str(upstream["address"]) for upstream in self.forwarder.describe())

    def _on_internal_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a fault of ours in a callback, in one line with its place; the loop goes on."""
        self._counted.internal_errors += 1
        error = context.get("exception")
        place = ""
        if error is not None and (at := error.__traceback__) is not None:
            while at.tb_next is not None:
                at = at.tb_next
            place = f" at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        log.error("internal error: %s: %r%s", context.get("message", ""), error, place)

    async def _drain(self) -> None:
        """Take nothing new: it waits in the kernel for the next worker. What is in flight has DRAIN_S."""
        assert self._listeners is not None
        assert self._link is not None
        if self._late is not None:
            self._late.close()
        drains = self._listeners.drain()
        self._link.close()
        until = time.monotonic() + DRAIN_S
        while self.responder.in_flight and time.monotonic() < until:  # noqa: ASYNC110  # nobody tells when the last one is sent
            await asyncio.sleep(0.01)
        await asyncio.gather(*drains)
        await self.forwarder.close()
