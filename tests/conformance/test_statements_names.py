"""Statements about names of ours, forwarded ones and special ones (docs/statements.md), where no other test has them whole."""

from __future__ import annotations

from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.conformance.exchange import send
from tests.conformance.served import Served
from tests.conformance.test_statements_messages import query
from tests.kit import Answers, canned, CannedUpstreams, is_authoritative, section

DOCS = Path(__file__).parents[2] / "docs"
TYPES = ["A", "AAAA", "SRV", "TXT", "MX", "CNAME", "NS", "SOA", "PTR", "HTTPS", "SVCB", "CAA", "DS", "DNSKEY", "TYPE65280"]
CORP = ((b"svc", b"corp"),)
SOA = "corp. 900 IN SOA ns.corp. root.corp. 1 2 3 4 120"


def test_a_20_the_apex_has_soa_and_ns_and_the_ns_resolves_inside_the_zone():
    for zone in ("svc.local.", "svc.internal."):
        answers = Answers()
        (soa,) = answers.ask(zone, "SOA").answer
        (ns,) = answers.ask(zone, "NS").answer
        target = ns[0].target
        assert target.is_subdomain(soa.name)
        assert soa[0].mname == target
        assert answers.ask(target.to_text(), "A").answer


@pytest.mark.parametrize(
    "name", ["web", "auth", "web-1.web", "v1.web", "all.web", "my_svc", "_auth._tcp", "_tcp", "_tcp.web", "shut", "bare", "noport"]
)
def test_a_22_a_24_and_a_30_a_name_that_is_there_is_there_for_every_type(name):
    answers = Answers()
    for rtype in TYPES:
        reply = answers.ask(f"{name}.svc.local", rtype)
        assert reply.rcode() == dns.rcode.NOERROR, rtype
        assert is_authoritative(reply)
        assert reply.answer or reply.authority[0].rdtype == dns.rdatatype.SOA


def test_a_27_a_service_that_is_not_offered():
    answers = Answers(zone_file="$ORIGIN svc.local.\n_gone._tcp 60 SRV 0 0 0 .\n")
    reply = answers.ask("_gone._tcp.svc.local", "SRV")
    assert section(reply.answer) == {"_gone._tcp.svc.local. SRV 0 0 0 ."}
    assert not reply.additional


def test_a_27_a_target_is_a_name_with_addresses_and_never_an_alias():
    answers = Answers()
    for name in ("web", "_web._tcp", "_grpc._tcp.web", "all.web", "hosty", "inner"):
        for rrset in answers.ask(f"{name}.svc.local", "SRV").answer:
            for record in rrset:
                kinds = {rtype: answers.ask(record.target.to_text(), rtype).answer for rtype in ("A", "AAAA", "CNAME")}
                assert not kinds["CNAME"]
                assert 0 <= record.port <= 65535
                if name != "hosty":  # one of its instances is a host name that only an upstream knows
                    assert kinds["A"] or kinds["AAAA"]


def test_a_37_the_set_is_the_same_by_every_way():
    answers = Answers()
    with Served(answers) as served:
        expected = section(answers.ask("all.web.svc.local").answer)
        orders = set()
        for number in range(60):
            spelled = "".join(char.upper() if number >> at & 1 else char for at, char in enumerate("all.web.svc.local."))
            reply = dns.message.from_wire(send(served.target, query(spelled), is_tcp=number % 3 == 0))
            assert {line.lower() for line in section(reply.answer)} == {line.lower() for line in expected}
            orders.add(tuple(record.address for record in reply.answer[0]))
        assert len(orders) == 2


def test_a_41_and_a_54_two_who_ask_the_same_are_one_question_and_no_more():
    upstreams = CannedUpstreams({("x.test.", "A"): "x.test. 60 IN A 192.0.2.1"}, holds=True)
    answers = Answers(upstreams=upstreams)

    async def work():
        replies = []
        queries = [dns.message.make_query(spelled, "A", use_edns=edns) for spelled in ("x.test", "X.tEsT") for edns in (0, False)]
        for each in queries * 50:
            answers.responder.respond(each.to_wire(), "127.0.0.1", is_tcp=False, send=replies.append)
        upstreams.release()
        return queries * 50, replies

    queries, replies = answers.run(work())
    assert upstreams.asked == [("x.test.", "A")]
    for each, octets in zip(queries, replies, strict=True):
        reply = dns.message.from_wire(octets)
        assert each.is_response(reply)
        assert str(reply.question[0].name) == str(each.question[0].name)


