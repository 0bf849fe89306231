"""The cache of answers: freshness, bounds, one question for many, an old answer rather than an error."""

import threading
import time
from typing import Any

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers.cached import DiscoveryCache, RETRY_S

DOWN = ProviderError("x", "connection refused")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return DiscoveryCache(ttl_s=5, entries_max=3, now=clock)


class Backend:
    def __init__(self):
        self.asked = 0
        self.answer: Any = "a"

    def __call__(self):
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def test_an_answer_is_fresh_for_its_time(cache, clock):
    backend = Backend()
    assert [cache.get("k", backend) for _ in range(3)] == ["a"] * 3
    clock.now += 4.9
    cache.get("k", backend)
    assert backend.asked == 1
    clock.now += 0.2
    assert cache.fresh("k") is None
    assert cache.last("k") == "a"
    backend.answer = "b"
    assert cache.get("k", backend) == "b"
    assert cache.fresh("k") == "b"
    assert backend.asked == 2


def test_that_there_is_none_is_an_answer(cache):
    backend = Backend()
    backend.answer = None
    assert [cache.get("k", backend) for _ in range(3)] == [None] * 3
    assert backend.asked == 1


def test_it_is_bounded_and_the_longest_unused_goes_first(cache):
    backend = Backend()
    for key in "abc":
        cache.get(key, backend)
    cache.get("a", backend)
    cache.get("d", backend)
    assert backend.asked == 4
    assert [key for key in "abcd" if cache.last(key)] == ["a", "c", "d"]


def test_an_old_answer_is_better_than_an_error(cache, clock):
    backend = Backend()
    cache.get("k", backend)
    backend.answer = DOWN
    clock.now += 10_000
    assert cache.get("k", backend) == "a"
    assert cache.get("k", backend) == "a"
    assert backend.asked == 2  # it is not asked again at once
    clock.now += RETRY_S + 0.1
    assert cache.get("k", backend) == "a"
    assert backend.asked == 3
    backend.answer = "b"
    clock.now += RETRY_S + 0.1
    assert cache.get("k", backend) == "b"


def test_without_an_old_answer_the_error_is_the_answer(cache):
    backend = Backend()
    backend.answer = DOWN
    for _ in range(2):
        with pytest.raises(ProviderError, match="refused"):
            cache.get("k", backend)
    assert backend.asked == 2  # an error is not kept


def test_only_a_provider_error_is_covered_by_an_old_answer(cache, clock):
    backend = Backend()
    cache.get("k", backend)
    clock.now += 10
    backend.answer = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cache.get("k", backend)
    backend.answer = "b"
    assert cache.get("k", backend) == "b"  # and nobody waits for ever


def test_one_question_for_many_threads():
    cache = DiscoveryCache()
    asked = []

    def backend():
        asked.append(1)
        time.sleep(0.2)
        return "a"

    seen = together(20, lambda: cache.get("k", backend))
    assert seen == ["a"] * 20
    assert len(asked) == 1


def test_one_error_for_many_threads():
    cache = DiscoveryCache()
    asked = []

    def backend():
        asked.append(1)
        time.sleep(0.2)
        raise DOWN

    def ask():
        with pytest.raises(ProviderError):
            cache.get("k", backend)
        return True

    assert together(20, ask) == [True] * 20
    assert len(asked) == 1


def test_one_slow_question_does_not_hold_up_another():
    cache = DiscoveryCache()
    release = threading.Event()
    thread = threading.Thread(target=lambda: cache.get("slow", lambda: release.wait(10)))
    thread.start()
    assert cache.get("quick", lambda: "q") == "q"
    release.set()
    thread.join()


def test_what_was_asked_before_it_was_cleared_is_not_kept():
    cache = DiscoveryCache()
    asked, release = threading.Event(), threading.Event()
    answers = []

    def old():
        asked.set()
        release.wait(10)
        return "old"

    thread = threading.Thread(target=lambda: answers.append(cache.get("k", old)))
    thread.start()
    asked.wait(10)
    cache.clear()
    assert cache.get("k", lambda: "new") == "new"  # not made to wait for it, either
    release.set()
    thread.join()
    assert answers == ["old"]
    assert cache.get("k", lambda: "newer") == "new"


def together(number, call):
    barrier = threading.Barrier(number)
    seen = []

    def run():
        barrier.wait()
        seen.append(call())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen
