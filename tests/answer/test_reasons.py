"""The reasons of empty answers: each is there, for clients with EDNS alone, and each is true."""

from __future__ import annotations

import time

import dns.message
import dns.rcode
import pytest

from dnsdisco.model.claims import ChainPolicy
from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Health, Instance, Port, Service
from dnsdisco.server.hints import HINTS_EVERY_S, HINTS_MAX
from tests.kit import Answers, CannedUpstreams, errors, section, services

TEXT = """
web:
  instances:
    - {id: w1, address: 10.0.0.1, port: 80, tags: [v1]}
    - {id: w2, address: 10.0.0.2, port: 80}
six: {instances: [{id: s, address: "2001:db8::1", port: 80}]}
mixed:
  instances:
    - {id: m4, address: 10.0.1.1, port: 80, health: critical}
    - {id: m6, address: "2001:db8::2"}
ill: {when_all_unhealthy: empty, instances: [{id: i, address: 10.0.2.1, port: 80, health: critical}]}
open: {instances: [{id: o, address: 10.0.2.2, port: 80, health: critical}]}
portless: {instances: [{id: p, address: 10.0.3.1}]}
nobody: {instances: []}
noted: {address: 10.0.4.1, port: 1, records: [{type: TXT, name: a.b, value: x}]}
local: {instances: [{id: l, address: localhost, port: 3000}, {id: k, address: localhost, port: 3001}]}
"""
ZONE_FILE = "$ORIGIN svc.local.\nextra A 10.0.5.1\nfar.down A 10.0.5.2\n*.wild A 10.0.5.3\nbelow.*.star TXT x\n"

EMPTY = [
    ("web", "AAAA", "web has only IPv4 addresses"),
    ("six", "A", "six has only IPv6 addresses"),
    ("v1.web", "AAAA", "v1.web has only IPv4 addresses"),
    ("w1.web", "AAAA", "w1.web has only IPv4 addresses"),
    ("all.six", "A", "all.six has only IPv6 addresses"),
    ("WEB", "AAAA", "web has only IPv4 addresses"),
    ("mixed", "A", "every instance of mixed with an IPv4 address is critical: its data says so"),
    ("mixed", "SRV", "no usable instance of mixed has a port"),
    ("ill", "A", "every instance is critical: its data says so; none is given"),
    ("ill", "SRV", "every instance is critical: its data says so; none is given"),
    ("ill", "MX", "ill has no MX record"),
    ("open", "AAAA", "open has only IPv4 addresses"),
    ("portless", "SRV", "no instance of portless has a port"),
    ("nobody", "A", "nobody has no instance"),
    ("nobody", "SRV", "nobody has no instance"),
    ("all.nobody", "A", "all.nobody has no instance"),
    ("web", "MX", "web has no MX record"),
    ("web", "TYPE65280", "web has no TYPE65280 record"),
    ("web", "HTTPS", "web has no HTTPS record"),
    ("_web._tcp", "A", "_web._tcp is a name for SRV, and has no address"),
    ("_tcp.web", "SRV", "_tcp.web has no records itself: there are names below it"),
    ("_tcp", "A", "_tcp has no records itself: there are names below it"),
    ("b.noted", "TXT", "b.noted has no records itself: there are names below it"),
    ("a.b.noted", "A", "a.b.noted has no A record"),
    ("extra", "AAAA", "extra has no AAAA record"),
    ("down", "A", "down has no records itself: there are names below it"),
    ("x.wild", "AAAA", "x.wild has no AAAA record"),
    ("any.star", "A", "any.star is covered by a wildcard that has no records itself"),
    ("*.star", "A", "*.star has no records itself: there are names below it"),
    ("b._dns-sd._udp", "PTR", "b._dns-sd._udp has no records itself: it is for browsing"),
    ("", "MX", "svc.local itself has no MX record"),
]


@pytest.fixture(scope="module")
def answers():
    return Answers(TEXT, zone_file=ZONE_FILE)


@pytest.mark.parametrize(("name", "rtype", "reason"), EMPTY, ids=[f"{name} {rtype}" for name, rtype, _ in EMPTY])
def test_nodata_says_why(answers, name, rtype, reason):
    for _ in range(3):  # made, prepared, whole
        reply = answers.ask(f"{name}.svc.local".lstrip("."), rtype)
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert reply.authority
        assert errors(reply) == {0: reason}
    without = answers.ask(f"{name}.svc.local".lstrip("."), rtype, use_edns=False)
    assert not without.options


