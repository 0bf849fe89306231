"""A question from another thread, answered in the loop's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def settle(future: Future[T], question: Callable[[], T]) -> None:
    """*future* gets what *question* returns or raises; nothing is asked when no thread waits any more."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(question())
        except Exception as error:  # noqa: BLE001  it is for the thread that asked
            future.set_exception(error)
