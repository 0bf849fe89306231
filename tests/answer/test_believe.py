"""What of a reply is believed (reliability statements A-43, A-48, C-05, C-06, C-11): the chain of the name that was asked, and no more."""

from __future__ import annotations

import itertools
import time

import dns.message
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.answer.aliases import ALIASES_MAX
from dnsdisco.answer.believe import believe, unsigned, UpstreamQuestion
from dnsdisco.cache.cache import Cache
from dnsdisco.cache.entry import Item, Kind
from dnsdisco.errors import WireError
from dnsdisco.wire.name import from_text
from dnsdisco.wire.relay import records_of
from tests.kit import canned

OURS = (b"svc", b"local")


def is_ours(labels):
    return labels[-2:] == OURS


def read(message, name="www.example.com", rtype="A", *, do=False):
    question = UpstreamQuestion(from_text(name).lower(), dns.rdatatype.from_text(rtype), do)
    return believe(message, question, is_ours)


def sections(item, name="www.example.com", rtype="A"):
    """Answer and authority as an independent codec reads them, one line a record."""
    question = from_text(name) + dns.rdatatype.from_text(rtype).to_bytes(2, "big") + b"\0\1"
    octets = b"\0\1\x81\x80\0\1" + item.counts + b"\0\0" + question + item.body
    message = dns.message.from_wire(octets, one_rr_per_rrset=True)
    return [rrset.to_text() for rrset in message.answer], [rrset.to_text() for rrset in message.authority]


def ttls(item):
    return [ttl for _, ttl in item.ttls]


CHAIN = """www.example.com. 300 IN CNAME web.example.net.
web.example.net. 60 IN A 192.0.2.1
web.example.net. 90 IN A 192.0.2.2"""
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"
EXTRA = """bank.example. 3600 IN A 203.0.113.66
www.example.com. 3600 IN TXT "beside it"
www.example.com. 3600 IN AAAA 2001:db8::66
mail.svc.local. 3600 IN A 203.0.113.66
svc.local. 3600 IN NS ns.evil.example.
com. 3600 IN NS ns.evil.example.
com. 3600 IN DNAME evil.example."""


def test_the_chain_is_believed():
    item, left_out = read(canned("www.example.com.", "A", CHAIN))
    assert sections(item) == (CHAIN.split("\n"), [])
    assert (item.kind, left_out) == (Kind.POSITIVE, 0)
    assert ttls(item) == [300, 60, 60]  # one for each RRset, the lowest


@pytest.mark.parametrize("where", ["before", "after", "between"])
def test_nothing_else_is(where):
    first, rest = CHAIN.split("\n", 1)
    answer = {"before": f"{EXTRA}\n{CHAIN}", "after": f"{CHAIN}\n{EXTRA}", "between": f"{first}\n{EXTRA}\n{rest}"}[where]
    message = canned("www.example.com.", "A", answer, authority=f"{EXTRA}\n{SOA}", additional=EXTRA)
    item, left_out = read(message)
    assert sections(item) == (CHAIN.split("\n"), [])
    assert left_out == len(EXTRA.split("\n"))
    item, _ = read(message, do=True)
    assert sections(item) == (CHAIN.split("\n"), [])


def test_the_chain_leaves_in_order():
    """Stub resolvers that read a reply once need an alias before what it leads to."""
    lines = [*CHAIN.split("\n")[1:], CHAIN.split("\n", maxsplit=1)[0]]
    item, _ = read(canned("www.example.com.", "A", "\n".join(lines)))
    assert sections(item)[0] == CHAIN.split("\n")


def test_the_case_that_an_upstream_writes_is_kept():
    answer = "www.example.com. 60 IN CNAME WeB.Example.NET.\nWeB.Example.NET. 60 IN A 192.0.2.1"
    assert sections(read(canned("www.example.com.", "A", answer)).item)[0] == answer.split("\n")


@pytest.mark.parametrize(("rcode", "kind", "covers"), [("NOERROR", Kind.NODATA, False), ("NXDOMAIN", Kind.NXDOMAIN, True)])
def test_a_denial_keeps_the_soa_that_encloses_the_name(rcode, kind, covers):
    message = canned("www.example.com.", "A", authority=f"{EXTRA}\n{SOA}", additional=EXTRA, rcode=rcode)
    item, _ = read(message)
    assert (item.kind, item.has_soa, item.covers_name) == (kind, True, covers)
    assert sections(item) == ([], [SOA])
    assert ttls(item) == [120]  # the smaller of its TTL and MINIMUM
    small = SOA.replace(" 900 ", " 7 ")
    assert ttls(read(canned("www.example.com.", "A", authority=small, rcode=rcode)).item) == [7]


