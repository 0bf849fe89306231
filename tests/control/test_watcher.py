"""One provider's thread, against providers that misbehave in every way a watch() can."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dnsdisco.control import watcher as watching
from dnsdisco.control.backoff import Backoff
from dnsdisco.control.watcher import Event, ViewSeen, Watcher, WatchFailed
from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Snapshot
from dnsdisco.providers.base import ServiceDiscovery
from tests.control.harness import numbered, Scripted

QUICK = lambda: Backoff(lambda low, _high: low / 25)  # noqa: E731  10 ms in place of 250


class Heard:
    """Events as they come, with their times."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.at: list[float] = []
        self.threads: set[str] = set()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.at.append(time.monotonic())
        self.threads.add(threading.current_thread().name)

    def until(self, count: int, timeout_s: float = 3.0) -> list[Event]:
        ends = time.monotonic() + timeout_s
        while len(self.events) < count:
            assert time.monotonic() < ends, self.events
            time.sleep(0.002)
        return self.events

    @property
    def failures(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, WatchFailed)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def started(provider: ServiceDiscovery, heard: Heard, backoff: Any = QUICK) -> Watcher:
    watcher = Watcher("p", provider, heard, backoff)
    watcher.start()
    return watcher


def wait_for(condition: Any) -> None:
    ends = time.monotonic() + 3
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_views_come_through_and_the_same_object_is_contact(heard: Heard) -> None:
    one, two = numbered(1), numbered(2)
    watcher = started(Scripted(one, one, two, {"web": {"address": "10.0.0.1"}}), heard)
    events = heard.until(4)
    assert [(event.view, event.is_repeated) for event in events[:3] if isinstance(event, ViewSeen)] == [
        (one, False),
        (one, True),
        (two, False),
    ]
    assert isinstance(events[3], ViewSeen)
    assert list(events[3].view.services) == [("", "web")]
    assert heard.threads == {"watch-p"}
    watcher.stop()


def test_stop_ends_the_thread_and_closes_the_provider_once(heard: Heard) -> None:
    provider = Scripted(numbered(1))
    watcher = started(provider, heard)
    heard.until(1)
    watcher.start()
    watcher.start()
    watcher.stop()
    watcher.stop()
    watcher.start()  # too late
    wait_for(lambda: not any(thread.name == "watch-p" for thread in threading.enumerate()))
    assert provider.closed == 1
    count = len(heard.events)
    provider.then(numbered(2))
    time.sleep(0.05)
    assert len(heard.events) == count


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProviderError("p", "connection refused"), "connection refused"),
        (ValueError("no\nsecond line"), "ValueError: no (harness.py:"),
        (KeyError(), "KeyError (harness.py:"),
        (SystemExit(3), "SystemExit: 3 (harness.py:"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit("x"), "GeneratorExit: x (harness.py:"),
        (RecursionError(), "RecursionError (harness.py:"),
        (ProviderError("p", "https://me:hunter2@h/x: refused"), "https://h/x: refused"),
        (
            OSError("Max retries exceeded with url: /v1?a=b&token=hunter2"),
            "OSError: Max retries exceeded with url: /v1?a=b&token=*** (harness.py:",
        ),
        (ValueError("redis://:hunter2@h:1 is gone"), "ValueError: redis://h:1 is gone (harness.py:"),
        (StopIteration, "its watch() ended without an error"),
    ],
)
def test_whatever_ends_a_watch_it_is_told_and_tried_again(heard: Heard, error: Any, reason: str) -> None:
    watcher = started(Scripted(error, numbered(1)), heard)
    failed, seen = heard.until(2)
    assert isinstance(failed, WatchFailed)
    assert failed.reason.startswith(reason)
    assert isinstance(seen, ViewSeen)
    watcher.stop()


@pytest.mark.parametrize("junk", [None, 5, "web", ["web"]])
def test_a_yield_that_is_no_services_is_a_failure_not_an_empty_view(heard: Heard, junk: Any) -> None:
    class Junk(Scripted):
        def watch(self, stop: threading.Event) -> Iterator[Any]:
            yield junk

    watcher = started(Junk(), heard)
    (event, *_) = heard.until(1)
    assert isinstance(event, WatchFailed)
    assert "not a mapping" in event.reason
    watcher.stop()


