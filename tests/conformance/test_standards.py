"""RFC 8906 (18 questions), EDNS compliance (98) and the table of odd input, to the program itself: a zone of its own and a forwarded one."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest

from tests.conformance import standards
from tests.conformance.decoded import AA, CD, decode, RA, RD, TC, Z
from tests.conformance.exchange import send, Target
from tests.conformance.probes import probes
from tests.conformance.servers import Dnsdisco, is_here, Named
from tests.conformance.upstream_zone import serve
from tests.conformance.wanted import Asked, Edns, faults, NOTIMP, OPTIONS, Wanted
from tests.conformance.zonedata import make
from tests.forward.upstream import ScriptedUpstream
from tests.kit import Answers

pytestmark = pytest.mark.slow

OWN, FORWARDED = "svc.local", "example.test"
SILENCE_S = 0.2


@pytest.fixture(scope="module", params=["named", "scripted"])
def target(request, tmp_path_factory) -> Target:
    """dnsdisco, which serves OWN and forwards FORWARDED to somebody who serves the same data under that name."""
    data = make(FORWARDED, services=0)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "named":
        if not is_here(Named):
            pytest.skip("named is not installed (Debian: bind9); the zone is forwarded to a scripted upstream alone")
        upstream: Named | ScriptedUpstream = Named(folder / "named", data)
    else:
        upstream = ScriptedUpstream()
        upstream.on("*", serve(data))
    with upstream:
        address = upstream.target if isinstance(upstream, Named) else Target(upstream.host, upstream.port)
        with Dnsdisco(folder / "own", data, upstream=address) as server:
            yield server.target


@pytest.mark.parametrize("is_tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("zone", [OWN, FORWARDED])
@pytest.mark.parametrize(("title", "questions"), [("RFC 8906", 18), ("EDNS", 98)])
def test_every_question_of_the_list(target, title, questions, zone, is_tcp):
    outcome = standards.run(
        title, target, zone, large=f"many.{zone}", is_recursive=zone == FORWARDED, is_tcp=is_tcp, is_strict=True
    )
    assert outcome.wrong == {}
    assert str(outcome) == f"{questions}/{questions}"


# An upstream answers these; ours are in the table. With the scripted one the root is a name that does not exist.
OTHERWISE = {"the root": {"SERVFAIL", "NXDOMAIN"}}


@pytest.mark.parametrize("is_tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("zone", [OWN, FORWARDED])
def test_odd_input_over_sockets(target, zone, is_tcp):
    """Row for row; what a row says of the octets (`shape`) is of the other test's data and is not looked at here."""
    wrong = {}
    for probe in probes(zone):
        reply = send(target, probe.message, is_tcp=is_tcp, timeout_s=SILENCE_S if probe.expected == "-" else 2.0)
        got = "-" if reply is None else dns.rcode.to_text(dns.message.from_wire(reply, keyring=False).rcode())
        if got not in OTHERWISE.get(probe.title, {probe.expected}):
            wrong[probe.title] = f"{got}, not {probe.expected}"
    assert wrong == {}


# The judge itself: a sound reply, and one octet of it changed.

SOA_QUESTION = Asked("dns", "", OWN)
WITH_EDNS = Asked("edns", "", OWN, edns=Edns(options=OPTIONS["unknown"]))


def sound(asked: Asked) -> bytes:
    reply = Answers().send(asked.message(is_recursive=False))
    assert reply is not None
    return reply


def judged(asked: Asked, reply: bytes | None) -> list[str]:
    return faults(asked, reply, is_recursive=False, is_tcp=False, offers_recursion=True)


def flag(reply: bytes, bit: int) -> bytes:
    return reply[:2] + (int.from_bytes(reply[2:4], "big") ^ bit).to_bytes(2, "big") + reply[4:]


def test_a_sound_reply_has_no_fault():
    assert judged(SOA_QUESTION, sound(SOA_QUESTION)) == []
    assert judged(WITH_EDNS, sound(WITH_EDNS)) == []


@pytest.mark.parametrize(
    ("spoil", "tag"),
    [
        (lambda reply: flag(reply, AA), "noaa"),
        (lambda reply: flag(reply, TC), "tc"),
        (lambda reply: flag(reply, RD), "rd"),
        (lambda reply: flag(reply, RA), "nora"),
        (lambda reply: flag(reply, Z), "z"),
        (lambda reply: flag(reply, CD), "cd"),
        (lambda reply: flag(reply, 2), "rcode 2"),
        (lambda reply: flag(reply, 0x0800), "mismatch"),
        (lambda reply: b"\0\0" + reply[2:], "mismatch"),
        (lambda reply: reply[:14] + b"S" + reply[15:], "mismatch"),
        (lambda reply: reply + b"\0", "malformed"),
        (lambda reply: reply[:-1], "malformed"),
        (lambda reply: reply[:6] + bytes(6) + decode(reply).question, "nosoa"),
        (lambda reply: reply[:11] + b"\1" + reply[12:] + Edns().octets(), "opt"),
        (lambda reply: None, "timeout"),
    ],
)
def test_the_judge_sees_it(spoil, tag):
    found = judged(SOA_QUESTION, spoil(sound(SOA_QUESTION)))
    assert any(each.startswith(tag) for each in found), found


@pytest.mark.parametrize(
    ("opt", "tag"),
    [
        (b"", "noopt"),
        (Edns(version=1).octets(), "version"),
        (Edns(flags=0x40).octets(), "mbz"),
        (Edns(flags=0x8000).octets(), "do"),
        (Edns(options=OPTIONS["unknown"]).octets(), "echoed"),
        (Edns(options=OPTIONS["nsid"]).octets(), "unasked"),
        (Edns().octets() * 2, "malformed"),
    ],
)
def test_the_judge_sees_it_in_the_opt_record(opt, tag):
    reply = sound(WITH_EDNS)
    count = 2 if opt == Edns().octets() * 2 else bool(opt)
    found = judged(WITH_EDNS, reply[:11] + bytes((count,)) + reply[12:-11] + opt)
    assert any(each.startswith(tag) for each in found), found


def test_the_judge_sees_what_an_unknown_operation_must_not_bring():
    asked = Asked("opcode", "", OWN, opcode=15, is_header_only=True, wanted=Wanted(None, NOTIMP, is_empty=True, is_flagless=True))
    reply = sound(asked)
    assert judged(asked, reply) == []
    assert judged(asked, flag(reply, RD)) == ["rd"]
    assert judged(asked, reply[:11] + b"\1" + Edns().octets()) == ["notempty"]
