"""The life of a query: slice, guard, admit, table, decide, (forward, resume,) build, fit, send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from dnsdisco.answer.cached_reply import key_of
from dnsdisco.answer.decision import Forward, Gather
from dnsdisco.answer.hot_entries import HotEntries
from dnsdisco.answer.prepared import Prepared
from dnsdisco.answer.rate import Bucket, ERROR, KINDS, RateVerdict
from dnsdisco.answer.reasons import no_such_name
from dnsdisco.answer.table import Table
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.errors import WireError
from dnsdisco.model.choice import Draw
from dnsdisco.server.answer_policy import AnswerPolicy, Clock
from dnsdisco.server.cached_upstream import CachedUpstream, Upstreams
from dnsdisco.server.reply_sender import Client, ReplySender
from dnsdisco.server.resolve import Resolver
from dnsdisco.wire.constants import (
    BADCOOKIE,
    COOKIE,
    EDE_OTHER,
    EDE_PROHIBITED,
    KEEPALIVE,
    NOERROR,
    NSID,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    TXT,
)
from dnsdisco.wire.cookie import CLIENT_OCTETS, Cookies
from dnsdisco.wire.edns import option, without_cookie
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.name import from_text, labels_of
from dnsdisco.wire.padding import padded
from dnsdisco.wire.query import Query, slice_query
from dnsdisco.wire.reply import cut_reply, fault_reply, Reply, RR, size_limit
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.soa import soa

Send = Callable[[bytes], None]
EXACT_OCTETS_MAX = 1232  # an answer that fits every client that sends EDNS may be kept for all of them
HINTS_MAX = 20  # denied names, in each HINTS_EVERY_S, that are held against what is there: 4 ms of a second at most
HINTS_EVERY_S = 1.0
COOKIES_AT_HAND_MAX = 4096  # as many as Cookies itself keeps
TCP_IDLE_TENTHS = 100  # the value of edns-tcp-keepalive: ten seconds, in 100 ms (RFC 7828 §3.1)


_COOKIE_HEAD = b"\x1c" + COOKIE.to_bytes(2, "big") + b"\0\x18"  # RDLEN 28; 24 octets of cookie


class Responder:
    """Answers one message after another. Event loop only; waits for nothing: an answer that needs an upstream is sent later."""

    def __init__(
        self, policy: AnswerPolicy, catalog: Catalog, upstreams: Upstreams, *, cookies: Cookies, clock: Clock, draw: Draw
    ) -> None:
        self.table = Table()
        self.faults: Counter[str] = Counter()  # what was dropped or failed, and why, in a few words
        self.limited = Counter(dropped=0, slipped=0)  # what the rate limit did: answers over UDP
        self.catalog = catalog
        self.cookie_options: dict[bytes, bytes] = {}  # by the octets of the client's address and its client cookie
        self._upstreams = upstreams
        self._cookies = cookies
        self._clock = clock
        self._draw = draw
        self._asker = CachedUpstream(upstreams, now=clock.monotonic, faults=self.faults)
        self._fleeting = HotEntries(self.table, self._asker.cache)
        self._sender = ReplySender(self.table, draw)
        self._resolver = Resolver(self._asker, catalog, self._sender, now=clock.monotonic)
        self.admission, self._forgotten = policy.admission, dict[str, int]()  # of the admissions before this one
        self._hints_left, self._hints_due_at = HINTS_MAX, 0.0
        self.configure(policy)

    def configure(self, policy: AnswerPolicy) -> None:
        """A new configuration, between two queries."""
        self._fleeting.drop()
        self._forgotten = self.forgotten
        self._asker.limits = policy.asking
        self._asker.configure(
            policy.answers, policy.cache, trust_ad=policy.trust_ad, origin=policy.origin if policy.recursion else None
        )
        self.policy = policy
        self.settings = self._resolver.settings = policy.answers
        self.admission = policy.admission
        self._recursion = self._sender.recursion = policy.recursion
        self.cookie_options.clear()
        self.table.clear()

    def changed(self, touched: set[object]) -> None:
        """The catalog has changed in *touched*, and its serial with it."""
        self.table.drop(touched)
        zone = self.settings.zone
        self.table.set_negative(soa(labels, self.catalog.serial, zone.negative_ttl) for labels in zone.zones)

    def respond(self, message: bytes, peer: str, *, is_tcp: bool, send: Send, is_encrypted: bool = False) -> None:
        """Answer *message* through *send*: at once, later on the loop, or never. Never raises for what is in *message*."""
        try:
            query = slice_query(message)
        except WireError as error:
            self.faults[str(error)] += 1
            return
        if is_encrypted and query.edns is not None and query.edns.wants_padding:  # elsewhere it would only cost (RFC 7830 §6)
            send = partial(_send_padded, send)
        try:
            self._respond(message, query, peer, is_tcp=is_tcp, send=send)
        except Exception as error:  # noqa: BLE001  a fault of ours costs this one answer, not the loop
            self.faults[f"{type(error).__name__} while answering"] += 1
            query.fault = SERVFAIL
            send(fault_reply(query))

    def _respond(self, message: bytes, query: Query, peer: str, *, is_tcp: bool, send: Send) -> None:
        is_admitted, is_local, bucket = self.admission.look(peer, self._clock.monotonic())
        limit = size_limit(query, is_tcp=is_tcp, is_local=is_local, limits=self.policy.limits)
        options = self._options(query, peer, is_tcp=is_tcp) if query.edns is not None else b""
        if bucket is not None and not is_tcp and not self._is_verified(query, peer):
            send = partial(self._send_limited, query, options, bucket, send)
        client = Client(query, peer, is_local, limit, options, send)
        if query.fault:
            self._sender.count(query, query.fault)
            send(fault_reply(query, options=options, recursion=self._recursion and is_admitted))
        elif not is_admitted:
            self._sender.reply(client, Reply(REFUSED, ede=(Ede(EDE_PROHIBITED, "this address may not ask here"),)), recursion=False)
        elif not query.question:  # a server cookie is asked for by itself, or whether an old one is still good (RFC 7873 §5.4)
            is_good = len(_cookie(query)) == CLIENT_OCTETS or self._is_verified(query, peer)
            self._sender.reply(client, Reply(NOERROR if is_good else BADCOOKIE))
        else:
            self._answer(message, client, is_tcp=is_tcp)

    def _answer(self, message: bytes, client: Client, *, is_tcp: bool) -> None:
        query = client.query
        question = query.qname + query.question[-4:]
        prepared = self.table.get(question)
        if prepared is None:
            decision = self._resolver.decide(query)
            match decision:
                case Reply():
                    if decision.depends_on is None:
                        hint = self._hint(query, decision) if decision.rcode == NXDOMAIN and not decision.ede else ""
                        if hint:
                            decision = replace(decision, ede=(Ede(EDE_OTHER, hint),))
                        elif decision.rcode == NXDOMAIN and not is_tcp and not client.options:
                            self._keep_denial(message, client, decision)
                        self._sender.reply(client, decision)
                        return
                    prepared = Prepared(decision, query.qname, self._draw)
                    self.table.keep(question, prepared, self._clock.monotonic())
                case Forward():
                    if query.qtype == TXT and (proof := self._upstreams.recognise(query.question)) is not None:
                        self._sender.reply(client, Reply(answer=(RR(query.qname, TXT, 0, proof),)))
                        return
                    entry = self._resolver.forward(client)
                    if entry is not None and not is_tcp:
                        self._keep_for_a_moment(message, client, entry)
                    return
                case Gather():
                    self._resolver.gather(client, decision)
                    return
                case _:
                    assert_never(decision)
        if not is_tcp:
            plain = message if not client.options else without_cookie(message)
            if plain is not None:
                limit = min(client.limit, EXACT_OCTETS_MAX)
                self.table.keep_exact(plain, query, prepared, recursion=self._recursion, limit=limit)
        self._sender.count(query, prepared.reply.rcode)
        client.send(prepared.octets(query, recursion=self._recursion, options=client.options, limit=client.limit, draw=self._draw))

    def _hint(self, query: Query, denial: Reply) -> str:
        """What may have been meant by a name of ours that is not there; "" where nothing is like it, or many names are denied just now.

        Behind aliases it is the last one's target that is not there.
        """
        if query.edns is None or not self._hints_left:
            return ""
        labels = labels_of(denial.answer[-1].rdata.lower()) if denial.answer else query.labels
        zone = self.settings.zone.zone_of(labels)
        if zone is None:
            return ""
        self._hints_left -= 1
        return no_such_name(self.catalog, labels[: len(labels) - len(zone)])

    def _keep_denial(self, message: bytes, client: Client, reply: Reply) -> None:
        """Let the datagram loop deny names of this shape by itself, where a name with one label more than its zone is either in
        the catalog's `top` or nowhere: no wildcard, no zone of ours below the zone."""
        query, zones = client.query, self.settings.zone
        zone = zones.zone_of(query.labels)
        if zone is None or len(query.labels) != len(zone) + 1 or self.catalog.is_open_ended:
            return
        if any(other[len(other) - len(zone) :] == zone for other in zones.zones if len(other) > len(zone)):
            return
        limit = min(client.limit, EXACT_OCTETS_MAX)
        prepared = Prepared(reply, query.qname, self._draw)
        self.table.keep_denial(message, query, prepared, recursion=self._recursion, limit=limit)

    def _keep_for_a_moment(self, message: bytes, client: Client, entry: CacheEntry) -> None:
        """Let the datagram loop give this answer of the cache by itself, too, for as long as it is wanted and the cache would give it."""
        plain, now = message if not client.options else without_cookie(message), self._clock.monotonic()
        if plain is None or not self._fleeting.takes(plain, client.query, entry, now):
            return
        reply = self._resolver.reply_from(entry, client._replace(options=b""))
        if len(reply) <= EXACT_OCTETS_MAX and not reply[2] & 2:
            self._fleeting.keep(plain, client.query, entry, key_of(client.query), reply, now)

    def tick(self) -> None:
        """What comes with time alone; to be called every fleeting.MOMENT_S."""
        now = self._clock.monotonic()
        self._fleeting.renew(now)
        self.cookie_options.clear()
        self.table.redraw(now)
        if now >= self._hints_due_at:
            self._hints_due_at, self._hints_left = now + HINTS_EVERY_S, HINTS_MAX
            self.table.forget_denials()

    def meet(self, peer: str, octets: bytes) -> None:
        """Let the datagram loop know *peer* by the *octets* of its address."""
        self.admission.meet(peer, octets, self._clock.monotonic())

    def _is_verified(self, query: Query, peer: str) -> bool:
        """Whether the client has sent a server cookie of ours: that proves its address (RFC 7873 §5.2.4)."""
        cookie = _cookie(query)
        return bool(cookie) and self._cookies.is_ours(cookie, peer.partition("%")[0], int(self._clock.unix()))

    def _send_limited(self, query: Query, options: bytes, bucket: Bucket, send: Send, octets: bytes) -> None:
        kind = KINDS[octets[3] & 15]
        verdict = bucket.take(kind, len(octets), self._clock.monotonic())
        if verdict is RateVerdict.SEND:
            send(octets)
        elif verdict is RateVerdict.SLIP:
            self.limited["slipped"] += 1
            # An error would be the same over TCP, and is small.
            send(octets if kind == ERROR else cut_reply(query, options=options, recursion=self._recursion))
        else:
            self.limited["dropped"] += 1

    def _options(self, query: Query, peer: str, *, is_tcp: bool) -> bytes:
        edns = query.edns
        assert edns is not None
        options = b""
        if edns.cookie:
            options += option(COOKIE, self._cookies.reply(edns.cookie, peer.partition("%")[0], int(self._clock.unix())))
        if edns.wants_nsid and self.settings.server_id:
            options += option(NSID, self.settings.server_id.encode())
        if edns.wants_keepalive and is_tcp:
            options += option(KEEPALIVE, TCP_IDLE_TENTHS.to_bytes(2, "big"))
        return options

    def cookie_at_hand(self, client: bytes, peer: str, who: bytes) -> bytes | None:
        """The low octet of RDLEN and the COOKIE option for a client that may ask and whose server cookie is known.

        Until the next tick(), the datagram loop finds it under *who* in `cookie_options`.
        """
        cookie = self._cookies.known(client, peer.partition("%")[0], int(self._clock.unix()))
        if cookie is None or not self.admission.look(peer, self._clock.monotonic()).is_admitted:
            return None
        if len(self.cookie_options) >= COOKIES_AT_HAND_MAX:
            self.cookie_options.clear()
        self.cookie_options[who] = _COOKIE_HEAD + cookie
        return _COOKIE_HEAD + cookie

    def flush(self, name: str | None = None, *, is_tree: bool = False) -> int:
        """Forget upstreams' answers for *name* (with *is_tree*: and of the names below it), or of all; how many answers that were.

        What an upstream is being asked for just now is kept when it comes. Raises WireError.
        """
        self._fleeting.drop()
        return self._asker.cache.flush(None if name is None else from_text(name).lower(), is_tree=is_tree)

    @property
    def forgotten(self) -> dict[str, int]:
        """How often a table that was full made room: an answer at a time, else all of it at once."""
        admission = self.admission
        return {
            "answers": self.table.evictions,
            "denials": self.table.denials_forgotten,
            "cookies": self._cookies.forgotten,
            "clients": self._forgotten.get("clients", 0) + admission.clients_forgotten,
            "networks": self._forgotten.get("networks", 0) + admission.networks_forgotten,
        }

    @property
    def statistics(self) -> dict[str, int]:
        """What the cache has counted, and how full it is."""
        return self._asker.cache.figures()

    @property
    def in_flight(self) -> int:
        """Queries that wait for an upstream."""
        return self._asker.waiting


def _cookie(query: Query) -> bytes:
    return query.edns.cookie if query.edns is not None else b""


def _send_padded(send: Send, reply: bytes) -> None:
    send(padded(reply))
