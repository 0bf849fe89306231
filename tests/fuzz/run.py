"""Cases by the thousand to one reader, each within its bounds of time and memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import NamedTuple

from tests.fuzz.reader import inputs, Reader
from tests.fuzz.readers import READERS

MEMORY_EVERY = 500  # one case of so many is looked at for the memory that it takes: looking costs ten times the case
LOOKS = 3  # at a case that took too long, before it is believed: something else may have been done meanwhile


class Outcome(NamedTuple):
    cases: int
    seconds: float
    slowest_s: float  # of the processor
    slowest: bytes
    most_octets: int  # of memory at a time; 0: no case was looked at


def run(name: str, count: int, seed: int) -> Outcome:
    """Raises AssertionError with the input that fails."""
    reader = READERS[name]
    began_at = time.monotonic()
    slowest_s, slowest, most = 0.0, b"", 0
    cases = inputs(reader, seed)
    for number in range(count):
        octets = next(cases)
        before = time.process_time()
        check(name, octets)
        seconds = time.process_time() - before
        if seconds > slowest_s:
            seconds = min(seconds, _again_s(name, octets))
            assert seconds <= reader.case_s, f"{name} --input {octets.hex()}: {seconds:.1f} s"
            if seconds > slowest_s:
                slowest_s, slowest = seconds, octets
        if number % MEMORY_EVERY == MEMORY_EVERY - 1:
            most = max(most, octets_taken(name, octets))
    return Outcome(count, time.monotonic() - began_at, slowest_s, slowest, most)


def check(name: str, octets: bytes) -> None:
    """Raises AssertionError with the input."""
    try:
        READERS[name].check(octets)
    except Exception as error:
        raise AssertionError(f"{name} --input {octets.hex()}: {type(error).__name__}: {error}") from error


def octets_taken(name: str, octets: bytes) -> int:
    """Of memory at a time, in one case. Raises AssertionError where that is more than the reader may take."""
    reader: Reader = READERS[name]
    gc.collect()
    tracemalloc.start()
    try:
        check(name, octets)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most <= reader.case_octets, f"{name} --input {octets.hex()}: {most} octets of memory"
    return most


def _again_s(name: str, octets: bytes) -> float:
    best = float("inf")
    for _ in range(LOOKS):
        before = time.process_time()
        check(name, octets)
        best = min(best, time.process_time() - before)
    return best
