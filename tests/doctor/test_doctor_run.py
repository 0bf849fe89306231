"""Checks run side by side and end in time; a question is asked once; what is printed."""

from __future__ import annotations

import threading
import time

import pytest

from dnsdisco.doctor import codes, run
from dnsdisco.doctor.known import Known
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.doctor.probe import exchange, PROBE_S, ProbeQuestion, ResolverProbe, Seen
from tests.cli.fake_server import FakeServer, reply


def known(tmp_path, ask=lambda question: Seen("silent")):
    return Known(MachineFiles(str(tmp_path)), ResolverProbe(ask), settings={"zones": ["svc.local"], "listen": ["127.0.0.1:53"]})


def test_a_check_that_hangs_is_a_finding_and_holds_up_nobody(tmp_path):
    ended = threading.Event()
    checks = {"what hangs": lambda _: ended.wait(30) or [], "the rest": lambda _: [codes.MUSL.found("x", "y")]}
    began = time.monotonic()
    found = run.findings(known(tmp_path), checks, deadline_s=0.2)
    assert time.monotonic() - began < 10
    ended.set()
    assert [(each.code, each.subject) for each in found] == [("DD050", "x"), ("DD090", "what hangs")]


def test_a_fault_of_a_check_is_not_passed_over(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run.findings(known(tmp_path), {"x": lambda _: [1 / 0]})


def test_the_worst_is_last_and_an_error_alone_is_not_ok(tmp_path):
    rows = [codes.TCP, codes.MUSL, codes.NDOTS, codes.SEARCH]
    found = run.findings(known(tmp_path), {"x": lambda _: [row.found("s", "t", host="h") for row in rows]})
    assert [each.code for each in found] == ["DD019", "DD050", "DD018", "DD022"]
    assert not run.is_ok(found)
    assert run.is_ok(found[:-1])


def test_each_question_is_asked_once_and_side_by_side(tmp_path):
    """Three resolvers that say nothing, and two zones: not six times the time of one."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n")
    asked = []
    gate = threading.Barrier(6)

    def ask(question: ProbeQuestion) -> Seen:
        asked.append(question)
        if question.host.startswith("192.0.2.") and not question.is_tcp:
            gate.wait(10)  # broken, unless all six are there
        return Seen("silent")

    machine = Known(
        MachineFiles(str(tmp_path)), ResolverProbe(ask), settings={"zones": ["a.test", "b.test"], "listen": ["127.0.0.1:53"]}
    )
    found = run.findings(machine)
    assert [each.subject for each in found if each.code == "DD016"] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert len(asked) == len(set(asked))
    assert {question.name for question in asked} <= {"a.test", "b.test", "use-application-dns.net"}
    assert {question.host for question in asked} <= {"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1"}


def _ask(server: FakeServer, *, is_tcp: bool = False) -> Seen:
    return exchange(ProbeQuestion("127.0.0.1", "svc.local", "SOA", server.port, is_tcp))


SOA = "svc.local. 5 SOA ns. h. 1 2 3 4 5"


def test_what_a_resolver_says(tmp_path):
    with FakeServer(udp=lambda query: [reply(query, SOA)], tcp=lambda query: [reply(query, SOA, edns=False)]) as server:
        seen = _ask(server)
        assert (seen.types, seen.edns_octets, seen.says()) == ((6,), 1232, "answers NOERROR")
        assert _ask(server, is_tcp=True).edns_octets is None
    with FakeServer(udp=lambda query: [reply(query, rcode=3)]) as server:
        assert _ask(server).says() == "answers NXDOMAIN"
        assert "closes the connection" in _ask(server, is_tcp=True).trouble
    with FakeServer(udp=lambda query: [reply(query)]) as server:
        assert _ask(server).says() == "answers with nothing"
    assert _ask(server).trouble == "closed"


def test_a_lying_resolver_is_waited_past(tmp_path):
    def lies(query):
        true = reply(query, SOA)
        return [b"\xff\xff" + true[2:], query, true[:20], b"", true]

    with FakeServer(udp=lies) as server:
        assert _ask(server).types == (6,)
    with FakeServer(udp=lambda query: [reply(query, SOA)[:-5]]) as server:
        assert "cannot be read" in _ask(server).trouble


def test_a_silent_resolver_ends_in_time():
    began = time.monotonic()
    with FakeServer() as server:
        assert _ask(server).trouble == "silent"
        assert len(server.asked) == 2  # a datagram may be lost
    assert time.monotonic() - began < PROBE_S + 10
