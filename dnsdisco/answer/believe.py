"""The part of an upstream's reply that is believed: the question's own chain of aliases and its end, and no other record.

A forwarder trusts its upstream with the name that it asked for, and with no other: records beside the chain are left out before anything
uses them (RFC 2181 §5.4.1). Where the chain enters a name that belongs to other upstreams, or that is answered here, the chain goes on
there. With DO, signatures and proofs go along, for clients that validate (RFC 4035 §3.2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dnsdisco.answer.aliases import are_too_many, TOO_MANY
from dnsdisco.cache.entry import CacheEntry, Item, Kind
from dnsdisco.errors import WireError
from dnsdisco.wire import parse
from dnsdisco.wire.constants import (
    AA,
    AD,
    ANY,
    CNAME,
    DNAME,
    IN,
    MAILA,
    MAILB,
    NOERROR,
    NS,
    NSEC,
    NSEC3,
    NXDOMAIN,
    QR,
    RA,
    RRSIG,
    SOA,
    TC,
    YXDOMAIN,
)
from dnsdisco.wire.name import Labels, labels_of, NAME_OCTETS_MAX
from dnsdisco.wire.name_reader import NameReader
from dnsdisco.wire.parse import RecordPlace
from dnsdisco.wire.query import HEADER_OCTETS
from dnsdisco.wire.relay import body_of

Leaves = Callable[[Labels], bool]

PROOFS_MAX = 64  # records beside the SOA that prove a denial: three NSEC3 and their signatures, by several keys, are a dozen
_SEVERAL = frozenset((MAILB, MAILA, ANY))  # stand for several types (RFC 1035 §3.2.3)
_SOA_NUMBERS_OCTETS = 20


class Believed(NamedTuple):
    item: Item
    left_out: int  # records of the answer section that were not of the chain


class UpstreamQuestion(NamedTuple):
    """`qname`: wire form, lower case. The class is IN."""

    qname: bytes
    qtype: int
    dnssec_ok: bool


class _Chain(NamedTuple):
    """`steps`: each name and what is of the chain there. `last`: the name at its end. `has_end`: with records of the type asked for."""

    steps: list[tuple[bytes, list[RecordPlace]]]
    last: bytes
    has_end: bool
    is_loop: bool
    leaves: bool


def believe(message: bytes, question: UpstreamQuestion, leaves: Leaves) -> Believed:
    """*message* is a reply to *question*. Raises WireError for what cannot be used, also for what would cost
    too much to read (NameReader). Linear in its octets.

    *leaves*: whether this upstream's data about a name (lower-case labels) are not used, because it is answered here or belongs to other
    upstreams. Then the item's `target` is where to go on. The same holds for aliases without an end and without a SOA, which leave their
    target open: this upstream knows one zone alone, or does not follow them.
    """
    end_of_name = HEADER_OCTETS + len(question.qname)
    end = end_of_name + 4
    asked = question.qtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
    if message[HEADER_OCTETS:end_of_name].lower() + message[end_of_name:end] + message[4:6] != question.qname + asked + b"\0\1":
        raise WireError("a reply to another question")
    flags = message[2] << 8 | message[3]
    if flags & TC:
        raise WireError("a reply that was cut short")
    found = parse.places(message, end)
    rcode = parse.rcode(message, found)
    if rcode not in (NOERROR, NXDOMAIN, YXDOMAIN):
        return Believed(Item(Kind.OTHER, rcode), 0)
    answer = [place for place in found if place.section == 1]
    authority = [place for place in found if place.section == 2 and place.rclass == IN]
    reader = NameReader(message)
    chain = _follow(reader, message, answer, question, leaves, rcode)
    kept = [place for _, places in chain.steps for place in places]
    soa, soa_ttl = (None, 0) if chain.has_end or chain.leaves else _soa(reader, message, authority, chain.last)
    goes_on = chain.leaves or (bool(kept) and rcode == NOERROR and not (chain.has_end or chain.is_loop or soa is not None))
    if rcode == YXDOMAIN and not (chain.has_end or goes_on):
        return Believed(Item(Kind.OTHER, rcode), 0)
    if chain.has_end or goes_on:
        kind = Kind.POSITIVE
    else:
        kind = Kind.NXDOMAIN if rcode == NXDOMAIN else Kind.NODATA
        if kind is Kind.NODATA and soa is None and not flags & (AA | RA) and any(place.rtype == NS for place in authority):
            # RFC 2308 §2.2. A resolver (RA) has followed referrals: from it, this is NODATA (type 3 there).
            raise WireError("a referral to other servers, not an answer")
    ttls = [ttl for _, places in chain.steps for ttl in _rrset_ttls(message, places)]
    beside = [] if soa is None else [(soa, soa_ttl)]
    if question.dnssec_ok:
        for place in _proofs(reader, message, authority, leaves, has_soa=soa is not None):
            ttl = parse.ttl(message, place)
            beside.append((place, ttl if soa is None else min(ttl, soa_ttl)))
        beside.sort()  # as they came, so that their octets may stay as they are
    ttls += [ttl for _, ttl in beside]
    body, offsets = body_of(message, [*kept, *(place for place, _ in beside)], question.qname, reader)
    answers = min(len(kept), len(offsets))  # where there are fewer records than were believed, no message holds even these
    item = Item(
        kind,
        NOERROR if goes_on else rcode,
        0 if goes_on else flags & AD,
        answers.to_bytes(2, "big") + (len(offsets) - answers).to_bytes(2, "big"),
        body,
        tuple(zip(offsets, ttls, strict=False)),
        has_soa=soa is not None,
        target=chain.last if goes_on else b"",
        covers_name=kind is Kind.NXDOMAIN and not kept,
    )
    return Believed(item, len(answer) - len(kept))


def unsigned(entry: CacheEntry, question: UpstreamQuestion) -> CacheEntry:
    """*entry*, which was asked for with DO, as a client without DO gets it: what believe() would have made of it then. Stale, with any TTL."""
    body = entry.stale_body(0)
    message = bytes((0, 0, QR >> 8, entry.rcode, 0, 1)) + entry.counts + b"\0\0" + question.qname
    message += question.qtype.to_bytes(2, "big") + IN.to_bytes(2, "big") + body
    target = labels_of(entry.target) if entry.target else None
    item = believe(message, question, lambda labels: labels == target).item
    made = CacheEntry(item, item.ttls, entry.stored_at)
    made.expires_at, made.is_private = entry.expires_at, entry.is_private
    return made


def _follow(
    reader: NameReader, message: bytes, answer: list[RecordPlace], question: UpstreamQuestion, leaves: Leaves, rcode: int
) -> _Chain:
    """Walk from the question's name along the aliases to the records asked for (RFC 1034 §3.6.2)."""
    here: list[RecordPlace] = []
    by_owner = {question.qname: here}
    owner = parse.POINTER_TO_QUESTION
    for place in answer:
        if place.rclass == IN:
            octets = message[place.start : place.ttl_at - 4]
            if octets != owner:  # as the record before has it, nearly always
                here, owner = by_owner.setdefault(reader.lower(place.start), []), octets
            here.append(place)
    at, seen = question.qname, {question.qname}
    steps: list[tuple[bytes, list[RecordPlace]]] = []
    while True:
        here = by_owner.get(at, [])
        alias = next((place for place in here if place.rtype == CNAME), None)
        target, dname = b"", list[RecordPlace]()
        if alias is not None:
            target, end_of_name = reader.read(alias.data)
            if end_of_name != alias.end:
                raise WireError("an alias that is no name")
            target = target.lower()
            dname = _dname(reader, message, by_owner, at, target.__eq__, dnssec_ok=question.dnssec_ok)
        if rcode == NOERROR:
            end = _of_type(message, here, question.qtype, dnssec_ok=question.dnssec_ok)
            if any(place.rtype == question.qtype for place in end) or (end and question.qtype in _SEVERAL):
                if alias is not None and alias in end:
                    end = [*dname, *end]
                return _Chain([*steps, (at, end)], at, has_end=True, is_loop=False, leaves=False)
        if alias is None:
            end = _dname(reader, message, by_owner, at, _is_too_long, dnssec_ok=question.dnssec_ok) if rcode == YXDOMAIN else []
            return _Chain([*steps, (at, end)] if end else steps, at, has_end=bool(end), is_loop=False, leaves=False)
        if are_too_many(len(steps) + 1):
            raise WireError(TOO_MANY)
        places = [alias]
        if question.dnssec_ok:
            places = [place for place in here if place is alias or _covered(message, place) == CNAME]
        steps.append((at, [*dname, *places]))
        if target in seen:
            return _Chain(steps, target, has_end=False, is_loop=True, leaves=False)
        seen.add(target)
        at = target
        if leaves(labels_of(target)):
            return _Chain(steps, target, has_end=False, is_loop=False, leaves=True)


