"""watch() against a server that fails in every way that research has found servers to fail."""

from __future__ import annotations

import threading
import time

import pytest

from dnsdisco.errors import ProviderError
from tests.providers.kubernetes.fake import CLOSE
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import endpoint, headless, service, slice_of


def fill(fake, number=3):
    for at in range(number):
        fake.put(headless(f"s{at}"), slice_of(f"s{at}", [f"10.0.0.{at + 1}"]))


def watches(fake, plural):
    return [request for request in fake.requests if request.is_watch and request.plural == plural]


def lists(fake, plural):
    return [
        request for request in fake.requests if request.is_list and request.plural == plural and request.query.get("limit") != "1"
    ]


def test_a_change_is_a_new_snapshot_that_shares_the_rest(fake, connect):
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        first = follow.last
        fake.put(slice_of("s1", ["10.0.0.2", "10.0.1.2"]))
        follow.until(lambda it: it.addresses("s1") == ["10.0.0.2", "10.0.1.2"])
        assert follow.last.changed == {("default", "s1")}
        assert follow.last.services["default", "s0"] is first.services["default", "s0"]
        fake.delete("Service", "default", "s0")
        follow.until(lambda it: it.names() == {"s1", "s2"})
        assert follow.last.changed == {("default", "s0")}
        fake.put(headless("new"))
        follow.until(lambda it: "new" in it.names())
        assert follow.addresses("new") == []
    assert follow.losses == []


def test_a_burst_is_few_snapshots(fake, connect):
    fill(fake, 200)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 200)
        fake.wait_for_watches(2)
        before = len(follow.snapshots)
        fake.put(*(slice_of(f"s{at}", ["10.9.9.9"]) for at in range(200)))
        follow.until(lambda it: all(it.addresses(f"s{at}") == ["10.9.9.9"] for at in range(200)))
        assert len(follow.snapshots) - before < 100


def test_a_watch_that_ends_as_announced_goes_on_from_the_last_version(fake, connect):
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        fake.end_watches()
        fake.wait_for_watches(4)
        again = len(watches(fake, "services"))
        fake.put(slice_of("s1", ["10.7.7.7"]))
        follow.until(lambda it: it.addresses("s1") == ["10.7.7.7"])
        assert again >= 2
        assert len(lists(fake, "services")) == 1
        assert follow.losses == []
        assert follow.snapshots[-2] is follow.snapshots[-3] or len(follow.snapshots) < 4  # contact: the same object


def test_the_watch_is_bounded_and_asks_for_bookmarks(fake, connect):
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: it.last)
        fake.wait_for_watches(2)
    query = watches(fake, "services")[0].query
    assert 200 <= int(query["timeoutSeconds"]) <= 600
    assert query["allowWatchBookmarks"] == "true"


def test_a_bookmark_moves_the_version_on(fake, connect):
    fill(fake)
    fake.bookmarks = True
    with Follow(connect()) as follow:
        follow.until(lambda it: it.last)
        fake.wait_for_watches(2)
        fake.put(slice_of("s0", ["10.0.0.9"]))  # the version of services does not move by itself
        version = str(fake.version)
        fake.end_watches()
        fake.wait_for_watches(4)
        time.sleep(0.05)
    assert watches(fake, "services")[1].query["resourceVersion"] == version
    assert follow.losses == []


@pytest.mark.parametrize("how", ["event", "status"])
def test_a_forgotten_version_means_a_new_list_and_no_gap(fake, connect, how):
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        if how == "status":
            gone = []

            def lie(request):
                if request.is_watch and request.plural == "services" and not gone:
                    gone.append(request)
                    return request.refuse(410, "Gone")
                return None

            fake.lie = lie
        fake.delete("Service", "default", "s0")
        fake.put(slice_of("s1", ["10.1.1.1"]))
        follow.until(lambda it: it.names() == {"s1", "s2"})
        fake.put(slice_of("s2", ["10.2.2.2"]))
        if how == "event":
            fake.version += 10
            fake.compact()
        fake.end_watches()
        follow.until(lambda it: len(lists(fake, "services")) >= 2, 4)
        fake.put(headless("late"))
        follow.until(lambda it: it.names() == {"s1", "s2", "late"})
    assert follow.losses == []
    assert all(len(snapshot.services) >= 2 for snapshot in follow.snapshots)


