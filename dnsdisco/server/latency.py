"""Measures how long answers take, by a sample: one turn in SAMPLE reads the clock, which would cost a compiled answer a tenth of its time."""

from __future__ import annotations

from bisect import bisect_left

from dnsdisco.server.statistics import LATENCY, LATENCY_SUM

SAMPLE = 64
BOUNDS_US = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000)


class Latency:
    """Answers by the time from reading their query to sending them. One thread's."""

    def __init__(self) -> None:
        self._answers = [0] * (len(BOUNDS_US) + 1)
        self._sum_us = 0

    def add(self, seconds: float, answers: int = 1) -> None:
        microseconds = int(seconds * 1e6)
        self._answers[bisect_left(BOUNDS_US, microseconds)] += answers
        self._sum_us += microseconds * answers

    def counters(self) -> dict[str, int]:
        """By the upper bound in microseconds, `inf` for the rest; and the sum of all."""
        counts = {f"{LATENCY}{bound}": count for bound, count in zip((*BOUNDS_US, "inf"), self._answers, strict=True)}
        return {**counts, LATENCY_SUM: self._sum_us}
