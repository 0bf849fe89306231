"""Which service, instance or record a name is, where several could be meant."""

from __future__ import annotations

import dns.rcode
import pytest

from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.merge import merge
from dnsdisco.model.service import Health, Instance, Port, Record, Service, Snapshot
from tests.kit import Answers, section, services

SERVICE = "10.9.9.9"


def shop(name: str, *instances: Instance, namespace: str = "redis", is_default: bool = False, **more: object) -> Service:
    return Service(name, namespace, is_default_namespace=is_default, instances=instances, **more)  # type: ignore[arg-type]


RIVALS = {  # what the service `redis` of the default namespace has that could be taken for `web.redis`
    "a pod": shop(
        "redis", Instance("10.0.0.1", "10.0.0.1", (Port(80, "http"),), hostname="web"), namespace="default", is_default=True
    ),
    "an id": Service("redis", instances=(Instance("web", "10.0.0.1", (Port(80, "http"),)),)),
    "a tag": Service("redis", instances=(Instance("r", "10.0.0.1", (Port(80, "http"),), tags=("Web",)),)),
    "a record": Service(
        "redis", instances=(Instance("r", "10.0.0.1"),), records=(Record("A", "10.0.0.1", "web"), Record("A", "10.0.0.1", "w1.web"))
    ),
}


@pytest.mark.parametrize("is_other_provider", [False, True], ids=["one provider", "two providers"])
@pytest.mark.parametrize("comes_first", [False, True])
@pytest.mark.parametrize("rival", RIVALS)
def test_a_service_in_a_namespace_comes_before_anything_below_a_service(rival, comes_first, is_other_provider):
    web = shop("web", Instance("w1", SERVICE, (Port(80, "http", "tcp"),), tags=("v1",)))
    views = [{web.key: web}, {RIVALS[rival].key: RIVALS[rival]}]
    views = views[::-1] if comes_first else views
    named = {str(at): view for at, view in enumerate(views)} if is_other_provider else {"0": {**views[0], **views[1]}}
    answers = Answers(snapshots=named)
    for name in ("web.redis", "all.web.redis", "w1.web.redis", "v1.web.redis"):
        assert section(answers.ask(f"{name}.svc.local").answer) == {f"{name}.svc.local. A {SERVICE}"}
    for name in ("web.redis", "_http._tcp.web.redis", "_web._tcp.redis", "_web._v1.redis"):
        assert section(answers.ask(f"{name}.svc.local", "SRV").answer) == {f"{name}.svc.local. SRV 0 1 80 w1.web.redis.svc.local."}
    assert answers.ask("nosuch.web.redis.svc.local").rcode() == dns.rcode.NXDOMAIN
    assert section(answers.ask("redis.svc.local").answer) == {"redis.svc.local. A 10.0.0.1"}
    merger = merge([ChainSource(name) for name in named], ChainPolicy(), [Snapshot(view) for view in named.values()])
    assert merger.collisions()
    for lost in merger.collisions():
        assert "of the service" in str(lost)
        assert "is not found as 'web.redis': that name belongs to 'redis/web'" in str(lost)


def test_without_that_service_the_other_readings_are_there():
    for rival, address in zip(RIVALS, ("10.0.0.1",) * 4, strict=True):
        answers = Answers(snapshots={"one": {RIVALS[rival].key: RIVALS[rival]}})
        assert section(answers.ask("web.redis.svc.local").answer) == {f"web.redis.svc.local. A {address}"}
        assert not answers.merger.collisions()


def test_a_reading_is_lost_and_won_as_services_come_and_go():
    redis, web = RIVALS["an id"], shop("web", Instance("w1", SERVICE))
    merger = merge([ChainSource("a"), ChainSource("b")], ChainPolicy(), [Snapshot({redis.key: redis}), Snapshot({web.key: web})])
    assert [lost.what for lost in merger.collisions()] == ["the instance 'web'"]
    merger.update(1, Snapshot({}))
    assert not merger.collisions()
    merger.update(1, Snapshot({web.key: web}))
    assert [(lost.path, lost.winner_provider) for lost in merger.collisions()] == [(("web", "redis"), "b")]


