"""Statements about messages, EDNS and TCP (docs/statements.md), each over real sockets by UDP and by TCP where no other test has it whole."""

from __future__ import annotations

import ast
import dataclasses
import re
import socket
import struct
import time
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.settings.declared import Settings
from dnsdisco.wire import constants
from tests.answer.test_rows import ROWS
from tests.conformance.exchange import send
from tests.conformance.probes import header, name, opt, option, question
from tests.conformance.served import Served
from tests.kit import Answers, CannedUpstreams, errors

DOCS = Path(__file__).parents[2] / "docs"
ZONE_FILE = (
    "$ORIGIN svc.local.\nbig 60 TXT " + " ".join(f'"{letter * 200}"' for letter in "abcdefghijkl") + "\n_gone._tcp 60 SRV 0 0 0 .\n"
)
UPSTREAM = {
    ("x.test.", "A"): "x.test. 60 IN A 192.0.2.1",
    ("big.test.", "TXT"): "\n".join(f'big.test. 60 IN TXT "{letter * 200}"' for letter in "abcdefghijkl"),
    ("dead.test.", "A"): None,
}


@pytest.fixture(scope="module")
def served():
    answers = Answers(upstreams=CannedUpstreams(UPSTREAM), zone_file=ZONE_FILE)
    with Served(answers) as server:
        yield answers, server.target


@pytest.fixture(params=[False, True], ids=["udp", "tcp"])
def ask(served, request):
    """A message's reply."""
    _, target = served

    def ask(message: bytes) -> bytes:
        reply = send(target, message, is_tcp=request.param, timeout_s=5.0)
        assert reply is not None
        return reply

    asking: Any = ask
    asking.is_tcp = request.param
    return asking


def query(qname: str, rtype: str = "A", **options) -> bytes:
    return dns.message.make_query(qname, rtype, **options).to_wire()


def rcode(reply: bytes) -> str:
    return dns.rcode.to_text(dns.message.from_wire(reply, keyring=False).rcode())


def test_a_01_and_a_02_what_is_no_query_is_counted_and_never_answered(served, capfd):
    answers, target = served
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(target)
        sock.settimeout(5)
        before = answers.responder.faults.total()
        for _ in range(50):
            for message in (b"", header()[:11], header(0x8180) + question(), header(0x8181, (0, 0, 0, 0))):
                sock.send(message)
        sock.send(query("web.svc.local"))
        assert sock.recv(4096)[3] & 15 == 0  # the first thing that comes back
        assert answers.responder.faults.total() == before + 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("qname", ["wEb.sVc.LOCAL.", "noSuch.svc.local.", "x.TEST.", "svc.LOCAL."])
@pytest.mark.parametrize("flags", [0, dns.flags.RD, dns.flags.RD | 0x40, dns.flags.CD])
def test_a_03_what_a_reply_repeats(ask, qname, flags):
    for _ in range(2):
        message = bytearray(query(qname, use_edns=0))
        message[2:4] = struct.pack("!H", flags)
        reply = ask(bytes(message))
        assert reply[:2] == message[:2]
        assert reply[2] & 0xF9 == 0x80 | (flags >> 8 & 1)  # QR, opcode QUERY, RD
        assert not reply[3] & 0x40
        end = 12 + len(dns.name.from_text(qname).to_wire()) + 4
        assert reply[12:end] == message[12:end]


@pytest.mark.parametrize("opcode", [1, 2, 3, *range(6, 16)])
def test_a_04_an_operation_that_is_not_known(ask, opcode):
    for body in (b"", question(), question() + opt()):
        counts = (bool(body), 0, 0, len(body) > len(question()))
        reply = ask(header(opcode << 11 | 0x07F0, counts) + body)
        assert reply[2:] == struct.pack("!H", 0x8000 | opcode << 11 | 4) + bytes(8)


def test_a_07_a_name_of_255_octets(ask):
    labels = ["a" * 63, "b" * 63, "c" * 63, "d" * 51]
    qname = ".".join([*labels, "svc.local."])
    assert len(dns.name.from_text(qname).to_wire()) == 255
    assert rcode(ask(query(qname))) == "NXDOMAIN"
    forwarded = ".".join([*labels, "dd.test."])
    reply = dns.message.from_wire(ask(query(forwarded)))
    assert (reply.rcode(), reply.question[0].name.to_text()) == (dns.rcode.NOERROR, forwarded)


def test_a_08_any_octet_is_legal_in_a_label(ask):
    for octet in range(256):
        label = bytes((2, octet, 0x61))
        for zone, expected in (("svc.local", 3), ("test", 0)):
            message = header() + label + name(zone) + struct.pack("!HH", 1, 1)
            reply = ask(message) if not ask.is_tcp or octet % 16 == 0 else None
            if reply is not None:
                assert reply[3] & 15 == expected, octet
                assert reply[12 : len(message)] == message[12:]


