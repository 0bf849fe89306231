"""Who is asked when, how often, how many at a time; and after how many answers the health is another."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dnsdisco.control import prober as room
from dnsdisco.control.prober import Flip, Prober
from dnsdisco.model.probe_target import Probe
from dnsdisco.model.service import Health
from tests.control.checked import BAD, OK, Target, until


class Heard:
    """A prober, and what it told."""

    def __init__(self) -> None:
        self.flips: list[tuple[float, Flip]] = []
        self.warnings: list[str] = []
        self.prober = Prober(lambda flips: self.flips.extend((time.monotonic(), flip) for flip in flips), self.warnings.append)

    @property
    def health(self) -> list[str]:
        return [flip.health.word for _, flip in self.flips]


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.prober.close()
    assert not made.prober._thread.is_alive()


class Leaping(selectors.DefaultSelector):
    """Does not wait: whoever asks it to finds that the time has passed."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if timeout is not None and not ready:
            self.now_s += max(timeout, 0.0)
        return ready


class Rhythm:
    """When a prober asks, in a time that no other program can lengthen. Everybody who is asked is well, and says so at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Leaping()
        loop = asyncio.SelectorEventLoop(clock)
        monkeypatch.setattr(loop, "time", lambda: clock.now_s)
        monkeypatch.setattr(asyncio, "new_event_loop", lambda: loop)
        self.asked: list[tuple[float, Probe]] = []
        self.prober = Prober(lambda _: None, lambda _: None, random.Random(1).uniform)
        self.prober._asker = self  # type: ignore[assignment]
        self._clock = clock

    async def ask(self, probe: Probe) -> str:
        self.asked.append((self._clock.now_s, probe))
        return ""

    def of(self, count: int, probes: list[Probe]) -> list[tuple[float, Probe]]:
        """The first *count* questions."""
        self.prober.want(1, probes, [])
        until(lambda: len(self.asked) >= count)
        self.prober.close()
        return self.asked[:count]


def to(target: Target, **more: object) -> Probe:
    given = {"interval_s": 0.1, "timeout_s": 0.5, "rise": 1, "fall": 1, "initial": Health.PASSING, **more}
    return Probe("http", target.host, target.port, "/", True, **given)  # type: ignore[arg-type]


def test_a_flip_is_told_within_an_interval_and_only_once(heard: Heard) -> None:
    with Target() as target:
        heard.prober.want(1, [to(target)], [])
        until(lambda: len(target.asked) > 2)
        assert heard.flips == []  # passing it was from the start
        for says, word in ((BAD, "critical"), (OK, "passing")) * 2:
            target.says = says
            told, asked = len(heard.flips), len(target.asked)
            until(lambda told=told: len(heard.flips) > told)
            told_at = heard.flips[-1][0]
            assert sum(at <= told_at for at, _ in target.asked) - asked <= 2  # the first of them may have had its answer before
            assert heard.health[-1] == word
        time.sleep(0.25)
        assert len(heard.flips) == 4
        assert heard.flips[0][1] == Flip(to(target), 1, Health.CRITICAL, "HTTP 503")
        assert heard.flips[1][1].reason == ""


def test_rise_and_fall_count_answers_in_a_row(heard: Heard) -> None:
    script = [BAD, BAD, OK, BAD, BAD, BAD, OK, BAD, OK, OK]  # fall 3: critical at the sixth; rise 2: passing at the tenth
    with Target() as target:
        answers = iter(script)

        def say(connection: socket.socket) -> None:
            connection.sendall(next(answers, OK))

        target.says = say
        heard.prober.want(1, [to(target, interval_s=0.03, rise=2, fall=3)], [])
        until(lambda: len(heard.flips) == 2)
        assert heard.health == ["critical", "passing"]
        asked_by = [sum(at <= told for at, _ in target.asked) for told, _ in heard.flips]
        assert asked_by == [6, 10]


@pytest.mark.parametrize(
    ("initial", "says", "expected"),
    [
        (Health.CRITICAL, OK, ["passing"]),
        (Health.CRITICAL, BAD, []),
        (Health.WARNING, OK, ["passing"]),
        (Health.WARNING, BAD, ["critical"]),
        (Health.PASSING, BAD, ["critical"]),
    ],
)
def test_the_initial_health_lasts_until_answers_decide(heard: Heard, initial: Health, says: bytes, expected: list[str]) -> None:
    with Target(says) as target:
        heard.prober.want(1, [to(target, interval_s=0.05, initial=initial)], [])
        until(lambda: len(target.asked) >= 3)
        assert heard.health == expected


def test_who_is_not_wanted_any_more_is_not_asked_and_who_comes_again_starts_anew(heard: Heard) -> None:
    with Target(BAD) as target:
        probe = to(target, interval_s=0.03)
        heard.prober.want(1, [probe], [])
        until(lambda: heard.flips)
        heard.prober.want(2, [], [probe])
        time.sleep(0.1)
        asked = len(target.asked)
        time.sleep(0.2)
        assert len(target.asked) == asked
        heard.prober.want(3, [probe], [])
        until(lambda: len(heard.flips) == 2)
        assert [flip.number for _, flip in heard.flips] == [1, 3]


def test_dropped_in_the_middle_of_a_question_it_tells_nothing(heard: Heard) -> None:
    release = threading.Event()

    def hold(connection: socket.socket) -> None:
        release.wait(2)
        connection.sendall(BAD)

    with Target(hold) as target:
        heard.prober.want(1, [to(target, timeout_s=5.0)], [])
        until(lambda: target.asked)
        heard.prober.want(2, [], [to(target, timeout_s=5.0)])
        time.sleep(0.05)
        release.set()
        time.sleep(0.1)
        assert heard.flips == []


def test_many_do_not_come_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 instances, each every 0.6 s: in no twentieth of a second much more than its share."""
    probes = [Probe("http", "192.0.2.1", 80, f"/{n}", True, 0.6, 0.5, 1, 1, Health.PASSING) for n in range(200)]
    asked = Rhythm(monkeypatch).of(2000, probes)
    times: dict[Probe, list[float]] = {}
    for at, probe in asked:
        times.setdefault(probe, []).append(at)
    assert len(times) == 200
    assert max(first for first, *_ in times.values()) < 0.6
    counts = [0] * 200
    for at, _ in asked:
        counts[int(at * 20)] += 1
    assert max(counts) < 40  # 17 is its share; all at once would be 200
    between = [later - earlier for each in times.values() for earlier, later in itertools.pairwise(each)]
    assert 0.54 <= min(between) < 0.55
    assert 0.59 < max(between) < 0.601