def test_a_server_that_forgets_at_once_is_a_loss_and_no_loop(fake, connect):
    fill(fake)

    def lie(request):
        if request.is_watch:
            request.begin_stream()
            request.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        assert "forgets" in follow.until_lost(3).reason
    assert len(fake.requests) < 12 * follow.watches


def test_an_error_event_is_a_loss(fake, connect):
    fill(fake)

    def lie(request):
        if request.is_watch:
            request.begin_stream()
            request.event("ERROR", {"kind": "Status", "code": 500, "message": "etcdserver: no leader"})
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        assert "etcdserver: no leader" in follow.until_lost().reason


def test_a_cut_line_is_not_used_and_the_watch_goes_on(fake, connect):
    fill(fake)
    cut = []

    def lie(request):
        if request.is_watch and request.plural == "endpointslices" and not cut:
            cut.append(request)
            request.begin_stream()
            request.event(
                "MODIFIED", {**slice_of("s1", ["10.3.3.3"]), "metadata": {**slice_of("s1", [])["metadata"], "resourceVersion": "7"}}
            )
            request.send(b'{"type":"MODIFIED","object":{"metadata":{"name":"s2-a"')
            return CLOSE
        return None

    fake.compacted = 0
    fake.lie = lie
    with Follow(connect()) as follow:
        # That 10.3.3.3 was there need not be seen: what follows at once may be in the same snapshot.
        fake.wait_for_watches(3)  # the second one of the slices, from where the whole line before the cut one was
        fake.put(headless("late"))
        follow.until(lambda it: "late" in it.names())
    assert follow.losses == []
    assert watches(fake, "endpointslices")[1].query["resourceVersion"] == "7"


