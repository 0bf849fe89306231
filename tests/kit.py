"""A worker's answering parts without sockets: services as YAML text in, messages that an independent codec parses out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import yaml

from dnsdisco.answer.admit import Admission
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.errors import UpstreamError
from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.entry import ExtraRecord, ProviderState
from dnsdisco.model.merge import merge
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.model.service_data import service_from_data
from dnsdisco.server.answer_policy import AnswerPolicy, Clock
from dnsdisco.server.serve import Responder
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.sections import IdentitySettings
from dnsdisco.wire import presentation
from dnsdisco.wire.constants import type_from_text
from dnsdisco.wire.cookie import Cookies
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.master import parse
from dnsdisco.zone.records import ZoneRecords
from dnsdisco.zone.settings import ZoneSettings

SERVICES = """
auth: {url: "http://10.1.0.1:5001", address: 10.1.0.1, port: 5001}
web:
  scheme: http
  ttl: 10
  tags: [public]
  meta: {team: shop}
  instances:
    - {id: web-1, address: 10.0.0.11, port: 8080, weight: 10, tags: [v1, primary], meta: {zone: a}}
    - {id: web-2, address: "2001:db8::12", ports: {http: 8080, grpc: 9090}, weight: 5, tags: [v2]}
    - {id: web-3, address: 10.0.0.13, port: 8080, tags: [v2], health: critical}
  records: [{type: TXT, name: _acme-challenge, value: abc}]
down:
  instances:
    - {id: d1, address: 10.0.1.1, port: 80, health: critical}
    - {id: d2, address: 10.0.1.2, port: 80, health: critical}
shut:
  when_all_unhealthy: empty
  instances: [{id: s1, address: 10.0.2.1, port: 80, health: critical}]
bare: {instances: []}
noport: {instances: [{id: n1, address: 10.0.3.1}]}
my_svc: {instances: [{address: 10.0.4.1, port: 99}]}
noted:
  instances: [{id: x, address: 10.0.5.1, port: 1}]
  records: [{type: TXT, value: "v=1"}, {type: MX, value: "10 mail.example.com"}]
