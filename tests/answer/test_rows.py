"""docs/design.md's table of answers, row by row, for static data: (name, type) → rcode, answer, additional."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Instance, Port, Service
from tests.kit import Answers, errors, is_authoritative, section, services

SOA = "NODATA"  # NOERROR, no answer, the zone's SOA in AUTHORITY

ROWS = [
    # one instance, the seed's form
    ("auth.svc.local", "A", ["auth.svc.local. A 10.1.0.1"]),
    ("auth.svc.local", "AAAA", SOA),
    ("auth.svc.local", "SRV", ["auth.svc.local. SRV 0 1 5001 10-1-0-1.auth.svc.local."]),
    ("auth.svc.local", "TXT", ['auth.svc.local. TXT "url=http://10.1.0.1:5001" "scheme=http"']),
    # instances by health, family, port
    ("web.svc.local", "A", ["web.svc.local. A 10.0.0.11"]),
    ("web.svc.local", "AAAA", ["web.svc.local. AAAA 2001:db8::12"]),
    ("web.svc.local", "MX", SOA),
    ("web.svc.local", "HTTPS", SOA),
    ("web.svc.local", "TYPE65280", SOA),
    ("all.web.svc.local", "A", ["all.web.svc.local. A 10.0.0.11", "all.web.svc.local. A 10.0.0.13"]),
    ("web-1.web.svc.local", "A", ["web-1.web.svc.local. A 10.0.0.11"]),
    ("web-3.web.svc.local", "A", ["web-3.web.svc.local. A 10.0.0.13"]),
    ("web-3.web.svc.local", "SRV", ["web-3.web.svc.local. SRV 0 1 8080 web-3.web.svc.local."]),
    (
        "web-1.web.svc.local",
        "TXT",
        ['web-1.web.svc.local. TXT "url=http://10.0.0.11:8080" "scheme=http" "tags=v1,primary,public" "zone=a"'],
    ),
    ("v1.web.svc.local", "A", ["v1.web.svc.local. A 10.0.0.11"]),
    ("v2.web.svc.local", "A", SOA),  # the IPv4 one is critical, the other is IPv6
    ("v2.web.svc.local", "AAAA", ["v2.web.svc.local. AAAA 2001:db8::12"]),
    ("nosuch.web.svc.local", "A", "NXDOMAIN"),
    ("_acme-challenge.web.svc.local", "TXT", ['_acme-challenge.web.svc.local. TXT "abc"']),
    ("_acme-challenge.web.svc.local", "A", SOA),
    # RFC 2782 and named ports
    ("_auth._tcp.svc.local", "SRV", ["_auth._tcp.svc.local. SRV 0 1 5001 10-1-0-1.auth.svc.local."]),
    ("_auth._udp.svc.local", "SRV", ["_auth._udp.svc.local. SRV 0 1 5001 10-1-0-1.auth.svc.local."]),
    ("_auth._tcp.svc.local", "A", SOA),
    ("_web._v1.svc.local", "SRV", ["_web._v1.svc.local. SRV 0 10 8080 web-1.web.svc.local."]),
    ("_web._nosuch.svc.local", "SRV", "NXDOMAIN"),
    ("_nosuch._tcp.svc.local", "SRV", "NXDOMAIN"),
    ("_grpc._tcp.web.svc.local", "SRV", ["_grpc._tcp.web.svc.local. SRV 0 5 9090 web-2.web.svc.local."]),
    ("_nosuch._tcp.web.svc.local", "SRV", "NXDOMAIN"),
    ("_tcp.web.svc.local", "SRV", SOA),
    ("_tcp.svc.local", "A", SOA),
    ("_services._dns-sd._udp.svc.local", "PTR", SOA),
    ("lb._dns-sd._udp.svc.local", "PTR", SOA),
    ("b._dns-sd._udp.svc.local", "PTR", SOA),
    ("_dns-sd._udp.svc.local", "A", SOA),
    ("nosuch._dns-sd._udp.svc.local", "PTR", "NXDOMAIN"),
    ("_services._dns-sd._tcp.svc.local", "PTR", "NXDOMAIN"),
    ("_v1.svc.local", "A", SOA),
    # no usable instance, no port, no instance at all
    ("down.svc.local", "A", ["down.svc.local. A 10.0.1.1", "down.svc.local. A 10.0.1.2"]),
    ("shut.svc.local", "A", SOA),
    ("shut.svc.local", "SRV", SOA),
    ("s1.shut.svc.local", "A", ["s1.shut.svc.local. A 10.0.2.1"]),
    ("bare.svc.local", "A", SOA),
    ("bare.svc.local", "SRV", SOA),
    ("noport.svc.local", "A", ["noport.svc.local. A 10.0.3.1"]),
    ("noport.svc.local", "SRV", SOA),
    # names that are no labels
    ("my-svc.svc.local", "A", ["my-svc.svc.local. A 10.0.4.1"]),
    ("my_svc.svc.local", "A", ["my_svc.svc.local. A 10.0.4.1"]),
    # records beside a service
    ("noted.svc.local", "TXT", ['noted.svc.local. TXT "v=1"']),
    ("noted.svc.local", "MX", ["noted.svc.local. MX 10 mail.example.com."]),
    ("noted.svc.local", "A", ["noted.svc.local. A 10.0.5.1"]),
    # host names as addresses, that need no upstream
    ("inner.svc.local", "A", ["inner.svc.local. A 10.0.0.11"]),
    ("inner.svc.local", "AAAA", ["inner.svc.local. AAAA 2001:db8::12"]),
    ("i1.inner.svc.local", "A", ["i1.inner.svc.local. A 10.0.0.11"]),
    ("loop1.svc.local", "A", SOA),
    ("here.svc.local", "A", ["here.svc.local. A 127.0.0.1"]),
    ("here.svc.local", "AAAA", ["here.svc.local. AAAA ::1"]),
    # the zone itself
    ("svc.local", "A", SOA),
    ("svc.local", "NS", ["svc.local. NS ns.dns.svc.local."]),
    ("svc.local", "SOA", ["svc.local. SOA ns.dns.svc.local. hostmaster.svc.local. 7 7200 1800 86400 2"]),
    ("ns.dns.svc.local", "A", ["ns.dns.svc.local. A 127.0.0.1"]),
    ("ns.dns.svc.local", "AAAA", SOA),
    ("dns.svc.local", "A", SOA),
    # every zone serves the same
    ("web.svc.internal", "A", ["web.svc.internal. A 10.0.0.11"]),
    ("_grpc._tcp.web.svc.internal", "SRV", ["_grpc._tcp.web.svc.internal. SRV 0 5 9090 web-2.web.svc.internal."]),
    # unknown
    ("nosuch.svc.local", "A", "NXDOMAIN"),
    ("a.b.c.nosuch.svc.local", "SRV", "NXDOMAIN"),
    # reverse
    ("11.0.0.10.in-addr.arpa", "PTR", ["11.0.0.10.in-addr.arpa. PTR web-1.web.svc.local."]),
    ("2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", None),
    ("99.0.0.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    ("1.0.0.127.in-addr.arpa", "PTR", ["1.0.0.127.in-addr.arpa. PTR localhost."]),
    ("0.0.10.in-addr.arpa", "PTR", SOA),
    # special names
    ("localhost", "A", ["localhost. A 127.0.0.1"]),
    ("some.localhost", "AAAA", ["some.localhost. AAAA ::1"]),
    ("localhost", "MX", SOA),
    ("local", "SOA", SOA),
    ("printer.local", "A", "NXDOMAIN"),
    ("x.invalid", "A", "NXDOMAIN"),
    ("x.onion", "A", "NXDOMAIN"),
    ("home.arpa", "A", SOA),
    ("x.home.arpa", "A", "NXDOMAIN"),
    ("_dns.resolver.arpa", "SVCB", SOA),
]


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers()


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize(("name", "rtype", "expected"), ROWS, ids=[f"{name} {rtype}" for name, rtype, _ in ROWS])
def test_row(answers, name, rtype, expected, edns):
    for _ in range(3):  # decided, then from the table, then from the table of whole messages
        reply = answers.ask(name, rtype) if edns else answers.ask(name, rtype, use_edns=False)
        assert is_authoritative(reply)
        assert reply.flags & dns.flags.RA
        assert not reply.flags & dns.flags.AD
        if expected in (SOA, "NXDOMAIN"):
            assert reply.rcode() == (dns.rcode.NXDOMAIN if expected == "NXDOMAIN" else dns.rcode.NOERROR)
            assert not reply.answer
            (soa,) = reply.authority
            assert soa.rdtype == dns.rdatatype.SOA
            assert soa.ttl == soa[0].minimum == 2
            assert reply.question[0].name.is_subdomain(soa.name)
        elif expected is None:
            assert section(reply.answer) == {f"{name}. PTR web-2.web.svc.local."}
        else:
            assert reply.rcode() == dns.rcode.NOERROR
            assert section(reply.answer) == set(expected)
            assert not reply.authority


def test_srv_answers_carry_the_addresses_of_every_target(answers):
    reply = answers.ask("web.svc.local", "SRV")
    assert section(reply.answer) == {
        "web.svc.local. SRV 0 10 8080 web-1.web.svc.local.",
        "web.svc.local. SRV 0 5 8080 web-2.web.svc.local.",
        "web.svc.local. SRV 0 5 9090 web-2.web.svc.local.",
    }
    assert section(reply.additional) == {"web-1.web.svc.local. A 10.0.0.11", "web-2.web.svc.local. AAAA 2001:db8::12"}
    assert {rrset.ttl for rrset in reply.answer + reply.additional} == {10}


def test_any_is_answered_minimally(answers):
    for name in ("web.svc.local", "svc.local", "all.web.svc.local", "ns.dns.svc.local"):
        assert section(answers.ask(name, "ANY").answer) == {f'{name}. HINFO "RFC8482" ""'}
    assert answers.ask("nosuch.svc.local", "ANY").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_transfers_are_refused(answers, rtype):
    assert answers.ask("svc.local", rtype).rcode() == dns.rcode.REFUSED


def test_the_owner_keeps_the_case_of_the_question(answers):
    for _ in range(2):
        reply = answers.ask("WeB.SvC.lOcAl", "SRV")
        assert reply.question[0].name.to_text() == "WeB.SvC.lOcAl."
        assert {rrset.name.to_text() for rrset in reply.answer} == {"WeB.SvC.lOcAl."}
        assert {rrset.name.to_text().split(".", 1)[1] for rrset in reply.additional} == {"WeB.SvC.lOcAl."}
    assert answers.ask("web.svc.local", "SRV").question[0].name.to_text() == "web.svc.local."


def test_a_label_that_holds_a_dot_is_not_two_labels(answers):
    message = b"\0\1\1\0\0\1\0\0\0\0\0\0\x07web.svc\x05local\0\0\1\0\1"
    octets = answers.send(message)
    assert octets is not None
    assert octets[3] & 15 == dns.rcode.NXDOMAIN  # a name below local., not the service


def test_chaos_is_what_is_configured(answers):
    assert section(answers.ask("version.bind", "TXT", rdclass="CH").answer) == {'version.bind. TXT "dnsdisco"'}
    assert section(answers.ask("id.server", "TXT", rdclass="CH").answer) == {'id.server. TXT "here"'}
    assert answers.ask("authors.bind", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED
    assert answers.ask("version.bind", "A", rdclass="CH").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("rdclass", ["ANY", "NONE", "HS", "CLASS42"])
def test_other_classes_are_refused(answers, rdclass):
    assert answers.ask("web.svc.local", "A", rdclass=rdclass).rcode() == dns.rcode.REFUSED


def test_a_name_that_is_not_ours_is_refused_without_upstreams():
    answers = Answers(recursion=False)
    reply = answers.ask("www.example.com")
    assert reply.rcode() == dns.rcode.REFUSED
    assert 20 in errors(reply)
    assert not reply.flags & dns.flags.RA
    assert not answers.ask("web.svc.local").flags & dns.flags.RA


def test_who_may_not_ask_is_refused():
    reply = Answers().ask("web.svc.local", peer="198.51.100.7")
    assert reply.rcode() == dns.rcode.REFUSED
    assert 18 in errors(reply)
    assert not reply.flags & dns.flags.RA


def test_why_all_or_none_of_the_critical_instances_are_given(answers):
    assert "every instance is critical: its data says so; all" in errors(answers.ask("down.svc.local"))[0]
    assert "every instance is critical: its data says so; none" in errors(answers.ask("shut.svc.local"))[0]
    assert not errors(answers.ask("web.svc.local"))


def test_a_name_that_a_provider_might_know_is_not_denied():
    states = (ProviderState("static", True), ProviderState("consul", False, reason="connection refused"))
    answers = Answers(states=states)
    for rtype in ("A", "AAAA", "SRV", "TXT", "HTTPS"):
        reply = answers.ask("nosuch.svc.local", rtype)
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert "consul" in errors(reply)[14]
    assert answers.ask("web.svc.local").rcode() == dns.rcode.NOERROR
    assert answers.ask("web.svc.local", "AAAA").rcode() == dns.rcode.NOERROR
    assert answers.ask("nosuch.web.svc.local").rcode() == dns.rcode.NXDOMAIN  # web's own provider has told all of it
    assert answers.ask("svc.local", "SOA").rcode() == dns.rcode.NOERROR
    optional = (ProviderState("static", True), ProviderState("consul", False, is_optional=True))
    assert Answers(states=optional).ask("nosuch.svc.local").rcode() == dns.rcode.NXDOMAIN


def test_stale_answers_say_so_and_live_short():
    answers = Answers(states=(ProviderState("static", True, is_stale=True, reason="no contact since 12:00"),))
    reply = answers.ask("web.svc.local")
    assert reply.rcode() == dns.rcode.NOERROR
    assert errors(reply)[3] == "static: no contact since 12:00"
    assert not errors(answers.ask("web.svc.local", use_edns=False))


def test_services_in_namespaces():
    shop = Service(
        "web", namespace="shop", is_default_namespace=False, instances=(Instance("p1", "10.9.0.1", (Port(80, "http", "tcp"),)),)
    )
    main = Service("web", namespace="default", instances=(Instance("p0", "10.9.0.0", (Port(80, "http", "tcp"),)),))
    only = Service("db", namespace="shop", is_default_namespace=False, instances=(Instance("p2", "10.9.0.2"),))
    answers = Answers(
        snapshots={"kubernetes": {service.key: service for service in (shop, main, only)}},
        states=(ProviderState("kubernetes", True),),
    )

    def addresses(name: str) -> set[str]:
        return {line.split()[-1] for line in section(answers.ask(name).answer)}

    assert addresses("web.svc.local") == addresses("web.default.svc.local") == {"10.9.0.0"}
    assert addresses("web.shop.svc.local") == {"10.9.0.1"}
    assert addresses("p1.web.shop.svc.local") == {"10.9.0.1"}
    assert addresses("db.shop.svc.local") == {"10.9.0.2"}
    assert answers.ask("db.svc.local").rcode() == dns.rcode.NXDOMAIN
    assert answers.ask("shop.svc.local").rcode() == dns.rcode.NOERROR  # an empty non-terminal
    for name in ("_web._tcp.shop.svc.local", "_http._tcp.web.shop.svc.local"):
        assert section(answers.ask(name, "SRV").answer) == {f"{name}. SRV 0 1 80 p1.web.shop.svc.local."}
    assert answers.ask("_http._udp.web.shop.svc.local", "SRV").rcode() == dns.rcode.NXDOMAIN
    assert section(answers.ask("1.0.9.10.in-addr.arpa", "PTR").answer) == {"1.0.9.10.in-addr.arpa. PTR p1.web.shop.svc.local."}


def test_an_address_that_stands_for_the_service_names_the_service():
    virtual = Instance("10.96.0.1", "10.96.0.1", (Port(443, "https", "tcp"),), is_virtual=True)
    services_ = {("", "api"): Service("api", instances=(virtual,))}
    answers = Answers(snapshots={"kubernetes": services_}, states=(ProviderState("kubernetes", True),))
    reply = answers.ask("_https._tcp.api.svc.local", "SRV")
    assert section(reply.answer) == {"_https._tcp.api.svc.local. SRV 0 1 443 api.svc.local."}
    assert section(reply.additional) == {"api.svc.local. A 10.96.0.1"}
    assert section(answers.ask("1.0.96.10.in-addr.arpa", "PTR").answer) == {"1.0.96.10.in-addr.arpa. PTR api.svc.local."}


def test_the_first_provider_that_has_a_service_wins():
    first, second = (
        services("web: {address: 10.0.0.1, port: 1}"),
        services("web: {address: 10.0.0.2, port: 1}\nonly: {address: 10.0.0.3}"),
    )
    answers = Answers(
        snapshots={"env": first, "static": second}, states=(ProviderState("env", True), ProviderState("static", True))
    )
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.1"}
    assert section(answers.ask("only.svc.local").answer) == {"only.svc.local. A 10.0.0.3"}


def test_no_password_of_a_url_is_told():
    answers = Answers("db: {url: 'postgres://me:secret@10.0.0.5:5432/shop'}")
    for name in ("db.svc.local", "10-0-0-5.db.svc.local"):
        (text,) = section(answers.ask(name, "TXT").answer)
        assert "secret" not in text
        assert "10.0.0.5:5432" in text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"scheme": "h\ud800"}, '"url=h?://10.0.0.1:80" "scheme=h?"'),
        ({"tags": ("a\udfff",)}, '"url=http://10.0.0.1:80" "tags=a?"'),
        ({"meta": (("k", "\ud83d"),)}, '"url=http://10.0.0.1:80" "k=?"'),
    ],
)
def test_half_a_character_does_not_keep_a_service_from_being_answered(said, expected):
    """A plug-in can yield a Service that no reader has checked, and JSON can write half a character."""
    service = Service("half", instances=(Instance("a", "10.0.0.1", (Port(80),)),), **said)
    reply = Answers(snapshots={"static": {service.key: service}}).ask("half.svc.local", "TXT")
    assert section(reply.answer) == {f"half.svc.local. TXT {expected}"}