def test_a_watch_that_is_no_generator_or_cannot_be_called(heard: Heard) -> None:
    class Odd(Scripted):
        def watch(self, stop: threading.Event) -> Any:
            return 7 if self.script.get(timeout=1) else [numbered(2)]

    watcher = started(Odd(1, 0), heard)
    failed, seen = heard.until(2)
    assert isinstance(failed, WatchFailed)
    assert "TypeError" in failed.reason
    assert isinstance(seen, ViewSeen)
    watcher.stop()


@pytest.mark.parametrize("step", [StopIteration, ProviderError("p", "refused"), "once"])
def test_never_a_tight_loop_when_a_watch_ends_at_once(heard: Heard, step: Any) -> None:
    class Ending(Scripted):
        def watch(self, stop: threading.Event) -> Iterator[Any]:
            self.watches.append(time.monotonic())
            if step == "once":
                yield numbered(1)
            elif isinstance(step, Exception):
                raise step

    provider = Ending()
    watcher = started(provider, heard, Backoff)
    time.sleep(0.7)
    watcher.stop()
    assert 2 <= len(provider.watches) <= 3  # at 0, then after 0.25 to 0.5, 0.5 to 1 s


def test_a_storm_of_yields_is_slowed_down_and_the_last_one_arrives(heard: Heard) -> None:
    class Raging(Scripted):
        number = 0

        def watch(self, stop: threading.Event) -> Iterator[Any]:
            while not stop.is_set():
                self.number += 1
                yield Snapshot({}) if self.number < 1000 else numbered(1)

    provider = Raging()
    watcher = started(provider, heard)
    time.sleep(0.5)
    assert watching.YIELDS_BURST <= provider.number <= watching.YIELDS_BURST + 0.8 * watching.YIELDS_PER_S
    assert heard.failures == []
    watcher.stop()


def test_a_denied_backend_is_left_alone_and_retry_after_is_honoured(heard: Heard) -> None:
    errors = [ProviderError("p", "403", is_denied=True), ProviderError("p", "busy", retry_after_s=0.3), ProviderError("p", "down")]
    watcher = started(Scripted(*errors), heard, lambda: Backoff(lambda low, _: low / 100))
    heard.until(3)
    assert [(event.is_denied, event.retry_in_s) for event in heard.events if isinstance(event, WatchFailed)] == [
        (True, 0.05),
        (False, 0.3),
        (False, 0.01),
    ]
    assert heard.at[2] - heard.at[1] >= 0.3
    watcher.stop()


def test_start_again_asks_anew_though_the_running_watch_hangs(heard: Heard) -> None:
    release = threading.Event()
    provider = Scripted(numbered(1), lambda _stop: release.wait(10) and numbered(99))
    watcher = started(provider, heard)
    heard.until(1)
    time.sleep(0.05)
    provider.then(numbered(2))
    watcher.start()
    events = heard.until(2)
    assert isinstance(events[1], ViewSeen)
    assert len(events[1].view.services) == 2
    release.set()
    time.sleep(0.05)
    assert len(heard.events) == 2  # the old watch is not listened to any more
    watcher.stop()


def test_what_changed_since_before_a_watch_began_is_not_believed(heard: Heard) -> None:
    known = Snapshot(numbered(2).services, frozenset())
    watcher = started(Scripted(known, Snapshot(numbered(2).services, frozenset()), ProviderError("p", "x"), known), heard)
    events = heard.until(4)
    assert [event.view.changed for event in events if isinstance(event, ViewSeen)] == [None, frozenset(), None]
    watcher.stop()


def test_only_a_polled_provider_has_an_answer_due() -> None:
    class Polled(ServiceDiscovery):
        type = "polled"
        poll_interval = 7.0

        def get_services(self) -> dict[str, dict[str, Any]]:
            return {}

    assert Watcher("p", Polled(), lambda _: None).answer_due_s == 7.0 + watching.HANG_S
    assert Watcher("p", Scripted(), lambda _: None).answer_due_s is None


def test_a_provider_whose_close_fails_hurts_nobody(heard: Heard) -> None:
    class Closing(Scripted):
        def close(self) -> None:
            super().close()
            raise OSError

    provider = Closing(numbered(1))
    watcher = started(provider, heard)
    heard.until(1)
    watcher.stop()
    wait_for(lambda: provider.closed)
