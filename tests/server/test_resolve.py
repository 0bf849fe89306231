"""Names that are not ours, through the whole of the answering code: cache, one exchange for many, stale answers, what is believed.

The ids are those of research on reliability, part A.3 and C.2.
"""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.server.cached_upstream import UpstreamLimits
from dnsdisco.settings.sections import CacheSettings
from tests.kit import Answers, canned, CannedUpstreams, errors, is_authoritative, section

NAME = "www.example.com."
CHAIN = f"{NAME} 300 IN CNAME web.example.net.\nweb.example.net. 60 IN A 192.0.2.1\nweb.example.net. 90 IN A 192.0.2.2"
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
GONE = canned(NAME, "A", authority=SOA, rcode="NXDOMAIN")


def made(answers=None, *, holds=False, services="", policy=None, **other):
    """Answers over upstreams that know the chain, and what *answers* says."""
    upstreams = CannedUpstreams({(NAME, "A"): CHAIN, **(answers or {})}, holds=holds)
    return Answers(services or "{}", upstreams=upstreams, policy=policy, **other), upstreams


def ttls(reply):
    return [rrset.ttl for rrset in (*reply.answer, *reply.authority)]


# one question, one answer, and again


def test_the_second_answer_comes_from_the_cache_with_less_ttl():
    answers, upstreams = made()
    first = answers.ask("wWw.example.com")
    answers.now += 10.5
    second = answers.ask("WWW.EXAMPLE.com")
    assert len(upstreams.asked) == 1
    assert [str(reply.answer[0].name) for reply in (first, second)] == ["wWw.example.com.", "WWW.EXAMPLE.com."]
    assert (ttls(first), ttls(second)) == ([300, 60], [290, 50])
    assert second.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    answers.now += 50
    answers.ask(NAME)
    assert len(upstreams.asked) == 2


def test_the_wall_clock_changes_nothing():
    """A-47: only the monotonic clock is asked; the other one is for cookies."""
    answers, upstreams = made()
    answers.ask(NAME)
    answers.responder._clock = answers.responder._clock._replace(unix=lambda: 1_700_000_000.0 - 86_400)
    assert ttls(answers.ask(NAME)) == [300, 60]
    assert len(upstreams.asked) == 1


def test_a_hit_is_answered_at_once():
    answers, _ = made()
    answers.ask(NAME)
    replies = []
    query = dns.message.make_query(NAME, "A")
    answers.responder.respond(query.to_wire(), "127.0.0.1", is_tcp=False, send=replies.append)  # no loop runs here
    assert query.is_response(dns.message.from_wire(replies[0]))


@pytest.mark.parametrize(("do", "cd"), [(True, False), (False, True), (True, True)])
def test_do_and_cd_have_answers_of_their_own(do, cd):
    """A-52."""
    answers, upstreams = made()
    answers.ask(NAME)
    reply = answers.ask(NAME, want_dnssec=do, flags=dns.flags.RD | (dns.flags.CD if cd else 0))
    assert bool(reply.flags & dns.flags.CD) == cd
    assert upstreams.sent[-1] == (0x0100 | (0x0010 if cd else 0), do)
    assert len(upstreams.asked) == 2
    answers.ask(NAME, want_dnssec=do, flags=dns.flags.RD | (dns.flags.CD if cd else 0))
    assert len(upstreams.asked) == 2


@pytest.mark.parametrize(
    ("trust", "asks", "expected"),
    [(True, "AD", True), (True, "DO", True), (True, "", False), (False, "AD", False), (False, "DO", False)],
)
def test_ad_is_for_those_who_ask_where_the_upstream_is_trusted(trust, asks, expected):
    answers, upstreams = made({(NAME, "A"): canned(NAME, "A", CHAIN, flags="QR RD RA AD")}, policy={"trust_ad": trust})
    for _ in range(2):
        reply = answers.ask(NAME, want_dnssec=asks == "DO", flags=dns.flags.RD | (dns.flags.AD if asks == "AD" else 0))
        assert bool(reply.flags & dns.flags.AD) == expected
    assert upstreams.sent == [(0x0120 if trust else 0x0100, asks == "DO")]
    if trust and asks != "DO":
        assert bool(answers.ask(NAME, flags=dns.flags.RD).flags & dns.flags.AD) is False  # the same entry, another client
        assert len(upstreams.asked) == 1


