"""Work that may take longer than a turn of the loop should: a generator that yields where others may have theirs, and returns what it makes.

What has no more than PART of anything never yields, so that its caller has the result at once.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Turns: TypeAlias = Generator[None, None, T]

PART = 400  # instances or records: about half a millisecond


def at_once(turns: Turns[T]) -> T:
    """The result of *turns*, made in this turn."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            made: T = end.value
            return made
