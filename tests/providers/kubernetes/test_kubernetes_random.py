"""A thousand random objects on a real API server, before CoreDNS and before us: every answer is the same, or of a kind that
docs/differences.md lists, and then both answers are as that kind says.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from tests.kit import Answers
from tests.providers.beside import PAGE
from tests.providers.kubernetes.random_objects import Endpoint, Facts, facts, objects, questions, SPACES
from tests.providers.kubernetes.real import Cluster, CoreDns, missing, PATHS

OBJECTS = 1000
CONNECTIONS = 6
ZONE = "svc.cluster.local"
MISSING = missing("kube-apiserver", "etcd", "coredns")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(MISSING), reason=f"no {MISSING} here; .ci/servers builds them"),
    pytest.mark.timeout(180),
]

Said = tuple[str, frozenset[str]]  # the rcode, and the data of the answer in the form of both
NOTHING: frozenset[str] = frozenset()
NODATA: Said = ("NOERROR", NOTHING)
NXDOMAIN: Said = ("NXDOMAIN", NOTHING)

# The kinds, each with the words under which docs/differences.md has it.
KINDS = {
    "down": "`down.default A`",
    "not ready": "`10-3-0-9.head.default A`",
    "backed": "`10-3-5-1.backed.default A`",
    "protocol": "`_tcp.plain.default A`",
    "port": "`_http._tcp.plain.default A`",
    "short": "`plain A`",
    "alias": "`alias.default SRV`",
    "one address": "Two endpoints of one Service with the same address",
    "unnamed": "`_._tcp.nameless.default SRV`",
    "reverse of an endpoint behind a cluster IP": "The address of a pod behind a cluster IP has no reverse name here",
    "reverse of an endpoint that is not ready": "The address of an endpoint that is not ready has a reverse name here",
    "reverse of an address that several have": "An address that endpoints of several Services have is named by each headless one of them here",
}


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """The objects, our answers, CoreDNS."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        for namespace in SPACES[1:-1]:
            cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        cluster.allow_readers("services", "namespaces", "endpointslices")
        items = objects(1, OBJECTS)
        made = create(cluster, items)
        provider = KubernetesServiceDiscovery(kubeconfig=cluster.kubeconfig("reader-token"), environ={}, addresses="cluster_ip")
        stop = threading.Event()
        snapshot = next(provider.watch(stop))
        stop.set()
        provider.close()
        ours = Answers(snapshots={"kubernetes": snapshot.services}, zones=((b"svc", b"cluster", b"local"),), states=())
        with CoreDns(cluster) as theirs:
            yield made, ours, theirs


