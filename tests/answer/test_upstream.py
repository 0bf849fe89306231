"""What only an upstream knows: relayed answers, host names flattened, aliases chased."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from tests.kit import Answers, CannedUpstreams, errors, is_authoritative, section

ANSWERS = {
    ("www.example.com.", "A"): "www.example.com. 60 IN CNAME web.example.com.\nweb.example.com. 30 IN A 192.0.2.80",
    (
        "cache.example.net.",
        "A",
    ): "cache.example.net. 3 IN CNAME c1.example.net.\nc1.example.net. 60 IN A 192.0.2.6\nc1.example.net. 60 IN A 192.0.2.7",
    ("cache.example.net.", "AAAA"): "",
    ("db.example.net.", "A"): "db.example.net. 100 IN A 192.0.2.5",
    ("db.example.net.", "AAAA"): "NXDOMAIN",
    ("db.example.net.", "TXT"): 'db.example.net. 100 IN TXT "hello"',
    ("gone.example.net.", "A"): "NXDOMAIN",
    ("dead.example.net.", "A"): None,
}


@pytest.fixture
def answers() -> Answers:
    return Answers(upstreams=CannedUpstreams(ANSWERS))


def test_other_names_are_relayed(answers):
    reply = answers.ask("wWw.example.com")
    assert not is_authoritative(reply)
    assert reply.flags & dns.flags.RA
    assert reply.question[0].name.to_text() == "wWw.example.com."
    assert section(reply.answer) == {"wWw.example.com. CNAME web.example.com.", "web.example.com. A 192.0.2.80"}
    assert reply.edns == 0
    assert answers.ask("www.example.com", use_edns=False).edns == -1


def test_names_of_ours_are_never_forwarded(answers):
    upstreams = CannedUpstreams({})
    answers = Answers(upstreams=upstreams)
    for name in (
        "web.svc.local",
        "nosuch.svc.local",
        "svc.local",
        "x.y.z.svc.internal",
        "local",
        "localhost",
        "11.0.0.10.in-addr.arpa",
        "9.9.9.10.in-addr.arpa",
    ):
        for rtype in ("A", "AAAA", "SRV", "HTTPS", "PTR", "TYPE999", "DS", "ANY"):
            answers.ask(name, rtype)
    assert upstreams.asked == []


def test_recursion_that_is_not_desired_is_refused(answers):
    reply = answers.ask("www.example.com", flags=0)
    assert reply.rcode() == dns.rcode.REFUSED
    assert 20 in errors(reply)


def test_a_dead_upstream_is_servfail_with_the_reason(answers):
    reply = answers.ask("dead.example.net")
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert "192.0.2.53" in errors(reply)[22]


def test_a_host_name_is_flattened_under_the_name_asked(answers):
    reply = answers.ask("hosty.svc.local")
    assert section(reply.answer) == {f"hosty.svc.local. A {address}" for address in ("192.0.2.6", "192.0.2.7", "10.0.6.1")}
    assert {rrset.ttl for rrset in reply.answer} == {3}  # the smallest of ours and the chain's: an RRset has one TTL for dnspython
    assert is_authoritative(reply)
    assert section(answers.ask("h1.hosty.svc.local").answer) == {
        "h1.hosty.svc.local. A 192.0.2.6",
        "h1.hosty.svc.local. A 192.0.2.7",
    }
    reply = answers.ask("hosty.svc.local", "AAAA")
    assert reply.rcode() == dns.rcode.NOERROR
    assert not reply.answer
    assert reply.authority


def test_srv_targets_that_are_host_names_have_their_glue_too(answers):
    reply = answers.ask("hosty.svc.local", "SRV")
    assert {line.split()[-1] for line in section(reply.answer)} == {"h1.hosty.svc.local.", "h2.hosty.svc.local."}
    assert "h1.hosty.svc.local. A 192.0.2.6" in section(reply.additional)
    reply = Answers(upstreams=CannedUpstreams({("cache.example.net.", "A"): None, ("cache.example.net.", "AAAA"): None})).ask(
        "hosty.svc.local", "SRV"
    )
    assert reply.rcode() == dns.rcode.NOERROR
    assert len(reply.answer[0]) == 2


def test_a_service_that_is_nothing_but_a_host_name_is_a_cname(answers):
    reply = answers.ask("elsewhere.svc.local")
    assert section(reply.answer) == {"elsewhere.svc.local. CNAME db.example.net.", "db.example.net. A 192.0.2.5"}
    assert reply.answer[0].rdtype == dns.rdatatype.CNAME  # first, for glibc
    assert section(answers.ask("elsewhere.svc.local", "CNAME").answer) == {"elsewhere.svc.local. CNAME db.example.net."}
    assert 'db.example.net. TXT "hello"' in section(answers.ask("elsewhere.svc.local", "TXT").answer)
    reply = answers.ask("elsewhere.svc.local", "AAAA")
    assert reply.rcode() == dns.rcode.NXDOMAIN  # of the last name in the chain (RFC 2308 §2.1)
    assert section(reply.answer) == {"elsewhere.svc.local. CNAME db.example.net."}


def test_without_an_upstream_an_alias_is_told_alone():
    """What a client with another resolver can go on with. An upstream that is dead is SERVFAIL: there, the answer may come."""
    answers = Answers(zone_file=ZONE_FILE)
    for rtype in ("A", "AAAA", "TXT", "SRV"):
        reply = answers.ask("elsewhere.svc.local", rtype)
        assert reply.rcode() == dns.rcode.NOERROR
        assert is_authoritative(reply)
        assert section(reply.answer) == {"elsewhere.svc.local. CNAME db.example.net."}
        assert "no upstream is configured" in errors(reply)[20]
    assert section(answers.ask("far.svc.local").answer) == {"far.svc.local. CNAME www.example.com."}
    dead = Answers(upstreams=CannedUpstreams({("db.example.net.", "A"): None})).ask("elsewhere.svc.local")
    assert (dead.rcode(), dead.answer) == (dns.rcode.SERVFAIL, [])


def test_a_target_that_does_not_exist_is_left_out_and_none_at_all_is_nodata():
    text = """
