"""The objects that the whole room shares: the loop, the clock, the random source, the bounds, the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TYPE_CHECKING

from dnsdisco.forward.deadlines import Deadlines
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.poller import Poller
from dnsdisco.forward.statistics import ForwardStatistics

if TYPE_CHECKING:
    from dnsdisco.forward.upstream import Upstream


class Context(NamedTuple):
    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]  # monotonic seconds
    random_id: Callable[[], int]  # 0..65535, not to be guessed
    limits: ForwardLimits
    statistics: ForwardStatistics
    poller: Poller
    ticker: Deadlines
    suspect: Callable[[Upstream, bytes], None]  # an upstream that has not answered that question in time: does it lead back to us?
