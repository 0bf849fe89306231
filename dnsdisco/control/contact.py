"""Tracks whether a provider answers, and how answers with its data are marked. Time is an argument: monotonic seconds, and text for people."""

from __future__ import annotations

import re
from dataclasses import replace

from dnsdisco.control import facts
from dnsdisco.model.entry import ProviderState

REASON_CHARACTERS_MAX = 200  # of an EDE text: it must fit a small UDP answer

_VARYING = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)


class Contact:
    """Lost from the failure of a watch until it yields again. An idle watch counts as contact: it would fail if the backend were away."""

    def __init__(self, *, stale_after_s: float, max_stale_s: float | None = None, is_optional: bool = False) -> None:
        """*max_stale_s*: seconds without contact after which its services are given up; None: never."""
        self.stale_after_s, self.max_stale_s, self.is_optional = stale_after_s, max_stale_s, is_optional
        self.has_synced = False  # in this process
        self.heard_at: float | None = None
        self.lost_at: float | None = None
        self.is_denied = False  # the loss is one that a person has to mend
        self.reason = ""  # of the loss; "": in contact
        self.restored_at: float | None = (
            None  # the last contact of an earlier process, whose view is used; before our own clock began
        )
        self.errors = 0
        self.last_error, self.last_error_at = "", 0.0
        self._lost_when = self._restored_when = ""

    def continue_from(self, other: Contact) -> None:
        """Take over what is known, under our own limits."""
        self.has_synced, self.heard_at, self.lost_at, self.is_denied = (
            other.has_synced,
            other.heard_at,
            other.lost_at,
            other.is_denied,
        )
        self.reason, self._lost_when = other.reason, other._lost_when
        self.restored_at, self._restored_when = other.restored_at, other._restored_when
        self.errors, self.last_error, self.last_error_at = other.errors, other.last_error, other.last_error_at

    def heard(self, now: float) -> bool:
        """It yielded. True: this is news (the first contact, or contact again)."""
        is_news = not self.has_synced or self.lost_at is not None
        self.has_synced, self.heard_at = True, now
        self.lost_at, self.reason, self.is_denied, self.restored_at = None, "", False, None
        return is_news

    def lost(self, now: float, reason: str, when: str, *, is_denied: bool = False) -> bool:
        """It failed. *when* is the time of day, for people. True: this is news (the first failure, or for another reason)."""
        is_news = self.lost_at is None or _shape(reason) != _shape(self.reason)
        if self.lost_at is None:
            self.lost_at, self._lost_when = now, when
        self.reason = self.reason if not is_news else reason
        self.is_denied = is_denied
        self.errors += 1
        self.last_error, self.last_error_at = reason, now
        return is_news

    def restored(self, contact_at: float, when: str) -> None:
        """The view that an earlier process had is known again; that process was last in contact at *contact_at*."""
        self.restored_at, self._restored_when = contact_at, when

    def is_given_up(self, now: float) -> bool:
        since = self.lost_at if self.has_synced else self.restored_at
        return since is not None and self.max_stale_s is not None and now - since >= self.max_stale_s

    def state(self, name: str, now: float) -> ProviderState:
        """The state that is sent to the workers. It changes only when their answers must change: a loss counts after `stale_after`."""
        if not self.has_synced and self.restored_at is not None and not self.is_given_up(now):
            reason = f"known from {self._restored_when}{': ' + self.reason if self.reason else ''}"[:REASON_CHARACTERS_MAX]
            return ProviderState(name, has_synced=False, is_stale=True, reason=reason, is_optional=self.is_optional)
        has_synced = self.has_synced and not self.is_given_up(now)
        is_stale = self._is_long_lost(now) and has_synced
        reason = ""
        if self.lost_at is not None and (is_stale or not has_synced):
            since = f"no contact since {self._lost_when}" if self.has_synced else "not reached yet"
            reason = f"{since}: {self.reason}"[:REASON_CHARACTERS_MAX]
        return ProviderState(name, has_synced, is_stale, reason, self.is_optional)

    def inherited_state(self, name: str, now: float) -> ProviderState:
        """The same for workers that hold the view of this provider that an earlier process had."""
        state = self.state(name, now)
        return state if state.has_synced else replace(state, has_synced=True, is_stale=self._is_long_lost(now))

    def word(self, now: float) -> str:
        """One of view.STATES."""
        if self.is_denied:
            return facts.DENIED
        if self.has_synced:
            return facts.UP if self.lost_at is None else facts.STALE if self.state("", now).is_stale else facts.DOWN
        return facts.NEVER_SYNCED if self.restored_at is None else facts.DOWN if self.is_given_up(now) else facts.STALE

    def contact_age_s(self, now: float) -> float | None:
        """Seconds since it was last known to be there: 0 while it is; None: never."""
        since = now if self.has_synced and self.lost_at is None else self.lost_at if self.has_synced else self.restored_at
        return None if since is None else max(0.0, now - since)

    def _is_long_lost(self, now: float) -> bool:
        return self.lost_at is not None and now - self.lost_at >= self.stale_after_s


def _shape(reason: str) -> str:
    """Without ports, counts and object addresses: what differs only in those is the same failure."""
    return _VARYING.sub("#", reason)
