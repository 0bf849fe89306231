"""The ways in which a Consul agent fails, for tests/whole/failures.py."""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.providers.consul import fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.real import RealConsul
from tests.providers.kubernetes.real import missing
from tests.whole.failures import Again, Failure, FOLLOWED_DENIED_S, Made, PROBE, SERVICES, STORM_CONTROL_MAX

MANAGER = "11111111-1111-1111-1111-111111111111"
ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{MANAGER}" }} }}'
READ = 'service_prefix "" {policy = "read"} node_prefix "" {policy = "read"}'
TTL = {"TTL": "1h", "Status": "passing"}


class Real:
    """A real agent, in memory alone."""

    title = "Consul 1.22"
    hcl, token = "", ""

    def __init__(self, folder: Path) -> None:
        self.consul = RealConsul(folder, hcl=self.hcl, token=self.token or None)
        self.address = "10.200.0.0"

    @staticmethod
    def missing() -> str:
        return missing("consul")

    @property
    def provider(self) -> str:
        return f"{{type: consul, address: '{self.consul.address}'}}"

    def __enter__(self) -> Self:
        self.consul.wait()
        self.fill()
        return self

    def __exit__(self, *_: object) -> None:
        self.consul.tell(signal.SIGCONT)
        self.consul.kill()

    def fill(self) -> None:
        for at in range(SERVICES):
            self.consul.register(f"svc-{at}", f"svc-{at}", Address=f"10.0.0.{at + 1}", Check=TTL)
        self.move(self.address)

    def move(self, address: str) -> None:
        self.address = address
        self.consul.register(PROBE, PROBE, Address=address, Check=TTL)

    def come_back_empty(self) -> None:
        """Nobody is registered; they all come again within two seconds, as their own supervisors make them."""
        self.consul.begin()
        self.consul.wait()
        time.sleep(1.0)
        self.fill()


class Persistent(Real):
    """With its data on disk: it comes back with them, after an election."""

    def __init__(self, folder: Path) -> None:
        self.consul = RealConsul(folder, keeps_data=True)
        self.address = "10.200.0.0"

    def come_back(self) -> None:
        self.consul.begin()
        self.consul.wait()


class Guarded(Real):
    """With ACLs, and a token that may read."""

    title = "Consul 1.22, ACLs"
    hcl, token = ACL, MANAGER

    def __enter__(self) -> Self:
        super().__enter__()
        self.consul.put("/v1/acl/policy", {"Name": "read", "Rules": READ})
        self.reader = self.consul.put("/v1/acl/token", {"Policies": [{"Name": "read"}]})
        return self

    @property
    def provider(self) -> str:
        return f"{{type: consul, address: '{self.consul.address}', token: {self.reader['SecretID']}, wait: 2}}"

    def allow(self, *policies: str) -> None:
        accessor = self.reader["AccessorID"]
        self.consul.put(f"/v1/acl/token/{accessor}", {"AccessorID": accessor, "Policies": [{"Name": each} for each in policies]})


class Lying:
    """A fake agent."""

    title = "fake"

    def __init__(self, _: Path) -> None:
        self.consul = FakeConsul()
        self.again = Again()

    @staticmethod
    def missing() -> str:
        return ""

    @property
    def provider(self) -> str:
        return f"{{type: consul, address: '{self.consul.address}'}}"

    def __enter__(self) -> Self:
        for at in range(SERVICES):
            self.consul.catalog.put(f"svc-{at}", address=f"10.0.0.{at + 1}", status="passing")
        self.move("10.200.0.0")
        return self

    def __exit__(self, *_: object) -> None:
        self.consul.kill()

    def move(self, address: str) -> None:
        self.consul.catalog.put(PROBE, address=address, status="passing")

    def lie(self, act: Any, path: str = "/v1") -> None:
        """From now on, also to those who wait for an answer: everything wakes up."""
        self.consul.lie(path, act)
        for at in range(SERVICES):
            self.consul.catalog.put(f"svc-{at}", address=f"10.0.0.{at + 1}", status="passing")

    def filter(self, *, is_on: bool) -> None:
        self.consul.filters = is_on
        self.move("10.200.0.0")

    def up_and_down(self, at: int) -> None:
        if at % 2:
            self.consul.start()
        else:
            self.consul.kill()

    def stay_up(self) -> None:
        self.again.end()
        self.restart()

    def restart(self) -> None:
        self.consul.be_honest()
        self.consul.kill()
        self.consul.start()

    def flip(self, at: int) -> None:
        """Of one service after another, one instance of two."""
        name = f"svc-{at // 2 % SERVICES}"
        if at % 2:
            self.consul.catalog.check(name, "passing")
        else:
            self.consul.catalog.put(name, id="second", address="10.0.1.1", status="passing")
            self.consul.catalog.check(name, "critical")


def of_real(backend: Real) -> list[Failure]:
    consul = backend.consul
    return [
        Failure("kill -9; back without any data, the services register again", consul.kill, backend.come_back_empty),
        Failure(
            "hang: it is stopped, no octet comes", partial(consul.tell, signal.SIGSTOP), partial(consul.tell, signal.SIGCONT), 26.0
        ),
    ]


def of_persistent(backend: Persistent) -> list[Failure]:
    return [Failure("kill -9; back with its data, no leader at first", backend.consul.kill, backend.come_back)]


def of_guarded(backend: Guarded) -> list[Failure]:
    end = partial(backend.allow, "read")
    return [Failure("its token may see nothing: 200 and empty", backend.allow, end, 8.0, FOLLOWED_DENIED_S)]


def of_fake(backend: Lying) -> list[Failure]:
    def lie(title: str, act: Any, **more: Any) -> Failure:
        return Failure(title, partial(backend.lie, act), backend.consul.be_honest, **more)

    denied = {"lasts_s": 6.0, "followed_s": FOLLOWED_DENIED_S}
    return [
        Failure("refused", backend.consul.kill, backend.consul.start),
        lie("every connection is reset", fake.reset),
        lie("500, no leader", fake.status(500, "No cluster leader")),
        lie("HTML, with 200", fake.body("<!doctype html><title>Login</title>")),
        lie("half JSON, with 200", fake.body('{"web": [], "d')),
        lie("an answer that is cut", fake.cut(0.5)),
        Failure("one octet after another", partial(backend.lie, fake.trickle(0.2)), backend.restart, 30.0),
        lie("null, with 200", fake.body("null")),
        lie("empty, with 200", fake.body("{}"), **denied),
        lie("403", fake.status(403, "ACL not found"), **denied),
        lie("429, Retry-After: 5", fake.status(429, "too many", "Retry-After: 5\r\n"), **denied),
        Failure(
            "filtered by ACLs, and says so", partial(backend.filter, is_on=True), partial(backend.filter, is_on=False), **denied
        ),
        Failure("flapping: up and down every 0.4 s", partial(backend.again.begin, backend.up_and_down, 0.4), backend.stay_up, 6.0),
        Failure(
            "storm: 100 changes a second",
            partial(backend.again.begin, backend.flip, 0.01),
            backend.again.end,
            control_max=STORM_CONTROL_MAX,
        ),
    ]


BACKENDS: list[Made] = [(Real, of_real), (Persistent, of_persistent), (Guarded, of_guarded), (Lying, of_fake)]
