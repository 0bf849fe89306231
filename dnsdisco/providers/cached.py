"""Keeps providers' results for a few seconds: bounded, safe for threads, one question for all threads that ask at the same time.

An answer that is too old is still better than an error: it is given when the provider does not answer, and the next question waits
RETRY_S, so that a backend that is down does not make every call as slow as its time-out.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from dnsdisco.errors import ProviderError
from dnsdisco.providers.forked import in_child, Lock
from dnsdisco.providers.log import logger

TTL_S = 5.0  # DNS clients of the same services see a change as late
RETRY_S = 1.0  # between questions to a provider that does not answer
ENTRIES_MAX = 10_000  # names; the one used longest ago goes first


class DiscoveryCache:
    """*ttl_s*: seconds an answer is fresh. *now*: monotonic seconds."""

    def __init__(self, ttl_s: float = TTL_S, entries_max: int = ENTRIES_MAX, now: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s, self._entries_max, self._now = ttl_s, entries_max, now
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._questions: dict[Hashable, _Question] = {}
        in_child(self._forget_questions)

    def fresh(self, key: Hashable) -> Any:
        """The answer, if it is there and fresh; else None."""
        with self._lock:
            answer = self._answers.get(key)
            return answer.value if answer is not None and self._now() < answer.fresh_until else None

    def last(self, key: Hashable) -> Any:
        """The answer, if it is there, however old; else None."""
        with self._lock:
            answer = self._answers.get(key)
            return answer.value if answer is not None else None

    def get(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """The fresh answer, else what *ask* returns. Threads that want the same wait for one of them to ask.

        When *ask* raises ProviderError: the old answer, however old; without one, the error, in every thread that waits.
        """
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None and self._now() < answer.fresh_until:
                self._answers.move_to_end(key)
                return answer.value
            question = self._questions.get(key)
            is_mine = question is None
            if question is None:
                question = self._questions[key] = _Question()
        if is_mine:
            self._settle(key, question, ask)
        question.is_settled.wait()
        if question.error is not None:
            raise question.error
        return question.value

    def clear(self) -> None:
        """Forget everything. A question that is on its way answers the threads that wait for it, and is not kept."""
        with self._lock:
            self._answers.clear()
            self._questions = {}

    def expire(self) -> None:
        """No answer is fresh any more; they are there for a provider that does not answer."""
        with self._lock:
            for answer in self._answers.values():
                answer.fresh_until = self._now()
            self._questions = {}

    def _forget_questions(self) -> None:
        """The threads that asked are the parent's."""
        self._questions = {}

    def _settle(self, key: Hashable, question: _Question, ask: Callable[[], Any]) -> None:
        try:
            question.value = ask()
            self._keep(key, question, self._ttl_s)
        except ProviderError as error:
            with self._lock:
                old = self._answers.get(key) if self._questions.get(key) is question else None
            if old is None:
                question.error = error
            else:
                question.value = old.value
                logger().warning(f"{error}; the last known answer is used")
                self._keep(key, question, RETRY_S)
        except BaseException as error:
            question.error = error
            raise
        finally:
            with self._lock:
                if self._questions.get(key) is question:
                    del self._questions[key]
            question.is_settled.set()

    def _keep(self, key: Hashable, question: _Question, fresh_s: float) -> None:
        with self._lock:
            if self._questions.get(key) is not question:
                return  # cleared meanwhile
            self._answers[key] = _Answer(question.value, self._now() + fresh_s)
            self._answers.move_to_end(key)
            while len(self._answers) > self._entries_max:
                self._answers.popitem(last=False)


class _Answer:
    __slots__ = ("fresh_until", "value")

    def __init__(self, value: Any, fresh_until: float) -> None:
        self.value, self.fresh_until = value, fresh_until


class _Question:
    __slots__ = ("error", "is_settled", "value")

    def __init__(self) -> None:
        self.is_settled = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
