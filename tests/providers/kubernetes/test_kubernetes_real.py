"""The provider against a real API server, and its answers beside CoreDNS's for the same cluster."""

from __future__ import annotations

import signal
import threading
import time

import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from dnsdisco.errors import NotSupported
from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from tests.kit import Answers
from tests.providers.beside import outcome, rows
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import endpoint, headless, service, slice_of
from tests.providers.kubernetes.real import Cluster, CoreDns, missing
from tests.whole.server import Server

MISSING = missing("kube-apiserver", "etcd")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(MISSING), reason=f"no {MISSING} here; .ci/servers builds them"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running):
    running.clear()
    return running


@pytest.fixture
def provider(cluster):
    made = KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig(), environ={})
    yield made
    made.close()


def fresh(name, namespace="default", **spec):
    """A Service whose cluster IP the server chooses."""
    item = service(name, namespace, **spec)
    if "clusterIP" not in spec:
        del item["spec"]["clusterIP"]
    return item


def test_register_scale_flip_rename_delete(cluster, provider):
    with Follow(provider) as follow:
        follow.until(lambda it: it.snapshots)
        assert (
            provider.register_service("auth", {"address": "10.1.0.1", "port": 80, "id": "a1", "tags": ["v1"], "meta": {"k": "v"}})
            == "a1"
        )
        follow.until(lambda it: it.addresses("auth") == ["10.1.0.1"])
        one = follow.last.services["default", "auth"].instances[0]
        assert (one.tags, one.meta, one.health.word) == (("v1",), (("k", "v"),), "passing")
        provider.register_service("auth", {"address": "10.1.0.1", "port": 80, "id": "a1", "health": "critical"})
        follow.until(lambda it: it.last.services["default", "auth"].instances[0].health.word == "critical")
        provider.register_service("auth", {"address": "2001:db8::1", "port": 80, "id": "a2"})
        follow.until(lambda it: it.addresses("auth") == ["10.1.0.1", "2001:db8::1"])
        provider.deregister_service("auth", "a1")
        follow.until(lambda it: it.addresses("auth") == ["2001:db8::1"])
        provider.deregister_service("auth")
        follow.until(lambda it: "auth" not in it.names())
        cluster.put(headless("web"))
        cluster.put(slice_of("web", [f"10.2.0.{at}" for at in range(1, 101)]))
        follow.until(lambda it: len(it.addresses("web")) == 100)
        cluster.put(slice_of("web", None, ports=None))  # which the server answers as `endpoints: null`
        follow.until(lambda it: it.addresses("web") == [])
    assert follow.losses == []


def test_what_is_not_ours_stays(cluster, provider):
    before = cluster.put(fresh("web"))
    for call in (lambda: provider.register_service("web", {"address": "10.0.0.1"}), lambda: provider.deregister_service("web")):
        with pytest.raises(NotSupported, match="was not made by dnsdisco"):
            call()
    assert cluster.ask("GET", "/api/v1/namespaces/default/services/web") == before
    with pytest.raises(ValueError, match="loopback"):
        provider.register_service("new", {"address": "127.0.0.1", "port": 1})
    assert provider.get_service("new") is None


def test_the_history_is_compacted_away(cluster, provider):
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.0.0.1"]))
    with Follow(KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig(), environ={}, watch_s=2.0)) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.0.0.1"])
        cluster.api.stop(signal.SIGKILL)
        follow.until_lost()
        cluster.start_api()
        cluster.put(slice_of("web", ["10.0.0.2"]))
        cluster.forget()
        follow.until(lambda it: it.addresses("web") == ["10.0.0.2"])
    assert all(snapshot.services["default", "web"].instances for snapshot in follow.snapshots)


def test_kill_9_and_hang_and_return(cluster, provider):
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.0.0.1"]))
    with Follow(KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig(), environ={}, answer_s=1.0, pulse_s=0.5)) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.0.0.1"])
        cluster.api.tell(signal.SIGSTOP)
        try:
            assert "time" in follow.until_lost(within_s=5).reason
        finally:
            cluster.api.tell(signal.SIGCONT)
        cluster.put(slice_of("web", ["10.0.0.2"]))
        began_at = time.monotonic()
        follow.until(lambda it: it.addresses("web") == ["10.0.0.2"])
        assert time.monotonic() - began_at < 3
        cluster.api.stop(signal.SIGKILL)
        follow.until_lost(len(follow.losses) + 1)
        cluster.start_api()
        began_at = time.monotonic()
        cluster.put(slice_of("web", ["10.0.0.3"]))
        follow.until(lambda it: it.addresses("web") == ["10.0.0.3"])
        assert time.monotonic() - began_at < 3
    assert all(("default", "web") in snapshot.services for snapshot in follow.snapshots)


def test_a_restart_with_an_empty_cluster(cluster, provider):
    cluster.put(headless("web"))
    for at in range(30):
        cluster.put(slice_of("web", [f"10.0.0.{at + 1}"]))  # so that versions are ahead of those of the new server
    with Follow(provider) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.0.0.30"])
        cluster.lose_everything()
        follow.until(lambda it: "web" not in it.names())
        cluster.put(headless("after"))
        follow.until(lambda it: "after" in it.names(), 3)