def test_aa_is_for_our_own_names_alone():
    """A-13: an upstream that is the authority does not make us one, whether its answer comes from the cache or just now."""
    answers, _ = made({(NAME, "A"): canned(NAME, "A", CHAIN, flags="QR AA RD RA")})
    assert [is_authoritative(answers.ask(NAME)) for _ in range(2)] == [False, False]


def test_other_rcodes_and_types_pass():
    """A-45, A-56: as they are; another rcode is asked for each time."""
    answers, upstreams = made(
        {
            (NAME, "A"): canned(NAME, "A", rcode="NOTZONE"),
            (NAME, "TYPE65280"): canned(NAME, "TYPE65280", f"{NAME} 60 IN TYPE65280 \\# 3 c00cff"),
        }
    )
    assert [answers.ask(NAME).rcode() for _ in range(2)] == [dns.rcode.NOTZONE] * 2
    assert len(upstreams.asked) == 2
    for _ in range(2):
        assert section(answers.ask(NAME, "TYPE65280").answer) == {f"{NAME} TYPE65280 \\# 3 c00cff"}


def test_edns_is_hop_by_hop():
    """A-46: the upstream's OPT and its options stay here; a client without EDNS gets none."""
    answers, _ = made({(NAME, "A"): canned(NAME, "A", CHAIN, ede=(29, "synthesised"))})
    for _ in range(2):
        reply = answers.ask(NAME)
        assert (reply.edns, reply.options) == (0, ())
        assert answers.ask(NAME, use_edns=False).edns == -1


def test_what_does_not_fit_is_cut_and_whole_over_tcp():
    """A-57, from the upstream and from the cache alike."""
    many = "\n".join(f"{NAME} 60 IN A 10.0.{n // 250}.{n % 250}" for n in range(300))
    answers, upstreams = made({(NAME, "A"): many})
    for _ in range(2):
        reply = answers.ask(NAME)
        assert reply.flags & dns.flags.TC
        assert 60 < len(reply.answer[0]) < 80
        assert not answers.ask(NAME, use_edns=False).answer[0][29:]
        assert len(answers.ask(NAME, is_tcp=True).answer[0]) == 300
    assert len(upstreams.asked) == 1


def test_without_recursion_desired_only_what_is_kept():
    """A-55."""
    answers, upstreams = made()
    reply = answers.ask(NAME, flags=0)
    assert (reply.rcode(), set(errors(reply))) == (dns.rcode.REFUSED, {20})
    answers.ask(NAME)
    reply = answers.ask(NAME, flags=0)
    assert (reply.rcode(), ttls(reply)) == (dns.rcode.NOERROR, [300, 60])
    answers.now += 60
    assert answers.ask(NAME, flags=0).rcode() == dns.rcode.REFUSED
    assert len(upstreams.asked) == 1


# denials


def test_a_name_that_does_not_exist_has_no_type():
    """A-48, A-49."""
    answers, upstreams = made({(NAME, "A"): GONE})
    assert answers.ask(NAME).rcode() == dns.rcode.NXDOMAIN
    answers.now += 20
    for rtype in ("A", "AAAA", "TYPE999"):
        reply = answers.ask(NAME, rtype)
        assert (reply.rcode(), ttls(reply), section(reply.authority)) == (
            dns.rcode.NXDOMAIN,
            [100],
            {"example.com. SOA ns.example.com. root.example.com. 1 2 3 4 120"},
        )
    assert len(upstreams.asked) == 1
    answers.now += 100
    answers.ask(NAME)
    assert len(upstreams.asked) == 2


def test_nodata_is_of_one_type():
    answers, upstreams = made({(NAME, "AAAA"): canned(NAME, "AAAA", authority=SOA)})
    for rtype in ("AAAA", "AAAA", "A", "TXT", "TXT"):
        answers.ask(NAME, rtype)
    assert upstreams.asked == [(NAME, "AAAA"), (NAME, "A"), (NAME, "TXT"), (NAME, "TXT")]  # the last one without SOA