@pytest.mark.parametrize("zone", ["example.net.", "ample.com.", "x.www.example.com.", "svc.local."])
def test_a_soa_of_another_zone_is_not_kept(zone):
    message = canned("www.example.com.", "A", authority=SOA.replace("example.com. 900", f"{zone} 900"), rcode="NXDOMAIN")
    item, _ = read(message)
    assert (item.has_soa, sections(item)) == (False, ([], []))


def test_the_root_denies_a_top_level_name():
    soa = ". 86400 IN SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400"
    assert sections(read(canned("www.nosuch.", "A", authority=soa, rcode="NXDOMAIN"), "www.nosuch").item, "www.nosuch") == (
        [],
        [soa],
    )


def test_a_denial_behind_an_alias_is_of_the_alias_s_target():
    alias, soa = CHAIN.split("\n", maxsplit=1)[0], SOA.replace("example.com. 900", "example.net. 900")
    item, _ = read(canned("www.example.com.", "A", alias, authority=soa, rcode="NXDOMAIN"))
    assert (item.kind, item.covers_name, item.rcode) == (Kind.NXDOMAIN, False, 3)
    assert sections(item) == ([alias], [soa])
    item, _ = read(canned("www.example.com.", "A", alias, authority=SOA, rcode="NXDOMAIN"))
    assert sections(item) == ([alias], [])  # that zone does not hold the target


def test_data_in_a_denial_is_no_data():
    item, left_out = read(canned("www.example.com.", "A", "www.example.com. 60 IN A 203.0.113.66", authority=SOA, rcode="NXDOMAIN"))
    assert (item.kind, sections(item), left_out) == (Kind.NXDOMAIN, ([], [SOA]), 1)


def test_our_names_are_ours_to_answer_for():
    answer = "www.example.com. 300 IN CNAME web.svc.local.\nweb.svc.local. 60 IN A 203.0.113.66"
    for rcode in ("NOERROR", "NXDOMAIN"):
        item, left_out = read(canned("www.example.com.", "A", answer, authority=SOA, rcode=rcode, flags="QR AA RD RA AD"))
        assert sections(item) == ([answer.split("\n", maxsplit=1)[0]], [])
        assert (item.target, item.kind, left_out) == (from_text("web.svc.local"), Kind.POSITIVE, 1)
        assert (item.rcode, item.flags) == (0, 0)


def test_a_chain_that_ends_nowhere_goes_on():
    """An upstream that knows one zone alone, or does not follow aliases, says nothing of the target, not even that it has no data."""
    alias = CHAIN.split("\n", maxsplit=1)[0]
    for authority, flags in (("", "QR RD RA"), ("", "QR AA"), ("net. 60 IN NS ns.example.", "QR RD")):
        item, _ = read(canned("www.example.com.", "A", alias, authority=authority, flags=flags))
        assert (item.target, item.kind, sections(item)) == (from_text("web.example.net"), Kind.POSITIVE, ([alias], []))
    soa = SOA.replace("example.com. 900", "example.net. 900")
    for answer, authority in ((CHAIN, ""), (alias, soa), ("", "")):
        assert read(canned("www.example.com.", "A", answer, authority=authority)).item.target == b""
    assert read(canned("www.example.com.", "A", alias, rcode="NXDOMAIN")).item.target == b""


def test_an_alias_into_a_zone_of_others_ends_what_is_believed():
    """Whatever this upstream says of the target: an address, that it does not exist, or nothing."""
    alias, target = CHAIN.split("\n", maxsplit=1)[0], (b"web", b"example", b"net")
    proof = ["a.example.com. 60 IN NSEC z.example.com. A RRSIG NSEC", "a.example.net. 60 IN NSEC z.example.net. A RRSIG NSEC"]
    question = UpstreamQuestion(from_text("www.example.com").lower(), 1, dnssec_ok=True)
    for answer, rcode in ((CHAIN, "NOERROR"), (alias, "NXDOMAIN"), (alias, "NOERROR")):
        message = canned("www.example.com.", "A", answer, authority="\n".join([*proof, SOA]), rcode=rcode)
        item, _ = believe(message, question, lambda labels: labels[-2:] == target[-2:])
        assert (item.kind, item.rcode, item.target) == (Kind.POSITIVE, 0, from_text("web.example.net"))
        assert sections(item) == ([alias], [proof[0]])  # what proves the alias may go along


