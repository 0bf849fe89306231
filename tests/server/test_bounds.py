"""Bounds of a worker that no other file shows: of a datagram, of a query, of what is kept whole, of descriptors, of a report."""

from __future__ import annotations

import asyncio
import resource

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsdisco.model.service import Instance, Port, Service
from dnsdisco.server import http2
from dnsdisco.server import run as worker_run
from tests.conformance.probes import header, opt, option, question
from tests.kit import Answers
from tests.server.listening import listening
from tests.server.test_control_link import run as with_link
from tests.server.test_http_versions import Client, frame, OK

ADDRESS = b"\1a\0\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"


@pytest.mark.parametrize("in_batches", [True, False], ids=["in batches", "one by one"])
@pytest.mark.parametrize("octets", [511, 512, 513, 1232, 4000, 60_000])
def test_a_datagram_longer_than_any_query_is_formerr_and_counted(in_batches: bool, octets: int) -> None:
    """Whatever stands behind the question: it is cut to what a query can have, and what is cut is malformed."""
    answers = Answers("web: {address: 10.0.0.1}")
    message = dns.message.make_query("web.svc.local.", "A", use_edns=0).to_wire()
    padded = dns.message.make_query(
        "web.svc.local.", "A", use_edns=0, options=[dns.edns.GenericOption(65001, b"x" * (octets - len(message) - 4))]
    )
    sent = padded.to_wire(max_size=65535)
    assert len(sent) == octets

    async def work() -> dns.message.Message:
        with listening(answers, in_batches=in_batches) as (_, client):
            await asyncio.get_running_loop().sock_sendall(client, sent)
            async with asyncio.timeout(5):
                return dns.message.from_wire(await asyncio.get_running_loop().sock_recv(client, 65535))

    reply = asyncio.run(work())
    is_whole = octets <= 4096
    assert reply.id == padded.id
    assert reply.rcode() == (dns.rcode.NOERROR if is_whole else dns.rcode.FORMERR)
    assert bool(reply.answer) is is_whole


@pytest.mark.parametrize("more", [0, 1, 2])
@pytest.mark.parametrize("what", ["options", "additional records"])
def test_one_more_in_a_query_is_formerr_and_counted(what: str, more: int) -> None:
    answers = Answers("web: {address: 10.0.0.1}")
    if what == "options":
        message = header(counts=(1, 0, 0, 1)) + question() + opt(option(65001) * (512 + more))
    else:
        message = header(counts=(1, 0, 0, 1 + more)) + question() + ADDRESS * more + opt()
        more = max(0, more - 1)  # one beside the OPT record may be there
    reply = answers.send(message, is_tcp=True)
    assert reply is not None
    assert (reply[3] & 15 == 1) is bool(more)
    assert sum(count for (_, rcode), count in answers.responder.fast_path.table.counts().items() if rcode == 1) == bool(more)


@pytest.mark.parametrize(("instances", "is_whole"), [(10, True), (70, True), (80, False), (300, False)])
def test_a_longer_answer_than_every_client_takes_is_not_kept_whole(instances: int, is_whole: bool) -> None:
    """1,232 octets: a client that offers more is answered whole all the same, but by the longer way."""
    many = tuple(Instance(f"i{n}", f"10.0.{n // 200}.{n % 200}", (Port(80),), label=f"i{n}") for n in range(instances))
    answers = Answers(snapshots={"static": {("", "web"): Service("web", instances=many)}}, max_answers=0)
    for _ in range(3):
        reply = answers.ask("web.svc.local", payload=8192)
        assert len(reply.answer[0]) == instances
    kept = [octets for exact in answers.responder.fast_path.table.exact.values() for octets in exact[3:]]
    assert bool(kept) is is_whole
    assert all(len(octets) <= 1232 for octets in kept)


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ((1024, 4096), 4096),
        ((1024, 65_536), 65_536),
        ((1024, 65_537), 65_536),
        ((1024, resource.RLIM_INFINITY), 65_536),
        ((100_000, 200_000), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_a_worker_asks_for_so_many_descriptors_and_no_more(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], asked: int | None
) -> None:
    told: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda what, value: told.append((what, value)))
    worker_run._raise_file_limit()
    assert told == ([] if asked is None else [(resource.RLIMIT_NOFILE, (asked, limits[1]))])


@pytest.mark.parametrize("upstreams", [63, 64, 65, 500])
def test_control_is_told_of_64_upstreams(upstreams: int) -> None:
    async def work(side) -> None:
        side.link.upstreams = lambda: [{"address": f"192.0.2.{n}"} for n in range(upstreams)]
        side.link.tick()
        assert len(side.heard()[-1]["upstreams"]) == min(upstreams, 64)

    with_link(work)


def test_closed_streams_are_remembered_up_to_their_bound() -> None:
    """However many requests a connection has had, what is kept of those that are over does not grow."""
    client = Client()
    for number in range(400):
        client.ask(2 * number + 1)
        client.talk()
        client.http.answer(client.requests[-1].stream, OK)
        client.talk()
    assert len(client.requests) == 400
    h2 = client.http._h2
    h2.open_inbound_streams  # noqa: B018  counting them files those that are over
    assert len(h2._closed_streams) <= http2.CLOSED_STREAMS_MAX == 128
    # a late frame of the last one is no breach, and one of a stream that never was is one
    client.http.receive(frame(3, 0, 799, b"\0\0\0\x08"), 0.0)
    while client.http.has_more:
        client.http.digest()
    assert not client.http.is_over