# failures


def test_failures_are_remembered_for_a_moment():
    """A-50."""
    answers, upstreams = made({(NAME, "A"): None})
    seconds = []
    for tenth in range(200):
        before = len(upstreams.asked)
        reply = answers.ask(NAME)
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert "192.0.2.53" in errors(reply)[22]
        if len(upstreams.asked) > before:
            seconds.append(round(answers.now - 1000, 1))
            assert 13 not in errors(reply)
        else:
            assert 13 in errors(reply)  # from the cache
        answers.now = 1000 + (tenth + 1) / 10
    assert seconds == [0, 1, 3, 7, 15]


@pytest.mark.parametrize("kind", ["shed", "disabled", "closed"])
def test_a_failure_of_our_own_is_not_the_name_s(kind):
    answers, upstreams = made()

    def fail(question):
        upstreams.asked.append(question)
        raise UpstreamError("upstreams", kind)

    upstreams.exchange = fail
    for _ in range(3):
        assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert len(upstreams.asked) == 3


def test_the_reason_of_an_upstream_is_passed_on():
    answers, _ = made({(NAME, "A"): canned(NAME, "A", rcode="SERVFAIL", ede=(6, "DNSSEC bogus"))})
    reply = answers.ask(NAME)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert errors(reply)[6] == "DNSSEC bogus"
    assert "SERVFAIL" in errors(reply)[23]


@pytest.mark.parametrize(
    "reply",
    [
        canned(NAME, "A", CHAIN, flags="QR TC RD RA"),
        canned(NAME, "A", CHAIN)[:-3],
        canned(NAME, "A", CHAIN)[:6] + b"\0\xff" + canned(NAME, "A", CHAIN)[8:],
        canned(NAME, "A", authority="com. 60 IN NS ns.example.", flags="QR RD"),
        canned(
            NAME,
            "A",
            "\n".join(f"{'www' if n == 0 else f'n{n}'}.example.com. 60 IN CNAME n{n + 1}.example.com." for n in range(20)),
        ),
    ],
    ids=["cut", "short", "counts", "referral", "aliases"],
)
def test_what_cannot_be_used_is_servfail_with_the_reason(reply):
    answers, upstreams = made({(NAME, "A"): reply})
    got = answers.ask(NAME)
    assert (got.rcode(), got.answer) == (dns.rcode.SERVFAIL, [])
    assert errors(got)[23].startswith("malformed reply from upstream: ")
    assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert len(upstreams.asked) == 1


def test_a_fault_of_ours_costs_one_question_and_nobody_waits_for_ever(monkeypatch):
    answers, _ = made()

    def fault(*_, **__):
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr("dnsdisco.server.cached_upstream.believe", fault)
        assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL
    with monkeypatch.context() as patch:
        patch.setattr("dnsdisco.answer.cached_reply.reply_from", fault)
        assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL
    with monkeypatch.context() as patch:
        patch.setattr(answers.responder._upstreams, "ask", fault)
        assert answers.ask("x.example.org").rcode() == dns.rcode.SERVFAIL
    assert answers.ask("x.example.org").rcode() == dns.rcode.NOERROR
    assert sum(answers.responder.faults.values()) == 3
    assert answers.responder.in_flight == 0
    answers.responder.flush()
    assert section(answers.ask(NAME).answer) >= {"web.example.net. A 192.0.2.1"}


def test_a_client_that_cannot_be_answered_costs_the_others_nothing():
    answers, upstreams = made(holds=True)

    def broken(_):
        raise RuntimeError("planted")

    async def work():
        answers.responder.respond(query_for().to_wire(), "127.0.0.1", is_tcp=False, send=broken)
        (replies,) = await replies_to(answers, query_for())
        upstreams.release()
        assert len(replies) == 1

    answers.run(work())
    assert answers.responder.in_flight == 0


# stale answers


def gone_silent(answers, upstreams):
    """The chain is in the cache and over, and nobody answers any more."""
    answers.ask(NAME)
    upstreams.answers = {**upstreams.answers, (NAME, "A"): None}
    answers.now += 100


