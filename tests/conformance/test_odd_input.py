"""The probe table against the answering code, and the same octets mutated: never a crash, never a wrong kind of reply."""

from __future__ import annotations

import random

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


def test_mutated_messages_get_a_sound_reply_or_none(answers):
    """A reply repeats the id and the opcode, is no larger than the client can take, and an independent codec reads it."""
    source = random.Random(8906)
    seeds = [probe.message for probe in PROBES if len(probe.message) > 12]
    control = header() + question()
    for round_ in range(20_000):
        message = bytearray(source.choice(seeds))
        for _ in range(source.randrange(1, 4)):
            at = source.randrange(len(message))
            kind = source.randrange(4)
            if kind == 0:
                message[at] ^= 1 << source.randrange(8)
            elif kind == 1:
                message[at] = source.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF))
            elif kind == 2:
                del message[at:]
                message += b"\0" * (12 - len(message))
            else:
                message[at:at] = source.randbytes(source.randrange(1, 9))
        reply = answers.send(bytes(message), is_tcp=bool(round_ & 1)) if round_ % 4 == 0 else _direct(answers, bytes(message))
        if reply is None:
            assert message[2] & 0x80
            continue
        assert reply[:2] == message[:2]
        assert (reply[2] ^ message[2]) & 0xF8 == 0x80
        parsed = dns.message.from_wire(reply, keyring=False, ignore_trailing=False)
        assert parsed.rcode() in (0, 1, 3, 4, 5, 9, 16)
        if round_ % 500 == 0:
            assert dns.message.from_wire(_direct(answers, control) or b"").answer
    assert set(answers.responder.faults) <= {"a reply sent to a server", "shorter than a header"}


def _direct(answers: Answers, message: bytes) -> bytes | None:
    replies: list[bytes] = []
    answers.responder.respond(message, "127.0.0.1", is_tcp=False, send=replies.append)
    return replies[0] if replies else None


def test_a_fault_of_ours_costs_one_answer_only(answers):
    class Broken:
        def get(self, question):
            raise RuntimeError("planted")

    sound, answers.responder.table.get = answers.responder.table.get, Broken().get
    try:
        reply = _direct(answers, header() + question(name("x.svc.local")))
    finally:
        answers.responder.table.get = sound
    assert reply is not None
    assert reply[3] & 15 == dns.rcode.SERVFAIL
    assert answers.responder.faults.pop("RuntimeError while answering") == 1
