"""EDNS(0): what a query's OPT record asks for, and the OPT record of a reply (RFC 6891, 7873, 7828, 7830, 8914)."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.errors import WireError
from dnsdisco.wire.constants import COOKIE, DO, EDE, KEEPALIVE, NSID, PADDING

OUR_UDP_OCTETS = 1232  # what we can receive without fragments (RFC 9715 §3; DNS flag day 2020)
OPT_OCTETS = 11  # an OPT record without options
OPTIONS_MAX = 512  # in one query: more than 1,232 octets hold; 64 KiB of empty ones would cost five milliseconds each time
EDE_TEXT_OCTETS_MAX = 200  # a reason fits; a longer one would crowd out answers


class Edns(NamedTuple):
    """`size`: UDP octets that the client can take, never below 512. `cookie`: the whole option, 8 or 16..40 octets, b"" for none."""

    size: int
    version: int
    dnssec_ok: bool
    cookie: bytes = b""
    wants_nsid: bool = False
    wants_keepalive: bool = False
    wants_padding: bool = False


def read_options(octets: bytes, size: int, ttl: int) -> Edns:
    """The content of an OPT record; unknown options are passed over, of a doubled one the first counts. Raises WireError.

    Linear in the options, of which there are OPTIONS_MAX at most.
    """
    cookie, wants_nsid, wants_keepalive, wants_padding = b"", False, False, False
    at, end, count = 0, len(octets), 0
    while at < end:
        count += 1
        if count > OPTIONS_MAX:
            raise WireError(f"more than {OPTIONS_MAX} EDNS options")
        if at + 4 > end:
            raise WireError("an EDNS option is cut short")
        code = octets[at] << 8 | octets[at + 1]
        length = octets[at + 2] << 8 | octets[at + 3]
        at += 4
        if at + length > end:
            raise WireError("an EDNS option runs past its record")
        if code == COOKIE and not cookie:
            if length != 8 and not 16 <= length <= 40:
                raise WireError(f"a COOKIE of {length} octets")  # RFC 7873 §5.2.2
            cookie = octets[at : at + length]
        elif code == NSID:
            wants_nsid = True
        elif code == KEEPALIVE:
            wants_keepalive = True
        elif code == PADDING:
            wants_padding = True
        at += length
    return Edns(max(size, 512), ttl >> 16 & 0xFF, bool(ttl & DO), cookie, wants_nsid, wants_keepalive, wants_padding)


def opt_record(options: bytes = b"", *, dnssec_ok: bool = False, extended_rcode: int = 0) -> bytes:
    """Our OPT record: version 0, `extended_rcode` the upper eight bits of the rcode, DO as the client sent it (RFC 3225 §3)."""
    return (
        b"\0\0\x29"
        + OUR_UDP_OCTETS.to_bytes(2, "big")
        + bytes((extended_rcode, 0, 0x80 if dnssec_ok else 0, 0))
        + len(options).to_bytes(2, "big")
        + options
    )


OPT_TYPE_AT, OPT_TYPE = -9, 0x29  # of a record without options, which ends in two NULs
_OUR_OPT = opt_record()[:7]  # up to the version: in replies with a plain rcode always the same


def with_cookie(reply: bytes, tail: bytes) -> bytes:
    """*reply*, whose OPT record is ours, comes last and has no option but EDEs, with a cookie before them. *tail*: of cookie_tail().

    Their texts hold no NUL and are sound UTF-8, so that what looks like our record last is our record.
    """
    at = reply.rindex(_OUR_OPT) + OPT_OCTETS
    length = len(reply) - at + len(tail) - 2
    return b"".join((reply[: at - 2], length.to_bytes(2, "big"), tail[2:], reply[at:]))


def option(code: int, octets: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets


def ede_option(code: int, text: str) -> bytes:
    """An Extended DNS Error (RFC 8914 §2): the text is UTF-8, without NUL, cut at a whole character."""
    octets = text.replace("\0", "").encode("utf-8", "replace")[:EDE_TEXT_OCTETS_MAX]
    return option(EDE, code.to_bytes(2, "big") + octets.decode("utf-8", "ignore").encode())


COOKIE_HEAD_OCTETS = 6  # of cookie_tail(), before the cookie


def cookie_tail(cookie: bytes) -> bytes:
    """The end of an OPT record whose one option is *cookie*: RDLEN, and the option (RFC 7873 §4)."""
    made = option(COOKIE, cookie)
    return len(made).to_bytes(2, "big") + made


def without_cookie(message: bytes, cookie: bytes, end: int) -> bytes | None:
    """The query that *message* would be without its *cookie*; None if it has more than that. *end*: of its question."""
    tail = cookie_tail(cookie)
    is_alone = len(message) == end + OPT_OCTETS - 2 + len(tail) and message.endswith(tail)
    return message[: -len(tail)] + b"\0\0" if is_alone else None
