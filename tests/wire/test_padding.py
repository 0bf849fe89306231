"""Padding of replies: to the block, whatever is in them, and readable (RFC 7830, RFC 8467)."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.wire.padding import BLOCK_OCTETS, padded
from tests.kit import Answers

ASKS = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(20))
ANSWERS = Answers(recursion=False)


def ask(name, rtype="A", *, is_encrypted=True, **query):
    question = dns.message.make_query(name, rtype, **{"use_edns": 0, "options": [ASKS], **query})
    got: list[bytes] = []
    ANSWERS.responder.respond(question.to_wire(), "127.0.0.1", is_tcp=True, is_encrypted=is_encrypted, send=got.append)
    (octets,) = got
    return octets, dns.message.from_wire(octets)


def padding_of(reply):
    return [option for option in reply.options if option.otype == dns.edns.OptionType.PADDING]


@pytest.mark.parametrize(
    ("name", "rtype"), [("web.svc.local.", "SRV"), ("nosuch.svc.local.", "A"), ("example.com.", "A"), ("web.svc.local.", "ANY")]
)
def test_replies_to_padded_queries_are_padded(name, rtype):
    octets, reply = ask(name, rtype)
    assert len(octets) % BLOCK_OCTETS == 0
    (option,) = padding_of(reply)
    assert set(option.to_wire() or b"\0") == {0}
    plain, _ = ask(name, rtype, options=[])
    assert len(plain) < len(octets)


def test_only_where_it_hides_something_and_was_asked_for():
    assert not padding_of(ask("web.svc.local.", is_encrypted=False)[1])
    assert not padding_of(ask("web.svc.local.", options=[])[1])
    assert ask("web.svc.local.", use_edns=False, options=None)[1].edns == -1


def test_faults_too():
    octets, reply = ask("web.svc.local.", use_edns=1)  # BADVERS
    assert reply.rcode() == 16
    assert len(octets) % BLOCK_OCTETS == 0


def test_after_a_signature_nothing_is_added():
    query = dns.message.make_query("web.svc.local.", "A", use_edns=0, options=[ASKS])
    query.use_tsig(dns.tsigkeyring.from_text({"key.": "c2VjcmV0c2VjcmV0c2VjcmV0"}))
    got: list[bytes] = []
    ANSWERS.responder.respond(query.to_wire(), "127.0.0.1", is_tcp=True, is_encrypted=True, send=got.append)
    assert got[0][3] & 15 == 9  # NOTAUTH
    assert len(got[0]) % BLOCK_OCTETS


@given(st.integers(12, 65535))
def test_any_length_ends_at_a_block_or_at_what_a_message_may_have(size):
    head = b"\0\0\x80\0\0\0\0\0\0\0\0\1"
    opt = b"\0\0\x29\4\xd0\0\0\0\0"
    filler = size - len(head) - len(opt) - 2
    if filler < 0:
        return
    reply = head + opt + filler.to_bytes(2, "big") + bytes(filler)
    got = padded(reply)
    assert len(got) % BLOCK_OCTETS == 0 or len(got) in (65535, len(reply))
    assert len(got) <= 65535
    assert len(got) - len(reply) < BLOCK_OCTETS + 4


@given(st.binary(max_size=100))
def test_what_is_no_reply_is_left_alone(octets):
    assert len(padded(octets)) >= len(octets)