def test_a_line_that_is_no_json_means_a_new_list(fake, connect):
    fill(fake)
    lied = []

    def lie(request):
        if request.is_watch and request.plural == "services" and not lied:
            lied.append(request)
            request.begin_stream()
            request.send(b"<html>oops</html>\n")
            time.sleep(0.05)
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        follow.until(lambda it: len(lists(fake, "services")) == 2)
        fake.put(headless("late"))
        follow.until(lambda it: "late" in it.names())
    assert follow.losses == []


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_an_event_without_end_is_a_loss(fake, connect, monkeypatch, size):
    """In drops, or in one piece; what was known stays."""
    monkeypatch.setattr("dnsdisco.providers.kubernetes.reflector.LINE_OCTETS_MAX", 100_000)
    fill(fake)

    def lie(request):
        if request.is_watch:
            request.begin_stream()
            for _ in range(300_000 // size):
                request.send(b" " * size)
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        assert "an event of more than 100000 octets" in follow.until_lost().reason


@pytest.mark.parametrize(
    "item", [None, [], "x", {}, {"metadata": None}, {"metadata": {"name": "s1", "namespace": "default"}, "spec": "?"}]
)
def test_a_bad_object_in_a_watch_harms_no_other(fake, connect, item):
    fill(fake)
    lied = []

    def lie(request):
        if request.is_watch and request.plural == "services" and not lied:
            lied.append(request)
            request.begin_stream()
            request.event("MODIFIED", item)
            request.event(
                "ADDED", {**headless("good"), "metadata": {"name": "good", "namespace": "default", "resourceVersion": "105"}}
            )
            time.sleep(0.1)
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        follow.until(lambda it: it.names() == {"s0", "s1", "s2", "good"})
        assert follow.addresses("s1") == ["10.0.0.2"]
    assert follow.losses == []
    assert follow.provider.faults.count


def test_a_server_that_is_killed_and_comes_back(fake, connect):
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        services = follow.last.services
        fake.stop()
        loss = follow.until_lost()
        assert not loss.is_denied
        assert follow.until_lost(3).reason.endswith("connection refused")
        fake.objects["services"].pop(("default", "s0"))
        fake.start()
        began_at = time.monotonic()
        follow.until(lambda it: it.names() == {"s1", "s2"})
        assert time.monotonic() - began_at < 1
        assert follow.last.services["default", "s1"] is services["default", "s1"]  # what is known is kept from watch to watch
    assert all(len(snapshot.services) >= 2 for snapshot in follow.snapshots)


def test_a_server_that_lost_its_data_is_believed_at_once(fake, connect):
    """Its versions begin anew: a watch from ours would be silent until the server has caught up."""
    fill(fake)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        fake.stop()
        fake.clear()
        fake.start()
        follow.until(lambda it: it.names() == set())
        fake.put(headless("after"))
        follow.until(lambda it: it.names() == {"after"})


def test_much_is_not_listed_again_after_a_loss(fake, connect):
    fill(fake, 1100)
    with Follow(connect(relist_s=600)) as follow:
        follow.until(lambda it: len(it.last.services) == 1100)
        fake.wait_for_watches(2)
        fake.break_connections()
        fake.stop()
        follow.until_lost()
        fake.start()
        fake.wait_for_watches(4)
        fake.put(headless("late"))
        follow.until(lambda it: len(it.last.services) == 1101)
    assert len([each for each in lists(fake, "services") if "continue" not in each.query]) == 1


def test_a_new_watch_asks_anew_while_another_one_runs(fake, connect):
    """Control starts a second one to have a mass disappearance confirmed: an answer from memory would confirm anything."""
    fill(fake)
    provider = connect()
    stop, other = threading.Event(), threading.Event()
    first = provider.watch(stop)
    assert len(next(first).services) == 3
    fake.objects["services"].clear()
    second = provider.watch(other)
    assert next(second).services == {}
    first.close()
    second.close()


def test_a_watch_that_was_ended_leaves_nothing_to_go_on_from(fake, connect):
    fill(fake, 1100)  # so many that a loss would be gone on from
    provider = connect()
    views = provider.watch(threading.Event())
    assert len(next(views).services) == 1100
    fake.wait_for_watches(2)
    views.close()
    fake.objects["services"].clear()
    views = provider.watch(threading.Event())
    assert next(views).services == {}
    views.close()


def test_a_hang_of_everything_is_noticed_and_survived(fake, connect):
    fill(fake)
    with Follow(connect(answer_s=0.3, pulse_s=0.2)) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.wait_for_watches(2)
        fake.frozen.set()
        began_at = time.monotonic()
        assert "does not answer" in follow.until_lost().reason
        assert time.monotonic() - began_at < 2
        fake.frozen.clear()
        fake.put(headless("late"))
        follow.until(lambda it: "late" in it.names())
    assert all(len(snapshot.services) >= 3 for snapshot in follow.snapshots)


def test_an_idle_watch_is_told_to_be_alive_by_the_same_object(fake, connect):
    fill(fake)
    with Follow(connect(pulse_s=0.1)) as follow:
        follow.until(lambda it: len(it.snapshots) > 5)
        assert all(snapshot is follow.snapshots[0] for snapshot in follow.snapshots)
    assert follow.losses == []
    assert len(lists(fake, "services")) == 1


def test_a_stop_is_noticed_at_once_also_by_the_threads(fake, connect):
    fill(fake)
    before = threading.active_count()
    provider = connect()
    stop = threading.Event()
    views = provider.watch(stop)
    next(views)
    fake.wait_for_watches(2)
    began_at = time.monotonic()
    stop.set()
    assert list(views) == []
    assert time.monotonic() - began_at < 1
    until = time.monotonic() + 2
    while any(thread.name.startswith("kubernetes-") for thread in threading.enumerate()):
        assert time.monotonic() < until, f"{threading.active_count() - before} threads are left"
        time.sleep(0.01)


def test_a_stop_while_the_server_hangs(fake, connect):
    fill(fake)
    fake.lie = lambda request: time.sleep(3) if request.is_watch else None
    views = connect(answer_s=10).watch(stop := threading.Event())
    next(views)
    threading.Timer(0.1, stop.set).start()
    began_at = time.monotonic()
    assert list(views) == []
    assert time.monotonic() - began_at < 1


def test_a_stop_before_the_server_has_said_anything(fake, connect):
    fake.lie = lambda request: time.sleep(3)
    threading.Timer(0.1, (stop := threading.Event()).set).start()
    began_at = time.monotonic()
    assert list(connect(answer_s=10).watch(stop)) == []
    assert time.monotonic() - began_at < 1


def test_the_watch_closes_as_soon_as_it_is_open(fake, connect):
    """Traefik and others have melted servers that did this."""
    fill(fake)

    def lie(request):
        if request.is_watch:
            request.begin_stream()
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        follow.until(lambda it: it.last)
        time.sleep(0.7)
    assert len(fake.requests) < 16


def test_an_event_and_a_cut_again_and_again_is_no_busy_loop(fake, connect):
    fill(fake)

    def lie(request):
        if request.is_watch and request.plural == "endpointslices":
            request.begin_stream()
            item = slice_of("s1", ["10.3.3.3"])
            item["metadata"]["resourceVersion"] = str(len(fake.requests) + 1000)
            request.event("MODIFIED", item)
            return CLOSE
        return None

    fake.lie = lie
    with Follow(connect()) as follow:
        follow.until(lambda it: it.addresses("s1") == ["10.3.3.3"])
        time.sleep(0.7)
        assert len(fake.requests) < 16


def test_a_silent_watch_is_put_right_by_the_next_list(fake, connect):
    fill(fake)

    def lie(request):
        if request.is_watch:
            request.begin_stream()
            time.sleep(min(float(request.query["timeoutSeconds"]), 1))
            return request.end_stream()
        return None

    fake.lie = lie
    with Follow(connect(watch_s=1.0, relist_s=1.0)) as follow:
        follow.until(lambda it: len(it.last.services) == 3)
        fake.put(headless("late"))
        follow.until(lambda it: "late" in it.names(), 4)
    assert follow.losses == []


@pytest.mark.parametrize(("code", "is_denied"), [(500, False), (503, False), (504, False), (403, True), (400, True), (302, False)])
def test_statuses_are_losses_that_say_what_was_said(fake, connect, code, is_denied):
    fake.lie = lambda request: request.refuse(code, "Odd", "what the server said")
    with Follow(connect()) as follow:
        loss = follow.until_lost()
    assert str(code) in loss.reason
    assert "what the server said" in loss.reason
    assert loss.is_denied is is_denied


def test_a_redirect_is_not_followed(fake, connect):
    fake.lie = lambda request: request.answer(302, b"", Location="http://127.0.0.1:1/steal") if request.plural else None
    with pytest.raises(ProviderError, match="302"):
        connect().get_services()


def test_too_many_requests_says_how_long_to_wait(fake, connect):
    fake.lie = lambda request: request.refuse(429, "TooManyRequests", Retry_After="17")
    with Follow(connect()) as follow:
        assert follow.until_lost().retry_after_s == 17
    fake.lie = lambda request: request.refuse(429, "TooManyRequests", Retry_After="Fri, 31 Dec 1999 23:59:59 GMT")
    with Follow(connect()) as follow:
        assert 5 <= follow.until_lost().retry_after_s <= 10


def test_permission_that_is_taken_away_keeps_what_is_known(fake, connect):
    fill(fake)
    fake.put(service("elsewhere", "shop"))
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.last.services) == 4)
        fake.wait_for_watches(2)
        fake.forbidden = lambda request: not request.namespace  # the default namespace may be listed still
        fake.end_watches()
        loss = follow.until_lost(2)
        assert loss.is_denied
        assert "at the cluster scope" in follow.losses[0].reason
        fake.forbidden = lambda request: False
        follow.until(lambda it: len(it.snapshots) > 0 and it.watches > 2)
    assert all(len(snapshot.services) == 4 for snapshot in follow.snapshots)


