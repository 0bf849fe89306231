"""The classes of differences that are no faults, each with its reason. docs/conformance.md is made from this table.

A class says as exactly as it can what the difference looks like: what looks otherwise is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.conformance.decoded import AD, RD, Record, TC
from tests.conformance.differential import Case, Difference, Explain
from tests.conformance.questions import ANY, RRSIG, SRV
from tests.conformance.zonedata import TAGS

A, NS, CNAME, SOA, HINFO, MX, AAAA = 1, 2, 5, 6, 13, 15, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
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
    theirs = case.theirs.answer
    return (
        difference.aspect == "answer"
        and case.ours.rcode == case.theirs.rcode == SERVFAIL
        and not case.ours.answer
        and all(record.rtype == CNAME for record in theirs)
    )


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
    ours, theirs = case.ours, case.theirs
    return (
        difference.aspect == "ttl"
        and bool(ours.answer)
        and all(record.rtype == CNAME for record in ours.answer)
        and any(record.rtype == SOA for record in ours.authority)
        and all(record.ttl <= _lowest(theirs.answer) for record in ours.answer)
    )


def _any_from_their_cache(case: Case, difference: Difference) -> bool:
    return case.asked.qtype == ANY and difference.aspect in ("answer", "authority", "additional", "ttl", "TC")


def _signature_of_an_alias(case: Case, difference: Difference) -> bool:
    theirs = case.theirs
    return (
        case.asked.qtype == RRSIG
        and difference.aspect in ("rcode", "answer", "authority", "ttl", "additional")
        and not case.ours.answer
        and (theirs.rcode == SERVFAIL or bool(theirs.answer))
        and all(record.rtype == CNAME for record in theirs.answer)
    )


def _forwarded_glue(case: Case, difference: Difference) -> bool:
    return (
        difference.aspect == "additional"
        and not case.ours.additional
        and _are_addresses_of_targets(case.theirs.additional, case.theirs.answer)
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
        "a circle of aliases",
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
        "names below a service that has nobody to give",
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
        ("unbound",),
        "TTLs of aliases that lead to nothing",
        "each alias keeps its own",
        "no longer than the denial at their end is kept (`cache.negative_max_ttl`)",
        "the reply is kept as one, and a lower TTL than the owner's is always allowed (RFC 2181 §8); what is denied comes back sooner",
        _aliases_before_a_denial,
    ),
    Reason(
        ("unbound",),
        "ANY of a forwarded name",
        "what its cache has of the name, often one RRset",
        "what the upstream says",
        "RFC 8482 §4.1 allows any subset; a forwarder that has the whole answer has no reason to cut it",
        _any_from_their_cache,
    ),
    Reason(
        ("unbound",),
        "SERVFAIL with aliases",
        "some of the CNAMEs that its cache holds",
        "no records",
        "a failure is kept as one (RFC 9520): what came with it is not believed",
        _failure_with_aliases,
    ),
    Reason(
        ("unbound",),
        "RRSIG of an alias",
        "follows a CNAME that its cache holds already, into a circle too; without it, NODATA as the upstream says",
        "NODATA, as the upstream says",
        "RFC 4035 §2.5: signatures stand beside the alias",
        _signature_of_an_alias,
    ),
    Reason(
        ("unbound",),
        "addresses beside forwarded NS, MX and SRV records",
        "passed on where it has them",
        "left out",
        "only the chain of the question's own name is believed (RFC 2181 §5.4.1): what else a reply brings is where poison travels",
        _forwarded_glue,
    ),
)


def explain(server: str) -> Explain:
    """For a comparison with *server*."""
    known = [reason for reason in REASONS if server in reason.servers]

    def first(case: Case, difference: Difference) -> str:
        return next((reason.title for reason in known if reason.applies(case, difference)), "")

    return first
