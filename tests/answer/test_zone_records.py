"""Records that a person wrote, in zone files and beside services: aliases and their loops, TTLs, the addresses of the hosts they name."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest

from tests.kit import Answers, section

ZONE = """
@ MX 10 mail
@ MX 20 nowhere.example.net.
mail 60 A 10.0.9.1
mail 300 A 10.0.9.2
mail AAAA 2001:db8::99
alias CNAME mail
loopa CNAME loopb
loopb CNAME loopa
self CNAME self
_sip._tcp SRV 1 1 5060 mail
_web._tcp.site SRV 1 1 80 web
_none._tcp.site SRV 0 0 0 .
deep.ent TXT x
"""
TEXT = """
web:
  ttl: 77
  instances: [{id: w1, address: 10.0.0.11}, {id: w2, address: 10.0.0.12, health: critical}]
  records: [{type: TXT, name: _acme, value: abc}, {type: TXT, name: _own, value: abc, ttl: 9}, {type: MX, value: "5 mail.svc.local."}]
named: {instances: [{id: n1, address: 10.0.0.13, ports: {http: 80}}]}
db: {address: db.example.com}
"""


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(TEXT, zone_file=ZONE)


@pytest.mark.parametrize(("name", "names"), [("loopa", {"loopa", "loopb"}), ("self", {"self"})])
def test_aliases_in_a_circle_are_told_once_each(answers, name, names):
    reply = answers.ask(f"{name}.svc.local")
    assert reply.rcode() == dns.rcode.NOERROR
    assert sorted(rrset.name.to_text() for rrset in reply.answer) == sorted(f"{each}.svc.local." for each in names)
    assert all(len(rrset) == 1 for rrset in reply.answer)


@pytest.mark.parametrize("rtype", ["RRSIG", "NSEC", "KEY", "SIG", "NXT"])
def test_types_that_may_stand_beside_an_alias_are_not_asked_of_its_target(answers, rtype):
    """RFC 2181 §10.1, RFC 4035 §2.5."""
    reply = answers.ask("alias.svc.local", rtype)
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    assert reply.authority


@pytest.mark.parametrize(("name", "target"), [("alias.svc.local", "mail.svc.local."), ("db.svc.local", "db.example.com.")])
def test_any_of_an_alias_is_the_alias(answers, name, target):
    """RFC 8482 §4.2: something may be made up only where there is no CNAME."""
    assert section(answers.ask(name, "ANY").answer) == {f"{name}. CNAME {target}"}


def test_any_of_a_name_without_records_is_nothing(answers):
    for name in ("ent.svc.local", "_tcp.named.svc.local"):
        reply = answers.ask(name, "ANY")
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


def test_an_rrset_leaves_with_its_lowest_ttl(answers):
    """RFC 2181 §5.2."""
    (rrset,) = answers.ask("mail.svc.local").answer
    assert (len(rrset), rrset.ttl) == (2, 60)


MAIL = {"mail.svc.local. A 10.0.9.1", "mail.svc.local. A 10.0.9.2", "mail.svc.local. AAAA 2001:db8::99"}


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("svc.local", "MX", MAIL),
        ("_sip._tcp.svc.local", "SRV", MAIL),
        ("web.svc.local", "MX", MAIL),
        ("_web._tcp.site.svc.local", "SRV", {"web.svc.local. A 10.0.0.11"}),
        ("_none._tcp.site.svc.local", "SRV", set()),
        ("svc.local", "NS", {"ns.dns.svc.local. A 127.0.0.1"}),
    ],
)
def test_addresses_of_the_hosts_that_records_name(answers, name, rtype, expected):
    for _ in range(2):
        assert section(answers.ask(name, rtype).additional) == expected


def test_those_addresses_change_with_their_owner():
    answers = Answers(TEXT, zone_file=ZONE)
    assert section(answers.ask("_web._tcp.site.svc.local", "SRV").additional)
    answers.responder.changed(answers.catalog.apply([], [entry.key for entry in answers.merger.entries.values()], 9))
    assert not section(answers.ask("_web._tcp.site.svc.local", "SRV").additional)


def test_records_below_a_service_have_its_ttl(answers):
    assert answers.ask("_acme.web.svc.local", "TXT").answer[0].ttl == 77
    assert answers.ask("_own.web.svc.local", "TXT").answer[0].ttl == 9


def test_a_protocol_is_there_only_above_a_port(answers):
    """RFC 8020 §2: `_tcp` exists because something below it does."""
    assert answers.ask("_tcp.named.svc.local").rcode() == dns.rcode.NOERROR
    assert answers.ask("_tcp.web.svc.local").rcode() == dns.rcode.NXDOMAIN
    assert answers.ask("_http._tcp.web.svc.local").rcode() == dns.rcode.NXDOMAIN


def test_the_same_record_twice_is_one():
    answers = Answers(zone_file="twice A 10.9.9.9\ntwice 60 A 10.9.9.9\ntwice A 10.9.9.8\n")
    assert section(answers.ask("twice.svc.local").answer) == {"twice.svc.local. A 10.9.9.9", "twice.svc.local. A 10.9.9.8"}
    octets = answers.send(dns.message.make_query("twice.svc.local.", "A").to_wire())
    assert octets[6:8] == b"\0\2"
