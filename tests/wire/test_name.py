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