@pytest.mark.parametrize("length", [1, 2, ALIASES_MAX])
def test_loops_end_with_what_was_collected(length):
    names = ["www.example.com.", *(f"n{n}.example.com." for n in range(1, length))]
    lines = [f"{name} 60 IN CNAME {names[(at + 1) % length]}" for at, name in enumerate(names)]
    item, _ = read(canned("www.example.com.", "A", "\n".join(lines)))
    assert sections(item)[0] == lines
    assert (item.kind, item.has_soa, item.target) == (Kind.NODATA, False, b"")


@pytest.mark.parametrize("length", [ALIASES_MAX + 1, 1000])
def test_too_many_aliases_are_refused(length):
    names = ["www.example.com.", *(f"n{n}.example.com." for n in range(length))]
    lines = [f"{name} 60 IN CNAME {target}" for name, target in itertools.pairwise(names)]
    fits = canned("www.example.com.", "A", "\n".join([*lines[:ALIASES_MAX], f"{names[ALIASES_MAX]} 60 IN A 192.0.2.1"]))
    assert len(sections(read(fits).item)[0]) == ALIASES_MAX + 1
    with pytest.raises(WireError, match="aliases"):
        read(canned("www.example.com.", "A", "\n".join([*lines, f"{names[-1]} 60 IN A 192.0.2.1"])))
    assert sections(read(canned("www.example.com.", "CNAME", "\n".join(lines)), rtype="CNAME").item, rtype="CNAME")[0] == lines[:1]


def test_two_aliases_at_one_name_are_one():
    lines = ["www.example.com. 60 IN CNAME a.example.com.", "www.example.com. 60 IN CNAME b.example.com."]
    ends = ["a.example.com. 60 IN A 192.0.2.1", "b.example.com. 60 IN A 192.0.2.2"]
    assert sections(read(canned("www.example.com.", "A", "\n".join(lines + ends))).item)[0] == [lines[0], ends[0]]


def test_any_is_everything_at_the_name_alone():
    lines = ["www.example.com. 60 IN A 192.0.2.1", 'www.example.com. 60 IN TXT "x"', "bank.example. 60 IN A 203.0.113.66"]
    item, _ = read(canned("www.example.com.", "ANY", "\n".join(lines)), rtype="ANY")
    assert sections(item, rtype="ANY")[0] == lines[:2]


SIGNATURE = "5 3 {ttl} 20300101000000 20200101000000 1 {zone} AAAA"


def signature(owner, covered, ttl=60, zone="example.com."):
    return f"{owner} {ttl} IN RRSIG {covered} " + SIGNATURE.format(ttl=ttl, zone=zone)


def test_with_do_signatures_and_proofs_go_along():
    answer = [
        "example.com. 500 IN DNAME example.net.",
        signature("example.com.", "DNAME", 500),
        "www.example.com. 500 IN CNAME www.example.net.",
        "www.example.net. 60 IN A 192.0.2.1",
        signature("www.example.net.", "A", 50),
        signature("www.example.net.", "TXT"),
    ]
    proofs = [
        "*.example.net. 60 IN NSEC x.example.net. A RRSIG NSEC",
        signature("*.example.net.", "NSEC"),
        "example.net. 60 IN NS ns.example.net.",
        signature("example.net.", "NS"),
        signature("x.svc.local.", "NSEC"),
    ]
    message = canned("www.example.com.", "A", "\n".join(answer), authority="\n".join(proofs))
    item, _ = read(message, do=True)
    assert sections(item) == (answer[:5], proofs[:2])
    assert ttls(item) == [500, 500, 500, 60, 50, 60, 60]
    item, _ = read(message)
    assert sections(item) == ([answer[0], answer[2], answer[3]], [])