def test_stale_answers_when_nobody_answers():
    """A-53."""
    answers, upstreams = made()
    gone_silent(answers, upstreams)
    reply = answers.ask(NAME)
    assert (reply.rcode(), ttls(reply)) == (dns.rcode.NOERROR, [30, 30])
    assert set(errors(reply)) == {3}
    assert len(upstreams.asked) == 2
    for wait in (1, 20, 8.9):
        answers.now += wait
        assert set(errors(answers.ask(NAME))) == {3}
    assert len(upstreams.asked) == 2
    answers.now += 0.1  # 30 s: time to look again
    assert set(errors(answers.ask(NAME))) == {3}
    assert len(upstreams.asked) == 3
    answers.now += 86_400
    assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL


def test_a_stale_denial_says_so():
    answers, upstreams = made({(NAME, "A"): GONE})
    gone_silent(answers, upstreams)
    answers.now += 100
    reply = answers.ask(NAME)
    assert (reply.rcode(), ttls(reply), set(errors(reply))) == (dns.rcode.NXDOMAIN, [30], {19})


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTZONE"])
def test_an_error_is_worse_than_a_stale_answer(rcode):
    answers, upstreams = made()
    gone_silent(answers, upstreams)
    upstreams.answers[NAME, "A"] = canned(NAME, "A", rcode=rcode)
    assert set(errors(answers.ask(NAME))) == {3}


@pytest.mark.parametrize("rtype", ["A", "AAAA"])
def test_a_fresh_denial_ends_it(rtype):
    answers, upstreams = made({(NAME, "AAAA"): canned(NAME, "AAAA", authority=SOA, rcode="NXDOMAIN")})
    gone_silent(answers, upstreams)
    assert set(errors(answers.ask(NAME))) == {3}
    if rtype == "A":
        answers.now += 30
        upstreams.answers[NAME, "A"] = GONE
    assert answers.ask(NAME, rtype).rcode() == dns.rcode.NXDOMAIN
    reply = answers.ask(NAME)
    assert (reply.rcode(), errors(reply)) == (dns.rcode.NXDOMAIN, {})


def test_stale_answers_can_be_switched_off():
    answers, upstreams = made(policy={"cache": CacheSettings(serve_stale=0)})
    gone_silent(answers, upstreams)
    assert answers.ask(NAME).rcode() == dns.rcode.SERVFAIL


def test_ad_is_not_said_of_a_stale_answer():
    answers, upstreams = made({(NAME, "A"): canned(NAME, "A", CHAIN, flags="QR RD RA AD")}, policy={"trust_ad": True})
    gone_silent(answers, upstreams)
    assert not answers.ask(NAME, flags=dns.flags.RD | dns.flags.AD).flags & dns.flags.AD


async def replies_to(answers, *queries, peer="127.0.0.1"):
    """Each query's list of replies, filled as they come."""
    got = []
    for query in queries:
        replies = []
        got.append(replies)
        answers.responder.respond(query.to_wire(), peer, is_tcp=False, send=replies.append)
    return got


def query_for(name=NAME, rtype="A", **options):
    return dns.message.make_query(name, rtype, **{"use_edns": 0, "payload": 1232, **options})


def test_a_client_waits_so_long_and_no_longer_while_the_question_goes_on():
    answers, upstreams = made(policy={"asking": UpstreamLimits(patience_s=0.05)})
    answers.ask(NAME)
    answers.now += 100
    upstreams.holds = True

    async def work():
        first, second = await replies_to(answers, query_for(), query_for())
        await asyncio.sleep(0.02)
        assert (first, second) == ([], [])
        await asyncio.sleep(0.1)
        for replies in (first, second):
            assert set(errors(dns.message.from_wire(replies[0]))) == {3}
        ((third,),) = await replies_to(answers, query_for())  # at once: the others have waited already
        assert set(errors(dns.message.from_wire(third))) == {3}
        assert answers.responder.in_flight == 0
        upstreams.release()
        ((fourth,),) = await replies_to(answers, query_for())
        reply = dns.message.from_wire(fourth)
        assert (ttls(reply), errors(reply)) == ([300, 60], {})
        assert [len(replies) for replies in (first, second)] == [1, 1]

    answers.run(work())
    assert len(upstreams.asked) == 2


