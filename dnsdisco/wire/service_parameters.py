"""SvcParams: what may stand behind the target of an SVCB or HTTPS record (RFC 9460 §2.2, §7, §8).

A client that cannot read one parameter has to give up the whole record (§2.2), and programs such as dig give up the whole reply.
"""

from __future__ import annotations

from itertools import pairwise

from dnsdisco.errors import WireError

MANDATORY, ALPN, NO_DEFAULT_ALPN, PORT, IPV4HINT, IPV6HINT = 0, 1, 2, 3, 4, 6
PORT_OCTETS, KEY_OCTETS = 2, 2
ADDRESS_OCTETS = {IPV4HINT: 4, IPV6HINT: 16}


def check(message: bytes, at: int, end: int) -> int:
    """The offset behind the parameters that begin at *at*; perhaps beyond *end*. Raises WireError for one that cannot be right. Takes linear time."""
    values: dict[int, bytes] = {}
    last = -1
    while at + 3 < end:
        key = message[at] << 8 | message[at + 1]
        if key <= last:
            raise WireError("service parameters that are not in order")
        last = key
        begin = at + 4
        at = begin + (message[at + 2] << 8 | message[at + 3])
        values[key] = message[begin:at]
    if at == end and not _are_right(values):
        raise WireError("a service parameter with a value that it cannot have")
    return at


def _are_right(values: dict[int, bytes]) -> bool:
    """Keys above those of RFC 9460 may have any value."""
    return (
        (ALPN not in values or _are_protocols(values[ALPN]))
        and (NO_DEFAULT_ALPN not in values or (not values[NO_DEFAULT_ALPN] and ALPN in values))
        and (PORT not in values or len(values[PORT]) == PORT_OCTETS)
        and all(values[key] and not len(values[key]) % octets for key, octets in ADDRESS_OCTETS.items() if key in values)
        and (MANDATORY not in values or _are_there(values[MANDATORY], values))
    )


def _are_protocols(value: bytes) -> bool:
    """True for at least one string of at least one octet, up to the end (§7.1.1)."""
    at = 0
    while at < len(value) and value[at]:
        at += 1 + value[at]
    return at == len(value) > 0


def _are_there(value: bytes, values: dict[int, bytes]) -> bool:
    """True for at least one key, in ascending order, each of them in the record, and `mandatory` itself not among them (§8)."""
    keys = [int.from_bytes(value[at : at + KEY_OCTETS], "big") for at in range(0, len(value), KEY_OCTETS)]
    is_whole = bool(value) and not len(value) % KEY_OCTETS
    return (
        is_whole
        and keys[0] != MANDATORY
        and all(one < other for one, other in pairwise(keys))
        and all(key in values for key in keys)
    )