def test_with_do_a_denial_is_proven():
    proofs = [
        "a.example.com. 600 IN NSEC z.example.com. A RRSIG NSEC",
        signature("a.example.com.", "NSEC", 600),
        SOA,
        signature("example.com.", "SOA", 900),
        "example.com. 60 IN NS ns.example.com.",
    ]
    message = canned("www.example.com.", "A", authority="\n".join(proofs), rcode="NXDOMAIN")
    item, _ = read(message, do=True)
    assert sections(item) == ([], proofs[:4])
    assert ttls(item) == [120] * 4
    assert sections(read(message).item) == ([], [SOA])


DNAME_CHAIN = [
    "example.com. 500 IN DNAME example.net.",
    signature("example.com.", "DNAME", 500),
    "www.example.com. 500 IN CNAME www.example.net.",
    "www.example.net. 60 IN A 192.0.2.1",
    signature("www.example.net.", "A", 60, "example.net."),
]


@pytest.mark.parametrize(
    ("rtype", "asked"),
    [("CNAME", DNAME_CHAIN[:3]), ("ANY", DNAME_CHAIN[:3]), ("A", DNAME_CHAIN), ("AAAA", DNAME_CHAIN[:3])],
)
def test_an_alias_comes_with_the_dname_that_it_follows_from(rtype, asked):
    """RFC 6672 §3.1: also where the alias itself was asked for; a validator has nothing else to check it by (§5.3.1)."""
    message = canned("www.example.com.", rtype, "\n".join(asked))
    assert sections(read(message, rtype=rtype, do=True).item, rtype=rtype)[0] == asked
    plain = [line for line in asked if "RRSIG" not in line]
    assert sections(read(message, rtype=rtype).item, rtype=rtype)[0] == plain
    shuffled = canned("www.example.com.", rtype, "\n".join(reversed(asked)))
    assert set(sections(read(shuffled, rtype=rtype, do=True).item, rtype=rtype)[0]) == set(asked)


def test_dnames_in_a_row_come_along_each():
    answer = [
        "example.com. 500 IN DNAME example.net.",
        "www.example.com. 500 IN CNAME www.example.net.",
        "example.net. 400 IN DNAME example.org.",
        "www.example.net. 400 IN CNAME www.example.org.",
        "www.example.org. 60 IN A 192.0.2.1",
    ]
    assert sections(read(canned("www.example.com.", "A", "\n".join(answer))).item)[0] == answer


LONG = ".".join(["l" * 60] * 3)


@pytest.mark.parametrize("do", [True, False])
def test_a_name_that_becomes_too_long_comes_with_the_dname_that_makes_it_so(do):
    """RFC 6672 §2.2: YXDOMAIN; which is an answer for as long as the DNAME holds."""
    lines = [
        f"www.example.com. 300 IN CNAME {LONG}.example.net.",
        f"example.net. 200 IN DNAME {LONG}.example.org.",
        signature("example.net.", "DNAME", 200),
        f"example.com. 100 IN DNAME {LONG}.example.org.",
    ]
    item, _ = read(canned("www.example.com.", "A", "\n".join(lines), rcode="YXDOMAIN"), do=do)
    assert (item.kind, item.rcode, sections(item)[0]) == (Kind.POSITIVE, 6, lines[: 2 + do])
    assert ttls(item) == [300, 200, 200][: 2 + do]
    for wrong in (lines[0], f"{lines[0]}\nexample.net. 200 IN DNAME short.example.org.", lines[3]):
        item, _ = read(canned("www.example.com.", "A", wrong, rcode="YXDOMAIN"), do=do)
        assert (item.kind, item.rcode, item.counts) == (Kind.OTHER, 6, bytes(4))