part: {instances: [{id: a, address: gone.example.net, port: 1}, {id: b, address: 10.0.0.1, port: 1}]}
none: {instances: [{id: a, address: gone.example.net, port: 1}]}
dead: {instances: [{id: a, address: dead.example.net, port: 1}]}
half: {instances: [{id: a, address: dead.example.net, port: 1}, {id: b, address: 10.0.0.1, port: 1}]}
"""
    answers = Answers(text, upstreams=CannedUpstreams(ANSWERS))
    assert section(answers.ask("part.svc.local").answer) == {"part.svc.local. A 10.0.0.1"}
    nodata = answers.ask("none.svc.local")
    assert (nodata.rcode(), nodata.answer, len(nodata.authority)) == (dns.rcode.NOERROR, [], 1)
    dead = answers.ask("dead.svc.local")
    assert dead.rcode() == dns.rcode.SERVFAIL
    assert 22 in errors(dead)
    assert section(answers.ask("half.svc.local").answer) == {"half.svc.local. A 10.0.0.1"}
    without = Answers(text).ask("dead.svc.local")
    assert without.rcode() == dns.rcode.SERVFAIL


ZONE_FILE = """
$TTL 60
@        IN SOA  ns1 hostmaster 1 2 3 4 5
@        IN NS   ns1
@           MX   10 mail
mail        A    10.0.9.9
            AAAA 2001:db8::9
www         CNAME web
far         CNAME www.example.com.
loop        CNAME loop
*.wild      A    10.0.9.1
a.b.c       TXT  "deep" "er"
web         TXT  "from the file"
web         A    10.99.99.99
$ORIGIN svc.internal.
only        A    10.0.9.2
"""


def test_zone_files():
    answers = Answers(upstreams=CannedUpstreams(ANSWERS), zone_file=ZONE_FILE)
    assert section(answers.ask("svc.local", "MX").answer) == {"svc.local. MX 10 mail.svc.local."}
    assert section(answers.ask("mail.svc.local", "AAAA").answer) == {"mail.svc.local. AAAA 2001:db8::9"}
    assert section(answers.ask("www.svc.local").answer) == {"www.svc.local. CNAME web.svc.local.", "web.svc.local. A 10.0.0.11"}
    assert section(answers.ask("far.svc.local").answer) == {
        "far.svc.local. CNAME www.example.com.",
        "www.example.com. CNAME web.example.com.",
        "web.example.com. A 192.0.2.80",
    }
    assert answers.ask("loop.svc.local").rcode() == dns.rcode.NOERROR
    assert section(answers.ask("x.wild.svc.local").answer) == {"x.wild.svc.local. A 10.0.9.1"}
    assert section(answers.ask("y.x.wild.svc.local").answer) == {"y.x.wild.svc.local. A 10.0.9.1"}
    assert answers.ask("x.wild.svc.local", "AAAA").rcode() == dns.rcode.NOERROR
    assert answers.ask("wild.svc.local").rcode() == dns.rcode.NOERROR  # an empty non-terminal
    assert answers.ask("b.c.svc.local").rcode() == dns.rcode.NOERROR
    assert section(answers.ask("a.b.c.svc.local", "TXT").answer) == {'a.b.c.svc.local. TXT "deep" "er"'}
    assert section(answers.ask("web.svc.local", "TXT").answer) == {'web.svc.local. TXT "from the file"'}
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.11"}  # a service's addresses are its own
    assert section(answers.ask("only.svc.internal").answer) == {"only.svc.internal. A 10.0.9.2"}
    assert answers.ask("only.svc.local").rcode() == dns.rcode.NXDOMAIN
