"""The contract of providers, as tests. A provider's own suite subclasses ProviderContract, with a method that fills its backend.

class TestNomad(ProviderContract):
    @pytest.fixture
    def provider(self, nomad):
        return NomadServiceDiscovery(nomad.address)

    def fill(self, provider, services): ...      # the backend has exactly these services from now on
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Self

import pytest

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model.service import Snapshot
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers.base import ServiceDiscovery

SERVICES: dict[str, dict[str, Any]] = {  # nothing but ids, addresses and ports, which every backend knows
    "auth": {"instances": [{"id": "auth-1", "address": "10.0.0.5", "port": 5001}]},
    "web": {
        "instances": [{"id": "web-1", "address": "10.0.0.11", "port": 8080}, {"id": "web-2", "address": "10.0.0.12", "port": 8080}]
    },
}
MORE: dict[str, dict[str, Any]] = {**SERVICES, "db": {"instances": [{"id": "db-1", "address": "10.0.0.6", "port": 6379}]}}
KEYS = {"url", "address", "port", "scheme", "tags", "meta", "id", "health", "instances"}


class ProviderContract:
    """Subclass it in a class whose name begins with `Test`, with a fixture `provider` and fill(). The rest has defaults."""

    is_writable = False  # register_service() and deregister_service() work
    change_seen_within_s = 1.0  # beyond `poll_interval`, for a watch to yield what fill() has changed

    def fill(self, provider: ServiceDiscovery, services: Mapping[str, Any]) -> None:
        """The backend has exactly these from now on; each is `{"instances": [{"id", "address", "port"}, …]}`."""
        raise NotImplementedError

    def break_backend(self, provider: ServiceDiscovery) -> bool:
        """The backend does not answer from now on. False: this one cannot fail."""
        return False

    def test_it_has_a_type(self, provider: ServiceDiscovery) -> None:
        assert isinstance(provider, ServiceDiscovery)
        assert provider.type

    def test_services_are_whole_and_readable(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        services = provider.get_services()
        assert set(services) == set(SERVICES)
        for name, data in services.items():
            service, faults = service_from_data(name, data)
            assert service is not None
            assert faults == []
        web = service_from_data("web", services["web"])[0]
        assert web is not None
        assert [(each.address, each.ports[0].number) for each in web.instances] == [("10.0.0.11", 8080), ("10.0.0.12", 8080)]

    def test_one_service(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        service = _known(provider, "auth")
        assert service.keys() >= KEYS
        assert (service["url"], service["address"], service["port"]) == ("http://10.0.0.5:5001", "10.0.0.5", 5001)
        assert [each["address"] for each in service["instances"]] == ["10.0.0.5"]
        assert provider.get_service_url("auth") == "http://10.0.0.5:5001"

    def test_an_unknown_service_is_the_default(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        assert provider.get_service("nobody") is None
        assert provider.get_service("nobody", {"url": "x"}) == {"url": "x"}
        assert provider.get_service_url("nobody") is None
        assert provider.get_service_url("nobody", "x") == "x"

    def test_nothing_is_no_error(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, {})
        assert provider.get_services() == {}

    def test_what_it_gives_is_the_caller_s(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        provider.get_services()["web"]["instances"].clear()
        assert len(_known(provider, "web")["instances"]) == 2

    def test_threads_may_ask_at_the_same_time(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        seen: list[object] = []
        threads = [threading.Thread(target=lambda: seen.append(provider.get_services())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(seen) == 8
        assert all(each == seen[0] for each in seen)

    def test_watch_yields_all_at_once_then_every_change(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        with Watch(provider) as watch:
            assert watch.wait_for({"auth", "web"}, 5)
            self.fill(provider, MORE)
            assert watch.wait_for({"auth", "web", "db"}, provider.poll_interval + self.change_seen_within_s)
            self.fill(provider, {"auth": SERVICES["auth"]})
            assert watch.wait_for({"auth"}, provider.poll_interval + self.change_seen_within_s)

    def test_watch_ends_when_it_is_told_to(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        with Watch(provider) as watch:
            assert watch.wait_for({"auth", "web"}, 5)
            began_at = time.monotonic()
            watch.stop.set()
            watch.thread.join(5)
            assert not watch.thread.is_alive()
            assert time.monotonic() - began_at < 2

    def test_unchanged_services_keep_their_identity(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        with Watch(provider) as watch:
            assert watch.wait_for({"auth", "web"}, 5)
            self.fill(provider, MORE)
            assert watch.wait_for({"auth", "web", "db"}, provider.poll_interval + self.change_seen_within_s)
        snapshots = [each for each in watch.yielded if isinstance(each, Snapshot)]
        for before, after in pairwise(snapshots):
            for key in before.services.keys() & after.services.keys():
                assert before.services[key] is after.services[key]

    def test_a_backend_that_does_not_answer_is_an_error_not_absence(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        if not self.break_backend(provider):
            pytest.skip("this backend cannot fail")
        with pytest.raises(ProviderError):
            provider.get_services()
        with pytest.raises(ProviderError):
            provider.get_service("auth", {"url": "x"})
        with pytest.raises(ProviderError):
            provider.get_service_url("auth", "x")

    def test_register_and_deregister(self, provider: ServiceDiscovery) -> None:
        self.fill(provider, SERVICES)
        data = {"address": "10.0.0.7", "port": 80, "tags": ["a"], "meta": {"b": "c"}}
        if not self.is_writable:
            for call in (lambda: provider.register_service("new", data), lambda: provider.deregister_service("auth")):
                with pytest.raises(NotSupported, match=r"\w{3}"):  # says why
                    call()
            return
        derived = provider.register_service("new", data)
        assert derived
        assert provider.register_service("new", data) == derived  # twice under one id: replaced
        assert provider.register_service("new", {**data, "id": "n-2", "address": "10.0.0.8"}) == "n-2"  # another id: added
        new = _known(provider, "new")
        assert {each["id"]: each["address"] for each in new["instances"]} == {derived: "10.0.0.7", "n-2": "10.0.0.8"}
        assert "a" in new["instances"][0]["tags"]
        assert new["instances"][0]["meta"]["b"] == "c"
        provider.register_service("new", {**data, "id": "n-2", "address": "10.0.0.9"})
        assert {each["id"]: each["address"] for each in _known(provider, "new")["instances"]} == {
            derived: "10.0.0.7",
            "n-2": "10.0.0.9",
        }
        assert provider.deregister_service("new", "nobody") is False
        assert provider.deregister_service("new", "n-2") is True
        assert [each["id"] for each in _known(provider, "new")["instances"]] == [derived]
        assert provider.deregister_service("new") is True
        assert provider.deregister_service("new") is False
        assert provider.get_service("new") is None
        assert set(provider.get_services()) == set(SERVICES)


def _known(provider: ServiceDiscovery, name: str) -> dict[str, Any]:
    service = provider.get_service(name)
    assert service is not None, name
    return service


class Watch:
    """A provider's watch() in a thread, and what it has yielded."""

    def __init__(self, provider: ServiceDiscovery) -> None:
        self.stop = threading.Event()
        self.yielded: list[Any] = []
        self.error: BaseException | None = None
        self._provider = provider
        self._news = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def wait_for(self, names: set[str], within_s: float) -> bool:
        return self.wait(lambda: bool(self.yielded) and self.names() == names, within_s)

    def wait(self, is_so: Callable[[], bool], within_s: float) -> bool:
        with self._news:
            return self._news.wait_for(is_so, within_s)

    def names(self) -> set[str]:
        last = self.yielded[-1]
        return {service.name for service in last.services.values()} if isinstance(last, Snapshot) else set(last)

    def _run(self) -> None:
        try:
            for each in self._provider.watch(self.stop):
                with self._news:
                    self.yielded.append(each)
                    self._news.notify_all()
        except BaseException as error:  # noqa: BLE001
            with self._news:
                self.error = error
                self._news.notify_all()