def test_a_fresh_answer_in_time_is_given():
    answers, upstreams = made(policy={"asking": UpstreamLimits(patience_s=0.05)})
    answers.ask(NAME)
    answers.now += 100
    upstreams.holds = True

    async def work():
        (replies,) = await replies_to(answers, query_for())
        upstreams.release()
        await asyncio.sleep(0.1)
        assert [errors(dns.message.from_wire(octets)) for octets in replies] == [{}]

    answers.run(work())


def test_addresses_beside_srv_records_are_not_waited_for_long():
    """They may be missing (RFC 2782); the records themselves are ours, whatever upstreams do. An A record of the same host is waited for."""
    services = "ext: {address: ext.example.com, port: 99}"
    answers, upstreams = made(
        {
            ("ext.example.com.", "A"): "ext.example.com. 60 IN A 192.0.2.9",
            ("ext.example.com.", "AAAA"): canned("ext.example.com.", "AAAA", authority=SOA),
        },
        services=services,
        holds=True,
        policy={"asking": UpstreamLimits(glue_s=0.05)},
    )

    async def work():
        srv, address = await replies_to(answers, query_for("ext.svc.local", "SRV"), query_for("ext.svc.local", "A"))
        await asyncio.sleep(0.15)
        reply = dns.message.from_wire(srv[0])
        assert section(reply.answer) == {"ext.svc.local. SRV 0 1 99 ext-example-com.ext.svc.local."}
        assert (reply.additional, address) == ([], [])
        upstreams.release()
        await asyncio.sleep(0)
        assert section(dns.message.from_wire(address[0]).answer) == {"ext.svc.local. A 192.0.2.9"}
        ((again,),) = await replies_to(answers, query_for("ext.svc.local", "SRV"))  # the exchange went on
        assert section(dns.message.from_wire(again).additional) == {"ext-example-com.ext.svc.local. A 192.0.2.9"}
        assert len(srv) == 1
        assert answers.responder.in_flight == 0

    answers.run(work())


# many at once


def test_one_exchange_for_all_who_ask_the_same():
    """A-54: each gets its own id, case and flags."""
    answers, upstreams = made(holds=True)

    async def work():
        queries = [
            query_for("".join(c.upper() if n >> at & 1 else c for at, c in enumerate("www")) + ".example.com") for n in range(8)
        ]
        queries += [query_for(use_edns=False, id=number) for number in range(100)]
        got = await replies_to(answers, *queries)
        assert len(upstreams.asked) == 1
        assert answers.responder.in_flight == len(queries)
        upstreams.release()
        for query, (octets,) in zip(queries, got, strict=True):
            reply = dns.message.from_wire(octets)
            assert query.is_response(reply)
            assert str(reply.question[0].name) == str(query.question[0].name)
            assert reply.edns == query.edns
            assert len(reply.answer) == 2

    answers.run(work())
    assert answers.responder.in_flight == 0


@pytest.mark.parametrize(
    "other", [{"rtype": "AAAA"}, {"name": "ww.example.com."}, {"want_dnssec": True}, {"flags": dns.flags.RD | dns.flags.CD}]
)
def test_others_have_exchanges_of_their_own(other):
    answers, upstreams = made(holds=True)

    async def work():
        await replies_to(answers, query_for(), query_for(**other))
        upstreams.release()

    answers.run(work())
    assert len(upstreams.asked) == 2


def test_who_waits_is_bounded():
    answers, upstreams = made(holds=True, policy={"asking": UpstreamLimits(waiting=10, waiting_per_client=4)})

    async def work():
        remote = await replies_to(answers, *(query_for() for _ in range(6)), peer="10.0.0.9")
        other = await replies_to(answers, *(query_for() for _ in range(3)), peer="10.0.0.8")
        local = await replies_to(answers, *(query_for() for _ in range(6)))
        assert [len(replies) for replies in (*remote, *other, *local)] == [0] * 4 + [1] * 2 + [0] * 3 + [0] * 3 + [1] * 3
        reply = dns.message.from_wire(remote[-1][0])
        assert (reply.rcode(), set(errors(reply))) == (dns.rcode.SERVFAIL, {23})
        upstreams.release()
        again = await replies_to(answers, query_for(), peer="10.0.0.9")
        assert all(len(replies) == 1 for replies in (*remote, *other, *local, *again))

    answers.run(work())
    assert answers.responder.statistics["shed"] == 3
    assert answers.responder.statistics["shed_of_client"] == 2
    assert answers.responder._asker._waiting_of == {}


