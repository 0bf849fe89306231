"""Messages by the thousand against the oracle: never a crash, never a wrong reply, never more time than a message is worth.

DNSDISCO_FUZZ: how many messages (a twentieth of them over real sockets, a hundredth of 64 KiB); DNSDISCO_SEED: which. With
DNSDISCO_KEEP_SLOWEST=1 the costliest become the corpus.
"""

from __future__ import annotations

import os
import random
import socket
import statistics
import time
from itertools import pairwise

import pytest

from dnsdisco.errors import WireError
from dnsdisco.wire.tcp_frame import frame, FrameReader
from tests.conformance import slowest
from tests.conformance.grammar import Grammar
from tests.conformance.oracle import judge, read
from tests.conformance.probes import header, name, opt, question
from tests.conformance.served import Served
from tests.kit import Answers

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("DNSDISCO_FUZZ", "20000"))
SEED = int(os.environ.get("DNSDISCO_SEED", "8906"))
CONTROL = header(counts=(1, 0, 0, 1)) + question(name("_grpc._tcp.web.svc.local"), 33) + opt()
CONTROL_EVERY = 1000
DROPPED = {"a reply sent to a server", "shorter than a header"}

UDP_S_MAX, TCP_S_MAX = 0.0005, 0.005  # of one message of 1,232 octets, of 64 KiB


@pytest.fixture
def answers() -> Answers:
    return Answers(recursion=False)


def respond(answers: Answers, message: bytes, *, is_tcp: bool) -> tuple[bytes | None, float]:
    replies: list[bytes] = []
    begin = time.perf_counter()
    answers.responder.respond(message, "127.0.0.1", is_tcp=is_tcp, send=replies.append)
    seconds = time.perf_counter() - begin
    assert len(replies) <= 1
    return (replies[0] if replies else None), seconds


@pytest.mark.timeout(3600)
def test_every_reply_is_the_one_that_is_due(answers):
    grammar, measured = Grammar(SEED), Answers(recursion=False)
    costly = slowest.Slowest(lambda message, runs: slowest.cost_s(measured, message, is_tcp=False, runs=runs))
    silences = 0
    for number in range(COUNT):
        message, is_tcp = grammar.message(), bool(number & 1)
        reply, seconds = respond(answers, message, is_tcp=is_tcp)
        wrong = judge(message, reply, is_tcp=is_tcp)
        assert not wrong, (
            f"seed {SEED}, message {number} {'tcp' if is_tcp else 'udp'} {message.hex()}: {wrong}\n{(reply or b'').hex()}"
        )
        silences += reply is None
        costly.show(message, seconds)
        if number % CONTROL_EVERY == 0:
            reply, _ = respond(answers, CONTROL, is_tcp=False)
            assert judge(CONTROL, reply, is_tcp=False) == ""
    assert set(answers.responder.faults) <= DROPPED
    assert silences == sum(answers.responder.faults.values())
    _keep(costly, is_tcp=False)


