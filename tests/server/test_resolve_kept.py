"""What is kept, where nothing better is to be had: no upstream to ask, an answer to the question with the other DO, denials without SOA."""

from __future__ import annotations

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from dnsdisco.errors import UpstreamError
from tests.kit import Answers, canned, CannedUpstreams, errors, section

NAME = "www.example.com."
ADDRESS = f"{NAME} 60 IN A 192.0.2.1"
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
SERVICES = """
hosty: {instances: [{id: h1, address: www.example.com, port: 80}]}
far: {instances: [{address: www.example.com}]}
"""
SIGNATURE = f"{NAME} 60 IN RRSIG A 5 3 60 20300101000000 20200101000000 1 example.com. AAAA"


def made(said=ADDRESS, **other):
    upstreams = CannedUpstreams({(NAME, "A"): said, (NAME, "AAAA"): canned(NAME, "AAAA", authority=SOA)})
    return Answers(SERVICES, upstreams=upstreams, **other), upstreams


# no upstream at all


def nobody_there(answers, upstreams):
    """A resolv.conf that is empty, or gone for a while."""

    def disabled(_):
        raise UpstreamError("upstreams", "disabled", "none can be used")

    upstreams.can_forward = lambda _: False
    upstreams.exchange = disabled
    answers.responder.configure(answers.policy._replace(recursion=False, origin="nobody"))


def back_again(answers, upstreams, address, origin):
    del upstreams.can_forward, upstreams.exchange
    upstreams.answers = {(NAME, "A"): f"{NAME} 60 IN A {address}"}
    answers.responder.configure(answers.policy._replace(origin=origin))


def test_without_an_upstream_what_is_kept_is_answered():
    answers, upstreams = made(policy={"origin": "one"})
    answers.ask(NAME)
    nobody_there(answers, upstreams)
    answers.now += 20
    fresh = answers.ask(NAME)
    assert (fresh.rcode(), fresh.answer[0].ttl, errors(fresh)) == (dns.rcode.NOERROR, 40, {})
    assert fresh.flags & dns.flags.RA
    answers.now += 60
    for _ in range(2):
        stale = answers.ask(NAME)
        assert (stale.rcode(), stale.answer[0].ttl, set(errors(stale))) == (dns.rcode.NOERROR, 30, {3})
        assert stale.flags & dns.flags.RA
    for name, rtype in (("other.example.com", "A"), (NAME, "MX")):
        refused = answers.ask(name, rtype)
        assert (refused.rcode(), set(errors(refused))) == (dns.rcode.REFUSED, {20})
        assert not refused.flags & dns.flags.RA
    answers.now += 86_400
    assert answers.ask(NAME).rcode() == dns.rcode.REFUSED


def test_without_an_upstream_denials_are_kept_too():
    answers, upstreams = made(canned(NAME, "A", authority=SOA, rcode="NXDOMAIN"))
    answers.ask(NAME)
    nobody_there(answers, upstreams)
    assert answers.ask(NAME, "TXT").rcode() == dns.rcode.NXDOMAIN
    answers.now += 200
    reply = answers.ask(NAME, "TXT")
    assert (reply.rcode(), set(errors(reply))) == (dns.rcode.NXDOMAIN, {19})


def test_without_an_upstream_host_names_are_found_among_what_is_kept():
    answers, upstreams = made()
    answers.ask("hosty.svc.local")
    nobody_there(answers, upstreams)
    for wait, expected in ((0, set()), (100, {3})):
        answers.now += wait
        reply = answers.ask("hosty.svc.local")
        assert (section(reply.answer), set(errors(reply))) == ({"hosty.svc.local. A 192.0.2.1"}, expected)
        reply = answers.ask("far.svc.local")
        assert section(reply.answer) == {"far.svc.local. CNAME www.example.com.", "www.example.com. A 192.0.2.1"}
    answers.responder.flush()
    assert answers.ask("hosty.svc.local").rcode() == dns.rcode.SERVFAIL
    reply = answers.ask("far.svc.local")
    assert (reply.rcode(), len(reply.answer), set(errors(reply))) == (dns.rcode.NOERROR, 1, {20})


def test_an_upstream_that_comes_back_is_asked_when_the_time_has_come():
    answers, upstreams = made(policy={"origin": "one"})
    answers.ask(NAME)
    nobody_there(answers, upstreams)
    answers.ask(NAME)
    back_again(answers, upstreams, "192.0.2.2", "one")  # the same one as before: what it said is as good as it was
    assert section(answers.ask(NAME).answer) == {f"{NAME} A 192.0.2.1"}
    answers.now += 61
    assert section(answers.ask(NAME).answer) == {f"{NAME} A 192.0.2.2"}
    nobody_there(answers, upstreams)
    back_again(answers, upstreams, "192.0.2.3", "another")
    assert section(answers.ask(NAME).answer) == {f"{NAME} A 192.0.2.3"}


# with DO and without


