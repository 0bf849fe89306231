"""A cookie in the octets of a query and of a reply: taken out and put in without reading the rest."""

from __future__ import annotations

import dns.edns
import dns.message
import pytest

from dnsdisco.wire.edns import cookie_tail, ede_option, OPT_OCTETS, opt_record, with_cookie, without_cookie

COOKIES = [b"12345678", b"12345678" + bytes(range(16))]


def query(*options: dns.edns.Option, name: str = "web.svc.local.") -> tuple[bytes, int]:
    """The message, and where its question ends."""
    message = dns.message.make_query(name, "A", use_edns=0, payload=1232, options=list(options), id=7).to_wire()
    return message, len(dns.message.make_query(name, "A", use_edns=False, id=7).to_wire())


def cookie(octets: bytes) -> dns.edns.GenericOption:
    return dns.edns.GenericOption(10, octets)


@pytest.mark.parametrize("octets", COOKIES)
def test_a_query_with_a_cookie_alone_is_the_query_without_one(octets: bytes) -> None:
    message, end = query(cookie(octets))
    assert message.endswith(cookie_tail(octets))
    assert without_cookie(message, octets, end) == query()[0]


@pytest.mark.parametrize("octets", COOKIES)
def test_a_query_with_more_than_a_cookie_is_left_to_the_longer_way(octets: bytes) -> None:
    other = dns.edns.GenericOption(65001, b"x")
    for options in ((other, cookie(octets)), (cookie(octets), other), (cookie(octets), cookie(octets)), (other,), ()):
        message, end = query(*options)
        assert without_cookie(message, octets, end) is None
    message, end = query(cookie(octets))
    assert without_cookie(message + b"x", octets, end) is None
    assert without_cookie(message, bytes((octets[0] ^ 1, *octets[1:])), end) is None
    for wrong in (end - 1, end + 1, end - OPT_OCTETS, end + OPT_OCTETS):
        assert without_cookie(message, octets, wrong) is None


@pytest.mark.parametrize("octets", COOKIES)
@pytest.mark.parametrize("reasons", [(), ("web has no address",), ("a", "b" * 200)])
def test_a_cookie_goes_before_the_reasons_of_a_reply(octets: bytes, reasons: tuple[str, ...]) -> None:
    options = b"".join(ede_option(0, text) for text in reasons)
    head = query()[0][: query()[1]][:10] + b"\0\1" + query()[0][12 : query()[1]]
    reply = dns.message.from_wire(with_cookie(head + opt_record(options), cookie_tail(octets)))
    first, *rest = reply.options
    assert (int(first.otype), first.to_wire()) == (10, octets)
    assert [option.text for option in rest if isinstance(option, dns.edns.EDEOption)] == list(reasons)
    assert reply.payload == 1232