def test_a_change_is_seen_within_milliseconds(cluster, provider):
    """From the beginning of the request that changes it to the snapshot: 200 changes, p99 under 100 ms."""
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.9.0.1"]))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-a"
    stop = threading.Event()
    views = provider.watch(stop)
    while not next(views).services["default", "web"].instances:
        pass
    seen_s = []
    for at in range(200):
        address = f"10.9.{at // 250 + 1}.{at % 250 + 1}"
        began_at = time.perf_counter()
        cluster.ask("PUT", path, slice_of("web", [address]))
        while next(views).services["default", "web"].instances[0].address != address:
            pass
        seen_s.append(time.perf_counter() - began_at)
    stop.set()
    seen_s.sort()
    assert seen_s[197] < 0.1, f"p50 {seen_s[100] * 1e3:.1f} ms, p99 {seen_s[197] * 1e3:.1f} ms"


def test_a_whole_server_follows_and_never_denies_a_known_name(cluster, tmp_path):
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.0.0.1"]))
    config = tmp_path / "dnsdisco.yaml"
    config.write_text(f"providers: [{{type: kubernetes, kubeconfig: {cluster.kubeconfig()}}}]\nforward: {{upstreams: []}}\n")
    with Server("--config", str(config), "--http", "off", "--state-dir", "off", cwd=tmp_path) as server:
        server.until("web.svc.local", {"10.0.0.1"}, 5)
        cluster.put(slice_of("web", ["10.0.0.2"]))
        assert server.until("web.default.svc.local", {"10.0.0.2"}, 1) < 0.3
        assert server.ask("nobody.svc.local").rcode() == dns.rcode.NXDOMAIN
        cluster.api.stop(signal.SIGKILL)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            assert server.answers("web.svc.local") == {"10.0.0.2"}
            time.sleep(0.02)
        cluster.start_api()
        cluster.put(slice_of("web", ["10.0.0.3"]))
        server.until("web.svc.local", {"10.0.0.3"}, 3)
        cluster.api.tell(signal.SIGSTOP)
        assert server.answers("web.svc.local") == {"10.0.0.3"}
        cluster.api.tell(signal.SIGCONT)
        cluster.put(slice_of("web", None, ports=None))
        until = time.monotonic() + 3
        while server.answers("web.svc.local"):
            assert time.monotonic() < until
        assert server.ask("web.svc.local").rcode() == dns.rcode.NOERROR


SHARED = [
    # Below svc.cluster.local, asked of both, and the same answer expected. SRV targets: see _target().
    *(
        (f"{name}.{space}", rtype)
        for name, space in (("plain", "default"), ("dual", "default"), ("six", "default"), ("other", "shop"))
        for rtype in ("A", "AAAA", "MX")
    ),
    *((f"{name}.default", rtype) for name in ("head", "dualhead", "notready", "empty") for rtype in ("A", "AAAA")),
    ("lone.default", "A"),
    ("PLAIN.Default", "A"),
    ("nobody.default", "A"),
    ("plain.nowhere", "A"),
    ("default", "A"),
    ("_http._tcp.plain.default", "SRV"),
    ("_dns._udp.plain.default", "SRV"),
    ("_dns._tcp.plain.default", "SRV"),
    ("_no._tcp.plain.default", "SRV"),
    ("_http._tcp.head.default", "SRV"),
    ("_http._tcp.dual.default", "SRV"),
    ("_http._tcp.dualhead.default", "SRV"),
    ("plain.default", "SRV"),
    ("head.default", "SRV"),
    ("web-0.head.default", "A"),
    ("web-1.head.default", "A"),
    ("pod-2.head.default", "A"),
    ("10-3-0-4.head.default", "A"),
    ("nobody.head.default", "A"),
    ("both-0.dualhead.default", "A"),
    ("both-0.dualhead.default", "AAAA"),
    ("alias.default", "CNAME"),
    ("same.samehead.default", "A"),
    ("same.samehead.default", "AAAA"),
    ("samehead.default", "SRV"),
    ("_http._tcp.samehead.default", "SRV"),
    # `web` is a Service in the namespace `redis`, and a pod of the headless Service `redis` in the default one.
    ("web.redis", "A"),
    ("web.redis", "SRV"),
    ("_http._tcp.web.redis", "SRV"),
    ("w-0.web.redis", "A"),
    ("redis.default", "A"),
    ("web.redis.default", "A"),
    ("nobody.redis", "A"),
    ("nobody.web.redis", "A"),
]