def test_without_do_a_signed_answer_is_the_same_without_signatures():
    for do in (False, True):
        message = canned("www.example.com.", "A", "\n".join(DNAME_CHAIN), authority=signature("a.example.com.", "NSEC"))
        entry = Cache().keep(b"\3www\7example\3com\0\0\1\0\1" + bytes((do,)), read(message, do=True).item, 0.0)
        plain = unsigned(entry, UpstreamQuestion(from_text("www.example.com").lower(), 1, dnssec_ok=False))
        assert (plain.counts, plain.stale_body(30)) == (b"\0\3\0\0", plain.body(0.0).replace(bytes(4), (30).to_bytes(4, "big")))
        shown = sections(Item(plain.kind, counts=plain.counts, body=plain.stale_body(30)))
        assert [line.split(" ", 2)[2] for line in shown[0]] == [
            line.split(" ", 2)[2] for line in (DNAME_CHAIN[0], *DNAME_CHAIN[2:4])
        ]
    denial = canned("www.example.com.", "A", authority=f"{SOA}\n{signature('example.com.', 'SOA', 900)}", rcode="NXDOMAIN")
    entry = Cache().keep(b"\3www\7example\3com\0\0\1\0\1\1", read(denial, do=True).item, 0.0)
    plain = unsigned(entry, UpstreamQuestion(from_text("www.example.com").lower(), 28, dnssec_ok=False))  # of any type
    assert (plain.kind, plain.rcode, plain.counts) == (Kind.NXDOMAIN, 3, b"\0\0\0\1")
    alias = canned(
        "www.example.com.", "A", "www.example.com. 300 IN CNAME web.svc.local.\n" + signature("www.example.com.", "CNAME")
    )
    entry = Cache().keep(b"\3www\7example\3com\0\0\1\0\1\1", read(alias, do=True).item, 0.0)
    plain = unsigned(entry, UpstreamQuestion(from_text("www.example.com").lower(), 1, dnssec_ok=False))
    assert (plain.target, plain.counts) == (from_text("web.svc.local"), b"\0\1\0\0")


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 0, 3, 1, 5, 4)])
def test_records_of_one_type_leave_with_their_lowest_ttl_and_each_type_with_its_own(order):
    """RFC 2181 §5.2; of signatures, those of one covered type are one set (RFC 4034 §3), also where the types differ in one octet alone."""
    lines = [
        "www.example.com. 300 IN A 10.0.0.1",
        "www.example.com. 60 IN A 192.0.2.2",
        "www.example.com. 200 IN A 172.16.0.3",
        signature("www.example.com.", "A", 90),
        signature("www.example.com.", "A", 80),
        signature("www.example.com.", "CAA", 500),
    ]
    shuffled = "\n".join(lines[at] for at in order)
    item, _ = read(canned("www.example.com.", "ANY", shuffled), rtype="ANY", do=True)
    told = {
        line.split(" IN ")[1].split(" ")[0] + line.split(" IN ")[1].split(" ")[1]: ttl
        for line, ttl in zip(sections(item, rtype="ANY")[0], ttls(item), strict=True)
    }
    assert {ttl for what, ttl in told.items() if not what.startswith("RRSIG")} == {60}
    assert (told["RRSIGA"], told["RRSIGCAA"]) == (80, 500)
    asked, _ = read(canned("www.example.com.", "RRSIG", "\n".join(lines[at] for at in order if at > 2)), rtype="RRSIG", do=True)
    assert sorted(ttls(asked)) == [80, 80, 500]


def test_the_signature_of_a_soa_stays_out_where_there_is_no_soa():
    proofs = ["a.example.com. 600 IN NSEC z.example.com. A RRSIG NSEC", signature("a.example.com.", "NSEC", 600)]
    message = canned(
        "www.example.com.", "A", authority="\n".join([*proofs, signature("example.com.", "SOA", 900)]), rcode="NXDOMAIN"
    )
    assert sections(read(message, do=True).item)[1] == proofs


def test_signatures_can_be_asked_for():
    line = signature("www.example.com.", "A")
    assert sections(read(canned("www.example.com.", "RRSIG", line), rtype="RRSIG").item, rtype="RRSIG")[0] == [line]


def test_a_dname_that_explains_nothing_stays_out():
    answer = ["com. 500 IN DNAME evil.example.", *CHAIN.split("\n")]
    assert sections(read(canned("www.example.com.", "A", "\n".join(answer)), do=True).item)[0] == CHAIN.split("\n")


def test_a_referral_is_no_answer():
    message = canned(
        "www.example.com.",
        "A",
        authority="com. 60 IN NS ns.example.com.",
        additional="ns.example.com. 60 IN A 192.0.2.1",
        flags="QR RD",
    )
    with pytest.raises(WireError, match="referral"):
        read(message)