def test_busy_names_are_asked_for_before_their_end():
    answers, upstreams = made()
    for second in range(59):
        answers.now = 1000 + second
        assert ttls(answers.ask(NAME))[1] in (60 - second, 60 - second + 54)
        answers.run(asyncio.sleep(0))
    assert len(upstreams.asked) == 2
    assert answers.responder.statistics["prefetches"] == 1
    reply = answers.ask(NAME)
    assert ttls(reply)[1] == 60 - (58 - 54)


# what is believed


EVIL = "\n".join(
    [
        "bank.example. 3600 IN A 203.0.113.66",
        "com. 3600 IN NS ns.evil.example.",
        "com. 3600 IN DNAME evil.example.",
        "x.svc.local. 3600 IN A 203.0.113.66",
        f"{NAME} 3600 IN AAAA 2001:db8::66",
    ]
)


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_a_hostile_upstream_plants_nothing(rcode):
    """C-05, C-06: whatever it adds, later questions for the victims go upstream, and ours are answered by us."""
    evil = canned(NAME, "A", CHAIN + "\n" + EVIL if rcode == "NOERROR" else EVIL, authority=EVIL, additional=EVIL, rcode=rcode)
    text = "x: {instances: [{id: i, address: 10.0.0.1, port: 1}]}"
    answers, upstreams = made({(NAME, "A"): evil, ("bank.example.", "A"): "bank.example. 60 IN A 192.0.2.7"}, services=text)
    for _ in range(2):
        reply = answers.ask(NAME)
        assert not reply.authority
        assert not reply.additional
        assert "203.0.113.66" not in str(reply)
    assert section(answers.ask("bank.example").answer) == {"bank.example. A 192.0.2.7"}
    assert section(answers.ask("x.svc.local").answer) == {"x.svc.local. A 10.0.0.1"}
    answers.ask("com", "NS")
    assert upstreams.asked[-1] == ("com.", "NS")
    assert answers.responder.statistics["distrusted"] >= 5


OURS = """
web: {instances: [{id: w1, address: 10.0.0.1, port: 80}, {id: w2, address: 10.0.0.2, port: 80}]}
hosty: {instances: [{id: h1, address: www.example.com, port: 80}]}
round: {instances: [{address: back.example.com}]}
"""


def test_an_alias_into_our_zone_goes_on_with_our_data():
    """C-06."""
    planted = f"{NAME} 300 IN CNAME web.svc.local.\nweb.svc.local. 300 IN A 203.0.113.66"
    answers, upstreams = made(
        {(NAME, "A"): planted, (NAME, "AAAA"): planted.replace(" A 203.0.113.66", " AAAA ::66")}, services=OURS
    )
    for second in range(3):
        reply = answers.ask(NAME)
        assert reply.answer[0].rdtype == dns.rdatatype.CNAME
        assert section(reply.answer) == {f"{NAME} CNAME web.svc.local.", "web.svc.local. A 10.0.0.1", "web.svc.local. A 10.0.0.2"}
        assert [rrset.ttl for rrset in reply.answer] == [300 - second, 5]
        assert not is_authoritative(reply)
        reply = answers.ask(NAME, "AAAA")
        assert (reply.rcode(), section(reply.answer)) == (dns.rcode.NOERROR, {f"{NAME} CNAME web.svc.local."})
        assert reply.authority[0].name.to_text() == "svc.local."
        answers.now += 1
    assert len(upstreams.asked) == 2
    answers.catalog.apply([], list(answers.merger.entries), 8)  # the service goes: the alias is in the cache, its target is not
    reply = answers.ask(NAME)
    assert (reply.rcode(), section(reply.answer)) == (dns.rcode.NXDOMAIN, {f"{NAME} CNAME web.svc.local."})


