"""The probe table against the answering code. Over real sockets: test_standards.py; changed in every way: test_fuzz.py."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.tsigkeyring
import pytest

from tests.conformance.page import PAGE, page
from tests.conformance.probes import header, name, PROBES, question
from tests.kit import Answers


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(recursion=False)


@pytest.mark.parametrize("is_tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("probe", PROBES, ids=[probe.title for probe in PROBES])
def test_probe(answers, probe, is_tcp):
    reply = answers.send(probe.message, is_tcp=is_tcp)
    assert (reply is None) == (probe.expected == "-")
    if reply is None:
        return
    assert len(reply) >= 12
    assert reply[:2] == probe.message[:2]
    assert reply[2] & 0x80
    parsed = dns.message.from_wire(reply, keyring=False)
    assert dns.rcode.to_text(parsed.rcode()) == probe.expected
    if "keepalive" not in probe.title or not is_tcp:
        assert probe.shape(reply)


def test_the_page_is_the_table():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.conformance.page"


def test_there_are_sixty_of_them():
    assert len({probe.message for probe in PROBES}) >= 60


def _direct(answers: Answers, message: bytes) -> bytes | None:
    replies: list[bytes] = []
    answers.responder.respond(message, "127.0.0.1", is_tcp=False, send=replies.append)
    return replies[0] if replies else None


def test_a_fault_of_ours_costs_one_answer_only(answers):
    class Broken:
        def get(self, question):
            raise RuntimeError("planted")

    sound, answers.responder.fast_path.table.get = answers.responder.fast_path.table.get, Broken().get
    try:
        reply = _direct(answers, header() + question(name("x.svc.local")))
    finally:
        answers.responder.fast_path.table.get = sound
    assert reply is not None
    assert reply[3] & 15 == dns.rcode.SERVFAIL
    assert answers.responder.faults.pop("RuntimeError while answering") == 1
