"""The classes of differences that are no faults, each with its reason. docs/conformance.md is made from this table.

A class says as exactly as it can what the difference looks like: what looks otherwise is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.conformance.decoded import AD, RD, Record, TC
from tests.conformance.differential import Case, Difference, Explain
from tests.conformance.questions import ANY, HTTPS, NAPTR, RRSIG, SRV
from tests.conformance.zonedata import TAGS

A, NS, CNAME, SOA, HINFO, MX, AAAA, DNAME, SVCB = 1, 2, 5, 6, 13, 15, 28, 39, 64
SERVFAIL, NXDOMAIN, REFUSED, YXDOMAIN = 2, 3, 5, 6
RFC8482 = b"\x07RFC8482\x00"


class Reason(NamedTuple):
    """`servers`: beside which it is seen. `they`, `we`: what each does; `why` ours is as it is."""

    servers: tuple[str, ...]
    title: str
    they: str
    we: str
    why: str
    applies: Callable[[Case, Difference], bool]


def _any_is_minimal(case: Case, difference: Difference) -> bool:
    ours = case.ours.answer
    return (
        case.asked.qtype == ANY
        and difference.aspect in ("answer", "additional", "TC")
        and (not ours or (len(ours) == 1 and ours[0].rtype == HINFO and ours[0].data == RFC8482))
        and bool(case.theirs.answer or case.theirs.flags & TC)
    )


def _circle_is_servfail(case: Case, difference: Difference) -> bool:
    owners = {record.owner for record in case.ours.answer}
    return (
        difference.aspect == "rcode"
        and difference.theirs == SERVFAIL
        and bool(owners)
        and all(record.rtype == CNAME and record.data in owners for record in case.ours.answer)
        and _set(case.ours.answer) == _set(case.theirs.answer)
    )


def _failure_with_aliases(case: Case, difference: Difference) -> bool:
    theirs = case.theirs
    return (
        difference.aspect in ("answer", "TC")
        and case.ours.rcode == theirs.rcode == SERVFAIL
        and not case.ours.answer
        and _are_aliases(theirs.answer)
    )


def _cut_without_opt(case: Case, difference: Difference) -> bool:
    return difference == Difference("edns", True, False) and bool(case.theirs.flags & TC)


def _no_glue_at_512(case: Case, difference: Difference) -> bool:
    return (
        difference.aspect == "additional"
        and case.asked.size == 512
        and not case.theirs.additional
        and _are_addresses_of_targets(case.ours.additional, case.ours.answer)
        and len(case.ours.octets) <= 512
    )


def _ad_of_a_cut_reply(case: Case, difference: Difference) -> bool:
    return difference == Difference("AD", False, True) and bool(case.asked.flags & AD and case.theirs.flags & TC)


def _nobody_to_give(case: Case, difference: Difference) -> bool:
    first = case.asked.qname[1 : 1 + case.asked.qname[0]].lower()
    return (
        difference == Difference("rcode", 0, NXDOMAIN)
        and not case.ours.answer
        and (first in (b"all", *TAGS) or first.startswith(b"_"))
    )


def _cd_is_not_copied(case: Case, difference: Difference) -> bool:
    return difference == Difference("CD", True, False)


def _glue_is_repeated(case: Case, difference: Difference) -> bool:
    return difference.aspect == "additional" and _set(case.ours.additional) == _set(case.theirs.additional)


def _mixed_ttls(case: Case, difference: Difference) -> bool:
    return (
        difference.aspect == "ttl"
        and case.asked.qname.lower().startswith((b"\5mixed", b"\6mixed"))
        and _lowest(case.ours.answer) < _lowest(case.theirs.answer)
    )


def _recursion_not_desired(case: Case, difference: Difference) -> bool:
    return (
        not case.asked.flags & RD
        and case.theirs.rcode == REFUSED
        and difference.aspect in ("rcode", "answer", "authority", "additional", "TC")
    )


def _aliases_before_a_denial(case: Case, difference: Difference) -> bool:
    ours = case.ours
    return (
        difference.aspect == "ttl"
        and difference.ours is ours.answer
        and _are_aliases(ours.answer)
        and any(record.rtype == SOA for record in (*ours.authority, *case.theirs.authority))
        and all(ours_ttl <= theirs_ttl + case.elapsed_s + 1 or theirs_ttl == 0 for ours_ttl, theirs_ttl in _ttls(case))
    )


def _alias_of_a_kept_dname(case: Case, difference: Difference) -> bool:
    synthesised = {record.key for record in case.theirs.answer if record.rtype == CNAME and record.ttl == 0}
    ours = {record.key: record.ttl for record in case.ours.answer}
    return (
        difference.aspect == "ttl"
        and any(record.rtype == DNAME for record in case.theirs.answer)
        and bool(synthesised)
        and all(ours[record.key] - record.ttl <= case.elapsed_s + 1 or record.key in synthesised for record in case.theirs.answer)
    )


def _joined_and_cut(case: Case, difference: Difference) -> bool:
    return (
        bool(case.ours.flags & TC)
        and not case.theirs.flags & TC
        and difference.aspect in ("TC", "answer", "authority", "additional")
        and _set(case.ours.answer) <= _set(case.theirs.answer)
        and _set(case.ours.authority) <= _set(case.theirs.authority)
    )


def _aa_of_the_authority(case: Case, difference: Difference) -> bool:
    return difference == Difference("AA", False, True)


def _ra_of_the_authority(case: Case, difference: Difference) -> bool:
    return difference == Difference("RA", True, False)


def _one_ttl_for_all(case: Case, difference: Difference) -> bool:
    theirs = case.theirs
    return difference.aspect == "ttl" and len({record.ttl for record in (*theirs.answer, *theirs.authority)}) == 1


def _aliases_without_an_end(case: Case, difference: Difference) -> bool:
    ours, theirs = case.ours, case.theirs
    return (
        difference.aspect in ("rcode", "answer", "authority", "additional", "TC", "ttl")
        and theirs.rcode == 0
        and (_are_aliases(theirs.answer) or (bool(theirs.flags & TC) and not theirs.answer))
        and not any(record.rtype == SOA for record in theirs.authority)
        and (_set(theirs.answer) <= _set(ours.answer) or bool(ours.flags & TC) or (ours.rcode == SERVFAIL and not ours.answer))
    )


def _asked_without_rd(case: Case, difference: Difference) -> bool:
    return (
        not case.asked.flags & RD
        and case.ours.rcode == REFUSED
        and difference.aspect in ("rcode", "answer", "authority", "additional", "TC", "ttl")
    )


def _refused_by_the_authority(case: Case, difference: Difference) -> bool:
    return difference == Difference("rcode", SERVFAIL, REFUSED)


def _what_dnsmasq_keeps(case: Case, difference: Difference) -> bool:
    """Fewer aliases, or others between the same ends, and nothing that is of another owner or type than ours."""
    ours, theirs = case.ours, case.theirs
    return (
        difference.aspect in ("rcode", "answer", "authority", "ttl", "TC")
        and theirs.rcode in (0, ours.rcode)
        and {(record.owner, record.rtype) for record in theirs.answer}
        <= {(record.owner, record.rtype) for record in (*ours.answer, *(r for r in ours.authority if r.rtype == SOA))}
        and (_set(theirs.authority) <= _set(ours.authority) or all(record.rtype == SOA for record in theirs.authority))
    )


def _denied_though_something_is_kept(case: Case, difference: Difference) -> bool:
    return difference == Difference("rcode", NXDOMAIN, 0) and _set(case.theirs.authority) == _set(case.ours.authority)


def _dname_twice(case: Case, difference: Difference) -> bool:
    return (
        case.ours.rcode == case.theirs.rcode == YXDOMAIN
        and difference.aspect in ("answer", "TC")
        and _set(case.theirs.answer) <= _set(case.ours.answer)
    )


def _less_room(case: Case, difference: Difference) -> bool:
    ours, theirs = case.ours, case.theirs
    return (
        bool(theirs.flags & TC)
        and difference.aspect in ("TC", "answer", "authority", "additional")
        and _set(theirs.answer) <= _set(ours.answer)
        and _set(theirs.authority) <= _set(ours.authority)
    )


def _are_aliases(records: list[Record]) -> bool:
    """There are some, and nothing but aliases, where they follow from, and signatures."""
    return any(record.rtype in (CNAME, DNAME) for record in records) and all(
        record.rtype in (CNAME, DNAME, RRSIG) for record in records
    )


def _ttls(case: Case) -> list[tuple[int, int]]:
    """Of the answer's records, in both replies."""
    theirs = {record.key: record.ttl for record in case.theirs.answer}
    return [(record.ttl, theirs[record.key]) for record in case.ours.answer if record.key in theirs]


