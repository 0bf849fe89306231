"""Special names: the page, each row of the table answered here, and each of them given away by configuration."""

from __future__ import annotations

import re

import dns.rcode
import pytest
import yaml

from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.answer.special_use import Rule, TABLE
from dnsdisco.server.settings import WorkerSettings
from dnsdisco.zone.settings import zone_labels
from tests.answer.special_page import PAGE, page
from tests.kit import Answers, CannedUpstreams, errors, section

NAMES = [(name, special.rule) for special in TABLE for name in special.names]
IDS = [name if len(name) < 40 else name[:2] + "…" + name[-9:] for name, _ in NAMES]


def test_the_page_is_the_table():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.answer.special_page"


def below(name, rule):
    """A name that the zone holds: a whole address where it is a reverse zone."""
    if not name.endswith(("in-addr.arpa", "ip6.arpa")):
        return "x." + name
    missing = (4 if name.endswith("in-addr.arpa") else 32) - len(name.split(".")) + 2
    return "7." * missing + name


@pytest.mark.parametrize(("name", "rule"), NAMES, ids=IDS)
def test_every_one_is_answered_here(name, rule):
    upstreams = CannedUpstreams({})
    answers = Answers("{}", upstreams=upstreams, zones=((b"svc", b"corp"),))
    expected = {
        Rule.LOCALHOST: ("NOERROR", "NOERROR"),
        Rule.LOOPBACK_PTR: ("NOERROR", "NOERROR"),
        Rule.NOTHING: ("NXDOMAIN", "NXDOMAIN"),
        Rule.EMPTY: ("NOERROR", "NXDOMAIN"),
        Rule.NODATA: ("NOERROR", "NOERROR"),
    }[rule]
    is_whole = below(name, rule) == name  # one address, not a zone of them
    for rtype in ("A", "AAAA", "PTR", "TYPE999", "DS"):
        at, under = answers.ask(name, rtype), answers.ask(below(name, rule), rtype)
        assert (dns.rcode.to_text(at.rcode()), dns.rcode.to_text(under.rcode())) == (
            expected if not is_whole else (expected[0], expected[0])
        )
        assert at.answer or at.authority[0].rdtype == dns.rdatatype.SOA
    if rule is Rule.LOCALHOST:
        assert [str(answers.ask("x.localhost", rtype).answer[0][0]) for rtype in ("A", "AAAA")] == ["127.0.0.1", "::1"]
    if rule is Rule.LOOPBACK_PTR:
        assert str(answers.ask(below(name, rule), "PTR").answer[0][0]) == "localhost."
    assert upstreams.asked == []


@pytest.mark.parametrize(("name", "rule"), NAMES, ids=IDS)
def test_every_one_can_be_given_away(name, rule):
    upstreams = CannedUpstreams({})
    answers = Answers("{}", upstreams=upstreams, zones=((b"svc", b"corp"),), overrides=frozenset({zone_labels(name)}))
    answers.ask(name, "TXT")
    answers.ask("x." + name, "TXT")
    assert [asked for asked, _ in upstreams.asked] == [name + ".", f"x.{name}."]


def test_what_the_page_configures_does_what_it_says():
    text = PAGE.read_text()
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    overrides = WorkerSettings.from_plain(example).answers.overrides
    assert overrides > AnswerSettings().overrides
    upstreams = CannedUpstreams({})
    answers = Answers("{}", upstreams=upstreams, overrides=overrides)
    for name in (
        "printer.home.arpa",
        "1.2.20.10.in-addr.arpa",
        "dc.local",
        "1.2.21.10.in-addr.arpa",
        "web.svc.local",
        "home.onion",
    ):
        answers.ask(name, "PTR")
    assert [asked for asked, _ in upstreams.asked] == ["printer.home.arpa.", "1.2.20.10.in-addr.arpa.", "dc.local."]


@pytest.mark.parametrize("name", ["x.test", "ipv4only.arpa", "use-application-dns.net", "x.internal", "8.8.8.8.in-addr.arpa"])
def test_what_is_not_special(name):
    upstreams = CannedUpstreams({})
    Answers("{}", upstreams=upstreams).ask(name)
    assert upstreams.asked == [(name + ".", "A")]