def test_a_13_the_flags_that_say_who_speaks(ask):
    ours, others = (dns.message.from_wire(ask(query(qname, flags=0x0130))) for qname in ("web.svc.local", "x.test"))
    for reply, is_ours in ((ours, True), (others, False)):
        assert bool(reply.flags & dns.flags.AA) is is_ours
        assert reply.flags & dns.flags.RA
        assert not reply.flags & dns.flags.AD
        assert reply.flags & dns.flags.CD
    refused = Answers(upstreams=CannedUpstreams(UPSTREAM)).ask("web.svc.local", peer="192.0.2.9")
    assert (refused.rcode(), refused.flags & dns.flags.RA) == (dns.rcode.REFUSED, 0)
    assert not Answers(recursion=False).ask("web.svc.local").flags & dns.flags.RA


def pointers(message: bytes) -> list[tuple[int, int]]:
    """(where it stands, where it leads) of every pointer in owner names; in RDATA none may stand, but for the types of RFC 1035."""
    found = []

    def skip_name(at: int) -> int:
        while message[at]:
            if message[at] >= 0xC0:
                found.append((at, int.from_bytes(message[at : at + 2], "big") & 0x3FFF))
                return at + 2
            at += 1 + message[at]
        return at + 1

    at = skip_name(12) + 4
    for _ in range(sum(struct.unpack("!3H", message[6:12]))):
        at = skip_name(at)
        rtype, length = struct.unpack("!H6xH", message[at : at + 10])
        end = at + 10 + length
        if rtype == dns.rdatatype.SRV:
            start = len(found)
            assert skip_name(at + 16) == end
            assert len(found) == start, "a compressed SRV target (RFC 2782)"
        at = end
    assert at == len(message)
    return found


def test_a_14_names_are_compressed_backwards_and_srv_targets_not_at_all(ask):
    seen = 0
    for qname, rtype, _ in ROWS:
        message = query(qname, rtype, use_edns=0)
        for at, to in pointers(ask(message)):
            assert 12 <= to < at
            seen += 1
    assert seen > 50


def test_a_15_names_are_compared_by_ascii_case_alone(ask):
    shouted = dns.message.from_wire(ask(query("WEB.SVC.LOCAL.")))
    assert str(shouted.answer[0].name) == "WEB.SVC.LOCAL."
    # 0xC9 and 0xE9 are one letter in two cases for people, and two octets here
    answers = Answers(zone_file="$ORIGIN svc.local.\n\\201 60 A 10.0.9.1\n")
    for octet, expected in ((0xC9, 1), (0xE9, 0)):
        reply = answers.send(header() + bytes((1, octet)) + name("svc.local") + struct.pack("!HH", 1, 1))
        assert int.from_bytes(reply[6:8], "big") == expected


@pytest.mark.parametrize("flag", [0x0400, 0x0200, 0x0080, 0x0020, 0x0010, 0x0040])
def test_a_16_flags_that_mean_nothing_in_a_query_change_nothing(ask, flag):
    for qname in ("auth.svc.local", "x.test", "nosuch.svc.local"):
        plain, flagged = bytearray(query(qname)), bytearray(query(qname))
        flagged[:4] = plain[:2] + struct.pack("!H", 0x0100 | flag)
        expected = ask(bytes(plain))
        reply = ask(bytes(flagged))
        assert reply[2:4] == (expected[2:3] + bytes((expected[3] | (flag & 0x10),)))  # CD is copied (RFC 6840 §5.9)
        assert reply[4:] == expected[4:]


def test_a_60_an_opt_record_answers_an_opt_record(ask):
    bad = header(counts=(1, 0, 0, 1)) + question() + opt(option(10, b"1234"))
    for message, has_opt in (
        *((query(qname, use_edns=0), True) for qname in ("web.svc.local", "nosuch.svc.local", "x.test", "dead.test")),
        *((query(qname, use_edns=False), False) for qname in ("web.svc.local", "nosuch.svc.local", "x.test", "dead.test")),
        (bad, True),
        (header(counts=(1, 0, 0, 1)) + question() + opt(ttl=1 << 16), True),
        (header() + question(qclass=42), False),
        (header(counts=(1, 0, 0, 1)) + question(qclass=42) + opt(), True),
    ):
        assert (dns.message.from_wire(ask(message)).edns >= 0) is has_opt
    assert rcode(ask(bad)) == "FORMERR"


def test_a_62_of_another_edns_version_the_options_are_honoured(ask):
    options = option(3) + option(10, b"12345678") + option(100, b"x")
    reply = dns.message.from_wire(ask(header(counts=(1, 0, 0, 1)) + question() + opt(options, ttl=1 << 16 | 0x8000)))
    assert (reply.rcode(), reply.edns, reply.answer) == (dns.rcode.BADVERS, 0, [])
    assert not reply.flags & dns.flags.AA
    assert reply.ednsflags & dns.flags.DO
    assert {int(each.otype) for each in reply.options} == {3, 10}


