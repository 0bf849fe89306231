"""What everything in this room shares: the loop, the clock, chance, the bounds, the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dnsdisco.forward.settings import ForwardLimits
from dnsdisco.forward.statistics import Statistics


@dataclass(slots=True)
class Context:
    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]  # monotonic seconds
    random_id: Callable[[], int]  # 0..65535, not to be guessed
    limits: ForwardLimits
    statistics: Statistics