def _covered(message: bytes, place: RecordPlace) -> int:
    """The type that a signature is of (RFC 4034 §3.1.1); 0: not a signature."""
    return message[place.data] << 8 | message[place.data + 1] if place.rtype == RRSIG and place.end - place.data > 18 else 0


def _of_type(message: bytes, here: list[RecordPlace], qtype: int, *, dnssec_ok: bool) -> list[RecordPlace]:
    if qtype in _SEVERAL:
        return here
    return [place for place in here if place.rtype == qtype or (dnssec_ok and _covered(message, place) == qtype)]


def _dname(
    reader: NameReader,
    message: bytes,
    by_owner: dict[bytes, list[RecordPlace]],
    owner: bytes,
    makes: Callable[[bytes], bool],
    *,
    dnssec_ok: bool,
) -> list[RecordPlace]:
    """The DNAME that makes of *owner* a name that is meant (RFC 6672 §3.1), with DO its signatures too: an alias that follows from it has
    none, and a validator checks these in its place (§5.3.1)."""
    at = 0
    while owner[at]:
        at += 1 + owner[at]
        here = by_owner.get(owner[at:], [])
        found = next((place for place in here if place.rtype == DNAME), None)  # there is one at most (RFC 6672 §2.4)
        if found is not None and makes(owner[:at] + reader.read(found.data)[0].lower()):
            return [each for each in here if each is found or (dnssec_ok and _covered(message, each) == DNAME)]
    return []