@pytest.mark.timeout(3600)
def test_64_kib_of_anything(answers):
    grammar, measured = Grammar(SEED + 1), Answers(recursion=False)
    costly = slowest.Slowest(lambda message, runs: slowest.cost_s(measured, message, is_tcp=True, runs=runs))
    for number in range(COUNT // 100):
        message = grammar.large()
        reply, seconds = respond(answers, message, is_tcp=True)
        assert judge(message, reply, is_tcp=True) == "", f"seed {SEED}, message {number}"
        costly.show(message, seconds)
    assert not answers.responder.faults
    _keep(costly, is_tcp=True)


def _keep(costly: slowest.Slowest, *, is_tcp: bool) -> None:
    found = costly.found()
    print(f"costliest {'64 KiB over TCP' if is_tcp else 'datagram'}: {found[0][0] * 1e6:.0f} µs; {COUNT} messages, seed {SEED}")
    if os.environ.get("DNSDISCO_KEEP_SLOWEST"):
        others = [entry for entry in slowest.load() if entry[0] != is_tcp]
        slowest.save(sorted([*others, *((is_tcp, message) for _, message in found)]))


def test_the_costliest_that_were_found_are_cheap(answers):
    for is_tcp, limit in ((False, UDP_S_MAX), (True, TCP_S_MAX)):
        costs = [slowest.cost_s(answers, message, is_tcp=is_tcp) for over_tcp, message in slowest.load() if over_tcp == is_tcp]
        assert costs
        assert max(costs) <= limit
        assert statistics.median(costs) <= limit


@pytest.mark.timeout(3600)
def test_datagrams_over_a_real_socket(answers):
    """Through the datagram loop and its tables. Silence is silence when the next question is answered and nothing came before it."""
    grammar, control = Grammar(SEED + 2), header() + question(name("nosuch-control.svc.local"))
    with Served(answers) as served, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(served.target)
        sock.settimeout(5)
        for number in range(COUNT // 20):
            message = grammar.message()
            sock.send(message)
            reply = None
            if read(message).rcode is None:
                sock.send(control)
                assert sock.recv(65535)[12:][: len(control) - 12] == control[12:]
            else:
                reply = sock.recv(65535)
            assert judge(message, reply, is_tcp=False) == "", (
                f"seed {SEED}, message {number} {message.hex()} {(reply or b'').hex()}"
            )
    assert set(answers.responder.faults) <= DROPPED


@pytest.mark.timeout(3600)
def test_streams_cut_anywhere_over_a_real_socket(answers):
    """Several messages a connection, in segments of any size; one that is too short to be a message ends it, after what came before."""
    grammar, source = Grammar(SEED + 3), random.Random(SEED)
    with Served(answers) as served:
        for _ in range(COUNT // 400):
            messages = [grammar.message() for _ in range(source.randrange(1, 20))]
            stream = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
            ends = next((at for at, message in enumerate(messages) if len(message) < 12), None)
            with socket.create_connection(served.target, 5) as sock:
                for piece in _pieces(stream, source):
                    try:
                        sock.sendall(piece)
                    except ConnectionError:
                        assert ends is not None
                        break
                for message in messages[:ends]:
                    if read(message).rcode is None:
                        continue
                    reply = _read(sock)
                    assert judge(message, reply, is_tcp=True) == "", message.hex()
                if ends is not None:
                    assert _read(sock) is None
    assert set(answers.responder.faults) <= DROPPED


def _pieces(stream: bytes, source: random.Random) -> list[bytes]:
    cuts = sorted({0, len(stream), *(source.randrange(len(stream) + 1) for _ in range(source.randrange(6)))})
    return [stream[begin:end] for begin, end in pairwise(cuts)]


def _read(sock: socket.socket) -> bytes | None:
    octets = b""
    try:
        while len(octets) < 2 or len(octets) < 2 + int.from_bytes(octets[:2], "big"):
            wanted = 2 + int.from_bytes(octets[:2], "big") if len(octets) >= 2 else 2
            piece = sock.recv(wanted - len(octets))
            if not piece:
                return None
            octets += piece
    except ConnectionError:
        return None
    return octets[2:]


def test_frames_however_they_are_cut():
    """The reader gives the messages that were framed, in order, and a fault exactly where a length is too short."""
    source = random.Random(SEED)
    for _ in range(COUNT // 20):
        messages = [source.randbytes(source.choice((12, 13, 40, 300, 5000))) for _ in range(source.randrange(1, 8))]
        stream = b"".join(map(frame, messages))
        is_broken = source.random() < 0.3
        if is_broken:
            stream += source.randrange(12).to_bytes(2, "big") + bytes(source.randrange(12))
        reader, got, has_failed = FrameReader(), [], False
        for piece in _pieces(stream, source):
            reader.receive(piece)
            try:
                while (message := reader.next_message()) is not None:
                    got.append(message)
            except WireError:
                has_failed = True
                break
        assert got == messages
        assert has_failed == is_broken


# The oracle itself: a sound reply, and something in it changed.


def sound(message: bytes) -> bytes:
    reply, _ = respond(Answers(recursion=False), message, is_tcp=False)
    assert reply is not None
    assert judge(message, reply, is_tcp=False) == ""
    return reply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: None,
        lambda reply: b"\0\0" + reply[2:],
        lambda reply: reply[:2] + bytes((reply[2] & 0x7F,)) + reply[3:],
        lambda reply: reply[:2] + bytes((reply[2] ^ 0x04,)) + reply[3:],
        lambda reply: reply[:2] + bytes((reply[2] ^ 0x01,)) + reply[3:],
        lambda reply: reply[:3] + bytes((reply[3] ^ 0x80,)) + reply[4:],
        lambda reply: reply[:3] + bytes((reply[3] ^ 0x20,)) + reply[4:],
        lambda reply: reply[:3] + bytes((reply[3] ^ 0x03,)) + reply[4:],
        lambda reply: reply[:-1],
        lambda reply: reply + b"\0",
        lambda reply: reply.replace(b"web", b"wEb", 1),
        lambda reply: reply.replace((9090).to_bytes(2, "big"), (9091).to_bytes(2, "big")),
        lambda reply: reply[:7] + b"\0" + reply[8:12] + reply[12 : len(CONTROL) - 11] + reply[-11:],
        lambda reply: reply[:10] + bytes((0, reply[11] - 1)) + reply[12:-11],
        lambda reply: reply[:-5] + b"\x40" + reply[-4:],
        lambda reply: reply[:-2] + b"\0\4\0\x64\0\0",
    ],
)
def test_the_oracle_sees_it(spoil):
    reply = spoil(sound(CONTROL))
    assert judge(CONTROL, reply, is_tcp=False) != ""


def test_the_oracle_knows_silence():
    assert judge(CONTROL, sound(CONTROL), is_tcp=False) == ""
    for message in (b"", CONTROL[:11], CONTROL[:2] + b"\x80" + CONTROL[3:]):
        assert judge(message, None, is_tcp=False) == ""
        assert judge(message, sound(CONTROL), is_tcp=False) != ""


def test_the_same_seed_gives_the_same_messages():
    one, other, third = Grammar(1), Grammar(1), Grammar(2)
    messages = [one.message() for _ in range(500)]
    assert messages == [other.message() for _ in range(500)]
    assert messages != [third.message() for _ in range(500)]
    assert one.large() == other.large()