def test_an_alias_to_a_special_name_too():
    answers, _ = made({(NAME, "A"): f"{NAME} 300 IN CNAME localhost.\nlocalhost. 300 IN A 203.0.113.66"})
    assert section(answers.ask(NAME).answer) == {f"{NAME} CNAME localhost.", "localhost. A 127.0.0.1"}


def test_an_alias_into_our_zone_that_leads_out_again():
    answers, upstreams = made({(NAME, "A"): f"{NAME} 300 IN CNAME hosty.svc.local."}, services=OURS)
    upstreams.answers = {**upstreams.answers, ("www.example.com.", "A"): f"{NAME} 300 IN CNAME hosty.svc.local."}
    reply = answers.ask(NAME)  # hosty's address is the name that was asked: a loop through both
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert len(upstreams.asked) == 1


def test_a_loop_through_us_ends():
    """C-11: at most eight steps, at most two questions."""
    answers, upstreams = made({("back.example.com.", "A"): "back.example.com. 60 IN CNAME round.svc.local."}, services=OURS)
    for name in ("back.example.com", "round.svc.local"):
        assert answers.ask(name).rcode() == dns.rcode.SERVFAIL
    assert len(upstreams.asked) <= 2


@pytest.mark.parametrize("length", [1, 2, 8])
def test_a_loop_of_an_upstream_ends(length):
    names = [NAME, *(f"n{n}.example.com." for n in range(1, length))]
    loop = "\n".join(f"{name} 60 IN CNAME {names[(at + 1) % length]}" for at, name in enumerate(names))
    answers, upstreams = made({(name, "A"): loop for name in names})
    reply = answers.ask(NAME)
    assert (reply.rcode(), len(reply.answer)) == (dns.rcode.NOERROR, length)
    assert len(upstreams.asked) == 1


CORP = frozenset({(b"corp", b"example")})


def test_an_alias_out_of_a_forward_zone_is_followed():
    """The zone's own server may know nothing of the target."""
    answers, upstreams = made(
        {
            ("app.corp.example.", "A"): f"app.corp.example. 60 IN CNAME {NAME}",
            ("dead.corp.example.", "A"): "dead.corp.example. 60 IN CNAME nobody.example.org.",
            ("nobody.example.org.", "A"): None,
        },
        overrides=CORP,
    )
    for _ in range(2):
        reply = answers.ask("app.corp.example")
        assert section(reply.answer) == {
            f"app.corp.example. CNAME {NAME}",
            f"{NAME} CNAME web.example.net.",
            "web.example.net. A 192.0.2.1",
            "web.example.net. A 192.0.2.2",
        }
    assert len(upstreams.asked) == 2
    assert answers.ask("dead.corp.example").rcode() == dns.rcode.SERVFAIL
    upstreams.can_forward = lambda question: b"\4corp" in question
    assert len(answers.ask("app.corp.example").answer) == 3  # nobody is there to be asked for the target, but it is kept
    answers.responder.flush(NAME)
    reply = answers.ask("app.corp.example")
    assert (reply.rcode(), section(reply.answer)) == (dns.rcode.NOERROR, {f"app.corp.example. CNAME {NAME}"})


# names of ours that need others


def test_host_names_are_asked_for_once_and_serve_when_stale():
    answers, upstreams = made(services=OURS)
    for _ in range(3):
        assert section(answers.ask("hosty.svc.local").answer) == {"hosty.svc.local. A 192.0.2.1", "hosty.svc.local. A 192.0.2.2"}
    assert len(upstreams.asked) == 1
    assert answers.ask(NAME).answer  # the same entry
    assert len(upstreams.asked) == 1
    answers.now += 100
    upstreams.answers = {(NAME, "A"): None}
    reply = answers.ask("hosty.svc.local")
    assert section(reply.answer) == {"hosty.svc.local. A 192.0.2.1", "hosty.svc.local. A 192.0.2.2"}
    assert set(errors(reply)) == {3}
    assert ttls(reply) == [5]
    answers.responder.flush()
    reply = answers.ask("hosty.svc.local")
    assert (reply.rcode(), set(errors(reply))) == (dns.rcode.SERVFAIL, {22})