def test_health_flips_are_seen(fake, connect):
    fake.put(headless("web"), slice_of("web", ["10.0.0.1", endpoint("10.0.0.2", ready=False)]))
    with Follow(connect()) as follow:
        follow.until(lambda it: it.addresses("web"))
        assert [each.health.word for each in follow.last.services["default", "web"].instances] == ["passing", "critical"]
        fake.put(slice_of("web", [endpoint("10.0.0.1", ready=False), "10.0.0.2"]))
        follow.until(
            lambda it: [each.health.word for each in it.last.services["default", "web"].instances] == ["critical", "passing"]
        )


def test_the_version_and_what_is_left_out_are_told(fake, connect):
    fill(fake, 2)
    with Follow(connect()) as follow:
        follow.until(lambda it: len(it.names()) == 2)
        provider = follow.provider
        assert (provider.index, provider.rejected) == (str(fake.version), 0)

        def is_told(rejected):
            return lambda it: (it.provider.index, it.provider.rejected) == (str(fake.version), rejected)

        fake.put(slice_of("s0", ["10.0.0.1", "nonsense", endpoint("10.0.0.300")]))
        follow.until(is_told(2))  # the endpoints; the slice is used
        fake.put({**headless("s1"), "spec": 7})
        follow.until(is_told(3))  # the Service, which stays as it was
        assert follow.names() == {"s0", "s1"}
        fake.put(slice_of("s0", ["10.0.0.1"]))
        follow.until(is_told(1))
        fake.break_connections()  # a new list
        fake.put(headless("s2"))
        follow.until(lambda it: "s2" in it.names())
        follow.until(is_told(1))
        fake.delete("Service", "default", "s1")
        follow.until(is_told(0))
