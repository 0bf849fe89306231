"""Changes followed, below and beyond the number of services that have a query of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from itertools import pairwise

import pytest

from dnsdisco.providers.consul import pace, query_slots, query_threads
from dnsdisco.providers.consul import watch as watching
from dnsdisco.providers.consul.pace import Pace
from dnsdisco.testing import Watch
from tests.providers.consul import fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.kit import ids, provider_of, sees, until


@pytest.fixture
def consul():
    with FakeConsul() as server:
        yield server


@pytest.fixture(params=[128, 3, 0], ids=["each with its own query", "some without", "all without"])
def limit(request, monkeypatch):
    monkeypatch.setattr(query_threads, "SWEEP_SPACE_S", 0.02)
    return request.param


def filled(consul: FakeConsul) -> None:
    for at in range(6):
        consul.catalog.put(f"s{at}", id=f"s{at}-1", node=f"n{at % 2 + 1}", status="passing")
        consul.catalog.put(f"s{at}", id=f"s{at}-2", node="n3")


EVERY = {f"s{at}": [f"s{at}-1", f"s{at}-2"] for at in range(6)}


def test_every_change_is_seen(consul, limit):
    filled(consul)
    catalog = consul.catalog
    with Watch(provider_of(consul, watch_limit=limit)) as watch:
        assert sees(watch, EVERY)
        assert ids(watch.yielded[0]) == {**EVERY, "consul": ["consul"]}  # whole from the first on
        for status, mark in (("critical", "!"), ("warning", "?"), ("passing", "")):
            catalog.check("s5", status, "s5-1", "n2")
            assert sees(watch, {**EVERY, "s5": [f"s5-1{mark}", "s5-2"]})
        catalog.node_check("n1", "critical")
        down = {name: [f"{name}-1!", f"{name}-2"] for name in ("s0", "s2", "s4")}
        assert sees(watch, {**EVERY, **down})
        catalog.node_check("n1", "passing")
        assert sees(watch, EVERY)
        catalog.put("s4", id="s4-3", node="n9")
        assert sees(watch, {**EVERY, "s4": ["s4-1", "s4-2", "s4-3"]})
        catalog.put("s4", id="s4-3", node="n9", meta={"a": "b"})
        watch.wait(lambda: dict(watch.yielded[-1].services["", "s4"].instances[2].meta) == {"a": "b"}, 3)
        catalog.remove("s4", "s4-3", "n9")
        assert sees(watch, EVERY)
        catalog.put("new", id="n-1", status="critical")
        assert sees(watch, {**EVERY, "new": ["n-1!"]})
        catalog.remove("new", "n-1")
        assert sees(watch, EVERY)
        for at in (1, 2):
            catalog.remove("s3", f"s3-{at}", {1: "n2", 2: "n3"}[at])
        assert sees(watch, {name: value for name, value in EVERY.items() if name != "s3"})
        catalog.put("s3", id="back")
        assert sees(watch, {**EVERY, "s3": ["back"]})
    snapshots = list(dict.fromkeys(map(id, watch.yielded)))
    assert len(snapshots) < 60


def test_what_has_changed_is_told_and_the_rest_is_the_same_object(consul, limit):
    filled(consul)
    with Watch(provider_of(consul, watch_limit=limit)) as watch:
        assert sees(watch, EVERY)
        consul.catalog.check("s5", "critical", "s5-1", "n2")
        assert sees(watch, {**EVERY, "s5": ["s5-1!", "s5-2"]})
        consul.catalog.put("more", id="m")
        assert sees(watch, {**EVERY, "s5": ["s5-1!", "s5-2"], "more": ["m"]})
    assert watch.yielded[0].changed is None
    for before, after in pairwise(watch.yielded):
        if after is before:
            continue
        differing = {
            key for key in before.services.keys() | after.services.keys() if before.services.get(key) is not after.services.get(key)
        }
        assert after.changed == differing
        assert differing


def test_the_same_snapshot_again_is_the_sign_of_life(consul, monkeypatch):
    monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.05)
    with Watch(provider_of(consul)) as watch:
        assert watch.wait(lambda: len(watch.yielded) >= 4, 3)
    assert len({id(each) for each in watch.yielded}) == 1


def test_another_run_shares_what_has_not_changed(consul):
    filled(consul)
    provider = provider_of(consul)
    with Watch(provider) as first:
        assert sees(first, EVERY)
    consul.catalog.check("s1", "critical", "s1-1", "n2")
    with Watch(provider) as second:
        assert sees(second, {**EVERY, "s1": ["s1-1!", "s1-2"]})
    before, after = first.yielded[-1].services, second.yielded[0].services
    assert [name for _, name in after if after["", name] is not before["", name]] == ["s1"]


def test_stop_closes_every_connection_and_ends_every_thread(consul, limit):
    filled(consul)
    with Watch(provider_of(consul, watch_limit=limit)) as watch:
        assert sees(watch, EVERY)
        began_at = time.monotonic()
        watch.stop.set()
        until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("consul-")], 1.0)
        assert time.monotonic() - began_at < 1.0


def test_stop_is_heard_while_the_agent_hangs(consul):
    from tests.providers.consul.fake import hang

    consul.lie("/v1/", hang())
    with Watch(provider_of(consul)) as watch:
        until(lambda: consul.requests)
        began_at = time.monotonic()
        watch.stop.set()
        watch.thread.join(5)
        assert time.monotonic() - began_at < 1.0


def test_a_generator_that_is_closed_closes_too(consul):
    views = provider_of(consul).watch(threading.Event())
    assert isinstance(views, Generator)
    next(views)
    views.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("consul-")], 1.0)


def test_connections_stay_below_the_limit(consul):
    for at in range(60):
        consul.catalog.put(f"s{at}", status="passing")
    with Watch(provider_of(consul, watch_limit=20)) as watch:
        assert watch.wait(lambda: bool(watch.yielded), 5)
        until(lambda: consul.connections >= 20)
        consul.catalog.check("s59", "critical")
        assert watch.wait(lambda: ids(watch.yielded[-1])["s59"] == ["s59!"], 3)
    assert consul.most <= 20 + watching.FETCHERS + 3


def test_a_service_that_goes_leaves_its_slot_to_another(consul):
    consul.catalog.put("a1", status="passing")
    consul.catalog.put("z9", status="passing")
    with Watch(provider_of(consul, watch_limit=2, wait=1)) as watch:  # consul and a1
        assert sees(watch, {"a1": ["a1"], "z9": ["z9"]})
        until(lambda: bool(_blocking(consul, "a1")))
        consul.catalog.remove("a1")
        assert sees(watch, {"z9": ["z9"]})
        until(lambda: bool(_blocking(consul, "z9")))


@pytest.mark.parametrize("resets", [False, True], ids=["429", "reset"])
@pytest.mark.parametrize("notices_s", [0.05, None], ids=["slots of those who left are free", "are held"])
def test_an_agent_that_takes_fewer_connections_is_watched_with_fewer(monkeypatch, caplog, resets, notices_s):
    monkeypatch.setattr(query_threads, "SWEEP_SPACE_S", 0.02)
    for bound in ("POLL_S", "REPORT_S"):
        monkeypatch.setattr(query_slots, bound, 0.3)
    with FakeConsul(limit=14, limit_resets=resets) as consul:
        consul.notices_s = notices_s
        for at in range(30):
            consul.catalog.put(f"s{at}", status="passing")
        with Watch(provider_of(consul, wait=60)) as watch:
            assert watch.wait(lambda: bool(watch.yielded), 5)
            until(lambda: "takes no more connections" in caplog.text)
            for name in ("s0", "s29", "s15"):
                consul.catalog.check(name, "critical")
                assert watch.wait(lambda name=name: ids(watch.yielded[-1])[name] == [f"{name}!"], 3), name
            assert watch.error is None
        assert caplog.text.count("takes no more connections") == 1
        assert consul.accepted < 80  # nobody hammers at the door


def test_tags_proxies_and_names_that_cannot_be(consul, caplog):
    catalog = consul.catalog
    catalog.put("plain", tags=["x"])
    catalog.put("tagged", id="t1", tags=["public", "x"])
    catalog.put("tagged", id="t2", tags=["x"])
    catalog.put("proxy", kind="connect-proxy", tags=["public"])
    catalog.put("x" * 64, tags=["public"])
    catalog.put("a//b", tags=["public"])
    with Watch(provider_of(consul, tags=["public"])) as watch:
        assert sees(watch, {"tagged": ["t1"], "a//b": ["a//b"]})
        catalog.put("plain", tags=["x", "public"])
        assert sees(watch, {"tagged": ["t1"], "plain": ["plain"], "a//b": ["a//b"]})
        catalog.remove("a//b")
        catalog.put("tagged", id="t1", tags=["x"])
        assert sees(watch, {"plain": ["plain"]})
        catalog.put("tagged", id="t2", tags=["public"])
        assert sees(watch, {"tagged": ["t2"], "plain": ["plain"]})
    assert caplog.text.count("makes no DNS label") == 1
    assert not consul.asked("/v1/health/service/a/b")


def test_a_name_that_an_old_agent_cannot_be_asked_for_harms_no_other(consul, caplog):
    consul.catalog.put("web")
    consul.catalog.put("a//b")
    for path in ("/v1/health/service/a//b", "/v1/health/service/a%2F%2Fb"):
        consul.lie(path, fake.status(301, more="Location: /v1/health/service/a/b\r\n"))
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, {"web": ["web"]})
        assert watch.error is None
    assert set(provider_of(consul).get_services()) == {"consul", "web"}
    assert caplog.text.count("this agent cannot be asked for it") >= 1


def test_a_bad_instance_is_told_once_and_the_others_are_there(consul, caplog):
    consul.catalog.put("web", id="good")
    consul.catalog.put("web", id="bad", address="10.0.0")
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, {"web": ["good"]})
        for status in ("1", "2", "3"):
            consul.catalog.put("web", id="good", meta={"a": status})
            assert watch.wait(lambda status=status: watch.yielded[-1].services["", "web"].instances[0].meta == (("a", status),), 3)
    assert caplog.text.count("'bad'") == 1


def test_without_indexes_it_still_sees_changes(consul):
    consul.has_index = False
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, {})
        consul.catalog.put("web", id="w", status="passing")
        assert sees(watch, {"web": ["w"]}, 5)
        consul.catalog.check("web", "critical", "w")
        assert sees(watch, {"web": ["w!"]}, 5)
        before = len(consul.requests)
        time.sleep(1.0)
        assert len(consul.requests) - before < 30  # it polls, and not in a tight loop


def test_pace_lets_what_moves_through_and_slows_down_what_does_not():
    quick = Pace()
    waits = [quick.after(is_moved=True, took_s=0.001) for _ in range(pace.BURST)]
    assert max(waits) < 0.05  # the rest after its own work, and no more
    storm = [quick.after(is_moved=True, took_s=0.001) for _ in range(20)]
    assert storm[-1] > 10 / pace.PER_S
    idle = [Pace().after(is_moved=False, took_s=0.001)] + [quick.after(is_moved=False, took_s=0.001) for _ in range(8)]
    assert idle[0] == pace.IDLE_MIN_S
    assert idle[-1] == pace.IDLE_MAX_S
    assert Pace().after(is_moved=False, took_s=30.0) < 0.05


def test_all_together_are_slowed_down_too():
    shared = pace.TokenBucket(3, 10.0)
    waits = [Pace(shared=shared).after(is_moved=True, took_s=0.001) for _ in range(8)]
    assert max(waits[:3]) < 0.05
    assert 0.3 < waits[-1] <= 0.5


def test_whoever_works_hard_rests_long():
    busy = Pace()
    until_at = time.thread_time() + 0.02
    while time.thread_time() < until_at:
        pass
    assert busy.after(is_moved=True, took_s=0.02) >= 0.02 * pace.WORK_SHARE


def _blocking(consul: FakeConsul, name: str) -> list[object]:
    return [request for request in consul.asked(f"/v1/health/service/{name}") if "index" in request.query]


@pytest.mark.parametrize("limit", [128, 0], ids=["own queries", "together"])
def test_the_index_and_what_is_left_out_are_told(consul, limit, monkeypatch):
    monkeypatch.setattr(query_threads, "SWEEP_SPACE_S", 0.02)
    consul.catalog.put("web", id="good")
    consul.catalog.put("web", id="bad", port=70000)
    consul.catalog.put("...")  # makes no DNS label
    provider = provider_of(consul, watch_limit=limit)
    with Watch(provider) as watch:
        assert sees(watch, {"web": ["good"]})
        until(lambda: (provider.index, provider.rejected) == (str(consul.catalog.index), 2))
        consul.catalog.put("web", id="worse", address="not an address")
        until(lambda: (provider.index, provider.rejected) == (str(consul.catalog.index), 3))
        consul.catalog.put("web", id="bad")
        assert sees(watch, {"web": ["bad", "good"]})
        until(lambda: provider.rejected == 2)
        for id_ in ("good", "bad", "worse"):
            consul.catalog.remove("web", id_)
        assert sees(watch, {})
        until(lambda: provider.rejected == 1)


def test_a_tag_that_moves_between_two_lists_to_another_instance(consul):
    """The list, which says the same before and after, comes late; the service's own query sees that no instance is wanted."""
    catalog = consul.catalog
    catalog.put("web", id="one", tags=["public"])
    catalog.put("web", id="two", tags=["x"])
    with Watch(provider_of(consul, tags=["public"])) as watch:
        assert sees(watch, {"web": ["one"]})
        until(lambda: bool(_blocking(consul, "web")))
        catalog.put("web", id="one", tags=["x"], moves_list=False)
        assert sees(watch, {})
        catalog.put("web", id="two", tags=["public"])
        assert sees(watch, {"web": ["two"]})
