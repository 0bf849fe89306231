"""What the tests of the consul provider share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dnsdisco.model.service import Snapshot
from dnsdisco.providers.consul import ConsulServiceDiscovery
from dnsdisco.testing import Watch
from tests.providers.consul.fake import FakeConsul


def provider_of(consul: FakeConsul, **options: Any) -> ConsulServiceDiscovery:
    return ConsulServiceDiscovery(address=consul.address, **options)


def until(is_so: Callable[[], bool], within_s: float = 3.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, "it did not become so"
        time.sleep(0.002)


def ids(snapshot: Snapshot) -> dict[str, list[str]]:
    """`id` of a passing instance, `id?` of a warning one, `id!` of a critical one."""
    marks = ("", "?", "!")
    return {
        service.name: [f"{instance.id}{marks[instance.health]}" for instance in service.instances]
        for service in snapshot.services.values()
    }


def sees(watch: Watch, wanted: dict[str, list[str]], within_s: float = 3.0) -> bool:
    """The watch comes to know this, `consul` apart."""

    def is_so() -> bool:
        if not watch.yielded:
            return False
        known = ids(watch.yielded[-1])
        known.pop("consul", None)
        return known == wanted

    assert watch.wait(is_so, within_s), (watch.error, ids(watch.yielded[-1]) if watch.yielded else None)
    return True
