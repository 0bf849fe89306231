"""The wait before a backend is asked again after a failure. It has jitter, so that many servers do not return at the same moment."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S = 0.25  # a restarted agent is back within a second or so
DOWN_MAX_S = 2.0  # plainly down: with a connection set up on top, its return is seen in under 3 s
DENIED_MIN_S, DENIED_MAX_S = 5.0, 10.0  # 401, 403, 429: only a person, or time, can mend it
# A backend that comes back may refuse clients that it knows, until it has read its own rules (Kubernetes its RBAC objects, Consul its ACLs).
SOON_TRIES = 4
SOON_MIN_S, SOON_MAX_S = 0.5, 1.0
RETRY_AFTER_MAX_S = 3600.0  # a backend that asks for more than an hour is not believed


class Backoff:
    """Seconds until the next try, which grow with every failure until reset(). *uniform* is random.uniform or like it."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self.reset()

    def reset(self) -> None:
        self._failures = self._soon = 0

    def after(self, *, is_denied: bool = False, retry_after_s: float | None = None) -> float:
        """The wait after one more failure; never less than FIRST_S. A Retry-After lengthens it and never shortens it."""
        self._failures += 1
        if is_denied and self._soon:
            self._soon -= 1
            wait_s = self._uniform(SOON_MIN_S, SOON_MAX_S)
        elif is_denied:
            wait_s = self._uniform(DENIED_MIN_S, DENIED_MAX_S)
        else:
            self._soon = SOON_TRIES
            ceiling_s = min(FIRST_S * 2 ** min(self._failures, 8), DOWN_MAX_S)
            wait_s = self._uniform(max(FIRST_S, ceiling_s / 2), ceiling_s)
        return max(wait_s, min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
