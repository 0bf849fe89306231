"""The control process put together: one event loop that hears the providers' threads, the workers, the supervisor and the signals.

    provider thread ─ Seen/Failed → chain (contact, guard) ─ at once, then every 10 ms → merge → publisher → links

`python -m dnsdisco.control FD` runs it; a test or `dnsdisco.testing` gives it sockets and a callback in place of the pipes.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from dnsdisco.control import overview, statistics
from dnsdisco.control.asked import settle
from dnsdisco.control.asked_workers import AskedWorkers
from dnsdisco.control.certificate import CertificateWatch
from dnsdisco.control.checks import Checks
from dnsdisco.control.condition import Condition
from dnsdisco.control.counters import Counters, Totals
from dnsdisco.control.facts import ConfigView, ControlFacts, Reloaded, ServerStatus, ServiceView
from dnsdisco.control.handover import Handover
from dnsdisco.control.log import Logger, logger, time_of_day
from dnsdisco.control.parameters import ControlParameters
from dnsdisco.control.presence import Presence
from dnsdisco.control.provider_set import Chain, Member, members_of
from dnsdisco.control.publisher import Publisher
from dnsdisco.control.serials import Serials
from dnsdisco.control.state_folder import StateFolder
from dnsdisco.control.watcher import Event, Watcher, WatchFailed
from dnsdisco.control.zonefiles import ZoneFileRecords
from dnsdisco.errors import DnsdiscoError, plain_faults
from dnsdisco.model.diff import Change
from dnsdisco.settings.forms import for_workers, needing_restart, to_plain

BATCH_S = 0.01  # between two published changes: a storm costs a worker a hundred deltas a second; the first change goes at once
TICK_S = 0.5  # for what comes with time alone: stale, given up, hung
FATAL = 78  # EX_CONFIG: the supervisor ends the start, exit 1

T = TypeVar("T")


class Control:
    """All of it belongs to the loop's thread; `stop()` too, but not `ask()`."""

    def __init__(self, parameters: ControlParameters, log: Logger | None = None) -> None:
        self._parameters, self._log = parameters, log or logger()
        self._settings, self._origins = parameters.settings, parameters.origins()
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._kept = Handover(parameters.kept, parameters.say)
        self.counters = Counters(len(parameters.links), self._kept.counted, self._kept.keep_counted)
        self._started, self._is_ready = time.time(), False
        self._is_patient = True  # startup_timeout has not passed
        self._ready_serial: int | None = None
        self._publish_at: asyncio.TimerHandle | None = None
        self._published_at = float("-inf")
        self.checks = Checks(self._call, self._publish_soon, self._log)
        self.chain = Chain(self._log, time_of_day, self.checks)
        self.presence = Presence(parameters.listening, self._log)
        is_successor, folder = parameters.restarts > 0, self._settings.state_dir
        self._state = StateFolder(folder, parameters.environ, self._log, is_successor=is_successor)
        self._certificate = CertificateWatch(self._log)
        self.workers = AskedWorkers(lambda: self.publisher, self.chain, lambda: self._settings.zones[0], self._log)
        self._http = parameters.http(self, self._log)
        self.publisher = Publisher(
            parameters.links,
            Serials(int(time.time()), max(self._kept.serial_floor, self._state.floor.read()), self._reserve),
            is_successor=is_successor,
            on_applied=self._check_ready_and_takeover,
            on_counters=self.counters.take,
            on_told=self.workers.take,
            on_published=self._http.take,
            journal=parameters.journal,
        )
        self._zone_records = ZoneFileRecords(
            self.publisher.publish_records, self._call, lambda reason: self._log.warning("zone file", reason=reason)
        )
        sources = (self._http.problems, self._zone_records.problems, self._certificate.problems, self._state.problems)
        self._condition = Condition(self.chain, self.publisher, self.counters, self.presence, sources)

    async def run(self) -> int:
        """Until stop(); returns the exit code. Providers' threads may be left behind: they are daemons."""
        try:
            members = members_of(self._settings, self.chain.members, self._watcher)
        except (DnsdiscoError, ValueError, TypeError) as error:
            self._say_fatal(str(error))
        else:
            for member in members:
                member.watcher.start()
            self._state.views.restore(members, self._loop.time())
            self._publish(self.chain.rebuild(members, self._settings))
            self._apply_rest()
            self._loop.call_later(self._settings.startup_timeout, self._startup_timeout_passed)
            self._loop.call_later(TICK_S, self._tick)
        try:
            return await self._ended
        finally:
            self._http.close()
            for member in self.chain.members:
                member.watcher.stop()
            self._zone_records.stop()
            self.publisher.close()
            self.checks.close()
            self._state.views.close()

    def stop(self, code: int = 0) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def reload(self) -> Reloaded:
        """The configuration anew. A bad one changes nothing. Providers whose own options are the same go on undisturbed."""
        self._publish_now()
        try:
            settings = self._parameters.resolve()
            members = members_of(settings, self.chain.members, self._watcher)
        except (DnsdiscoError, ValueError, TypeError) as error:
            for line in str(error).splitlines():
                self._log.error("the new configuration is not used", reason=line)
            self._parameters.say("reload_failed")
            faults = plain_faults(error)
            self._condition.reloaded(self._parameters.config, faults)
            return Reloaded(problems=faults)
        self._condition.reloaded(self._parameters.config)
        for key in needing_restart():
            wanted, running_with = getattr(settings, key), getattr(self._settings, key)
            if wanted != running_with:
                wanted = list(wanted) if isinstance(wanted, tuple) else wanted
                self._log.warning("this needs a restart to take effect", setting=key, wanted=str(wanted))
                settings = settings._replace(**{key: running_with})
        changed = tuple(sorted(key for key in settings._fields if getattr(settings, key) != getattr(self._settings, key)))
        before, self._settings, self._origins = self.chain.members, settings, self._parameters.origins()
        self._state.move(settings.state_dir)
        self._state.views.restore(members, self._loop.time())
        of_workers = for_workers(settings)
        self.publisher.publish_settings(of_workers)
        self._publish(self.chain.rebuild(members, settings))
        running = {id(member.watcher) for member in before}
        for member in members:
            if id(member.watcher) not in running:
                member.watcher.start()
        kept = {id(member.watcher) for member in members}
        for member in before:
            if id(member.watcher) not in kept:
                member.watcher.stop()
        self._apply_rest()
        if self._parameters.lines is not None:
            self._parameters.lines.apply(settings._asdict())
        self._log.info("reloaded", providers=" ".join(member.name for member in members))
        self._parameters.say("reloaded", settings=to_plain(settings), worker_settings=of_workers, origins=self._origins)
        self._check_ready_and_takeover()
        return Reloaded(changed)

    def view(self) -> ControlFacts:
        return overview.whole(
            self.chain,
            self.publisher,
            self.checks,
            self._loop.time(),
            started=self._started,
            is_ready=self._is_ready,
            absent=self.presence.absent,
            problems=self._condition.look(self._loop.time()),
        )

    def status(self) -> ServerStatus:
        return self._condition.status(self.view(), self._parameters, self._settings.zones)

    def configuration(self) -> ConfigView:
        return ConfigView(self._parameters.config, to_plain(self._settings), self._origins)

    def services(self) -> overview.Services:
        return overview.Services(self.chain, self._loop.time())

    def service(self, name: str) -> ServiceView | None:
        return overview.service(self.chain, name, self._loop.time())

    def totals(self) -> Totals:
        """The totals of the workers' counters."""
        return self.counters.totals()

    def figures(self) -> dict[str, int]:
        """Control's own counters, by names for the metrics. They never fall."""
        return statistics.figures(self._parameters, self.publisher)

    def log_statistics(self) -> None:
        """Log the state and the counters, for SIGUSR1."""
        statistics.write(self._log, self.view(), self.totals(), self.figures())

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """The result of *question*, one of the methods above, run in our thread. From any thread. Never set while we are ending."""
        future: Future[T] = Future()
        self._call(settle, future, question)
        return future

    def _watcher(self, name: str, entry: Mapping[str, Any]) -> Watcher:
        provider = self._parameters.create(entry, self._parameters.environ)

        watcher = Watcher(name, provider, lambda event: self._call(self._on_event, watcher, event))
        return watcher  # its thread starts when its member is in the chain

    def _on_event(self, watcher: Watcher, event: Event) -> None:
        member = self.chain.member_of(watcher)
        if member is None:
            return
        if isinstance(event, WatchFailed):
            if not member.contact.has_synced and self._state.views.restore_unreadable(member, self._loop.time()):
                self._publish_now()
                self._publish(self.chain.rebuild(self.chain.members, self._settings))
            if not (self._is_ready or self._parameters.restarts) and member.ends_a_start:
                self._say_fatal(f"{member.name}: {event.reason}")
                return
        held_before = member.guard.held_since
        self.chain.take_event(member, event, self._loop.time())
        held_since = member.guard.held_since
        if held_since is not None and held_since != held_before:
            self._loop.call_at(held_since + member.guard.confirm_after_s, self._confirm, watcher, held_since)
        if member.pending is not None:
            self._publish_soon()
        else:
            self._publish_states()
        self._check_ready_and_takeover()

    def _confirm(self, watcher: Watcher, held_since: float) -> None:
        """Services are missing still: ask the backend anew instead of waiting for its next word."""
        member = self.chain.member_of(watcher)
        if member is not None and member.guard.held_since == held_since:
            watcher.start()

    def _publish_soon(self) -> None:
        if self._publish_at is None:
            wait_s = self._published_at + BATCH_S - self._loop.time()
            if wait_s <= 0:
                self._publish_now()
            else:
                self._publish_at = self._loop.call_later(wait_s, self._publish_now)

    def _publish_now(self) -> None:
        if self._publish_at is not None:
            self._publish_at.cancel()
            self._publish_at = None
        self._publish(self.chain.merge_pending())
        self._state.views.keep(self.chain.members)

    def _publish(self, change: Change) -> None:
        now = self._loop.time()
        if change:
            self._published_at = now
            self.chain.provenance.note(change, time.time())
            self.publisher.publish(change, self.chain.entries, self.chain.states(now))
        else:
            self._publish_states()

    def _publish_states(self) -> None:
        now = self._loop.time()
        self.publisher.publish_states(self.chain.states(now), self.chain.inherited_states(now, self._kept.synced_before))

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)
        self._parameters.say("alive", cpu_s=time.process_time())
        self.publisher.publish_alive()
        now = self._loop.time()
        self.presence.look(now)
        self._certificate.look(now)
        self._state.floor.retry(now)
        self._condition.look(now)
        self.chain.notice_hangs(now)
        self._publish(self.chain.give_up_stale(now))
        self._state.views.touch(self.chain.members, now)

    def _startup_timeout_passed(self) -> None:
        self._is_patient = False
        self._check_ready_and_takeover()

    def _check_ready_and_takeover(self) -> None:
        """After anything that can make us ready, or let a successor replace what its predecessor published."""
        members = self.chain.members
        synced = sorted(member.name for member in members if member.contact.has_synced)
        if self.publisher.is_successor and all(
            self._is_known(member) for member in members if member.name in self._kept.synced_before
        ):
            self._publish_now()
            self.publisher.feed_all()
        held = (
            synced if not self.publisher.is_successor else sorted(self._kept.synced_before.union(synced))
        )  # what the workers hold
        self._kept.keep_synced(held)
        if self._is_ready or (self._is_patient and len(synced) < len(members)):
            return
        if self._ready_serial is None:
            self._publish_now()
            self._ready_serial = self.publisher.serial
        if self.publisher.is_applied(self._ready_serial):
            self._is_ready = True
            gc.freeze()  # views and catalog live long and have no cycles: the collector need not walk through them again and again
            self.presence.look(self._loop.time())  # a server that is ready says what it lacks
            self._parameters.on_ready()
            example = next((entry.key for entry in self.chain.entries.values() if entry.service.instances), "")
            zones = list(self._settings.zones)
            self._parameters.say("ready", zones=zones, providers=[member.name for member in members], example=example)

    def _is_known(self, member: Member) -> bool:
        """True if publishing its services takes none away. The view on disk is a little older than what the workers hold, so it
        counts only when the provider has not spoken for as long as a start may take."""
        return member.contact.has_synced or (not self._is_patient and member.contact.restored_at is not None)

    def _apply_rest(self) -> None:
        """Hand the settings beside the providers to the parts that use them; each of them knows by itself what is new."""
        self._zone_records.apply(self._settings.zone_files, self._settings.zones)
        self._certificate.apply(self._settings.tls)
        self._http.apply(self._settings.http, self._settings.http_hosts, self._settings.control)

    def _call(self, method: Callable[..., None], *arguments: object) -> None:
        """Run *method* in our thread, in the order of the calls. From any thread."""
        with suppress(RuntimeError):  # the loop has been closed: the process is ending
            self._loop.call_soon_threadsafe(method, *arguments)

    def _reserve(self, bound: int) -> None:
        """No process after this one uses a serial below *bound*."""
        self._kept.keep_floor(bound)
        self._state.floor.keep(bound)

    def _say_fatal(self, message: str) -> None:
        self._parameters.say("fatal", message=message)
        self.stop(FATAL)
