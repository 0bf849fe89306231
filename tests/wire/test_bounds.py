"""Bounds of messages: what is within one is read or written, and one more is refused or cut."""

from __future__ import annotations

import struct

import pytest

from dnsdisco.errors import WireError
from dnsdisco.wire import name, name_reader, parse, presentation, rdata, tokens
from dnsdisco.wire.tokens import LineError
from tests.kit import Answers


@pytest.mark.parametrize("length", [62, 63, 64, 200])
def test_a_label_has_63_octets(length: int) -> None:
    text = "a" * length + ".example"
    if length <= 63:
        assert name.read(name.from_text(text), 0)[1] == length + 10
    else:
        with pytest.raises(WireError):
            name.from_text(text)


@pytest.mark.parametrize("pointers", [15, 16, 17, 100])
def test_a_name_may_have_16_pointers(pointers: int) -> None:
    """Each goes to the one before it; the last to a name that is written out."""
    header = bytes(12)
    chain = b"\1a\0" + b"".join(b"\1b" + (0xC000 | at).to_bytes(2, "big") for at in [12, *range(15, 15 + 4 * (pointers - 1), 4)])
    message = header + chain
    begin = len(message) - 4
    if pointers <= 16:
        assert name.read(message, begin)[0] == b"\1b" * pointers + b"\1a\0"
        assert name_reader.NameReader(message).lower(begin) == b"\1b" * pointers + b"\1a\0"
    else:
        with pytest.raises(WireError):
            name.read(message, begin)
        with pytest.raises(WireError):
            name_reader.NameReader(message).lower(begin)


def test_text_longer_than_any_name_is_refused_unread() -> None:
    longest = "".join("\\097" * 63 + "." for _ in range(3)) + "\\097" * 61
    assert name.from_text(longest)[-1] == 0
    assert len(name.from_text(longest)) == 255
    assert len(longest) <= name.TEXT_MAX == 1020
    with pytest.raises(WireError, match="is longer than a name can be"):
        name.from_text("." * 1021)
    with pytest.raises(WireError, match="an empty label"):
        name.from_text("." * 1020)


def replies(records: int) -> bytes:
    """A reply of so many A records of the name that was asked."""
    head = struct.pack("!HHHHHH", 1, 0x8180, 1, records, 0, 0) + b"\1a\0\0\1\0\1"
    return head + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1") * records


def test_a_message_has_4096_records() -> None:
    assert len(parse.places(replies(4096))) == 4096
    with pytest.raises(WireError, match="more than 4096 records"):
        parse.places(replies(4097))
    with pytest.raises(WireError, match="more than 4096 records"):
        parse.places(replies(0)[:6] + b"\xff\xff" + replies(0)[8:])  # refused by what the header says, before any is read


def test_a_string_of_txt_has_255_octets() -> None:
    assert rdata.txt([b"x" * 255]) == b"\xff" + b"x" * 255
    service = f"web: {{address: 10.0.0.1, port: 80, meta: {{ok: {'x' * 252}, no: {'x' * 253}}}}}"
    strings = [string for rrset in Answers(service).ask("web.svc.local", "TXT").answer for each in rrset for string in each.strings]
    assert [string for string in strings if len(string) > 200] == [b"ok=" + b"x" * 252]


def test_a_record_has_70_000_words() -> None:
    ((_, _, words),) = tokens.lines("a TXT (" + " x" * 69_998 + " )")
    assert len(words) == 70_000
    with pytest.raises(LineError, match="more than 70000 words"):
        list(tokens.lines("a TXT (" + " x" * 69_999 + " )"))
    with pytest.raises(LineError, match="more than 70000 words"):
        list(tokens.lines("a TXT (\n" + "x\n" * 69_999 + ")"))


@pytest.mark.parametrize(("ttl", "read"), [(0x7FFFFFFE, 0x7FFFFFFE), (0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, 0), (0xFFFFFFFF, 0)])
def test_a_ttl_of_31_bits_is_one(ttl: int, read: int) -> None:
    message = replies(1)
    at = message.index(b"\0\0\0\x3c")
    changed = message[:at] + ttl.to_bytes(4, "big") + message[at + 4 :]
    (place,) = parse.places(changed)
    assert parse.ttl(changed, place) == read


def test_our_opt_record_offers_1232_octets() -> None:
    """Whatever the client offers: it is what we read of a datagram at the most, and no link fragments it (RFC 9715)."""
    for offered in (512, 1232, 4096, 65535):
        assert Answers("web: {address: 10.0.0.1}").ask("web.svc.local", payload=offered).payload == 1232


def test_data_of_a_record_leave_room_for_the_rest_of_a_message() -> None:
    for rtype in (16, 65280):
        fits = b"\xff" + b"x" * 255
        octets = (fits * 255)[: 65023 - 65023 % 256] + bytes((65023 % 256 - 1,)) + b"x" * (65023 % 256 - 1)
        assert presentation.from_text(rtype, f"\\# {len(octets)} {octets.hex()}") == octets
        assert len(octets) == 65023
        with pytest.raises(WireError, match="65024 octets of data; at most 65023"):
            presentation.from_text(65280, f"\\# 65024 {'00' * 65024}")