@pytest.fixture
def side_by_side(cluster):
    """CoreDNS, and our answers for the same objects, in the same zone."""
    if missing("coredns"):
        pytest.skip("no coredns here; .ci/servers builds it")
    for space in ("shop", "redis"):
        cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    for item in (
        fresh("plain", ports=[(80, "http"), (53, "dns", "UDP"), (54, "other")]),
        fresh("dual", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"]),
        fresh("six", ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"]),
        fresh("other", "shop"),
        fresh("nameless", ports=[(80, "")]),
        headless("head"),
        slice_of("head", [endpoint("10.3.0.1", hostname="web-0", pod="x"), endpoint("10.3.0.2", hostname="web-1")]),
        slice_of(
            "head", [endpoint("10.3.0.3", pod="pod-2"), "10.3.0.4", endpoint("10.3.0.9", ready=False), "10.3.0.4"], suffix="b"
        ),
        headless("dualhead"),
        slice_of("dualhead", [endpoint("10.3.1.1", hostname="both-0")]),
        slice_of("dualhead", [endpoint("2001:db8::31", hostname="both-0")], suffix="b", family="IPv6"),
        headless("notready", publishNotReadyAddresses=True),
        slice_of("notready", [endpoint("10.3.2.1", ready=True)]),
        headless("lone", ports=()),
        slice_of("lone", ["10.3.3.1"], ports=None),
        fresh("empty"),
        slice_of("empty", None, ports=None),
        fresh("alias", type="ExternalName", externalName="db.example.com", ports=()),
        fresh("backed"),
        slice_of("backed", ["10.3.5.1"]),
        headless("samehead"),
        slice_of("samehead", [endpoint("10.3.6.1", hostname="same"), endpoint("10.3.6.2", hostname="same", nodeName="n2")]),
        slice_of("samehead", [endpoint("2001:db8::61", hostname="same")], suffix="b", family="IPv6"),
        slice_of("samehead", [endpoint("10.3.6.3", hostname="same", ready=False)], suffix="c"),
        headless("web", "redis"),
        slice_of("web", [endpoint("10.3.7.1", hostname="w-0")], namespace="redis"),
        headless("redis"),
        slice_of("redis", [endpoint("10.3.8.1", hostname="web")]),
        headless("down"),
        slice_of("down", [endpoint("10.3.4.1", ready=False)]),
    ):
        cluster.put(item)
    cluster.allow_readers("services", "namespaces", "endpointslices")
    provider = KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig("reader-token"), environ={}, addresses="cluster_ip")
    stop = threading.Event()
    snapshot = next(provider.watch(stop))
    stop.set()
    ours = Answers(snapshots={"kubernetes": snapshot.services}, zones=((b"svc", b"cluster", b"local"),), states=())
    with CoreDns(cluster) as theirs:
        yield ours, theirs


def both(side_by_side, name, rtype):
    ours, theirs = side_by_side
    return told(ours.ask(name, rtype)), told(theirs.ask(name, rtype))


def told(reply):
    """rcode and the answer's data in no order."""
    data = set()
    for rrset in reply.answer:
        for each in rrset:
            data.add(_target(each) if rrset.rdtype == dns.rdatatype.SRV else each.to_text().lower())
    return dns.rcode.to_text(reply.rcode()), data


def _target(each):
    """SRV without priority and weight (ours: 0 1; theirs: 0 and 100 shared out), and under the shorter name of a default namespace."""
    return f"{each.port} {each.target}".lower().replace(".default.svc.", ".svc.")


def test_the_same_answers_as_coredns(side_by_side):
    differing = []
    for name, rtype in SHARED:
        ours, theirs = both(side_by_side, f"{name}.svc.cluster.local", rtype)
        if ours != theirs:
            differing.append(f"{name} {rtype}: ours {ours}, CoreDNS {theirs}")
    assert differing == [], "\n".join(differing)


def test_the_reverse_of_an_address(side_by_side):
    snapshot_addresses = ("10.3.0.1", "10.3.0.3", "10.3.0.4", "10.3.1.1")
    for address in snapshot_addresses:
        (_, ours), (_, theirs) = both(side_by_side, dns.reversename.from_address(address).to_text(), "PTR")
        assert {name.replace(".default.svc.", ".svc.") for name in theirs} == ours, address


def test_the_reverse_names_that_differ_are_those_that_the_page_names(side_by_side):
    """Pods behind a cluster IP, and endpoints that are not ready."""
    behind, not_ready = (dns.reversename.from_address(address).to_text() for address in ("10.3.5.1", "10.3.0.9"))
    assert both(side_by_side, behind, "PTR") == (("NXDOMAIN", set()), ("NOERROR", {"10-3-5-1.backed.default.svc.cluster.local."}))
    assert both(side_by_side, not_ready, "PTR") == (("NOERROR", {"10-3-0-9.head.svc.cluster.local."}), ("NXDOMAIN", set()))


def test_the_differences_are_those_that_the_page_lists(side_by_side):
    ours, theirs = side_by_side
    listed = rows("Kubernetes")
    assert len(listed) > 5
    seen = []
    for name, rtype, *_ in listed:
        whole = f"{name}.svc.cluster.local"
        seen.append((name, rtype, outcome(ours.ask(whole, rtype)), outcome(theirs.ask(whole, rtype))))
    assert seen == listed
    # And without a table: neither makes an SRV record of a Service without ports.
    assert {outcome(each.ask("lone.default.svc.cluster.local", "SRV")) for each in (ours, theirs)} == {"NODATA"}