@pytest.mark.parametrize(
    ("name", "rtype"), [("web", "A"), ("mixed", "AAAA"), ("w1.web", "TXT"), ("web", "SRV"), ("extra", "A"), ("m4.mixed", "A")]
)
def test_an_answer_that_is_as_expected_has_no_reason(answers, name, rtype):
    reply = answers.ask(f"{name}.svc.local", rtype)
    assert reply.answer
    assert not errors(reply)


def ill(*reasons: str, **more: str) -> dict[tuple[str, str], Service]:
    instances = [
        Instance(f"w{n}", f"10.0.0.{n}", (Port(80),), health=Health.CRITICAL, reason=reason) for n, reason in enumerate(reasons)
    ]
    return {("", "web"): Service("web", instances=tuple(instances), **more)}


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (("HTTP 503",), "HTTP 503; "),
        (("HTTP 503", "HTTP 503"), "HTTP 503; "),
        (("refused", "HTTP 503", "HTTP 503"), "HTTP 503 (2), refused (1); "),
        (("a", "b", "c"), "a (1), b (1), …; "),
        (("", "HTTP 503"), "no reason is known (1), HTTP 503 (1); "),
        (("",), ""),
    ],
)
@pytest.mark.parametrize(("rule", "what"), [("empty", "none is given"), ("fail_open", "all of them are given")])
def test_the_words_of_the_checks(reasons, words, rule, what):
    answers = Answers(snapshots={"k8s": ill(*reasons, when_all_unhealthy=rule)}, states=(ProviderState("k8s", True),))
    for rtype in ("A", "SRV"):
        for _ in range(3):
            assert errors(answers.ask("web.svc.local", rtype)) == {0: f"every instance is critical: {words}{what}"}
    for name in ("web.svc.local", "w0.web.svc.local"):
        assert "503" not in section(answers.ask(name, "TXT").answer).pop()


BAD = """
bad: {instances: [{id: b1, address: a b, port: 80}]}
worse: {instances: [{id: w1, address: a b}, {id: w2, port: 80}, {id: w3, address: 10.0.0.3}]}
worst: {instances: 5}
"""


@pytest.mark.parametrize(
    ("name", "rtype", "reason"),
    [
        ("bad", "A", "1 instance of bad was left out: address: expected an IP address or a host name, found 'a b'"),
        ("bad", "SRV", "1 instance of bad was left out: address: expected an IP address or a host name, found 'a b'"),
        ("b1.bad", "A", "1 instance of bad was left out: address: expected an IP address or a host name, found 'a b'"),
        ("b1-which-is-long-enough.bad", "A", "1 instance of bad was left out: address: expected an IP address or a host name, found 'a b'"),
        ("worse", "AAAA", "worse has only IPv4 addresses; 2 instances of worse were left out: address: expected an IP address or a host name, found 'a b'"),
        ("worse", "SRV", "no instance of worse has a port; 2 instances of worse were left out: address: expected an IP address or a host name, found 'a b'"),
        ("worse", "A", None),
        ("worst", "A", "the instances of worst were left out: expected a list, found 5"),
        ("worse", "MX", "worse has no MX record"),
    ],
)  # fmt: skip
def test_what_was_left_out_when_it_was_read(name, rtype, reason):
    answers = Answers(BAD)
    for _ in range(3):
        assert errors(answers.ask(f"{name}.svc.local", rtype)) == ({0: reason} if reason else {})


