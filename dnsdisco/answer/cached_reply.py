"""Names that are not ours, all but the asking: cache keys, the answer made from an entry, and the answer when there is none."""

from __future__ import annotations

from dnsdisco.answer import special_use
from dnsdisco.answer.decision import Want
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.cache.cache import CHECKING_DISABLED, DNSSEC_OK, make_key
from dnsdisco.cache.entry import CacheEntry, Kind
from dnsdisco.cache.failures import Reasons
from dnsdisco.errors import UpstreamError
from dnsdisco.wire import parse
from dnsdisco.wire.constants import (
    AD,
    CD,
    EDE_CACHED_ERROR,
    EDE_NETWORK_ERROR,
    EDE_NO_REACHABLE,
    EDE_NOT_AUTHORITATIVE,
    EDE_STALE,
    EDE_STALE_NXDOMAIN,
    IN,
    RA,
    RD,
    REFUSED,
    SERVFAIL,
)
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import Labels, labels_of
from dnsdisco.wire.query import Query
from dnsdisco.wire.relay import records_of, reply_of
from dnsdisco.wire.reply import Reply, RR

NOT_DESIRED = Reply(REFUSED, ede=(Ede(EDE_NOT_AUTHORITATIVE, "not ours, not in the cache, and recursion is not desired"),))
NOBODY_TO_ASK = Reply(REFUSED, ede=(Ede(EDE_NOT_AUTHORITATIVE, "not a name of ours, and no upstream is configured for it"),))
STALE = Ede(EDE_STALE, "no upstream answers; this is what was known")
# Failures of the upstreams, not of the name: nothing is remembered for the name.
_OF_OUR_OWN = frozenset(("shed", "disabled", "closed"))


def is_answered_here(labels: Labels, settings: AnswerSettings) -> bool:
    """A name (lower case) that no upstream is asked for or believed about: in our zones, or special and not overridden."""
    if settings.zone.zone_of(labels) is not None:
        return True
    rule = special_use.rule_for(labels)
    return rule is not None and not special_use.is_overridden(labels, rule[0], settings.overrides)


def forward_zone_of(labels: Labels, settings: AnswerSettings) -> Labels | None:
    """The zone of `forward.zones` that holds it: no other upstream than that zone's is believed of it. None: the general ones are asked
    (by `.` in `forward.zones`, too)."""
    if not settings.overrides:
        return None
    return next((labels[at:] for at in range(len(labels)) if labels[at:] in settings.overrides), None)


def is_for_others(labels: Labels, zone: Labels | None, settings: AnswerSettings) -> bool:
    """A name that the upstreams of *zone* (None: the general ones) are not believed of: answered here, or in another zone of
    `forward.zones`."""
    return is_answered_here(labels, settings) or forward_zone_of(labels, settings) not in (None, zone)


def key_of(query: Query) -> bytes:
    """The key of what *query* asks for: name, type, class, DO, CD."""
    edns = query.edns
    return make_key(
        query.qname,
        query.question[-4:],
        dnssec_ok=edns is not None and edns.dnssec_ok,
        checking_disabled=bool(query.flags & CD),
    )


def is_dnssec_ok(key: bytes) -> bool:
    return bool(key[-1] & DNSSEC_OK)


def is_checking_disabled(key: bytes) -> bool:
    return bool(key[-1] & CHECKING_DISABLED)


def question_of(want: Want) -> bytes:
    return want.name + want.qtype.to_bytes(2, "big") + IN.to_bytes(2, "big")


def query_of(want: Want, of: Query | None = None) -> Query:
    """*want* as if a client had asked it; with the DO and CD of *of*."""
    query = Query(0, RD)
    if of is not None:
        query.flags, query.edns = of.flags, of.edns
    query.question = question_of(want)
    query.qname, query.labels = want.name, labels_of(want.name)
    query.qtype, query.qclass = want.qtype, IN
    return query


def reply_from(
    entry: CacheEntry,
    query: Query,
    now: float,
    *,
    limit: int,
    options: bytes,
    trust_ad: bool,
) -> bytes:
    """The answer made from a fresh entry. AA is never set: it would mean that *we* are an authority for the name (RFC 1035 §4.1.1)."""
    flags = RA
    if entry.flags:
        edns = query.edns
        if trust_ad and (query.flags & AD or (edns is not None and edns.dnssec_ok)):  # RFC 6840 §5.8
            flags |= entry.flags & AD
    return reply_of(query, flags, entry.rcode, entry.counts, entry.body(now), limit=limit, options=options)


def stale_reply(entry: CacheEntry, query: Query, ttl: int, *, limit: int, options: bytes) -> bytes:
    """The reply from an entry past its end. Never with AD: the signatures that proved it may have expired."""
    ede = (stale_reason(entry),)
    return reply_of(query, RA, entry.rcode, entry.counts, entry.stale_body(ttl), limit=limit, options=options, ede=ede)


def stale_reason(entry: CacheEntry) -> Ede:
    """RFC 8914 §4.4, §4.20."""
    return STALE._replace(code=EDE_STALE_NXDOMAIN) if entry.kind is Kind.NXDOMAIN else STALE


def records(entry: CacheEntry, want: Want, body: bytes) -> tuple[list[RR], list[RR]]:
    """The entry's answer and authority sections; *body* is one of its bodies."""
    return records_of(question_of(want), entry.counts, body)


def reasons_of(error: UpstreamError) -> Reasons:
    """Why there is no answer, as Extended DNS Errors: ours, and those that an upstream gave."""
    ours = (EDE_NO_REACHABLE if error.kind == "timeout" else EDE_NETWORK_ERROR, str(error))
    return (ours, *(parse.errors(error.reply) if error.reply else ()))


def is_to_be_remembered(error: UpstreamError) -> bool:
    """True if the failure belongs to the question: then a client that repeats it does not make us ask upstream again at once (RFC 9520 §3)."""
    return error.kind not in _OF_OUR_OWN


def failure_reply(reasons: Reasons, *, is_remembered: bool = False) -> Reply:
    """SERVFAIL with the reasons; *is_remembered*: from an earlier attempt (RFC 8914 §4.14)."""
    ede = tuple(Ede(*reason) for reason in reasons)
    return Reply(SERVFAIL, ede=(*ede, Ede(EDE_CACHED_ERROR)) if is_remembered else ede)
