"""The life of a query: slice, guard, admit, table, decide, (forward, resume,) build, fit, send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from dnsdisco.answer import narration
from dnsdisco.answer.admit import ClientKey
from dnsdisco.answer.cached_reply import key_of
from dnsdisco.answer.decision import Forward, Gather, InTurns, Settled
from dnsdisco.answer.fast_path import FastPath
from dnsdisco.answer.hot_entries import HotEntries
from dnsdisco.answer.prepared import Prepared
from dnsdisco.answer.rate import Bucket, ERROR, KINDS, RateVerdict
from dnsdisco.answer.sources import TABLE
from dnsdisco.answer.trace import Trace
from dnsdisco.cache.entry import CacheEntry
from dnsdisco.errors import WireError
from dnsdisco.model.choice import Draw
from dnsdisco.server.answer_policy import AnswerPolicy, Clock
from dnsdisco.server.cached_upstream import CachedUpstream, Upstreams
from dnsdisco.server.explain import Explaining, Explanation
from dnsdisco.server.hints import Hints
from dnsdisco.server.long_answers import LongAnswers
from dnsdisco.server.recorder import Recorder
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
from dnsdisco.wire.name import from_text
from dnsdisco.wire.padding import padded
from dnsdisco.wire.query import HEADER_OCTETS, Query, slice_query
from dnsdisco.wire.reply import cut_reply, fault_reply, Reply, RR, size_limit
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.soa import soa

Send = Callable[[bytes], None]
EXACT_OCTETS_MAX = 1232  # an answer that fits every client that sends EDNS may be kept for all of them
EXPLAINED = "explain"  # waits for upstreams in place of the client that an explanation is for
TCP_IDLE_TENTHS = 100  # the value of edns-tcp-keepalive: ten seconds, in 100 ms (RFC 7828 §3.1)


class Responder:
    """Answers one message after another. Event loop only; waits for nothing: an answer that needs an upstream is sent later."""

    def __init__(
        self, policy: AnswerPolicy, catalog: Catalog, upstreams: Upstreams, *, cookies: Cookies, clock: Clock, draw: Draw
    ) -> None:
        self.fast_path = FastPath(catalog, policy.admission)
        self.faults: Counter[str] = Counter()  # what was dropped or failed, and why, in a few words
        self.recorder: Recorder | None = None  # where somebody looks at the queries
        self.limited = Counter(dropped=0, slipped=0)  # what the rate limit did: answers over UDP
        self._catalog = catalog
        self._table = self.fast_path.table
        self._upstreams = upstreams
        self._cookies = cookies
        self._clock = clock
        self._draw = draw
        self._asker = CachedUpstream(upstreams, now=clock.monotonic, faults=self.faults)
        self._hot = HotEntries(self._table, self._asker.cache)
        self._long = LongAnswers(self._table, catalog, self.faults, draw, clock.monotonic, settle=self._settle, give=self._give)
        self._sender = ReplySender(self._table, draw)
        self._resolver = Resolver(self._asker, catalog, self._sender, now=clock.monotonic)
        self._hints = Hints(catalog)
        self.configure(policy)

    def configure(self, policy: AnswerPolicy) -> None:
        """A new configuration, between two queries."""
        self._hot.drop()
        self._asker.limits = policy.asking
        self._asker.configure(
            policy.answers, policy.cache, trust_ad=policy.trust_ad, origin=policy.origin if policy.recursion else None
        )
        self.policy = policy
        self.settings = self._resolver.settings = policy.answers
        self._recursion = self._sender.recursion = policy.recursion
        self.fast_path.admit(policy.admission)

    def changed(self, touched: set[object] | None) -> None:
        """The catalog has changed in *touched*, and its serial with it. None: in anything."""
        if touched is None:
            self._table.clear()
            return
        self._long.changed(touched)
        self._table.drop(touched)
        zone = self.settings.zone
        self._table.set_negative(soa(labels, self._catalog.serial, zone.configured.negative_ttl) for labels in zone.zones)

    def respond(
        self,
        message: bytes,
        peer: str,
        *,
        is_tcp: bool,
        send: Send,
        is_encrypted: bool = False,
        transport: str = "",
        client: ClientKey | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Answer *message* through *send*: at once, later on the loop, or never. Never raises for what is in *message*.

        *client*: the datagram loop's key for *peer*; None: the message came another way. *trace*: collects the steps.
        """
        try:
            query = slice_query(message)
        except WireError as error:
            self.faults[str(error)] += 1
            return
        if is_encrypted and query.edns is not None and query.edns.wants_padding:  # elsewhere it would only cost (RFC 7830 §6)
            send = partial(_send_padded, send)
        if self.recorder is not None and trace is None:
            send = self.recorder.following(query, peer, transport or ("tls" if is_encrypted else "tcp" if is_tcp else "udp"), send)
        try:
            self._respond(message, query, peer, is_tcp=is_tcp, send=send, known_as=client, trace=trace)
        except Exception as error:  # noqa: BLE001  a fault of ours costs this one answer, not the loop
            self.faults[f"{type(error).__name__} while answering"] += 1
            query.fault = SERVFAIL
            send(fault_reply(query))

    def explain(self, message: bytes, peer: str, done: Callable[[Explanation], None]) -> None:
        """Why a client at *peer* gets the answer to *message* that it gets, over TCP: nothing is cut or limited there.

        Calls *done* once: now, or when upstreams have spoken, which are asked where a client would make us ask them. It counts as no
        answer, and uses up nothing of what the client may have. Raises WireError for what is not answered, ValueError for what is no
        address.
        """
        trace, admission = Trace(), self.fast_path.admission
        if not admission.unlimited(peer).is_admitted:
            narration.refused(trace, peer)
        elif admission.is_limited(peer):
            narration.rate_limited(trace, peer)
        explaining = Explaining(done, trace, slice_query(message).labels, self._catalog, self.settings.zone)
        self.respond(message, peer, is_tcp=True, send=explaining.take, trace=trace)

    def _respond(
        self, message: bytes, query: Query, peer: str, *, is_tcp: bool, send: Send, known_as: ClientKey | None, trace: Trace | None
    ) -> None:
        now, fast_path = self._clock.monotonic(), self.fast_path
        is_admitted, is_local, bucket = (
            fast_path.admission.look(peer, now) if trace is None else fast_path.admission.unlimited(peer)
        )
        limit = size_limit(query, is_tcp=is_tcp, is_local=is_local, limits=self.policy.limits)
        shown, given, is_proven = query.edns.cookie if query.edns is not None else b"", b"", False
        if shown:  # a server cookie of ours proves the client's address (RFC 7873 §5.2.4)
            given, is_proven = self._cookies.reply(shown, peer.partition("%")[0], int(self._clock.unix()))
        if known_as is not None and is_admitted:
            fast_path.admission.meet(peer, known_as, now)
            fast_path.keep_cookie(message, known_as, shown, given)
        options = self._options(query, given, is_tcp=is_tcp)
        if bucket is not None and not is_tcp and not is_proven:
            send = partial(self._send_limited, query, options, bucket, send)
        client = Client(query, peer if trace is None else EXPLAINED, is_local, limit, options, send, trace)
        if query.fault:
            self._sender.count(client, query.fault)
            send(fault_reply(query, options=options, recursion=self._recursion and is_admitted))
        elif not is_admitted:
            self._sender.reply(client, Reply(REFUSED, ede=(Ede(EDE_PROHIBITED, "this address may not ask here"),)), recursion=False)
        elif not query.question:  # a server cookie is asked for by itself, or whether an old one is still good (RFC 7873 §5.4)
            self._sender.reply(client, Reply(NOERROR if is_proven or len(shown) == CLIENT_OCTETS else BADCOOKIE))
        else:
            self._answer(message, client, is_tcp=is_tcp)

    def _answer(self, message: bytes, client: Client, *, is_tcp: bool) -> None:
        query = client.query
        question = query.qname + query.question[-4:]
        plain = None if is_tcp else self._plain(message, client)
        prepared = self._table.get(question) if client.trace is None else None
        if prepared is not None:
            query.source = TABLE
            self._give(plain, client, prepared)
        elif question in self._long and client.trace is None:
            self._long.join(question, plain, client)
        else:
            decision = self._resolver.decide(query, client.trace)
            if not isinstance(decision, InTurns):
                self._settle(plain, client, decision)
            elif client.trace is not None:
                self._long.explain(decision.turns, client)
            else:
                self._long.begin(question, decision.turns, plain, client)

    def _settle(self, plain: bytes | None, client: Client, decision: Settled) -> None:
        query = client.query
        match decision:
            case Reply():
                if decision.depends_on is None or client.trace is not None:
                    hint = (
                        self._hints.of(client, decision, self.settings.zone)
                        if decision.rcode == NXDOMAIN and not decision.ede
                        else ""
                    )
                    if hint:
                        decision = replace(decision, ede=(Ede(EDE_OTHER, hint),))
                    elif decision.rcode == NXDOMAIN and not decision.ede and plain is not None:
                        self._keep_denial(plain, client, decision)
                    self._sender.reply(client, decision)
                    return
                prepared = Prepared(decision, query.qname, self._draw)
                self._table.keep(query.qname + query.question[-4:], prepared, self._clock.monotonic())
                self._give(plain, client, prepared)
            case Forward():
                if query.qtype == TXT and (proof := self._upstreams.recognise(query.question)) is not None:
                    self._sender.reply(client, Reply(answer=(RR(query.qname, TXT, 0, proof),)))
                    return
                entry = self._resolver.forward(client)
                if entry is not None and plain is not None:
                    self._keep_for_a_moment(plain, client, entry)
            case Gather():
                self._resolver.gather(client, decision)
            case _:
                assert_never(decision)

    def _give(self, plain: bytes | None, client: Client, prepared: Prepared) -> None:
        """*plain*: the query, where the table may keep the answer for the very octets of it."""
        query = client.query
        if plain is not None:
            self._table.keep_exact(plain, query, prepared, recursion=self._recursion, limit=min(client.limit, EXACT_OCTETS_MAX))
        self._sender.count(client, prepared.reply.rcode)
        if not prepared.bodies and prepared.answer.is_long(client.limit):
            self._long.send(client, prepared, recursion=self._recursion)
            return
        client.send(prepared.octets(query, recursion=self._recursion, options=client.options, limit=client.limit, draw=self._draw))

    def _plain(self, message: bytes, client: Client) -> bytes | None:
        """The query that *message* is but for its cookie; None: it has other options, which the table knows nothing of."""
        query = client.query
        if query.edns is None or not client.options:
            return message
        return without_cookie(message, query.edns.cookie, HEADER_OCTETS + len(query.question))

    def _keep_denial(self, plain: bytes, client: Client, reply: Reply) -> None:
        """Let the datagram loop deny names of this shape by itself, where a name with one label more than its zone is either in
        the catalog's `top` or nowhere: no wildcard, no zone of ours below the zone."""
        query, zones = client.query, self.settings.zone
        zone = zones.zone_of(query.labels)
        if zone is None or len(query.labels) != len(zone) + 1 or self._catalog.is_open_ended:
            return
        if any(other[len(other) - len(zone) :] == zone for other in zones.zones if len(other) > len(zone)):
            return
        limit = min(client.limit, EXACT_OCTETS_MAX)
        prepared = Prepared(reply, query.qname, self._draw)
        self._table.keep_denial(plain, query, prepared, recursion=self._recursion, limit=limit)

    def _keep_for_a_moment(self, plain: bytes, client: Client, entry: CacheEntry) -> None:
        """Let the datagram loop give this answer of the cache by itself, too, for as long as it is wanted and the cache would give it."""
        now = self._clock.monotonic()
        if not self._hot.takes(plain, client.query, entry, now):
            return
        reply = self._resolver.reply_from(entry, client._replace(options=b""))
        if len(reply) <= EXACT_OCTETS_MAX and not reply[2] & 2:
            self._hot.keep(plain, client.query, entry, key_of(client.query), reply, now)

    def tick(self) -> None:
        """Do what is due with time; call it every hot_entries.MOMENT_S."""
        now = self._clock.monotonic()
        self._hot.renew(now)
        self.fast_path.look_at_cookies(self._clock.unix())
        self._table.redraw(now)
        if self._hints.is_renewed(now):
            self._table.forget_denials()

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

    def _options(self, query: Query, cookie: bytes, *, is_tcp: bool) -> bytes:
        edns = query.edns
        if edns is None:
            return b""
        options = option(COOKIE, cookie) if cookie else b""
        if edns.wants_nsid and self.settings.configured.identity.server_id:
            options += option(NSID, self.settings.configured.identity.server_id.encode())
        if edns.wants_keepalive and is_tcp:
            options += option(KEEPALIVE, TCP_IDLE_TENTHS.to_bytes(2, "big"))
        return options

    def flush(self, name: str | None = None, *, is_tree: bool = False) -> int:
        """Forget upstreams' answers for *name* (with *is_tree*: and of the names below it), or of all; how many answers that were.

        What an upstream is being asked for just now is kept when it comes. Raises WireError.
        """
        self._hot.drop()
        return self._asker.cache.flush(None if name is None else from_text(name).lower(), is_tree=is_tree)

    @property
    def forgotten(self) -> dict[str, int]:
        """How often a full table made room: one answer at a time, or all of them at once."""
        forgotten = self.fast_path.forgotten
        return forgotten | {"cookies": forgotten["cookies"] + self._cookies.forgotten}

    @property
    def statistics(self) -> dict[str, int]:
        """The counters of the cache, and its size."""
        return self._asker.cache.figures()

    @property
    def in_flight(self) -> int:
        """Queries that wait for an upstream, or for an answer that takes several turns."""
        return self._asker.waiting + self._long.waiting


def _send_padded(send: Send, reply: bytes) -> None:
    send(padded(reply))