@pytest.mark.parametrize("qname", ["big.svc.local", "big.test"])
def test_a_65_and_a_66_what_does_not_fit_is_cut_and_whole_over_tcp(ask, qname):
    for options, most in (
        ({"use_edns": False}, 512),
        ({"use_edns": 0, "payload": 600}, 600),
        ({"use_edns": 0, "payload": 100}, 512),
    ):
        octets = ask(query(qname, "TXT", **options))
        reply = dns.message.from_wire(octets)  # nothing is cut through
        if ask.is_tcp:
            assert len(octets) > 2400
            assert not reply.flags & dns.flags.TC
        else:
            assert len(octets) <= most
            assert reply.flags & dns.flags.TC
            assert reply.question
            assert (reply.edns >= 0) is bool(options["use_edns"] == 0 and "payload" in options)


def test_a_67_a_cookie_by_itself(ask):
    reply = dns.message.from_wire(ask(header(0, (0, 0, 0, 1)) + opt(option(10, b"12345678"))))
    assert (reply.rcode(), reply.question) == (dns.rcode.NOERROR, [])
    (cookie,) = reply.options
    octets = cookie.to_wire()
    assert (len(octets), octets[:8], octets[8]) == (24, b"12345678", 1)
    again = dns.message.from_wire(ask(header(0, (0, 0, 0, 1)) + opt(option(10, octets))))
    assert again.options[0].to_wire() == octets


def test_a_68_nsid_for_those_who_ask_where_it_is_configured(ask):
    for options, expected in ((b"", 0), (option(3), 1)):
        reply = ask(header(counts=(1, 0, 0, 1)) + question() + opt(options))
        assert reply.count(b"\0\3\0\4here") == expected
    silent = Answers()
    zone = silent.policy.answers.zone
    silent.responder.configure(silent.policy._replace(answers=AnswerSettings(dataclasses.replace(zone, configured=Settings()))))
    assert silent.ask("web.svc.local", options=[dns.edns.GenericOption(3, b"")]).options == ()


def test_a_69_a_reason_goes_to_those_who_can_read_it(ask):
    told = dns.message.from_wire(ask(query("dead.test", use_edns=0)))
    assert any(errors(told).values())
    assert not any("\0" in text for text in errors(told).values())
    assert dns.message.from_wire(ask(query("dead.test", use_edns=False))).edns == -1


@pytest.mark.slow
def test_a_69_every_code_that_is_sent_is_in_the_docs():
    package = DOCS.parent / "dnsdisco"
    named = {
        name: getattr(constants, name)
        for name in dir(constants)
        if name.startswith("EDE_") and isinstance(getattr(constants, name), int)
    }
    used = set()
    for path in package.rglob("*.py"):
        if path.name != "constants.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name) and node.id in named:
                    used.add(node.id)
    sent = {named[name] for name in used}
    assert sent >= {3, 14, 18, 19, 20, 22, 23}
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| [^|]+ \|$", (DOCS / "statements.md").read_text(), re.MULTILINE)
    assert set(map(int, rows)) == sent


def test_a_70_a_client_subnet_is_neither_read_nor_echoed(ask):
    for octets in (b"\0\1\x18\0\x0a\0\0", b"\0\1\xff\0\x0a", b"\0\x63\x20\0abcd", b""):
        reply = ask(header(counts=(1, 0, 0, 1)) + question() + opt(option(8, octets)))
        assert rcode(reply) == "NOERROR"
        assert dns.message.from_wire(reply).options == ()


def test_a_71_keepalive_is_for_connections(ask):
    reply = dns.message.from_wire(ask(header(counts=(1, 0, 0, 1)) + question() + opt(option(11))))
    assert [each.to_wire() for each in reply.options] == ([(100).to_bytes(2, "big")] if ask.is_tcp else [])


def test_a_72_many_options_cost_little(served):
    answers, _ = served
    message = header(counts=(1, 0, 0, 1)) + question() + opt(option(100) * 512)
    assert rcode(answers.send(message, is_tcp=True)) == "NOERROR"
    assert rcode(answers.send(header(counts=(1, 0, 0, 1)) + question() + opt(option(100) * 16_000), is_tcp=True)) == "FORMERR"
    times = []
    for _ in range(7):
        began = time.process_time()
        answers.send(header(counts=(1, 0, 0, 1)) + question() + opt(option(100, bytes(60_000))), is_tcp=True)
        answers.send(header(counts=(1, 0, 0, 1)) + question() + opt(option(100) * 16_000), is_tcp=True)
        times.append(time.process_time() - began)
    assert min(times) < 0.01


@pytest.mark.parametrize("options", [option(3) * 3, option(10, b"12345678") + option(10, b"87654321"), option(12, bytes(8)) * 2])
def test_a_73_of_a_doubled_option_the_first_counts(ask, options):
    reply = dns.message.from_wire(ask(header(counts=(1, 0, 0, 1)) + question() + opt(options)))
    assert reply.rcode() == dns.rcode.NOERROR
    assert len(reply.options) <= 1
    if reply.options and int(reply.options[0].otype) == 10:
        assert reply.options[0].to_wire()[:8] == b"12345678"
