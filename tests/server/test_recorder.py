"""Queries as they are answered: where each answer came from, who looks at which, and how many are looked at."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import dns.message
import pytest

from dnsdisco.answer.admit import Admission
from dnsdisco.server import batch, recorder
from dnsdisco.server.inspector import Inspector
from dnsdisco.server.recorder import Filter, Recorder
from dnsdisco.server.udp import UdpListener
from tests.kit import Answers, CannedUpstreams

UPSTREAM = {("cache.example.net.", "A"): "cache.example.net. 60 IN A 192.0.2.7"}


class Looked:
    """A recorder that shows itself all, at once."""

    def __init__(self, answers: Answers, *filters: Filter) -> None:
        self.rows: list[list[Any]] = []
        self.missed = 0
        self.waits: list[Any] = []
        self.recorder = Recorder(lambda: answers.responder.settings.zone, lambda _, call: self.waits.append(call), self._take)
        self.recorder.choose(enumerate(filters or (Filter(None, None, None, None),)))
        answers.responder.recorder = self.recorder

    def _take(self, rows: list[Any], missed: int) -> None:
        self.rows += rows
        self.missed += missed

    def told(self) -> list[list[Any]]:
        """All but the times."""
        self.waits, waits = [], self.waits
        for call in waits:
            call()
        rows, self.rows = self.rows, []
        return [[row[0], *row[2:8], row[9]] for row in rows]


def filtered(**more: Any) -> Filter:
    return Filter.of(*({"name": None, "client": None, "rcode": None, "source": None} | more).values())


def test_where_each_answer_came_from() -> None:
    upstreams = CannedUpstreams(UPSTREAM)
    answers = Answers(upstreams=upstreams, policy={"admission": Admission(["127.0.0.0/8"])})
    looked = Looked(answers)

    def of(name: str, rtype: str = "A", **more: Any) -> str:
        answers.ask(name, rtype, **more)
        ((_, client, transport, told, kind, _, source, _),) = looked.told()
        assert (client, transport, kind) == (more.get("peer", "127.0.0.1"), "tcp" if more.get("is_tcp") else "udp", rtype)
        assert told == f"{name}."
        return str(source)

    assert [of("web.svc.local") for _ in range(2)] == ["catalog", "table"]
    assert of("web.svc.local", is_tcp=True) == "table"
    assert [of("nosuch.svc.local") for _ in range(2)] == ["catalog", "catalog"]
    assert of("x.onion") == "special"
    assert of("localhost") == "special"
    assert [of("cache.example.net") for _ in range(2)] == ["upstream", "cache"]
    assert of("svc.local", "AXFR") == "refused"
    assert of("web.svc.local", peer="203.0.113.9") == "refused"
    upstreams.answers = {("cache.example.net.", "A"): None}
    answers.now += 100
    assert of("cache.example.net") == "stale"


def test_a_fault_of_the_query_and_the_reasons_of_an_answer() -> None:
    answers = Answers()
    looked = Looked(answers)
    answers.send(bytes.fromhex("123400000001000000000000") + b"\x03web")
    ((_, _, _, name, rtype, rcode, source, _),) = looked.told()
    assert (name, rtype, rcode, source) == (".", "", "FORMERR", "refused")
    answers.ask("web.svc.local", "MX")
    assert looked.told()[0][-1] == [[0, "web has no MX record"]]
    answers.send(dns.message.make_query("Web.SVC.local.", "MX").to_wire())
    assert (row := looked.told()[0])[3] == "Web.SVC.local."
    assert row[-1] == []  # without EDNS the client hears no reason


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ({"name": "web.*"}, {"web.svc.local."}),
        ({"name": "WEB.svc.local"}, {"web.svc.local."}),
        ({"name": "web.svc.local."}, {"web.svc.local."}),
        ({"name": "*.svc.local"}, {"web.svc.local.", "nosuch.svc.local."}),
        ({"name": "eb.svc.local"}, set()),
        ({"name": "*"}, {"web.svc.local.", "nosuch.svc.local.", "x.onion."}),
        ({"rcode": "NXDOMAIN"}, {"nosuch.svc.local.", "x.onion."}),
        ({"source": "special"}, {"x.onion."}),
        ({"client": "127.0.0.0/8"}, {"web.svc.local.", "nosuch.svc.local.", "x.onion."}),
        ({"client": "10.0.0.0/8"}, set()),
        ({"client": "::1/128"}, set()),
        ({"name": "*.svc.local", "rcode": "NXDOMAIN"}, {"nosuch.svc.local."}),
    ],
)
def test_what_passes_a_filter(wanted: dict[str, str], passes: set[str]) -> None:
    answers = Answers()
    looked = Looked(answers, filtered(name="nothing like it"), filtered(**wanted))
    for name in ("web.svc.local", "nosuch.svc.local", "x.onion"):
        answers.ask(name)
    rows = looked.told()
    assert {row[3] for row in rows} == passes
    assert all(row[0] == [1] for row in rows)


def test_so_many_are_looked_at_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(recorder, "perf_counter", lambda: now)
    answers = Answers()
    looked = Looked(answers)
    for _ in range(1000):
        answers.ask("web.svc.local")
    assert len(looked.told()) == recorder.AT_ONCE_MAX
    assert looked.missed == 1000 - recorder.AT_ONCE_MAX
    now += 0.01
    assert looked.recorder.may_look(1000) == recorder.LOOKED_AT_A_SECOND * 0.01
    now += 3600
    assert looked.recorder.may_look(1000) == recorder.AT_ONCE_MAX
    assert len(looked.recorder._rows) < recorder.ROWS_MAX


@pytest.mark.parametrize(
    "in_batches", [pytest.param(True, marks=pytest.mark.skipif(not batch.is_available(), reason="no recvmmsg here")), False]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
def test_what_the_datagram_loop_answers_by_itself(host: str, in_batches: bool) -> None:
    upstreams = CannedUpstreams(UPSTREAM)
    answers = Answers(upstreams=upstreams)
    names = ["web.svc.local.", "nosuch.svc.local.", "x.onion.", "cache.example.net."]

    async def work() -> list[list[Any]]:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock, socket.socket(family, socket.SOCK_DGRAM) as client:
            sock.bind((host, 0))
            client.connect(("127.0.0.1" if host == "0.0.0.0" else host, sock.getsockname()[1]))
            client.setblocking(False)
            listener = UdpListener(sock, host, answers.responder, loop, in_batches=in_batches)
            plain = listener._batch
            listener.start()

            async def ask(name: str) -> None:
                client.send(dns.message.make_query(name, "A", use_edns=0).to_wire())
                reply = dns.message.from_wire(await loop.sock_recv(client, 4096))
                assert str(reply.question[0].name) == name

            for _ in range(4):  # until the loop knows them
                answers.now += 0.3
                answers.responder.tick()
                for name in names:
                    await ask(name)
            looked = Looked(answers)
            listener.record(looked.recorder)
            listener.record(looked.recorder)  # said again
            for name in names:
                await ask(name)
            listener.record(None)
            answers.responder.recorder = None
            assert listener._batch is plain
            await ask(names[0])
            listener.close()
            return looked.told()

    rows = answers.run(work())
    assert [row[3] for row in rows] == names
    assert {(row[1], row[2]) for row in rows} == {("127.0.0.1" if host == "0.0.0.0" else host, "udp")}
    assert [row[6] for row in rows] == ["table", rows[1][6], "special", "cache"]
    assert [row[5] for row in rows] == ["NOERROR", "NXDOMAIN", "NXDOMAIN", "NOERROR"]
    assert rows[2][-1] == [[0, "x.onion does not exist: onion is special, and answered here"]]


class FakeLink:
    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.is_free = True

    def send(self, message: dict[str, Any]) -> None:
        self.said.append(message)


def test_a_worker_records_while_control_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnsdisco.server.inspector.RECORDED_S", 0.3)
    monkeypatch.setattr(recorder, "WAIT_S", 0.01)
    answers, link = Answers(), FakeLink()
    shown: list[Recorder | None] = []

    def record(each: Recorder | None) -> None:
        shown.append(each)
        answers.responder.recorder = each

    async def work() -> None:
        inspector = Inspector(answers.responder, link, record, asyncio.get_running_loop())
        say = {"op": "record", "filters": [[3, [None, None, None, None]], [4, ["web.*", "127.0.0.0/8", "NOERROR", "catalog"]]]}
        inspector.take(say)
        answers.responder.respond(
            dns.message.make_query("web.svc.local.", "A").to_wire(), "127.0.0.1", is_tcp=False, send=lambda _: None
        )
        await asyncio.sleep(0.1)
        (message,) = link.said
        assert message["op"] == "queries"
        assert message["missed"] == 0
        assert message["rows"][0][0] == [3, 4]
        inspector.take(say)
        assert shown[0] is shown[1] is not None
        link.is_free = False  # control does not read
        answers.responder.respond(
            dns.message.make_query("web.svc.local.", "A").to_wire(), "127.0.0.1", is_tcp=False, send=lambda _: None
        )
        await asyncio.sleep(0.05)
        assert len(link.said) == 1
        link.is_free = True
        inspector._tell([], 2)
        assert link.said[-1]["missed"] == 3
        await asyncio.sleep(0.5)  # and control says nothing more
        assert shown[-1] is None
        inspector.take(say)
        inspector.take({"op": "record", "filters": []})
        assert shown[-1] is None

    answers.run(work())


def test_a_full_message_goes_at_once() -> None:
    answers = Answers()
    looked = Looked(answers)
    for _ in range(recorder.ROWS_MAX - 1):
        answers.ask("web.svc.local")
    assert looked.rows == []
    answers.ask("web.svc.local")
    assert len(looked.rows) == recorder.ROWS_MAX


def test_clients_whose_filters_are_known_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "CLIENTS_MAX", 4)
    answers = Answers()
    looked = Looked(answers, filtered(client="10.0.0.0/29"))
    for at in range(12):
        answers.ask("web.svc.local", peer=f"10.0.0.{at}")
        assert len(looked.recorder._clients) <= 4
    assert [row[1] for row in looked.told()] == [f"10.0.0.{at}" for at in range(8)]