def _any_from_their_cache(case: Case, difference: Difference) -> bool:
    return case.asked.qtype == ANY and difference.aspect in ("rcode", "answer", "authority", "additional", "ttl", "TC")


def _signature_of_an_alias(case: Case, difference: Difference) -> bool:
    theirs = case.theirs
    return (
        case.asked.qtype == RRSIG
        and difference.aspect in ("rcode", "answer", "authority", "ttl", "additional", "TC")
        and all(record.rtype in (CNAME, DNAME, RRSIG) for record in case.ours.answer)
        and (theirs.rcode == SERVFAIL or bool(theirs.answer))
        and all(record.rtype in (CNAME, DNAME, RRSIG) for record in theirs.answer)
    )


def _forwarded_glue(case: Case, difference: Difference) -> bool:
    return (
        difference.aspect == "additional"
        and not case.ours.additional
        and all(record.rtype in (A, AAAA, SRV, RRSIG) for record in case.theirs.additional)
        and any(record.rtype in (NS, MX, SRV, NAPTR, SVCB, HTTPS) for record in case.theirs.answer)
    )


def _set(records: list[Record]) -> set[tuple]:
    return {record.key for record in records}


def _lowest(records: list[Record]) -> int:
    return min(record.ttl for record in records)


def _are_addresses_of_targets(additional: list[Record], answer: list[Record]) -> bool:
    before = {NS: 0, MX: 2, SRV: 6}
    targets = {record.data[before[record.rtype] :].lower() for record in answer if record.rtype in before}
    return bool(additional) and all(record.rtype in (A, AAAA) and record.owner in targets for record in additional)