def test_a_service_called_all_in_a_namespace_is_that_service():
    everything = shop("all", Instance("a", SERVICE))
    redis = Service("redis", instances=(Instance("r", "10.0.0.1"),))
    answers = Answers(snapshots={"one": {everything.key: everything, redis.key: redis}})
    assert section(answers.ask("all.redis.svc.local").answer) == {f"all.redis.svc.local. A {SERVICE}"}


def test_a_provider_that_has_not_spoken_keeps_the_names_below_its_own_service_alone():
    web = shop("web", Instance("w1", SERVICE))
    states = (ProviderState("k8s", has_synced=True), ProviderState("static", has_synced=False))
    redis = Service("redis", instances=(Instance("r", "10.0.0.1"),))
    answers = Answers(snapshots={"static": {redis.key: redis}, "k8s": {web.key: web}}, states=states)
    assert answers.ask("nosuch.web.redis.svc.local").rcode() == dns.rcode.NXDOMAIN
    assert answers.ask("nosuch.redis.svc.local").rcode() == dns.rcode.SERVFAIL


SAME = (
    Instance("10.0.0.1", "10.0.0.1", (Port(80, "http"),), hostname="same", node="n1"),
    Instance("10.0.0.2", "10.0.0.2", (Port(80, "http"),), hostname="same", node="n2"),
    Instance("2001:db8::1", "2001:db8::1", (Port(80, "http"),), hostname="same", node="n1"),
    Instance("10.0.0.3", "10.0.0.3", (Port(80, "http"),), hostname="same", health=Health.CRITICAL),
    Instance("10.0.0.4", "10.0.0.4", (Port(80, "http"),), hostname="other", health=Health.CRITICAL),
)


def test_endpoints_with_one_host_name_are_its_addresses():
    answers = Answers(snapshots={"k8s": {("", "web"): Service("web", instances=SAME)}})
    both = {"same.web.svc.local. A 10.0.0.1", "same.web.svc.local. A 10.0.0.2"}
    assert section(answers.ask("same.web.svc.local").answer) == both
    assert section(answers.ask("same.web.svc.local", "AAAA").answer) == {"same.web.svc.local. AAAA 2001:db8::1"}
    assert section(answers.ask("other.web.svc.local").answer) == {
        "other.web.svc.local. A 10.0.0.4"
    }  # not ready: one looks at it so
    found = answers.ask("web.svc.local", "SRV")
    assert section(found.answer) == {"web.svc.local. SRV 0 1 80 same.web.svc.local."}
    assert section(found.additional) == both | {"same.web.svc.local. AAAA 2001:db8::1"}
    for reverse in ("1.0.0.10.in-addr.arpa", "2.0.0.10.in-addr.arpa"):
        assert section(answers.ask(reverse, "PTR").answer) == {f"{reverse}. PTR same.web.svc.local."}


def test_an_id_on_two_nodes_gets_the_nodes_names():
    text = "web: {instances: [{id: w, address: 10.0.0.1, port: 80, node: n1}, {id: W, address: 10.0.0.2, port: 80, node: n2}]}"
    answers = Answers(snapshots={"consul": services(text)})
    for number in (1, 2):
        assert section(answers.ask(f"w-n{number}.web.svc.local").answer) == {f"w-n{number}.web.svc.local. A 10.0.0.{number}"}
        assert section(answers.ask(f"{number}.0.0.10.in-addr.arpa", "PTR").answer) == {
            f"{number}.0.0.10.in-addr.arpa. PTR w-n{number}.web.svc.local."
        }
    assert {line.split()[-1] for line in section(answers.ask("web.svc.local", "SRV").answer)} == {
        "w-n1.web.svc.local.",
        "w-n2.web.svc.local.",
    }
    assert answers.ask("w.web.svc.local").rcode() == dns.rcode.NXDOMAIN
