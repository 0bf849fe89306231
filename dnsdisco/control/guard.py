"""Mass disappearance is held back until a second view confirms it: most often it is a fault of the backend, not the truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile

from dnsdisco.model.diff import Key
from dnsdisco.model.service import Service, Snapshot

WINDOW_S = 5.0  # removals this close together count as one event
CONFIRM_AFTER_S = 2.0  # a backend that answers with a part, or with nothing, by mistake has mended that by then, or fails
RETURNED_AFTER_S = 5.0  # the same for one that has just come back: what was registered with it is being registered anew
REMOVED_MIN = 10  # fewer can be a person's own doing
REMOVED_SHARE = 0.5  # of what was there before the window


class RemovalGuard:
    """One provider's. What is new or different passes at once; only what disappears can be held."""

    def __init__(self) -> None:
        self.held_since: float | None = None
        self.confirm_after_s = CONFIRM_AFTER_S  # of what is held
        self.held = 0  # services that are kept though the last view lacks them
        self._kept: frozenset[Key] = frozenset()  # of what is held, or was last
        self._admitted = Snapshot()
        self._removals: deque[tuple[float, int]] = deque()
        self._young: dict[Key, float] = {}  # services that have come within the window, and when; the oldest first

    def admit(self, view: Snapshot, now: float, *, is_return: bool = False) -> Snapshot:
        """Returns the view to publish: *view*, or *view* with the services that it lacks. A view `confirm_after_s` after the first is believed.
        *is_return*: it is the first one after a loss.

        O(changed services) where the view lists what it changed.
        """
        was_holding = self.held_since is not None
        before = self._admitted.services
        if view.changed is not None and not was_holding:
            missing = [key for key in view.changed if key in before and key not in view.services]
        else:
            missing = [] if before.keys() <= view.services.keys() else [key for key in before if key not in view.services]
        self._forget_what_was(now)
        lost = self._lost(missing)
        # What is held stays so until it is back or the time is over: it comes back one by one, and half of it is no reason to drop the rest.
        is_held = was_holding and not self._kept.isdisjoint(missing)
        if is_held or self._is_mass(lost, len(before) - len(self._young), now):
            if self.held_since is None:
                self._kept = frozenset(missing)
                self.held_since, self.confirm_after_s = now, RETURNED_AFTER_S if is_return else CONFIRM_AFTER_S
            if now - self.held_since < self.confirm_after_s:
                self.held = len(missing)
                self._admitted = Snapshot({**view.services, **{key: before[key] for key in missing}}, rejected=view.rejected)
                return self._admitted
            self._removals.clear()
        elif lost:
            self._removals.append((now, lost))
        self._note(view, before, missing, now, is_whole=was_holding)
        self.held_since, self.held = None, 0
        # What changed is relative to the provider's last view, which is not what was published last.
        self._admitted = replace(view, changed=None) if was_holding else view
        return self._admitted

    def _lost(self, missing: list[Key]) -> int:
        """How many of the lost services count. Services that come and go within the window, a few at a time, are a busy deployment."""
        if len(missing) >= REMOVED_MIN:
            return len(missing)
        return sum(key not in self._young for key in missing)

    def _is_mass(self, lost: int, present: int, now: float) -> bool:
        recent = sum(number for _, number in self._removals)
        removed = lost + recent
        return lost > 0 and removed >= REMOVED_MIN and removed > REMOVED_SHARE * (present + recent)

    def _forget_what_was(self, now: float) -> None:
        while self._removals and now - self._removals[0][0] > WINDOW_S:
            self._removals.popleft()
        for key in [*takewhile(lambda key: now - self._young[key] > WINDOW_S, self._young)]:
            del self._young[key]

    def _note(self, view: Snapshot, before: Mapping[Key, Service], missing: list[Key], now: float, *, is_whole: bool) -> None:
        """Which services have come and which have gone. Those of the first view may all be old."""
        for key in missing:
            self._young.pop(key, None)
        if before:
            keys = view.changed if view.changed is not None and not is_whole else view.services.keys() - before.keys()
            self._young.update((key, now) for key in keys if key not in before and key in view.services)
