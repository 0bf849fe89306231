"""Who is asked when, how often, how many at a time; and after how many answers the health is another."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dnsdisco.control import prober as room
from dnsdisco.control.prober import Flip, Prober
from dnsdisco.model.check import Probe
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
            told = len(heard.flips)
            assert until(lambda told=told: len(heard.flips) > told) < 0.1 + 0.1
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


def test_many_do_not_come_in_step(heard: Heard) -> None:
    """200 instances, each every 0.6 s: in no twentieth of a second much more than its share."""
    with Target() as target:
        probes = [to(target, interval_s=0.6)._replace(path=f"/{n}") for n in range(200)]
        started = time.monotonic()
        heard.prober.want(1, probes, [])
        until(lambda: len(target.asked) >= 500)
        times: dict[bytes, list[float]] = {}
        for at, request in target.asked:
            times.setdefault(request.split()[1], []).append(at - started)
        assert len(times) == 200
        assert max(first for first, *_ in times.values()) < 1.0
        counts = [0] * 200
        for at, _ in target.asked:
            counts[int((at - started) * 20)] += 1
        assert max(counts) < 70  # 17 is its share; all at once would be 200
        between = [later - earlier for each in times.values() for earlier, later in itertools.pairwise(each)]
        assert min(between) > 0.6 * 0.9 - 0.1
        assert sorted(between)[len(between) // 2] < 0.6
        assert max(between) - min(between) > 0.03  # jitter


def test_one_new_instance_is_asked_at_once(heard: Heard) -> None:
    with Target(BAD) as target:
        heard.prober.want(1, [to(target, interval_s=60.0)], [])
        assert until(lambda: heard.flips) < 0.3


def test_no_more_than_so_many_at_a_time_and_lateness_is_told_once(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.CONCURRENT_MAX <= 256
    monkeypatch.setattr(room, "CONCURRENT_MAX", 10)
    with Target(lambda connection: time.sleep(0.1)) as target:
        heard.prober.want(1, [to(target, interval_s=0.1, timeout_s=0.05)._replace(path=f"/{n}") for n in range(60)], [])
        until(lambda: len(target.asked) >= 100)
        assert heard.prober._under_way <= 10
        assert target.most_open <= 10 * 3 + 5  # the server notices an end 0.1 s after it
        assert len({request for _, request in target.asked}) == 60  # every one has its turn
        assert len(heard.warnings) == 1
        assert "60 instances are more than can be asked in time" in heard.warnings[0]
        assert len(heard.flips) <= 60


def test_a_dead_instance_holds_up_nobody(heard: Heard) -> None:
    with Target(lambda connection: time.sleep(3)) as dead, Target() as target:
        heard.prober.want(1, [to(dead, timeout_s=2.0)._replace(path=f"/{n}") for n in range(50)], [])
        heard.prober.want(2, [to(target)], [])
        until(lambda: len(target.asked) > 1)
        target.says = BAD
        assert until(lambda: heard.flips) < 0.3


def test_closing_ends_what_is_under_way_and_leaves_no_socket(heard: Heard) -> None:
    with Target(lambda connection: connection.recv(1)) as target:
        heard.prober.want(1, [to(target, timeout_s=30.0)._replace(path=f"/{n}") for n in range(40)], [])
        until(lambda: target.open >= 30)
        started = time.monotonic()
        heard.prober.close()
        assert time.monotonic() - started < 0.5
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
        time.sleep(0.1)
        asked = [len(target.asked) for target in targets]
        again = [probe in wanted for probe in probes]
        until(lambda: [len(target.asked) > before for target, before in zip(targets, asked, strict=True)] == again)
        assert heard.prober._states.keys() == wanted
        assert heard.prober._under_way <= len(wanted)
