from __future__ import annotations

import asyncio
import random
import time

from dnsdisco.forward.deadlines import Deadlines, RINGS_A_TURN, STEP_S


class One:
    def __init__(self, ticker, then=None):
        self.slot, self.ticker, self.then, self.rang = 0, ticker, then, []

    def on_time(self):
        self.rang.append(time.monotonic())
        if self.then is not None:
            self.then(self)


def run(work):
    async def main():
        ticker = Deadlines(asyncio.get_running_loop(), time.monotonic)
        try:
            await work(ticker)
        finally:
            ticker.close()

    asyncio.run(main())


def test_each_rings_once_never_early_and_a_step_or_two_late_at_most():
    async def work(ticker):
        began = time.monotonic()
        waits = [random.Random(3).uniform(0, 0.3) for _ in range(200)]
        all_of_them = [One(ticker) for _ in waits]
        for one, wait_s in zip(all_of_them, waits, strict=True):
            ticker.set(one, wait_s)
        await asyncio.sleep(0.4)
        for one, wait_s in zip(all_of_them, waits, strict=True):
            assert len(one.rang) == 1
            assert 0 <= one.rang[0] - began - wait_s < 3 * STEP_S
        assert ticker._timer is None  # nothing runs when nobody waits

    run(work)


def test_a_new_time_replaces_the_old_and_forget_forgets():
    async def work(ticker):
        moved, forgotten = One(ticker), One(ticker)
        ticker.set(moved, 0.01)
        began = time.monotonic()
        ticker.set(moved, 0.15)
        ticker.set(forgotten, 0.01)
        ticker.forget(forgotten)
        await asyncio.sleep(0.25)
        while not moved.rang:
            await asyncio.sleep(0.01)
        assert len(moved.rang) == 1
        assert moved.rang[0] - began >= 0.15
        assert not forgotten.rang

    run(work)


def test_one_that_sets_itself_anew_takes_nobody_elses_turn():
    """All in one step: the first to ring sets its next time while the others have not rung yet."""

    async def work(ticker):
        together = [One(ticker, lambda one: ticker.set(one, 0.05) if len(one.rang) < 3 else None) for _ in range(20)]
        for one in together:
            ticker.set(one, 0.001)
        await asyncio.sleep(0.4)
        assert [len(one.rang) for one in together] == [3] * 20

    run(work)


def test_one_that_ends_another_of_the_same_step():
    async def work(ticker):
        pair = []
        pair += [One(ticker, lambda one: [ticker.forget(other) for other in pair]) for _ in range(2)]
        for one in pair:
            ticker.set(one, 0.001)
        await asyncio.sleep(0.1)
        assert sorted(len(one.rang) for one in pair) == [0, 1]

    run(work)


def test_a_fault_in_one_does_not_stop_the_clock():
    async def work(ticker):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        bad, good = One(ticker, lambda one: 1 / 0), One(ticker)
        ticker.set(bad, 0.001)
        ticker.set(good, 0.1)
        await asyncio.sleep(0.2)
        assert len(good.rang) == 1

    run(work)


def test_many_at_once_leave_turns_to_others():
    async def work(ticker):
        many = [One(ticker) for _ in range(1000)]
        for one in many:
            ticker.set(one, 0.001)
        turns, most, before = 0, 0, 0
        while before < 1000:
            await asyncio.sleep(0)
            rang = sum(len(one.rang) for one in many)
            most, before, turns = max(most, rang - before), rang, turns + 1
        assert most <= RINGS_A_TURN
        assert all(len(one.rang) == 1 for one in many)

    run(work)