def create(cluster: Cluster, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, as the server answers them; over CONNECTIONS at a time."""
    headers = {"Authorization": "Bearer admin-token", "Content-Type": "application/json"}

    def post(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
        context = ssl.create_default_context(cafile=str(cluster.authority))
        made = []
        with closing(http.client.HTTPSConnection("127.0.0.1", cluster.port, timeout=20, context=context)) as connection:
            for item in some:
                connection.request("POST", PATHS[item["kind"]].format(item["metadata"]["namespace"]), json.dumps(item), headers)
                reply = connection.getresponse()
                made.append(json.load(reply))
                assert reply.status == 201, made[-1]
        return made

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [item for made in pool.map(post, [items[at::CONNECTIONS] for at in range(CONNECTIONS)]) for item in made]


def said(reply, *, is_shortened: bool = False) -> Said:
    """SRV without priority and weight. CoreDNS's names of the default namespace in our shorter form, as docs/differences.md says."""
    data = set()
    for rrset in reply.answer:
        for each in rrset:
            text = f"{each.port} {each.target}" if rrset.rdtype == dns.rdatatype.SRV else each.to_text()
            data.add(text.lower().replace(f".default.{ZONE}.", f".{ZONE}.") if is_shortened else text.lower())
    return dns.rcode.to_text(reply.rcode()), frozenset(data)


def kind_of(name: str, rtype: str, ours: Said, theirs: Said, known: dict[tuple[str, str], Facts]) -> str | None:
    """Of KINDS. None: a difference that is on no page, or not as the page says."""
    labels = name.lower().split(".")
    if len(labels) == 1:
        return "short" if theirs in (NODATA, NXDOMAIN) and ((labels[0], "default") in known or labels[0] in SPACES) else None
    about = known.get((labels[-2], labels[-1]))
    if about is None:
        return None
    below = labels[:-2]
    if about.kind == "external" and not below and rtype == "SRV":
        return "alias" if len(ours[1]) == 1 and theirs == NODATA else None
    if about.kind == "headless" and not about.ready and ours == NODATA and theirs == NXDOMAIN and below[:1] != ["nobody"]:
        return "down"
    if below == ["_tcp"]:
        return "protocol" if ours == NODATA and theirs == NXDOMAIN else None
    if about.kind == "headless" and (twice := about.twice) and (rtype == "SRV" or twice & set(below)):
        return "one address"
    if below == ["_", "_tcp"]:
        return "unnamed" if ours == NXDOMAIN and theirs[1] else None
    if len(below) == 2 and rtype == "A":
        return "port" if ours == NODATA and theirs[0] == "NOERROR" and theirs[1] else None
    if len(below) != 1:
        return None
    named = [each for each in about.endpoints if each.label == below[0]]
    if about.kind == "ip":
        return "backed" if ours == NXDOMAIN and theirs[0] == "NOERROR" and any(each.is_ready for each in named) else None
    ready = {each.address for each in named if each.is_ready}
    waiting = {each.address for each in named if not each.is_ready}
    if not waiting or ours[0] != "NOERROR":
        return None
    if rtype in ("A", "AAAA"):
        family = {each for each in ready | waiting if (":" in each) == (rtype == "AAAA")}
        return "not ready" if ours[1] == family and theirs[1] == family & ready and (theirs == NXDOMAIN) == (not ready) else None
    return "not ready" if theirs[1] <= ours[1] or theirs == NXDOMAIN else None


def test_every_name_is_answered_alike_or_as_the_page_says(beside):
    made, ours, theirs = beside
    known = facts(made)
    assert len(made) >= OBJECTS
    same, kinds, unlisted = 0, Counter(), []
    for name, rtype in questions(made):
        whole = f"{name}.{ZONE}"
        here, there = said(ours.ask(whole, rtype)), said(theirs.ask(whole, rtype), is_shortened=True)
        if here == there:
            same += 1
        elif kind := kind_of(name, rtype, here, there, known):
            kinds[kind] += 1
        else:
            unlisted.append(f"{name} {rtype} {known.get(tuple(name.lower().split('.')[-2:]))}: here {here}, CoreDNS {there}")
    print(same, dict(kinds))
    assert unlisted == [], f"{len(unlisted)} of {same + kinds.total()}:\n" + "\n".join(unlisted[:40])
    assert same > 3000


def reverse_kind(address: str, ours: Said, theirs: Said, known: dict[tuple[str, str], Facts]) -> str | None:
    """As kind_of(), of the PTR records of *address*. Cluster IPs are the same in both."""
    holders = {"ip": [], "headless": [], "external": []}
    for (name, namespace), about in known.items():
        space = "" if namespace == "default" else f".{namespace}"
        holders[about.kind] += [
            (f"{each.label}.{name}{space}.{ZONE}.", each.is_ready) for each in about.endpoints if each.address == address
        ]
    headless = {owner for owner, _ in holders["headless"]}
    ready = {owner for owner, is_ready in holders["headless"] if is_ready}
    behind = {owner for owner, is_ready in holders["ip"] if is_ready}
    if not ours[1] <= headless or not theirs[1] <= behind | ready:
        return None
    if ours == NXDOMAIN:
        return "reverse of an endpoint behind a cluster IP" if not headless and theirs[1] else None
    if theirs == NXDOMAIN:
        return "reverse of an endpoint that is not ready" if not ready and ours[1] else None
    return "reverse of an address that several have" if len(headless | behind) > 1 and ours[1] == headless else None


def test_every_address_is_named_alike_or_as_the_page_says(beside):
    made, ours, theirs = beside
    known = facts(made)
    addresses = {each.address for about in known.values() for each in about.endpoints}
    chosen = {ip for item in made if item["kind"] == "Service" for ip in item["spec"].get("clusterIPs", ()) if ip != "None"}
    same, kinds, unlisted = 0, Counter(), []
    for address in sorted(addresses | chosen):
        whole = dns.reversename.from_address(address).to_text()
        here, there = said(ours.ask(whole, "PTR")), said(theirs.ask(whole, "PTR"), is_shortened=True)
        if here == there:
            same += 1
        elif address not in chosen and (kind := reverse_kind(address, here, there, known)):
            kinds[kind] += 1
        else:
            unlisted.append(f"{address}: here {here}, CoreDNS {there}")
    print(same, dict(kinds))
    assert unlisted == [], f"{len(unlisted)}:\n" + "\n".join(unlisted[:40])
    assert same > len(chosen)


def test_every_kind_is_on_the_page():
    section = PAGE.read_text().partition("## Kubernetes\n")[2]
    assert [words for words in KINDS.values() if words not in section] == []


def test_a_difference_of_no_kind_would_be_noticed():
    known = {("web", "shop"): Facts("headless", (Endpoint("a", "10.0.0.1", True), Endpoint("b", "10.0.0.2", False)))}
    both = ("NOERROR", frozenset({"10.0.0.1", "10.0.0.2"}))
    one = ("NOERROR", frozenset({"10.0.0.1"}))
    assert kind_of("b.web.shop", "A", ("NOERROR", frozenset({"10.0.0.2"})), NXDOMAIN, known) == "not ready"
    for name, ours, theirs in (
        ("web.shop", NXDOMAIN, one),
        ("web.shop", NODATA, NXDOMAIN),  # one is ready
        ("web.shop", both, one),  # an endpoint that is not ready is among the service's own addresses
        ("a.web.shop", NXDOMAIN, one),
        ("a.web.shop", both, one),
        ("b.web.shop", NODATA, NXDOMAIN),
        ("_tcp.web.shop", NXDOMAIN, NODATA),
        ("other.shop", NODATA, NXDOMAIN),
    ):
        assert kind_of(name, "A", ours, theirs, known) is None, name
    whole = "a.web.shop.svc.cluster.local."
    assert reverse_kind("10.0.0.1", NXDOMAIN, ("NOERROR", frozenset({whole})), known) is None
    assert reverse_kind("10.0.0.1", ("NOERROR", frozenset({"x." + whole})), NXDOMAIN, known) is None