def test_one_new_instance_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ((at, _),) = Rhythm(monkeypatch).of(1, [Probe("http", "192.0.2.1", 80, "/", True, 60.0, 0.5, 1, 1, Health.PASSING)])
    assert at <= room.SPREAD_S


def test_no_more_than_so_many_at_a_time_and_lateness_is_told_once(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.CONCURRENT_MAX <= 256
    monkeypatch.setattr(room, "CONCURRENT_MAX", 10)
    with Target(lambda connection: time.sleep(0.1)) as target:
        heard.prober.want(1, [to(target, interval_s=0.1, timeout_s=0.05)._replace(path=f"/{n}") for n in range(60)], [])
        until(lambda: len(target.asked) >= 100)
        assert heard.prober._under_way <= 10
        assert target.most_open <= 10 * 3 + 5  # the server notices an end 0.1 s after it
        assert len({request for _, request in target.asked if request}) == 60  # every one has its turn
        assert len(heard.warnings) == 1
        assert "60 instances are more than can be asked in time" in heard.warnings[0]
        assert len(heard.flips) <= 60


def test_a_dead_instance_holds_up_nobody(heard: Heard) -> None:
    end = threading.Event()
    with Target(lambda connection: end.wait(60)) as dead, Target() as target:
        heard.prober.want(1, [to(dead, timeout_s=60.0)._replace(path=f"/{n}") for n in range(50)], [])
        heard.prober.want(2, [to(target)], [])
        until(lambda: len(target.asked) > 1 and dead.open == 50)
        target.says = BAD
        until(lambda: heard.flips)
        assert dead.open == 50
        end.set()


def test_closing_ends_what_is_under_way_and_leaves_no_socket(heard: Heard) -> None:
    with Target(lambda connection: connection.recv(1)) as target:
        heard.prober.want(1, [to(target, timeout_s=30.0)._replace(path=f"/{n}") for n in range(40)], [])
        until(lambda: target.open >= 30)
        heard.prober.close()
        assert not heard.prober._thread.is_alive()  # else it was given up after CLOSE_S
        until(lambda: target.open == 0)
        heard.prober.want(2, [to(target)], [])  # nothing happens
        heard.prober.close()


def test_one_that_was_never_wanted_has_opened_nothing() -> None:
    made = Heard()
    assert made.prober._own_loop is None
    made.prober.close()


def test_wanting_and_dropping_at_random_ends_in_what_is_wanted(heard: Heard) -> None:
    draw = random.Random(1)
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(Target(draw.choice([OK, BAD]))) for _ in range(8)]
        probes = [to(target, interval_s=0.02) for target in targets]
        wanted: set[Probe] = set()
        for number in range(200):
            add = {probe for probe in probes if draw.random() < 0.3} - wanted
            drop = {probe for probe in wanted if draw.random() < 0.3}
            wanted = (wanted | add) - drop
            heard.prober.want(number, add, drop)
            time.sleep(draw.choice([0, 0, 0.003]))
        wanted_ones = [probe in wanted for probe in probes]

        def are_asked() -> list[bool]:
            before = [len(target.asked) for target in targets]
            time.sleep(0.1)
            return [len(target.asked) > count for target, count in zip(targets, before, strict=True)]

        until(lambda: are_asked() == wanted_ones)
        assert heard.prober._states.keys() == wanted
        heard.prober.want(200, [], wanted)
        until(lambda: not heard.prober._states and not heard.prober._under_way)  # nothing that was dropped is counted for ever


def test_dropped_before_the_first_step_of_a_question_it_leaves_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rhythm = Rhythm(monkeypatch)
    probe = Probe("http", "192.0.2.1", 80, "/", True, 60.0, 0.5, 1, 1, Health.PASSING)
    start = rhythm.prober._start

    def start_and_drop(*which: object) -> None:
        start(*which)  # type: ignore[arg-type]
        rhythm.prober._change(2, (), (probe,))

    monkeypatch.setattr(rhythm.prober, "_start", start_and_drop)
    rhythm.prober.want(1, [probe], [])
    until(lambda: rhythm._clock.now_s)
    until(lambda: not rhythm.prober._states and not rhythm.prober._under_way)
    rhythm.prober.close()
    assert rhythm.asked == []