@pytest.mark.parametrize("do", [True, False])
@pytest.mark.parametrize("wait", [10, 100])
def test_what_was_asked_for_with_do_serves_without_and_the_reverse(do, wait):
    answers, upstreams = made(f"{ADDRESS}\n{SIGNATURE}")
    assert len(answers.ask(NAME, want_dnssec=do).answer) == 1 + do
    upstreams.answers = {(NAME, "A"): None}
    answers.now += wait
    for _ in range(2):
        reply = answers.ask(NAME, want_dnssec=not do)
        assert (section(reply.answer), set(errors(reply))) == ({f"{NAME} A 192.0.2.1"}, {3})
        assert bool(reply.ednsflags & dns.flags.DO) is not do
        assert reply.answer[0].ttl == 30
    assert len(upstreams.asked) == 2
    if wait > 60:
        again = answers.ask(NAME, want_dnssec=do)  # who asked first gets what there was, signatures and all
        assert len(again.answer) == 1 + do
    answers.responder.flush()
    assert answers.ask(NAME, want_dnssec=not do).rcode() == dns.rcode.SERVFAIL


def test_a_signed_denial_serves_without_do_and_for_other_types():
    proof = "a.example.com. 60 IN NSEC z.example.com. A RRSIG NSEC"
    answers, upstreams = made(canned(NAME, "A", authority=f"{SOA}\n{proof}", rcode="NXDOMAIN"))
    answers.ask(NAME, want_dnssec=True)
    upstreams.answers = {(NAME, rtype): None for rtype in ("A", "TXT")}
    answers.now += 200
    for rtype in ("A", "TXT"):
        reply = answers.ask(NAME, rtype)
        assert (reply.rcode(), set(errors(reply))) == (dns.rcode.NXDOMAIN, {19})
        assert {rrset.rdtype for rrset in reply.authority} == {dns.rdatatype.SOA}


def test_a_signed_answer_serves_host_names_without_its_signatures():
    answers, upstreams = made(f"{ADDRESS}\n{SIGNATURE}")
    answers.ask(NAME, want_dnssec=True)
    upstreams.answers = {(NAME, "A"): None}
    answers.now += 100
    reply = answers.ask("hosty.svc.local")
    assert (section(reply.answer), set(errors(reply))) == ({"hosty.svc.local. A 192.0.2.1"}, {3})
    assert section(answers.ask("far.svc.local", "A", use_edns=False).answer) == {
        f"far.svc.local. CNAME {NAME}",
        f"{NAME} A 192.0.2.1",
    }


@pytest.mark.parametrize("do", [True, False])
@pytest.mark.parametrize("wait", [10, 100])
def test_what_was_checked_serves_who_asks_with_checking_disabled(do, wait):
    answers, upstreams = made(f"{ADDRESS}\n{SIGNATURE}")
    answers.ask(NAME, want_dnssec=True)
    upstreams.answers = {(NAME, "A"): None}
    answers.now += wait
    for _ in range(2):
        reply = answers.ask(NAME, want_dnssec=do, flags=dns.flags.RD | dns.flags.CD)
        assert {rrset.rdtype for rrset in reply.answer} == {1, 46} if do else {1}
        assert reply.flags & dns.flags.CD
        assert set(errors(reply)) == (set() if do and wait < 60 else {3})
    assert len(upstreams.asked) == 2


def test_checking_disabled_never_serves_who_wants_it_checked():
    answers, upstreams = made()
    answers.ask(NAME, flags=dns.flags.RD | dns.flags.CD)
    upstreams.answers = {(NAME, "A"): None}
    answers.now += 100
    assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert answers.ask(NAME, want_dnssec=True, flags=dns.flags.RD | dns.flags.CD).rcode() == dns.rcode.NOERROR


# denials without SOA


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_a_denial_without_soa_denies_what_was_asked_and_nothing_else(rcode):
    """`dnsmasq --address` says NXDOMAIN for AAAA; the name has an address all the same."""
    answers, upstreams = made()
    upstreams.answers = {**upstreams.answers, (NAME, "AAAA"): canned(NAME, "AAAA", rcode=rcode)}
    for _ in range(2):
        reply = answers.ask(NAME, "AAAA")
        assert (dns.rcode.to_text(reply.rcode()), reply.answer, reply.authority) == (rcode, [], [])
        assert section(answers.ask(NAME).answer) == {f"{NAME} A 192.0.2.1"}
        assert answers.ask(NAME, "TXT").rcode() == dns.rcode.NOERROR
    assert upstreams.asked.count((NAME, "AAAA")) == 2
    assert upstreams.asked.count((NAME, "A")) == 1


def test_an_alias_to_nothing_without_soa_is_not_kept():
    answers, upstreams = made(canned(NAME, "A", f"{NAME} 60 IN CNAME gone.example.org.", rcode="NXDOMAIN"))
    for _ in range(2):
        reply = answers.ask(NAME)
        assert (reply.rcode(), section(reply.answer)) == (dns.rcode.NXDOMAIN, {f"{NAME} CNAME gone.example.org."})
    assert len(upstreams.asked) == 2