REJECTED = (("bad", "services.yaml: address: found 'a b'"), ("My_Svc", "SERVICE_MY_SVC_URL: no URL"), ("web", "of no use"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad", "bad was left out: services.yaml: address: found 'a b'"),
        ("BAD", "bad was left out: services.yaml: address: found 'a b'"),
        ("w1.bad", "bad was left out: services.yaml: address: found 'a b'"),
        ("_bad._tcp", "bad was left out: services.yaml: address: found 'a b'"),
        ("_http._tcp.bad", "bad was left out: services.yaml: address: found 'a b'"),
        ("my-svc", "My_Svc was left out: SERVICE_MY_SVC_URL: no URL"),
        ("my_svc", "My_Svc was left out: SERVICE_MY_SVC_URL: no URL"),
        ("bad.shop", None),
        ("xyz", None),
    ],
)
@pytest.mark.parametrize("rtype", ["A", "SRV", "TXT"])
def test_a_service_that_could_not_be_used_is_denied_with_the_reason(name, rtype, reason):
    """Also behind a denial of the same shape that is kept; and where another provider has it, it is there."""
    answers = Answers("web: {address: 10.0.0.1, port: 80}", states=(ProviderState("static", True, rejected=REJECTED),))
    answers.ask("zzz.svc.local", rtype)
    answers.ask("zzz-zz.svc.local", rtype)
    for _ in range(3):
        query = dns.message.make_query(f"{name}.svc.local.", rtype, use_edns=0, payload=1232).to_wire()
        assert answers.responder.fast_path.table.find(query[2:], 0, answers.catalog.top)[1] is None or not reason
        reply = answers.ask(f"{name}.svc.local", rtype)
        assert (reply.rcode(), errors(reply)) == (dns.rcode.NXDOMAIN, {0: reason} if reason else {})
    assert errors(answers.ask("xxx.svc.local", rtype)) == {}
    assert answers.ask("web.svc.local").answer


def test_the_reason_goes_with_what_was_wrong():
    answers = Answers("web: {address: 10.0.0.1, port: 80}", states=(ProviderState("static", True, rejected=REJECTED),))
    assert errors(answers.ask("bad.svc.local"))
    answers.catalog.set_states([ProviderState("static", True)])
    assert not errors(answers.ask("bad.svc.local"))
    assert answers.ask("web.svc.local").answer
    assert {len(label) for label in answers.catalog.top} >= {4}  # of `web`, which a rejected one was called, too


def test_what_several_providers_left_out_of_one_service_is_told_together():
    def views(*texts: str) -> dict[str, dict[tuple[str, str], Service]]:
        return {str(at): services(text) for at, text in enumerate(texts)}

    good, bad = "{id: a, address: 10.0.0.1}", "{id: b, address: a b}"
    why = "address: expected an IP address or a host name, found 'a b'"
    for texts, told in (
        ((f"web: {{instances: [{good}]}}", f"web: {{instances: [{bad}]}}"), f"1 instance of web was left out: {why}"),
        ((f"web: {{instances: [{bad}]}}", f"web: {{instances: [{good}]}}"), f"1 instance of web was left out: {why}"),
        ((f"web: {{instances: [{bad}]}}", f"web: {{instances: [{good}, {bad}]}}"), f"2 instances of web were left out: {why}"),
        (("web: {instances: 5}", f"web: {{instances: [{good}, {bad}]}}"), f"1 instance of web was left out: {why}"),
        (("web: {instances: 5}", f"web: {{instances: [{good}]}}"), "the instances of web were left out: expected a list, found 5"),
    ):
        answers = Answers(snapshots=views(*texts), states=(), chain=ChainPolicy(is_merging=True))
        assert errors(answers.ask("web.svc.local", "AAAA")) == {0: f"web has only IPv4 addresses; {told}"}


def test_a_stale_answer_says_both():
    answers = Answers(TEXT, states=(ProviderState("static", True, is_stale=True, reason="no contact"),))
    assert errors(answers.ask("web.svc.local", "AAAA")) == {3: "static: no contact", 0: "web has only IPv4 addresses"}


def test_the_reason_changes_with_the_service():
    answers = Answers("web: {instances: [{id: a, address: 10.0.0.1}]}")
    assert errors(answers.ask("web.svc.local", "AAAA")) == {0: "web has only IPv4 addresses"}
    entry = answers.catalog.at((b"web",))
    fresh = type(entry)(entry.key, entry.paths, entry.provider, Service("web"))
    answers.responder.changed(answers.catalog.apply([fresh], [], 8))
    reply = answers.ask("web.svc.local", "AAAA")
    assert errors(reply) == {0: "web has no instance"}
    assert reply.authority[0][0].serial == 8