REASONS = (
    Reason(
        ("named", "knotd"),
        "ANY",
        "named gives every RRset, knotd one of them, with addresses beside it",
        "one HINFO `RFC8482`; the CNAME of an alias; nothing where there is nothing",
        "RFC 8482 §4.2: a name of ours has no size that a spoofed ANY could multiply",
        _any_is_minimal,
    ),
    Reason(
        ("named",),
        "an alias loop",
        "SERVFAIL with the CNAMEs",
        "NOERROR with the CNAMEs, each once, as knotd does",
        "RFC 1034 §3.6.2 wants CNAME loops to be told as errors only by who resolves; the records are what the zone says",
        _circle_is_servfail,
    ),
    Reason(
        ("named",),
        "addresses beside SRV, MX and NS with a buffer of 512 octets",
        "none, even where they fit",
        "those that fit, as knotd does",
        "RFC 2782: they spare the client a question",
        _no_glue_at_512,
    ),
    Reason(
        ("named",),
        "AD in a reply that is cut",
        "copied from the question",
        "clear",
        "RFC 6840 §5.8: it says that the data was validated, and nothing here is signed",
        _ad_of_a_cut_reply,
    ),
    Reason(
        ("named", "knotd"),
        "names below a service without instances to give",
        "NXDOMAIN, for a zone file has no name without records",
        "NODATA",
        "`all`, tags and ports are known with the service, whoever is healthy just now; a denial of the name would be kept for every type",
        _nobody_to_give,
    ),
    Reason(
        ("knotd",),
        "CD",
        "clears it",
        "copied, as named does",
        "RFC 4035 §3.1.6: a name server copies the CD bit of a query into its reply",
        _cd_is_not_copied,
    ),
    Reason(
        ("knotd",),
        "two SRV records with one target",
        "the target's addresses are there twice",
        "each record once",
        "RFC 2181 §5: a set has no duplicates, and they cost room",
        _glue_is_repeated,
    ),
    Reason(
        ("named", "knotd"),
        "an RRset written with two TTLs",
        "the TTL of the record that is written first",
        "the lowest",
        "RFC 2181 §5.2: who gets such a set should treat it as an error or take the lowest, and so we do with the file",
        _mixed_ttls,
    ),
    Reason(
        ("unbound",),
        "RD=0",
        "REFUSED, always",
        "what the cache holds, else REFUSED",
        "RFC 1034 §4.3.1; who may ask here may ask with RD too, so nothing is given away",
        _recursion_not_desired,
    ),
    Reason(
        ("unbound", "dnsmasq"),
        "TTLs of aliases that lead to nothing",
        "each alias keeps its own",
        "no longer than the denial at their end is kept (`cache.negative_max_ttl`)",
        "the reply is kept as one, and a lower TTL than the owner's is always allowed (RFC 2181 §8); what is denied comes back sooner",
        _aliases_before_a_denial,
    ),
    Reason(
        ("unbound", "dnsmasq"),
        "ANY of a forwarded name",
        "what its cache has of the name, often one RRset",
        "what the upstream says",
        "RFC 8482 §4.1 allows any subset; a forwarder that has the whole answer has no reason to cut it",
        _any_from_their_cache,
    ),
    Reason(
        ("unbound", "dnsmasq", "coredns"),
        "SERVFAIL with aliases",
        "some of the CNAMEs that its cache holds (Unbound), those that the authority sends (dnsmasq, CoreDNS)",
        "no records",
        "a failure is kept as one (RFC 9520): what came with it is not believed",
        _failure_with_aliases,
    ),
    Reason(
        ("unbound", "dnsmasq"),
        "RRSIG of an alias",
        "follows a CNAME that its cache holds already, into a loop too; without it, what the upstream says",
        "what the upstream says: the signatures that stand beside the alias, or NODATA",
        "RFC 4035 §2.5: signatures stand beside the alias",
        _signature_of_an_alias,
    ),
    Reason(
        ("unbound", "dnsmasq", "coredns"),
        "addresses beside forwarded NS, MX and SRV records",
        "passed on where it has them",
        "left out",
        "only the chain of the question's own name is believed (RFC 2181 §5.4.1): what else a reply brings is where poison travels",
        _forwarded_glue,
    ),
    Reason(
        ("unbound",),
        "TTL of an alias below a DNAME that it has kept",
        "0: it makes the CNAME anew each time",
        "the CNAME as it came, with what is left of its TTL",
        "RFC 6672 §3.1 allows both; the authority sent the DNAME's TTL on the CNAME",
        _alias_of_a_kept_dname,
    ),
    Reason(
        ("unbound", "dnsmasq"),
        "room in small messages, theirs",
        "every name compressed against every other one",
        "cut sooner, with TC, where a reply leaves as the upstream wrote it; all of it over TCP",
        "octets that are sent as they came need not be read; some more room in 512 octets is worth less",
        _joined_and_cut,
    ),
    Reason(
        ("unbound",),
        "a name that becomes too long below a DNAME",
        "YXDOMAIN, from its cache with the DNAME twice, and cut sooner for it",
        "YXDOMAIN with the DNAME once",
        "RFC 2181 §5: a set has no duplicates",
        _dname_twice,
    ),
    Reason(
        ("dnsmasq", "coredns"),
        "AA of an authority that is asked as an upstream",
        "passed on (dnsmasq: but not from its cache)",
        "clear",
        "RFC 1035 §4.1.1: it says that the server that answers is an authority for the name",
        _aa_of_the_authority,
    ),
    Reason(
        ("coredns",),
        "RA of an authority that is asked as an upstream",
        "clear, as it came",
        "set",
        "RFC 1035 §4.1.1: recursion is available here, whatever the next server offers",
        _ra_of_the_authority,
    ),
    Reason(
        ("coredns",),
        "TTLs of the records of one reply",
        "one for all: the lowest, of a denial at most as long as it is kept",
        "each RRset has its own",
        "RFC 2181 §5.2 wants one TTL in a set, not in a message",
        _one_ttl_for_all,
    ),
    Reason(
        ("dnsmasq", "coredns"),
        "aliases without an end",
        "passed on as the authority sends them: it does not follow them into another of its zones",
        "followed, each target asked for, as Unbound does; SERVFAIL where that cannot be had",
        "RFC 1034 §5.2.2: a stub takes them for NODATA",
        _aliases_without_an_end,
    ),
    Reason(
        ("dnsmasq", "coredns"),
        "RD=0 for what is not in the cache",
        "forwarded all the same",
        "REFUSED",
        "RFC 1034 §4.3.1: who does not want recursion gets what is here",
        _asked_without_rd,
    ),
    Reason(
        ("dnsmasq", "coredns"),
        "REFUSED of the authority",
        "passed on",
        "SERVFAIL with the reason, as Unbound does",
        "it refuses us, not the client; the next upstream is asked, and there is none",
        _refused_by_the_authority,
    ),
    Reason(
        ("unbound", "coredns"),
        "room in small messages, ours",
        "cut, where it packs a message anew and some octets are missing",
        "whole",
        "the octets of the upstream are sent as they are",
        _less_room,
    ),
    Reason(
        ("dnsmasq",),
        "a cut reply from its cache",
        "without OPT",
        "with OPT",
        "RFC 6891 §7: the reply to a query with OPT has one",
        _cut_without_opt,
    ),
    Reason(
        ("dnsmasq",),
        "NXDOMAIN for a name that its cache knows something of",
        "NOERROR, with the denial's own SOA",
        "NXDOMAIN, as the authority says",
        "RFC 8020: the authority is the one to know",
        _denied_though_something_is_kept,
    ),
    Reason(
        ("dnsmasq",),
        "what its cache has",
        "aliases without their DNAME, or one for several; denials without SOA, or the SOA as an answer; an alias alone where the rest was not kept; NOERROR for NXDOMAIN behind an alias",
        "the reply as it came",
        "its cache keeps names and addresses, not replies",
        _what_dnsmasq_keeps,
    ),
)


def explain(server: str) -> Explain:
    """For a comparison with *server*."""
    known = [reason for reason in REASONS if server in reason.servers]

    def first(case: Case, difference: Difference) -> str:
        return next((reason.title for reason in known if reason.applies(case, difference)), "")

    return first