def _is_too_long(name: bytes) -> bool:
    return len(name) > NAME_OCTETS_MAX


def _soa(reader: NameReader, message: bytes, authority: list[RecordPlace], last: bytes) -> tuple[RecordPlace | None, int]:
    """The SOA of a zone that *last* is in, and how long a denial by it holds: the smaller of its TTL and MINIMUM (RFC 2308 §3, §5)."""
    zones = _enclosing(last)
    for place in authority:
        if place.rtype == SOA and reader.lower(place.start) in zones:
            octets = parse.rdata(message, place, reader)
            if len(octets) < _SOA_NUMBERS_OCTETS + 2:
                raise WireError("a SOA record that is cut short")
            return place, min(parse.ttl(message, place), int.from_bytes(octets[-4:], "big"))
    return None, 0


def _enclosing(owner: bytes) -> set[bytes]:
    """*owner* and every name above it."""
    at, found = 0, {owner}
    while owner[at]:
        at += 1 + owner[at]
        found.add(owner[at:])
    return found


def _proofs(
    reader: NameReader, message: bytes, authority: list[RecordPlace], leaves: Leaves, *, has_soa: bool
) -> list[RecordPlace]:
    """The records of the authority section that a validator needs: proofs that something does not exist, and the SOA's signature (RFC 4035 §3.1.3)."""
    signed = (NSEC, NSEC3, SOA) if has_soa else (NSEC, NSEC3)
    wanted = [place for place in authority if place.rtype in (NSEC, NSEC3) or _covered(message, place) in signed]
    if len(wanted) > PROOFS_MAX:
        raise WireError(f"more than {PROOFS_MAX} records that prove a denial")
    return [place for place in wanted if not leaves(labels_of(reader.lower(place.start)))]


def _rrset_ttls(message: bytes, places: list[RecordPlace]) -> list[int]:
    """One TTL for all records of one type at one name: the lowest (RFC 2181 §5.2)."""
    if len(places) > 1 and len({place.rtype for place in places}) == 1 and places[0].rtype != RRSIG:
        octets = {message[place.ttl_at : place.ttl_at + 4] for place in places}  # hardly ever more than one
        return [min(map(parse.seconds, octets))] * len(places)
    ttls = [parse.ttl(message, place) for place in places]
    sets = [(place.rtype, _covered(message, place)) for place in places]
    lowest: dict[tuple[int, int], int] = {}
    for key, ttl in zip(sets, ttls, strict=True):
        lowest[key] = min(ttl, lowest.get(key, ttl))
    return [lowest[key] for key in sets]
