from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.errors import WireError
from dnsdisco.wire.tcp_frame import frame, FrameReader

messages_on_a_stream = st.lists(st.binary(min_size=12, max_size=300), max_size=20)


def taken(reader: FrameReader) -> list[bytes]:
    messages = []
    while (message := reader.next_message()) is not None:
        messages.append(message)
    return messages


@given(messages_on_a_stream, st.data())
def test_messages_survive_any_segmentation(messages, data):
    stream = b"".join(frame(message) for message in messages)
    reader, got = FrameReader(), []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 400))
        reader.receive(stream[at : at + step])
        at += step
        got += taken(reader)
    assert got == messages
    assert reader.is_between_messages
    assert reader.octets_held == 0


@given(messages_on_a_stream)
def test_one_octet_at_a_time_and_all_at_once_are_the_same(messages):
    stream = b"".join(frame(message) for message in messages)
    slow, quick, got = FrameReader(), FrameReader(), []
    for at in range(len(stream)):
        slow.receive(stream[at : at + 1])
        got += taken(slow)
    quick.receive(stream)
    assert got == taken(quick) == messages


@given(messages_on_a_stream, st.integers(0, 11), st.binary(max_size=40))
def test_what_came_before_a_bad_length_is_still_given(messages, octets, rest):
    reader = FrameReader()
    reader.receive(b"".join(frame(message) for message in messages) + octets.to_bytes(2, "big") + rest)
    assert [reader.next_message() for _ in messages] == messages
    with pytest.raises(WireError) as error:
        reader.next_message()
    assert error.value.rcode is None


@given(st.binary(max_size=2000))
def test_any_octets_give_messages_or_a_wire_error(octets):
    reader = FrameReader()
    reader.receive(octets)
    try:
        got = taken(reader)
    except WireError:
        return
    assert b"".join(frame(message) for message in got) == octets[: len(octets) - reader.octets_held]


def test_the_beginning_of_a_message_is_held():
    reader = FrameReader()
    reader.receive(b"\0")
    assert reader.next_message() is None
    assert not reader.is_between_messages
    reader.receive(b"\x0c" + b"x" * 11)
    assert reader.next_message() is None
    assert reader.octets_held == 13
    reader.receive(b"x")
    assert reader.next_message() == b"x" * 12


def test_the_largest_message_fits_and_no_larger_one():
    reader = FrameReader()
    reader.receive(frame(b"m" * 65535))
    assert reader.next_message() == b"m" * 65535
    with pytest.raises(WireError):
        frame(b"m" * 65536)


def test_a_full_segment_of_small_messages_is_read_in_linear_time():
    reader = FrameReader()
    reader.receive(frame(b"q" * 30) * 20_000)
    assert len(taken(reader)) == 20_000