PARTS = [
    ("10.in-addr.arpa", "NOERROR"),
    ("0.10.in-addr.arpa", "NOERROR"),  # the instance's own address below it, or another's
    ("7.10.in-addr.arpa", "NOERROR"),
    ("0.0.10.in-addr.arpa", "NOERROR"),
    ("foo.10.in-addr.arpa", "NXDOMAIN"),
    ("foo.0.0.10.in-addr.arpa", "NXDOMAIN"),
    ("256.10.in-addr.arpa", "NXDOMAIN"),
    ("01.10.in-addr.arpa", "NXDOMAIN"),
    ("_tcp.10.in-addr.arpa", "NXDOMAIN"),
    ("x.1.0.0.10.in-addr.arpa", "NXDOMAIN"),
    ("1.1.0.0.10.in-addr.arpa", "NXDOMAIN"),
    ("0/25.2.0.192.in-addr.arpa", "NXDOMAIN"),
    ("foo.168.192.in-addr.arpa", "NXDOMAIN"),
    ("lb._dns-sd._udp.0.0.10.in-addr.arpa", "NXDOMAIN"),
    ("0.0.d.f.ip6.arpa", "NOERROR"),
    ("10.d.f.ip6.arpa", "NXDOMAIN"),
    ("g.d.f.ip6.arpa", "NXDOMAIN"),
    ("x." + ".".join("0" * 30) + ".d.f.ip6.arpa", "NXDOMAIN"),
    ("1.0.0.10.in-addr.arpa", "NOERROR"),
]


@pytest.mark.parametrize(("name", "rcode"), PARTS, ids=[name[:30] for name, _ in PARTS])
def test_only_part_of_an_address_is_an_empty_non_terminal(name, rcode):
    reply = Answers("web: {instances: [{id: w, address: 10.0.0.1}]}").ask(name, "TXT")
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert not reply.answer
    assert reply.authority[0].rdtype == dns.rdatatype.SOA


@pytest.mark.parametrize("name", [name for name, rule in NAMES if rule is Rule.EMPTY and name.endswith(".arpa")])
def test_no_reverse_zone_has_names_that_are_no_addresses(name):
    answers = Answers("{}")
    assert answers.ask(name).rcode() == dns.rcode.NOERROR
    assert answers.ask("foo." + name).rcode() == dns.rcode.NXDOMAIN


SOURCE = "web: {instances: [{id: w, address: 10.9.8.7, port: 80}, {id: v, address: '2001:db8::7'}]}"
SIX = "7" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"


@pytest.mark.parametrize(
    ("name", "rtype", "reason"),
    [
        ("localhost", "MX", "localhost has no MX record: localhost is special, and answered here"),
        ("a.localhost", "TXT", "a.localhost has no TXT record: localhost is special, and answered here"),
        ("home.arpa", "A", "home.arpa has no A record: home.arpa is special, and answered here"),
        ("_dns.resolver.arpa", "SVCB", "_dns.resolver.arpa has no SVCB record: resolver.arpa is special, and answered here"),
        ("1.0.0.127.in-addr.arpa", "A", "1.0.0.127.in-addr.arpa has no A record: 127.in-addr.arpa is special, and answered here"),
        ("1.10.in-addr.arpa", "PTR", "1.10.in-addr.arpa is a part of an address, and has no records itself"),
        ("local", "A", "local has no records itself: there are names below it"),
        ("7.8.9.10.in-addr.arpa", "A", "the reverse name of 10.9.8.7 has no A record, only PTR"),
        (SIX, "TXT", "the reverse name of 2001:db8::7 has no TXT record, only PTR"),
        ("ns.dns.svc.local", "MX", "ns.dns.svc.local is the name of this server, and has no MX record"),
        ("ns.dns.svc.local", "TYPE65280", "ns.dns.svc.local is the name of this server, and has no TYPE65280 record"),
        ("dns.svc.local", "A", "dns has no records itself: there are names below it"),
    ],
)
def test_nodata_says_why(name, rtype, reason):
    answers = Answers(SOURCE)
    for _ in range(3):  # made, prepared, whole
        reply = answers.ask(name, rtype)
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert errors(reply) == {0: reason}
    assert not answers.ask(name, rtype, use_edns=False).options


