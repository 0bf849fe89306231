"""DNS Cookies (RFC 7873) with server cookies that any server of the same secret understands (RFC 9018 §4: SipHash-2-4)."""

from __future__ import annotations

import ipaddress

CLIENT_OCTETS = 8
COOKIE_OCTETS = CLIENT_OCTETS + 16  # with a server cookie of ours
ACCEPT_PAST_S, ACCEPT_FUTURE_S, RENEW_S = 3600, 300, 1800  # RFC 9018 §4.3
CACHE_ENTRIES_MAX = 4096  # clients keep their cookie; hashing in Python costs more than the answer
_MASK = 0xFFFFFFFFFFFFFFFF


class Cookies:
    """`secret`: 16 octets. Whether a client's cookie is ours, and the one it is given."""

    def __init__(self, secret: bytes) -> None:
        self._key = int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:16], "little")
        self.forgotten = 0  # times that all that was at hand made room
        self._known: dict[tuple[bytes, str], tuple[int, bytes]] = {}

    def reply(self, cookie: bytes, peer: str, now: int) -> tuple[bytes, bool]:
        """The COOKIE option's octets for the reply, and whether *cookie* proves that the client is at *peer*. *now*: Unix time.

        These are the client's eight, and a fresh or a still good server cookie: of those that the workers with this secret have made,
        the newest that this one has seen, so that all of them soon give the same one.
        """
        client, server = cookie[:CLIENT_OCTETS], cookie[CLIENT_OCTETS:]
        made_at, known = self._known.get((client, peer), (0, b""))
        if not 0 <= now - made_at < RENEW_S:
            known = b""
        if known and server == known:
            return cookie, True
        is_ours = self.is_ours(cookie, peer, now)
        if is_ours and 0 <= (age := _age(cookie, now)) < RENEW_S and (not known or now - age > made_at):
            known = self._know(client, peer, now - age, server)
        if not known:
            head = b"\1\0\0\0" + (now & 0xFFFFFFFF).to_bytes(4, "big")
            known = self._know(client, peer, now, head + self._hash(client + head + ipaddress.ip_address(peer).packed))
        return client + known, is_ours

    def _know(self, client: bytes, peer: str, made_at: int, server: bytes) -> bytes:
        if len(self._known) >= CACHE_ENTRIES_MAX:
            self._known.clear()
            self.forgotten += 1
        self._known[client, peer] = (made_at, server)
        return server

    def is_ours(self, cookie: bytes, peer: str, now: int) -> bool:
        """The whole cookie was made here (or by a server of the same secret) for this client, within the hour."""
        if len(cookie) != COOKIE_OCTETS or cookie[CLIENT_OCTETS] != 1 or not -ACCEPT_FUTURE_S <= _age(cookie, now) <= ACCEPT_PAST_S:
            return False
        return self._hash(cookie[:16] + ipaddress.ip_address(peer).packed) == cookie[16:]

    def _hash(self, octets: bytes) -> bytes:
        return siphash24(self._key, octets).to_bytes(8, "little")


def _age(cookie: bytes, now: int) -> int:
    return (now - int.from_bytes(cookie[12:16], "big") + 0x80000000 & 0xFFFFFFFF) - 0x80000000  # RFC 1982 arithmetic


def siphash24(key: tuple[int, int], octets: bytes) -> int:
    """SipHash-2-4 of *octets* (Aumasson and Bernstein 2012); *key* as two little-endian halves."""
    k0, k1 = key
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = v0 + v1 & _MASK
            v1 = (v1 << 13 | v1 >> 51) & _MASK ^ v0
            v0 = (v0 << 32 | v0 >> 32) & _MASK
            v2 = v2 + v3 & _MASK
            v3 = (v3 << 16 | v3 >> 48) & _MASK ^ v2
            v0 = v0 + v3 & _MASK
            v3 = (v3 << 21 | v3 >> 43) & _MASK ^ v0
            v2 = v2 + v1 & _MASK
            v1 = (v1 << 17 | v1 >> 47) & _MASK ^ v2
            v2 = (v2 << 32 | v2 >> 32) & _MASK

    padded = octets + bytes(7 - len(octets) % 8) + bytes((len(octets) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3