def test_a_49_a_denial_from_the_cache_has_its_soa_with_what_is_left_of_it():
    upstreams = CannedUpstreams({("gone.corp.", "A"): canned("gone.corp.", "A", authority=SOA, rcode="NXDOMAIN")})
    answers = Answers(upstreams=upstreams)
    ttls = []
    for seconds in (0, 50, 30):
        answers.now += seconds
        reply = answers.ask("gone.corp")
        assert reply.rcode() == dns.rcode.NXDOMAIN
        ttls.append(reply.authority[0].ttl)
    assert ttls == [120, 70, 40]
    assert len(upstreams.asked) == 1


def test_a_51_a_denial_above_us_takes_nothing_of_ours_away():
    upstreams = CannedUpstreams(
        {("corp.", rtype): canned("corp.", rtype, authority=SOA, rcode="NXDOMAIN") for rtype in ("A", "NS")}
    )
    answers = Answers(
        "web: {address: 10.0.0.1, port: 80}", upstreams=upstreams, zones=CORP, overrides=frozenset({(b"own", b"corp")})
    )
    for rtype in ("A", "NS"):
        answers.ask("corp", rtype)
    assert section(answers.ask("web.svc.corp").answer) == {"web.svc.corp. A 10.0.0.1"}
    answers.ask("a.own.corp")
    assert ("a.own.corp.", "A") in upstreams.asked  # a rule of its own for what is below it


@pytest.mark.parametrize("rtype", ["DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "TYPE65280"])
def test_a_56_types_of_dnssec_are_forwarded_like_others(rtype):
    upstreams = CannedUpstreams({})
    answers = Answers(upstreams=upstreams)
    for want in (True, False):
        answers.ask("x.test", rtype, want_dnssec=want)
    assert upstreams.asked == [("x.test.", rtype)] * 2
    assert [dnssec_ok for _, dnssec_ok in upstreams.sent] == [True, False]


def test_a_90_the_class_chaos_has_four_names_and_no_transfers():
    answers = Answers()
    for name, rtype, expected in (
        ("version.bind.", "TXT", "NOERROR"),
        ("version.server.", "TXT", "NOERROR"),
        ("id.server.", "TXT", "NOERROR"),
        ("hostname.bind.", "TXT", "NOERROR"),
        ("version.bind.", "A", "REFUSED"),
        ("authors.bind.", "TXT", "REFUSED"),
        ("version.bind.", "AXFR", "REFUSED"),
        ("bind.", "AXFR", "REFUSED"),
    ):
        for is_tcp in (False, True):
            reply = answers.ask(name, rtype, rdclass="CH", is_tcp=is_tcp)
            assert dns.rcode.to_text(reply.rcode()) == expected, (name, rtype)


@pytest.mark.parametrize("zone", ["svc.local", "svc.internal", "svc.home.arpa", "internal", "home.arpa"])
def test_a_98_every_name_that_is_free_can_be_a_zone(zone):
    upstreams = CannedUpstreams({})
    labels = tuple(label.encode() for label in zone.split("."))
    answers = Answers("web: {address: 10.0.0.1, port: 80}", upstreams=upstreams, zones=(labels,))
    assert section(answers.ask(f"web.{zone}").answer) == {f"web.{zone}. A 10.0.0.1"}
    assert answers.ask(f"nosuch.{zone}").rcode() == dns.rcode.NXDOMAIN
    assert upstreams.asked == []


def test_a_98_the_docs_warn_of_multicast_dns():
    text = (DOCS / "special-names.md").read_text()
    for word in ("RFC 6762", "nss-mdns", "systemd-resolved", "svc.internal"):
        assert word in text