@pytest.mark.parametrize(
    "authority", ["com. 60 IN NS ns.example.com.", "www.example.com. 60 IN NS a.example.", ". 60 IN NS a.root.example."]
)
@pytest.mark.parametrize("answer", ["", CHAIN.split("\n", maxsplit=1)[0]])
def test_what_looks_like_a_referral_is_no_data_from_a_resolver(authority, answer):
    """RFC 2308 §2.2, type 3: a resolver has followed the referrals there are."""
    additional = "ns.example.com. 60 IN A 192.0.2.1"
    for flags in ("QR RD RA", "QR RA", "QR AA RD", "QR AA RD RA"):
        item, _ = read(canned("www.example.com.", "A", answer, authority=authority, additional=additional, flags=flags))
        assert (item.rcode, item.has_soa, sections(item)) == (0, False, ([answer] if answer else [], []))
        assert (item.kind, item.target) == (
            (Kind.POSITIVE, from_text("web.example.net")) if answer else (Kind.NODATA, b"")
        )  # goes on
    for flags in ("QR RD RA", "QR RD"):  # NXDOMAIN is one, whatever servers are named beside it (RFC 2308 §2.1)
        message = canned("www.example.com.", "A", answer, authority=authority, additional=additional, flags=flags, rcode="NXDOMAIN")
        item, _ = read(message)
        assert (item.kind, item.rcode, item.has_soa, sections(item)) == (Kind.NXDOMAIN, 3, False, ([answer] if answer else [], []))
    with_soa = canned("www.example.com.", "A", authority=f"{authority}\n{SOA}", flags="QR RD")
    assert (read(with_soa).item.kind, sections(read(with_soa).item)) == (Kind.NODATA, ([], [SOA]))


def test_other_rcodes_come_without_records():
    item, _ = read(canned("www.example.com.", "A", CHAIN, rcode="NOTZONE"))
    assert (item.kind, item.rcode, item.body, item.counts) == (Kind.OTHER, 10, b"", bytes(4))


@pytest.mark.parametrize("asked", [("www.example.net", "A"), ("www.example.com", "AAAA"), ("ww.example.com", "A"), ("", "A")])
def test_replies_to_another_question_are_refused(asked):
    with pytest.raises(WireError):
        read(canned("www.example.com.", "A", CHAIN), *asked)
    with pytest.raises(WireError):
        read(canned("www.example.com.", "A", CHAIN)[:20])


def test_cut_replies_are_refused():
    with pytest.raises(WireError):
        read(canned("www.example.com.", "A", CHAIN, flags="QR TC RD RA"))


def test_ttls_with_the_top_bit_are_nothing():
    octets = canned("www.example.com.", "A", CHAIN).replace((300).to_bytes(4, "big"), b"\x80\0\0\1")
    assert ttls(read(octets).item) == [0, 60, 60]


@settings(max_examples=300)
@given(st.data())
def test_damage_is_refused_or_stays_in_the_chain(data):
    octets = bytearray(canned("www.example.com.", "A", f"{CHAIN}\n{EXTRA}", authority=SOA, additional=EXTRA))
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(12, len(octets) - 1))] = data.draw(st.integers(0, 255))
    octets[12:33] = from_text("www.example.com") + b"\0\1\0\1"  # the forwarder has compared the question
    do = data.draw(st.booleans())
    try:
        item, _ = read(bytes(octets), do=do)
    except WireError:
        return
    question = from_text("www.example.com") + b"\0\1\0\1"
    chain = {from_text("www.example.com")}
    for record in records_of(question, item.counts, item.body)[0]:
        assert record.owner in chain or record.rtype in (39, 46)
        assert not record.owner.endswith(b"\3svc\5local\0")
        if record.rtype == 5:
            chain.add(record.rdata.lower())
    for at, _ in item.ttls:
        assert 0 <= at <= len(item.body) - 4


@pytest.mark.parametrize(
    "lines",
    [
        [f"www.example.com. 60 IN A 10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(2000)],
        [f"n{n}.example.com. 60 IN CNAME n{n + 1}.example.com." for n in range(1500)],
        ["www.example.com. 60 IN CNAME n0.example.com.", *(f"n0.example.com. 60 IN TXT x{n}" for n in range(2000))],
    ],
    ids=["addresses", "aliases", "texts"],
)
def test_large_replies_cost_little(lines):
    message = canned("www.example.com.", "A", "\n".join(lines))
    began = time.process_time()
    read(message, do=True)
    assert time.process_time() - began < 0.1