def test_host_names_with_different_ttls_leave_with_one():
    text = """
two: {instances: [{id: a, address: a.example.org, port: 1}, {id: b, address: b.example.org, port: 1}, {id: c, address: 10.0.0.1, port: 1}]}
"""
    answers, _ = made(
        {
            ("a.example.org.", "A"): "a.example.org. 3 IN A 192.0.2.3",
            ("b.example.org.", "A"): "b.example.org. 4 IN A 192.0.2.4",
        },
        services=text,
    )
    octets = answers.send(query_for("two.svc.local").to_wire())
    reply = dns.message.from_wire(octets, one_rr_per_rrset=True)
    assert {rrset.ttl for rrset in reply.answer} == {3}
    assert len(reply.answer) == 3


def test_an_alias_of_ours_stays_in_front_of_addresses_that_are_shuffled():
    """The records of a service that is partly host names, reached by an alias in a zone file."""
    zone = "$TTL 60\n@ IN SOA ns hostmaster 1 2 3 4 5\nshop CNAME mixed\n"
    text = "mixed: {instances: [{id: a, address: www.example.com, port: 1}, {id: c, address: 10.0.0.1, port: 1}]}"
    answers, _ = made(services=text, zone_file=zone)
    for _ in range(30):
        octets = answers.send(query_for("shop.svc.local").to_wire())
        reply = dns.message.from_wire(octets, one_rr_per_rrset=True)
        assert reply.answer[0].rdtype == dns.rdatatype.CNAME
        assert len(reply.answer) == 4


# from outside


def test_flush():
    answers, upstreams = made({("x.example.org.", "A"): "x.example.org. 60 IN A 192.0.2.9"})
    answers.ask(NAME)
    answers.ask("x.example.org")
    assert answers.responder.flush("Example.COM") == 0
    assert answers.responder.flush("Example.COM", is_tree=True) == 1
    answers.ask("x.example.org")
    answers.ask(NAME)
    assert upstreams.asked == [(NAME, "A"), ("x.example.org.", "A"), (NAME, "A")]
    assert answers.responder.flush() == 2
    assert answers.responder.statistics["entries"] == 0


def test_a_new_configuration_keeps_what_is_known():
    answers, upstreams = made()
    answers.ask(NAME)
    policy = answers.policy
    answers.responder.configure(policy._replace(cache=CacheSettings(max_ttl=10)))
    assert ttls(answers.ask(NAME)) == [300, 60]
    assert len(upstreams.asked) == 1
    answers.responder.configure(policy._replace(origin="other upstreams"))
    assert ttls(answers.ask(NAME)) == [300, 60]
    assert len(upstreams.asked) == 2  # it may be otherwise there
    answers.responder.configure(policy._replace(origin="yet others"))
    upstreams.answers = {(NAME, "A"): None}
    assert set(errors(answers.ask(NAME))) == {3}  # but is better than nothing


def test_what_has_become_ours_is_forgotten():
    answers, upstreams = made({(NAME, "A"): f"{NAME} 60 IN CNAME web.corp.example.\nweb.corp.example. 60 IN A 192.0.2.1"})
    answers.ask(NAME)
    settings = answers.policy.answers
    zone = type(settings.zone)(zones=((b"svc", b"local"), (b"corp", b"example")))
    answers.responder.configure(answers.policy._replace(answers=type(settings)(zone)))
    reply = answers.ask(NAME)
    assert (reply.rcode(), section(reply.answer)) == (dns.rcode.NXDOMAIN, {f"{NAME} CNAME web.corp.example."})
    assert len(upstreams.asked) == 2


def test_figures():
    answers, upstreams = made()
    gone_silent(answers, upstreams)
    for _ in range(3):
        answers.ask(NAME)
    figures = answers.responder.statistics
    assert {name: figures[name] for name in ("hits", "misses", "stale", "kept", "entries")} == {
        "hits": 0,
        "misses": 2,
        "stale": 3,
        "kept": 1,
        "entries": 1,
    }
    assert {type(value) for value in figures.values()} == {int}