elsewhere: {instances: [{address: db.example.net}]}
hosty: {instances: [{id: h1, address: cache.example.net, port: 6379, weight: 3}, {id: h2, address: 10.0.6.1, port: 6379}]}
inner: {instances: [{id: i1, address: web.svc.local, port: 8080}]}
loop1: {instances: [{id: a, address: loop2.svc.local, port: 1}]}
loop2: {instances: [{id: a, address: loop1.svc.local, port: 1}]}
here: {instances: [{id: l, address: localhost, port: 3000}]}
"""


T = TypeVar("T")
_LOOP = asyncio.new_event_loop()  # one for all: making a loop costs more than an answer


class NoUpstreams:
    heard = ()

    def can_forward(self, question: bytes) -> bool:
        return False

    def upstreams_for(self, question: bytes) -> tuple[str, ...]:
        return ()

    def recognise(self, question: bytes) -> bytes | None:
        return None

    def ask(self, question: bytes, flags: int, dnssec_ok: bool, waiter: Callable[[bytes | UpstreamError], None]) -> None:
        waiter(UpstreamError("none", "disabled"))


class CannedUpstreams:
    """Answers from zone-file text by (name, type), or from a whole reply (see `canned`); None: nobody answers.

    Each reply comes in a later turn of the loop, or with *holds* when release() is called. `asked`: the questions in order;
    `sent`: their flags and DO.
    """

    def __init__(self, answers: Mapping[tuple[str, str], str | bytes | None], *, holds: bool = False) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []
        self.sent: list[tuple[int, bool]] = []
        self.holds = holds
        self.heard: tuple[tuple[object, float, bytes | str], ...] = ()
        self._held: list[Callable[[], None]] = []

    def can_forward(self, question: bytes) -> bool:
        return True

    def upstreams_for(self, question: bytes) -> tuple[str, ...]:
        return ("192.0.2.53",)

    def recognise(self, question: bytes) -> bytes | None:
        return None

    def ask(self, question: bytes, flags: int, dnssec_ok: bool, waiter: Callable[[bytes | UpstreamError], None]) -> None:
        self.sent.append((flags, dnssec_ok))
        try:
            result: bytes | UpstreamError = self.exchange(question)
        except UpstreamError as error:
            result = error

        def settle() -> None:
            self.heard = (("192.0.2.53", 0.012, result.kind if isinstance(result, UpstreamError) else result),)
            waiter(result)
            self.heard = ()

        if self.holds:
            self._held.append(settle)
        else:
            asyncio.get_running_loop().call_soon(settle)

    def release(self) -> None:
        held, self._held = self._held, []
        for each in held:
            each()

    def exchange(self, question: bytes) -> bytes:
        name, at = dns.name.from_wire(question, 0)
        rtype = dns.rdatatype.to_text(int.from_bytes(question[at : at + 2], "big"))
        key = (name.to_text().lower(), rtype)
        self.asked.append(key)
        found = self.answers.get(key, "")
        if found is None:
            raise UpstreamError("192.0.2.53", "timeout")
        if isinstance(found, str):
            found = canned(*key) if not found else canned(*key, rcode=found) if found.isupper() else canned(*key, found)
        if (found[3] & 15) in (2, 4, 5):  # as the forwarder does
            raise UpstreamError("192.0.2.53", "rcode", dns.rcode.to_text(dns.rcode.Rcode(found[3] & 15)), reply=found)
        return found[:12] + question + found[12 + len(question) :]  # spelled as it was asked


def canned(
    name: str,
    rtype: str,
    answer: str = "",
    *,
    authority: str = "",
    additional: str = "",
    rcode: str = "NOERROR",
    flags: str = "QR RD RA",
    ede: tuple[int, str] | None = None,
) -> bytes:
    """A whole reply of an upstream: sections as zone-file text, in the order written."""
    text = f"id 1\nopcode QUERY\nrcode {rcode}\nflags {flags}\n;QUESTION\n{name} IN {rtype}\n"
    for title, records in (("ANSWER", answer), ("AUTHORITY", authority), ("ADDITIONAL", additional)):
        text += f";{title}\n{records}\n" if records else ""
    message = dns.message.from_text(text, one_rr_per_rrset=True)
    if ede is not None:
        message.use_edns(0, options=[dns.edns.EDEOption(*ede)])
    return message.to_wire(max_size=65535)


def services(text: str) -> dict[tuple[str, str], Service]:
    result = {}
    for name, data in yaml.safe_load(text).items():
        service, faults = service_from_data(name, data)
        assert service is not None, faults
        result[service.key] = service
    return result


class Answers:
    """A responder over a catalog made from *text*; ask() gives what a client would parse."""

    def __init__(
        self,
        text: str = SERVICES,
        *,
        snapshots: Mapping[str, Mapping[tuple[str, str], Service]] | None = None,
        states: tuple[ProviderState, ...] = (ProviderState("static", True),),
        upstreams: Any = None,
        zone_file: str = "",
        zone_file_zones: tuple[str, ...] = ("svc.local", "svc.internal"),
        zones: tuple[tuple[bytes, ...], ...] = ((b"svc", b"local"), (b"svc", b"internal")),
        recursion: bool = True,
        serial: int = 7,
        seed: int = 1,
        policy: Mapping[str, Any] | None = None,
        chain: ChainPolicy = ChainPolicy(),  # noqa: B008  frozen
        overrides: frozenset[tuple[bytes, ...]] = frozenset(),
        **settings: Any,
    ) -> None:
        views = snapshots if snapshots is not None else {"static": services(text)}
        self.merger = merge(
            [ChainSource(name) for name in views], chain, [Snapshot(dict(view)) for view in views.values()], _compiled
        )
        self.catalog = Catalog()
        self.catalog.apply(self.merger.entries.values(), [], serial)
        self.catalog.set_states(states)
        self.catalog.is_complete = True
        if zone_file:
            self.catalog.set_records(ZoneRecords(parse(zone_file, "test.zone", zone_file_zones)))
        configured = Settings(identity=IdentitySettings("dnsdisco", "here"), **settings)
        answers = AnswerSettings(ZoneSettings(zones=zones, configured=configured), overrides)
        self.policy = AnswerPolicy(answers, Admission(["127.0.0.0/8", "::1/128", "private"]), recursion=recursion)
        self.policy = self.policy._replace(**(policy or {}))
        self.now = 1000.0
        clock = Clock(lambda: self.now, lambda: 1_700_000_000.0)
        draw = random.Random(seed).random
        self.responder = Responder(
            self.policy, self.catalog, upstreams or NoUpstreams(), cookies=Cookies(bytes(range(16))), clock=clock, draw=draw
        )

    def send(self, message: bytes, peer: str = "127.0.0.1", *, is_tcp: bool = False) -> bytes | None:
        """The reply's octets, None when there is none; runs the loop until a forwarded answer is there."""

        async def run() -> bytes | None:
            replies: list[bytes] = []
            self.responder.respond(message, peer, is_tcp=is_tcp, send=replies.append)
            while self.responder.in_flight:
                await asyncio.sleep(0)
            assert len(replies) <= 1
            return replies[0] if replies else None

        return _LOOP.run_until_complete(run())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """*work* in the loop that the answers come in."""
        return _LOOP.run_until_complete(work)

    def ask(
        self, name: str, rtype: str = "A", *, peer: str = "127.0.0.1", is_tcp: bool = False, **query: Any
    ) -> dns.message.Message:
        question = dns.message.make_query(
            name if name.endswith(".") else name + ".", rtype, **{"use_edns": 0, "payload": 1232, **query}
        )
        octets = self.send(question.to_wire(), peer, is_tcp=is_tcp)
        assert octets is not None
        reply = dns.message.from_wire(octets)
        assert reply.id == question.id
        assert question.is_response(reply)
        return reply


def _compiled(service: Service) -> tuple[ExtraRecord, ...]:
    made = []
    for record in service.records:
        owner = () if record.name in ("", "@") else tuple(record.name.lower().split("."))
        rtype = type_from_text(record.type)
        made.append(ExtraRecord(owner, rtype, record.ttl, presentation.from_text(rtype, record.value)))
    return tuple(made)


def section(rrsets: Any) -> set[str]:
    """The records of a section as `owner type data`, without TTLs and in no order."""
    return {f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}" for rrset in rrsets for rdata in rrset}


def errors(reply: dns.message.Message) -> dict[int, str]:
    """Extended DNS Errors by code."""
    return {int(option.code): option.text or "" for option in reply.options if isinstance(option, dns.edns.EDEOption)}


def is_authoritative(reply: dns.message.Message) -> bool:
    return bool(reply.flags & dns.flags.AA)