@pytest.mark.parametrize(
    ("name", "rtype", "reason"),
    [
        ("invalid", "A", "invalid does not exist: invalid is special, and answered here"),
        ("Some.Onion", "TXT", "some.onion does not exist: onion is special, and answered here"),
        ("x.alt", "AAAA", "x.alt does not exist: alt is special, and answered here"),
        ("printer.local", "SRV", "printer.local does not exist: local is special, and answered here"),
        ("tv.home.arpa", "A", "tv.home.arpa does not exist: home.arpa is special, and answered here"),
        ("foo.10.in-addr.arpa", "PTR", "foo.10.in-addr.arpa does not exist: 10.in-addr.arpa is special, and answered here"),
        ("8.8.9.10.in-addr.arpa", "PTR", "no instance is known to have the address 10.9.8.8: 10.in-addr.arpa is special, and answered here"),
        (f"8{SIX[1:]}", "PTR", "no instance is known to have the address 2001:db8::8: 8.b.d.0.1.0.0.2.ip6.arpa is special, and answered here"),
    ],
)  # fmt: skip
def test_a_denial_says_why(name, rtype, reason):
    answers = Answers(SOURCE)
    for _ in range(3):
        reply = answers.ask(name, rtype)
        assert (reply.rcode(), reply.answer) == (dns.rcode.NXDOMAIN, [])
        assert errors(reply) == {0: reason}
    assert not answers.ask(name, rtype, use_edns=False).options


def test_the_reason_of_a_reverse_name_goes_when_an_instance_has_the_address():
    answers = Answers("{}")
    name = "7.8.9.10.in-addr.arpa"
    assert errors(answers.ask(name, "PTR"))
    entry = next(iter(Answers(SOURCE).merger.entries.values()))
    answers.responder.changed(answers.catalog.apply([entry], [], 8))
    assert not errors(answers.ask(name, "PTR"))


@pytest.mark.parametrize(
    ("name", "rtype"),
    [("localhost", "A"), ("1.0.0.127.in-addr.arpa", "PTR"), ("7.8.9.10.in-addr.arpa", "PTR"), (SIX, "PTR"), ("localhost", "AAAA")],
)
def test_an_answer_that_is_as_expected_has_no_reason(name, rtype):
    reply = Answers(SOURCE).ask(name, rtype)
    assert reply.answer
    assert not errors(reply)


@pytest.mark.parametrize(
    ("target", "zone", "rcode"),
    [
        ("nothere.invalid", "invalid.", dns.rcode.NXDOMAIN),
        ("x.onion", "onion.", dns.rcode.NXDOMAIN),
        ("printer.home.arpa", "home.arpa.", dns.rcode.NXDOMAIN),
        ("home.arpa", "home.arpa.", dns.rcode.NOERROR),
        ("resolver.arpa", "resolver.arpa.", dns.rcode.NOERROR),
    ],
)
def test_an_alias_of_ours_to_a_special_name_is_denied_as_that_name_is(target, zone, rcode):
    """The rcode and the SOA are those of the last name (RFC 6604 §3), as behind an alias that an upstream told."""
    reply = Answers(f"away: {{address: {target}}}").ask("away.svc.local")
    assert section(reply.answer) == {f"away.svc.local. CNAME {target}."}
    assert (reply.rcode(), [soa.name.to_text() for soa in reply.authority]) == (rcode, [zone])
    assert errors(reply)[0].endswith("is special, and answered here")


def test_an_alias_of_ours_to_localhost_has_its_address():
    answers = Answers("here: {address: localhost}")
    for rtype, address in (("A", "127.0.0.1"), ("AAAA", "::1")):
        assert section(answers.ask("here.svc.local", rtype).answer) == {
            "here.svc.local. CNAME localhost.",
            f"localhost. {rtype} {address}",
        }
    assert [soa.name.to_text() for soa in answers.ask("here.svc.local", "MX").authority] == ["localhost."]
