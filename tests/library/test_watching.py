"""watch_services(): now, and again after every change, of every kind of provider; its end, its errors, and forks."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dnsdisco
from dnsdisco import get_service_url, ProviderError, ServiceDiscovery, set_discovery_provider, watch_services
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.providers.env import EnvServiceDiscovery
from dnsdisco.providers.static import StaticServiceDiscovery

ONE, TWO = {"address": "10.0.0.1", "port": 80}, {"address": "10.0.0.2", "port": 80}


@pytest.fixture(autouse=True)
def _own_provider() -> Iterator[None]:
    yield
    set_discovery_provider(None)


class Polled(ServiceDiscovery):
    """Has only what every provider must have."""

    poll_interval = 0.02

    def __init__(self, services: Any = None) -> None:
        self.services: Any = {"web": ONE} if services is None else services
        self.is_closed = False

    def get_services(self) -> dict[str, dict[str, Any]]:
        if isinstance(self.services, Exception):
            raise self.services
        return dict(self.services)

    def close(self) -> None:
        self.is_closed = True


class Pushing(Polled):
    """Has a watch() of its own, and says often that nothing has changed."""

    def watch(self, stop: threading.Event) -> Iterator[Any]:
        while not stop.is_set():
            yield self.get_services()
            stop.wait(0.01)


class OlderForm(ServiceDiscovery):
    def __init__(self, config_param: Any = None) -> None:
        self.services: Any = {"web": ONE}
        self.poll_interval = 0.02

    def get_services(self) -> Any:
        return dict(self.services)

    def deregister_service(self, service_name: str) -> None:  # type: ignore[override]
        self.services.pop(service_name, None)


def addresses(services: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: [each["address"] for each in service["instances"]] for name, service in services.items()}


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("watch-")]


def until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [Polled, Pushing, OlderForm, lambda: ChainServiceDiscovery([Polled({}), Pushing()])])
def test_now_and_after_every_change(kind: Callable[[], Any]) -> None:
    provider = kind()
    source: Any = provider.links[1].provider if isinstance(provider, ChainServiceDiscovery) else provider
    set_discovery_provider(provider)
    with watch_services() as watch:
        first = next(watch)
        assert first == dnsdisco.get_services()
        source.services = {"web": TWO, "new": ONE}
        assert addresses(next(watch)) == {"web": ["10.0.0.2"], "new": ["10.0.0.1"]}
        assert get_service_url("web") == "http://10.0.0.2:80"  # and not what was cached
        source.services = {}
        assert next(watch) == {}
    until(lambda: not threads())


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "services.yaml"
    path.write_text("web: {address: 10.0.0.1, port: 80}\nother: {address: 10.0.0.9, port: 80}\n")
    set_discovery_provider(StaticServiceDiscovery(str(path)))
    with watch_services("WEB") as watch:
        assert addresses(next(watch)) == {"web": ["10.0.0.1"]}
        path.write_text("web: {address: 10.0.0.1, port: 80}\nother: {address: 10.0.0.8, port: 80}\n")
        time.sleep(1)  # seen by now, and none of ours
        path.write_text("web: {address: 10.0.0.2, port: 80}\n")
        assert addresses(next(watch)) == {"web": ["10.0.0.2"]}
        path.write_text("{}\n")
        assert next(watch) == {}


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_AUTH_URL", "http://10.0.0.9:5001")
    set_discovery_provider(EnvServiceDiscovery())
    with watch_services(["auth"]) as watch:
        assert next(watch)["auth"]["url"] == "http://10.0.0.9:5001"


def test_a_chain_decides_as_get_services_does() -> None:
    first, second = Polled({"web": ONE}), Polled({"web": TWO, "auth": TWO})
    chain = ChainServiceDiscovery([({"exclude": ["au*"]}, first), ({}, second)])
    set_discovery_provider(chain)
    with watch_services() as watch:
        assert addresses(next(watch)) == {"web": ["10.0.0.1"], "auth": ["10.0.0.2"]}
        first.services = {"auth": ONE}
        assert addresses(next(watch)) == {"web": ["10.0.0.2"], "auth": ["10.0.0.2"]}


def test_a_provider_that_never_answered_is_no_empty_answer(caplog: pytest.LogCaptureFixture) -> None:
    """ProviderError, and the next call goes on; a failure after the first view leaves what is known."""
    down = Polled(ProviderError("connection refused"))
    set_discovery_provider(ChainServiceDiscovery([Polled(), down]))
    with watch_services() as watch:
        with pytest.raises(ProviderError, match=r"polled: connection refused"):
            next(watch)
        down.services = {"auth": TWO}
        while True:
            try:
                assert addresses(next(watch)) == {"web": ["10.0.0.1"], "auth": ["10.0.0.2"]}
                break
            except ProviderError:
                continue
        down.services = ValueError("a slip")
        until(lambda: "a slip" in caplog.text)
        assert caplog.text.count("a slip") == 1
        down.services = {"auth": ONE}
        assert addresses(next(watch)) == {"web": ["10.0.0.1"], "auth": ["10.0.0.1"]}


def test_an_optional_provider_is_not_waited_for_for_ever() -> None:
    set_discovery_provider(ChainServiceDiscovery([({"optional": True}, Polled(ProviderError("down"))), ({}, Polled())]))
    with watch_services() as watch:
        assert addresses(next(watch)) == {"web": ["10.0.0.1"]}


def test_close_from_another_thread_ends_the_loop_and_leaves_the_provider() -> None:
    provider = Polled()
    set_discovery_provider(provider)
    watch = watch_services()
    next(watch)
    threading.Timer(0.1, watch.close).start()
    assert list(watch) == []
    watch.close()
    until(lambda: not threads())
    assert not provider.is_closed
    with pytest.raises(StopIteration):
        next(watch)


def test_leaving_the_loop_ends_its_threads() -> None:
    set_discovery_provider(Polled())
    for services in watch_services():
        assert addresses(services) == {"web": ["10.0.0.1"]}
        break
    gc.collect()
    until(lambda: not threads())


def test_a_burst_is_seen_as_few_changes_and_the_last_is_seen() -> None:
    provider = Pushing()
    set_discovery_provider(provider)
    with watch_services() as watch:
        next(watch)
        for number in range(200):
            provider.services = {"web": {"address": f"10.0.1.{number}", "port": 80}}
        seen = 0
        while addresses(next(watch)) != {"web": ["10.0.1.199"]}:
            seen += 1
        assert seen < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_fork(is_begun: bool) -> None:
    """One that was begun in the parent is the parent's; any other works in the child."""
    set_discovery_provider(ChainServiceDiscovery([Polled(), Pushing({"auth": TWO})]))
    watch = watch_services()
    if is_begun:
        next(watch)
    child = os.fork()
    if not child:
        try:
            if is_begun:
                try:
                    next(watch)
                    os._exit(2)
                except ProviderError:
                    watch.close()
                watch = watch_services()
            os._exit(0 if addresses(next(watch)) == {"web": ["10.0.0.1"], "auth": ["10.0.0.2"]} else 3)
        finally:
            os._exit(4)
    assert os.waitpid(child, 0)[1] == 0
    watch.close()
