"""One provider's thread: whatever its watch() does, values come out at a bearable pace, and failures with a wait between them."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from dnsdisco.control.backoff import Backoff
from dnsdisco.control.reading import Reader
from dnsdisco.errors import ProviderError
from dnsdisco.model.public import public_url
from dnsdisco.model.service import Snapshot
from dnsdisco.providers.base import ServiceDiscovery

YIELDS_PER_S = 100.0  # as often as is ever published; the next value of a raging backend holds what was passed over
YIELDS_BURST = 50
HANG_S = 10.0  # an answer that is due is waited for this long before the backend counts as lost
STEADY_S = 5.0  # a watch that ran this long did not fail at once
REASON_CHARACTERS_MAX = 500  # some clients put a whole page into an exception's text

_NOTHING = object()  # before the first yield; a provider may yield None


@dataclass(frozen=True, slots=True)
class ViewSeen:
    """A view. `is_repeated`: the very same object as before: nothing changed, but the backend is there."""

    view: Snapshot
    is_repeated: bool
    faults: tuple[tuple[str, str], ...]
    rejected: int = 0  # objects left out of it by us; the provider reports those that it left out itself


@dataclass(frozen=True, slots=True)
class WatchFailed:
    """The watch failed, and will be tried again in `retry_in_s`. `is_denied`: a person has to mend it."""

    reason: str
    is_denied: bool
    retry_in_s: float


Event = ViewSeen | WatchFailed


class Watcher:
    """Runs `provider.watch()` for as long as it is wanted. *report* is called in the watching thread, for one event after another.
    At the end it closes the provider, unless that *is_lent*."""

    def __init__(
        self,
        name: str,
        provider: ServiceDiscovery,
        report: Callable[[Event], None],
        new_backoff: Callable[[], Backoff] = Backoff,
        *,
        is_lent: bool = False,
    ) -> None:
        self.name, self.provider = name, provider
        self._report, self._new_backoff, self._is_lent = report, new_backoff, is_lent
        self._lock = threading.Lock()  # orders the events of two threads
        self._stop = threading.Event()  # of the newest thread: only that one is listened to
        self._is_over = False
        self._threads = 0

    @property
    def answer_due_s(self) -> float | None:
        """Seconds after a yield by which the next one must have come; None: a real watch, which may be idle for ever."""
        is_polled = type(self.provider).watch is ServiceDiscovery.watch
        return self.provider.poll_interval + HANG_S if is_polled else None

    def start(self) -> None:
        """Ask the backend anew, at once, whatever a running watch is waiting for; that one ends when it notices."""
        with self._lock:
            if self._is_over:
                return
            self._stop.set()
            self._stop = threading.Event()
            self._threads += 1
            threading.Thread(target=self._watch, args=(self._stop,), name=f"watch-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """No more events. Does not wait: a thread that hangs in a backend is left behind, and ends with the process."""
        with self._lock:
            self._is_over = True
            self._stop.set()

    def _watch(self, stop: threading.Event) -> None:
        backoff, pace, reader = self._new_backoff(), _Pace(stop), Reader()
        while not stop.is_set():
            started_at = time.monotonic()
            has_yielded, error = self._watch_once(stop, reader, pace)
            if stop.is_set():
                break
            if has_yielded and time.monotonic() - started_at > STEADY_S:
                backoff.reset()
            is_denied = isinstance(error, ProviderError) and error.is_denied
            wait_s = backoff.after(
                is_denied=is_denied, retry_after_s=error.retry_after_s if isinstance(error, ProviderError) else None
            )
            if error is not None or not has_yielded:
                self._emit(stop, WatchFailed(_reason(error), is_denied, wait_s))
            stop.wait(wait_s)
        with self._lock:
            self._threads -= 1
            is_last = self._is_over and self._threads == 0
        if is_last and not self._is_lent:
            with suppress(Exception):  # it is not used any more
                self.provider.close()

    def _watch_once(self, stop: threading.Event, reader: Reader, pace: _Pace) -> tuple[bool, BaseException | None]:
        """Run one watch() to its end. Returns whether it yielded, and the error that ended it (None: it just ended)."""
        last: object = _NOTHING
        view = Snapshot()
        try:
            views = iter(self.provider.watch(stop))
            try:
                for yielded in views:
                    is_repeated = yielded is last
                    if not is_repeated:
                        view = reader.read(yielded)
                        if last is _NOTHING and view.changed is not None:  # relative to what is not known here
                            view = replace(view, changed=None)
                    last = yielded
                    self._emit(stop, ViewSeen(view, is_repeated, () if is_repeated else tuple(reader.faults), reader.rejected))
                    pace.wait()
                    if stop.is_set():
                        break
            finally:
                close = getattr(views, "close", None)  # a generator lets go of its connections
                if close is not None:
                    close()
        # A plug-in's code: whatever it raises, the others go on, and it is asked again. Also asyncio's CancelledError and what else is
        # no Exception: a thread that is not the main one gets none of these from anywhere else.
        except BaseException as error:  # noqa: BLE001
            return last is not _NOTHING, error
        return last is not _NOTHING, None

    def _emit(self, stop: threading.Event, event: Event) -> None:
        with self._lock:
            if stop is self._stop and not self._is_over:
                self._report(event)


class _Pace:
    """A token bucket: YIELDS_PER_S, and a burst that an honest watch never uses up."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._tokens = float(YIELDS_BURST)
        self._at = time.monotonic()

    def wait(self) -> None:
        now = time.monotonic()
        self._tokens = min(YIELDS_BURST, self._tokens + (now - self._at) * YIELDS_PER_S) - 1
        self._at = now
        if self._tokens < 0:
            self._stop.wait(-self._tokens / YIELDS_PER_S)


def _reason(error: BaseException | None) -> str:
    """One line, which clients read in an EDE: a URL in it is without its secrets, which many libraries repeat. For what is not a
    ProviderError also where it was raised: its author will want to know."""
    if error is None:
        return "its watch() ended without an error"
    if isinstance(error, ProviderError):
        return public_url(error.reason)[:REASON_CHARACTERS_MAX]
    said = public_url(str(error).strip().partition("\n")[0])
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' + said if said else ''}{where}"[:REASON_CHARACTERS_MAX]
