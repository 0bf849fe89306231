import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.errors import WireError
from dnsdisco.wire import name
from dnsdisco.wire.name_reader import NameReader

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=4)


@given(LABELS)
def test_wire_text_wire(labels):
    wire = name.wire_of(tuple(labels)) if sum(len(label) + 1 for label in labels) < 255 else name.wire_of(())
    assert name.from_text(name.to_text(wire)) == wire
    assert name.to_text(wire).isprintable()
    assert name.read(b"xx" + wire, 2) == (wire, 2 + len(wire))


@pytest.mark.parametrize("text", ["a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4), "a\\300", "a\\", "é"])
def test_what_is_no_name(text):
    with pytest.raises(WireError):
        name.from_text(text)


@given(st.binary(max_size=80), st.integers(0, 90))
def test_reading_any_octets_ends_in_a_name_or_an_error(octets, at):
    try:
        wire, end = name.read(octets, at)
    except WireError:
        return
    assert len(wire) <= 255
    assert at < end <= len(octets)
    assert name.wire_of(name.labels_of(wire)) == wire


def test_pointer_bombs_are_refused():
    chain = b"\0" + b"".join((0xC000 | at).to_bytes(2, "big") for at in range(0, 60, 2))
    with pytest.raises(WireError):
        name.read(chain, len(chain) - 2)
    with pytest.raises(WireError):
        name.read(b"\xc0\x00", 0)


@pytest.mark.parametrize(
    ("octets", "begin", "expected"),
    [
        (b"\1a\0" + b"\xc0\x0c", 15, b"\1a\0"),  # ends where the pointer begins
        (b"\1a\0" + b"\1b\xc0\x0c", 15, b"\1b\1a\0"),
        (b"\1a\0" + b"\1b\xc0\x0c" + b"\xc0\x0f", 19, b"\1b\1a\0"),
        (b"\2" + b"\xc0\x0c" + b"\0", 13, None),  # a label that is the pointer itself, and ends behind it
        (b"\1\1b" + b"\xc0\x0c\0", 13, None),  # … that is the label before the pointer
        (b"\1a" + b"\xc0\x0c\0", 14, None),  # labels that go on at the pointer
        (b"\1a" + b"\0\xc0\x0c", 14, b"\0"),  # the root, and no pointer
        (b"\1a\2" + b"\xc0\x0e\0", 15, None),
    ],
)
def test_what_a_pointer_leads_to_ends_before_it(octets, begin, expected):
    """Else a name reaches behind the record that it stands in, and is another one, or none, once what is behind it is cut off."""
    message = bytes(12) + octets
    for read in (name.read, lambda octets, at: NameReader(octets).read(at), lambda octets, at: (NameReader(octets).lower(at), 0)):
        if expected is None:
            with pytest.raises(WireError):
                read(message, begin)
        else:
            assert read(message, begin)[0] == expected


@pytest.mark.parametrize("at", range(14))
def test_no_name_stands_in_the_header(at):
    """What a pointer finds there is another name as soon as the id, the flags or the counts are others: when the message is passed on."""
    message = bytes((0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\0\0\1\0\1" + b"\1x" + (0xC000 | at).to_bytes(2, "big")
    for read in (name.read, lambda octets, at: NameReader(octets).read(at)):
        for begin in (17, 19):  # behind a label, and a pointer alone
            if at in (12, 13):
                assert read(message, begin) == ((b"\1x\0" if begin == 17 else b"\0"), 21)
            else:
                with pytest.raises(WireError):
                    read(message, begin)
    if at < 12:
        with pytest.raises(WireError):
            NameReader(message).lower(19)
