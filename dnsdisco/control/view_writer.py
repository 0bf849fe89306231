"""Keeps the last good view of every provider on disk (stored_view.py), in a thread of its own: publishing never waits for a disk.

A disk that is full or cannot be written is one line in the log. The newest view waits, and is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import Label, Stored
from dnsdisco.model.service import Snapshot

PAUSE_S = 1.0  # between two writes of one provider's view: a storm of changes must not become a storm of writes
SHARE = 0.05  # of the time may go into writing: a view that takes 1 s to write is written every 20 s at most
RETRY_MIN_S, RETRY_MAX_S = 1.0, 60.0  # after a write that failed: disks fill up and are cleaned in minutes
CLOSE_S = 2.0  # for what is not written yet when the process ends, which has five


@dataclass(slots=True)
class _PendingView:
    """The view of one provider; `pending` is newer than the content of the file."""

    label: Label
    pending: Snapshot | None = None
    written: Snapshot | None = None
    touched_at: float | None = None  # a contact that is not in the file yet, unix time
    due_at: float = 0.0  # monotonic
    retry_s: float = 0.0


class ViewWriter:
    """Writes views to disk in a thread. Only read() and close() block. *report* gets a reason when writing fails, "" when it works again."""

    def __init__(self, folder: str, report: Callable[[str], None]) -> None:
        self.folder = folder
        self._report = report
        self._kept: dict[str, _PendingView] = {}
        self._wake = threading.Condition()
        self._is_ending = False
        self._reasons: dict[str, str] = {}  # by provider, of those whose last write failed
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def read(self, label: Label) -> Stored | None:
        """Read the view that was kept under *label*. Raises Unusable, OSError. About 8 µs an instance."""
        stored = stored_view.read(self.folder, label, time.time())
        if stored is not None:
            with self._wake:
                self._kept[label.provider] = _PendingView(label, written=stored.view)
        return stored

    def keep(self, label: Label, view: Snapshot) -> None:
        """*view* is the last good one from now on."""
        with self._wake:
            kept = self._kept.get(label.provider)
            if kept is None or kept.label != label:
                kept = self._kept[label.provider] = _PendingView(label)
            kept.pending = view
            self._start()

    def touch(self, providers: Iterable[str]) -> None:
        """These are in contact now; their views are those that were kept last."""
        now = time.time()
        with self._wake:
            for name in providers:
                if name in self._kept:
                    self._kept[name].touched_at = now
                    self._start()

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Write what is pending, for as long as *wait_s*."""
        with self._wake:
            self._is_ending = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def _start(self) -> None:
        if self._thread.ident is None and not self._is_ending:
            self._thread.start()
        self._wake.notify()

    def _run(self) -> None:
        stored_view.sweep(self.folder)
        while True:
            with self._wake:
                kept = self._next()
                if kept is None:
                    if self._is_ending:
                        return
                    self._wake.wait(self._wait_s())
                    continue
                view, kept.pending = kept.pending, None
                touched_at, kept.touched_at = kept.touched_at, None
            started_at = time.monotonic()
            try:
                if view is None or _is_same(view, kept.written):
                    self._touch(kept, touched_at or time.time())
                else:
                    stored_view.write(self.folder, kept.label, view.services, time.time())
                    kept.written = view
            except Exception as error:  # noqa: BLE001  a disk, or a plug-in's services that are none
                self._failed(kept, view, error)
            else:
                took_s = time.monotonic() - started_at
                kept.due_at, kept.retry_s = time.monotonic() + max(PAUSE_S, took_s / SHARE), 0.0
                self._note(kept.label.provider, "")

    def _next(self) -> _PendingView | None:
        """The provider whose view or contact is written next. At the end, none waits for its time, and none that failed is tried again."""
        now = time.monotonic()
        for kept in self._kept.values():
            is_due = not kept.retry_s if self._is_ending else kept.due_at <= now
            if is_due and (kept.pending is not None or (kept.touched_at is not None and not self._is_ending)):
                return kept
        return None

    def _wait_s(self) -> float | None:
        waiting = [kept.due_at for kept in self._kept.values() if kept.pending is not None or kept.touched_at is not None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _touch(self, kept: _PendingView, at: float) -> None:
        try:
            stored_view.touch(self.folder, kept.label, at)
        except FileNotFoundError:  # the folder has been removed
            if kept.written is not None:
                stored_view.write(self.folder, kept.label, kept.written.services, at)

    def _failed(self, kept: _PendingView, view: Snapshot | None, error: Exception) -> None:
        with self._wake:
            if kept.pending is None and isinstance(error, OSError):  # what cannot be written at all waits for the next view
                kept.pending = view
            kept.retry_s = min(max(RETRY_MIN_S, kept.retry_s * 2), RETRY_MAX_S)
            kept.due_at = time.monotonic() + kept.retry_s
        self._note(kept.label.provider, error.strerror or str(error) if isinstance(error, OSError) else str(error))

    def _note(self, provider: str, reason: str) -> None:
        """A full disk is reported once, not once for each provider."""
        before = set(self._reasons.values())
        self._reasons.pop(provider, None)
        if reason:
            self._reasons[provider] = reason
        if (reason and reason not in before) or (before and not self._reasons):
            self._report(reason)


def _is_same(view: Snapshot, written: Snapshot | None) -> bool:
    """True if both views are equal, also in their order, which decides between two services that want one name. O(services) if they are shared."""
    return written is not None and list(view.services.items()) == list(written.services.items())