def namespaced() -> dict[tuple[str, str], Service]:
    made = [
        Service("cart", "shop", is_default_namespace=False, instances=(Instance("c", "10.0.0.1", (Port(80),)),)),
        Service("both", "shop", is_default_namespace=False, instances=(Instance("c", "10.0.0.2"),)),
        Service("both", "lab", is_default_namespace=False, instances=(Instance("c", "10.0.0.3"),)),
        Service("web", "default", instances=(Instance("web-1", "10.0.0.4", tags=("v1",)),)),
        Service("checkout", "default", instances=(Instance("web-1", "10.0.0.5"),)),
    ]
    return {service.key: service for service in made}


NEAR = [
    ("cart", "cart is in the namespace shop"),
    ("CART", "cart is in the namespace shop"),
    ("cart.lab", "cart is in the namespace shop"),
    ("both", "both is in the namespaces lab, shop"),
    ("wbe", "did you mean web?"),
    ("we", "did you mean web?"),
    ("webb", "did you mean web?"),
    ("wob", "did you mean web?"),
    ("chekcout", "did you mean checkout?"),
    ("crat.shop", "did you mean cart.shop?"),
    ("web-2.web", "did you mean web-1.web?"),
    ("web.nowhere", "web is in the namespace default"),
    ("nothing-like-it", None),
    ("x", None),
    ("a.b.c", None),
    ("x" * 60, None),
]


@pytest.mark.parametrize(("name", "hint"), NEAR, ids=[name[:20] for name, _ in NEAR])
@pytest.mark.parametrize("rtype", ["A", "SRV"])
def test_a_name_that_is_not_there_says_what_may_have_been_meant(name, hint, rtype):
    answers = Answers(snapshots={"k8s": namespaced()}, states=(ProviderState("k8s", True),))
    for _ in range(3):
        reply = answers.ask(f"{name}.svc.local", rtype)
        assert reply.rcode() == dns.rcode.NXDOMAIN
        assert errors(reply) == ({0: hint} if hint else {})
        assert not answers.ask(f"{name}.svc.local", rtype, use_edns=False).options


def test_a_flood_of_names_gets_few_hints_and_costs_no_more():
    answers = Answers(snapshots={"k8s": namespaced()}, states=(ProviderState("k8s", True),))
    looked_at = sum(bool(errors(answers.ask("wbe.svc.local", f"TYPE{1000 + at}"))) for at in range(HINTS_MAX + 50))
    assert looked_at == HINTS_MAX
    answers.now += HINTS_EVERY_S
    answers.responder.tick()
    assert errors(answers.ask("wbe.svc.local")) == {0: "did you mean web?"}
    answers.ask("xyz.svc.local")  # keeps the denial of all names of this length, for a second at most
    query = dns.message.make_query("wbe.svc.local.", "A", use_edns=0, payload=1232).to_wire()
    assert answers.responder.fast_path.table.find(query[2:], 0, answers.catalog.top)[1] is not None
    answers.now += HINTS_EVERY_S
    answers.responder.tick()
    assert answers.responder.fast_path.table.find(query[2:], 0, answers.catalog.top)[1] is None


def test_a_hint_costs_less_than_a_millisecond_whatever_is_there():
    services = {("", f"service-{n}"): Service(f"service-{n}") for n in range(5000)}
    answers = Answers(snapshots={"static": services})
    spent = []
    for at in range(HINTS_MAX):
        query = dns.message.make_query(f"nothing-of-twenty-{at:02d}.svc.local.", "A", use_edns=0).to_wire()
        began = time.process_time()
        answers.send(query)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.003


def test_a_host_name_without_an_address_is_named():
    upstreams = CannedUpstreams({("db.example.net.", "A"): "db.example.net. 60 A 192.0.2.1"})
    answers = Answers("db: {instances: [{id: d, address: db.example.net, port: 5432}]}", upstreams=upstreams)
    assert not errors(answers.ask("db.svc.local"))
    reason = "the address is the host name db.example.net, which has no AAAA record"
    assert errors(answers.ask("db.svc.local", "AAAA")) == {0: reason}


def test_behind_aliases_the_name_that_is_not_there_is_the_last_one():
    """Not the name that was asked for: it is there."""
    answers = Answers(
        "web: {address: 10.0.0.1, port: 80}\none: {address: wbe.svc.local}\nfar: {address: nothing-like-it.svc.local}"
    )
    assert errors(answers.ask("one.svc.local")) == {0: "did you mean web?"}
    reply = answers.ask("far.svc.local")
    assert (reply.rcode(), errors(reply)) == (dns.rcode.NXDOMAIN, {})
