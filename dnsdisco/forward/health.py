"""What is known of one upstream: how quick it is, whether it is there. Pure: time is an argument."""

from __future__ import annotations

from dnsdisco.forward.settings import ForwardLimits

SLOW_S = 0.2  # an upstream whose replies usually take longer than this stands behind one that is three times as quick
SLOW_FACTOR = 3.0


class Health:
    """Smoothed round-trip time (as TCP does, RFC 6298 §2) and failures in a row. All instants are of one monotonic clock."""

    __slots__ = ("_limits", "_probe_gap_s", "_replied_at", "deviation_s", "failures", "is_dead", "probe_at", "smoothed_s")

    def __init__(self, limits: ForwardLimits) -> None:
        self._limits = limits
        self.smoothed_s = 0.0  # 0: never measured
        self.deviation_s = 0.0
        self.failures = 0
        self.is_dead = False
        self.probe_at = 0.0
        self._probe_gap_s = limits.probe_s
        self._replied_at = float("-inf")

    def patience_s(self) -> float:
        """How long to wait for this one before the next is asked as well."""
        limits = self._limits
        if self.is_dead:
            return limits.patience_dead_s
        if not self.smoothed_s:
            return limits.patience_unknown_s
        return min(max(self.smoothed_s + 4 * self.deviation_s, limits.patience_min_s), limits.patience_max_s)

    def replied(self, now: float, took_s: float | None = None) -> bool:
        """A reply of any kind that was meant for us, *took_s* after the question (None: not a measure of the path). True: it was dead."""
        self._replied_at = now
        self.failures = 0
        if took_s is not None:
            if not self.smoothed_s:
                self.smoothed_s, self.deviation_s = max(took_s, 1e-6), took_s / 2
            else:
                self.deviation_s += (abs(self.smoothed_s - took_s) - self.deviation_s) / 4
                self.smoothed_s += (took_s - self.smoothed_s) / 8
        was_dead, self.is_dead = self.is_dead, False
        return was_dead

    def failed(self, asked_at: float, now: float) -> bool:
        """A question of *asked_at* brought no reply, or one that says "not for you". True: with this one it counts as dead.

        A reply to any later question shows that the upstream is there; then this was the question's own fault.
        """
        if self._replied_at >= asked_at:
            return False
        self.failures += 1
        if self.is_dead or self.failures < self._limits.failures:
            return False
        self.is_dead = True
        self._probe_gap_s = self._limits.probe_s
        self.probe_at = now + self._probe_gap_s
        return True

    def take_probe(self, now: float) -> bool:
        """Of one that is asked last and so is never measured: is it time to try it? Then the caller does, and the next time is later."""
        if now < self.probe_at:
            return False
        self._probe_gap_s = min(self._probe_gap_s * 2, self._limits.probe_max_s)
        self.probe_at = now + self._probe_gap_s
        return True

    def rank(self, quickest_s: float) -> int:
        """0 first. *quickest_s*: the smoothed time of the quickest living upstream beside it."""
        if self.is_dead:
            return 2
        return 1 if self.smoothed_s > SLOW_S and self.smoothed_s > SLOW_FACTOR * quickest_s else 0
