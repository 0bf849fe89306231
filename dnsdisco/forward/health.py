"""The health of one upstream: how quick it is, whether it is there. Pure: time is an argument."""

from __future__ import annotations

from dnsdisco.forward.limits import ForwardLimits


class UpstreamHealth:
    """Smoothed round-trip time (as TCP does, RFC 6298 §2), silence, and failures in a row. All instants are of one monotonic clock.

    Silence alone moves an upstream behind the others (`is_silent`). One that fails at once, because no server listens there or its
    certificate is wrong, keeps its place: asking it costs no time. `is_dead` is what a page shows.
    """

    __slots__ = ("_limits", "_trial_at", "deviation_s", "failures", "is_silent", "measured_at", "replied_at", "smoothed_s")

    def __init__(self, limits: ForwardLimits) -> None:
        self._limits = limits
        self.smoothed_s = 0.0  # 0: never measured
        self.deviation_s = 0.0
        self.failures = 0
        self.is_silent = False
        self._trial_at = 0.0
        self.measured_at = self.replied_at = float("-inf")

    @property
    def is_dead(self) -> bool:
        return self.is_silent or self.failures >= self._limits.failures

    def patience_s(self) -> float:
        """Seconds to wait for this upstream before the next one is asked as well."""
        limits = self._limits
        if self.is_silent:
            return limits.patience_dead_s
        if not self.smoothed_s:
            return limits.patience_unknown_s
        return min(max(self.smoothed_s + 4 * self.deviation_s, limits.patience_min_s), limits.patience_max_s)

    def replied(self, now: float, took_s: float | None = None) -> bool:
        """A reply of any kind that was meant for us, *took_s* after the question (None: not a measure of the path). True: it was dead."""
        was_dead = self.is_dead
        self.replied_at = now
        self.failures = 0
        self.is_silent = False
        if took_s is not None:
            self.measured_at = now
            if not self.smoothed_s:
                self.smoothed_s, self.deviation_s = max(took_s, 1e-6), took_s / 2
            else:
                self.deviation_s += (abs(self.smoothed_s - took_s) - self.deviation_s) / 4
                self.smoothed_s += (took_s - self.smoothed_s) / 8
        return was_dead

    def failed(self, asked_at: float) -> bool:
        """A question of *asked_at* could not be asked, or what came was no reply. True: with this one it counts as dead.

        A reply to any later question shows that the upstream is there; then this was the question's own fault.
        """
        if self.replied_at >= asked_at:
            return False
        was_dead = self.is_dead
        self.failures += 1
        return self.is_dead and not was_dead

    def take_trial(self, now: float) -> bool:
        """True, once in `retry_s`, if it is silent and a client's question may try it."""
        if not self.is_silent or now < self._trial_at:
            return False
        self._trial_at = now + self._limits.retry_s
        return True

    def said_nothing(self, since: float) -> bool:
        """Note that no question since *since* had a reply in time. Returns True if the upstream counts as dead from now on."""
        if self.replied_at >= since:
            return False
        was_dead = self.is_dead
        self.is_silent = True
        return not was_dead
