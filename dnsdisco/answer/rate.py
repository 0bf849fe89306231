"""Limits the answers that one network receives over UDP: token buckets by prefix and by kind of answer, in a table with a bound.

A UDP sender can be forged: an attacker who writes a victim's address as the sender of small questions makes us send large answers there.
So a network that is not exempt gets a limited number of answers a second (response rate limiting). Of those beyond the limit, every `slip`th
is an empty reply with TC, as large as the question: a real client asks again over TCP, or sends the cookie that came along.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import auto, Enum
from typing import TypeAlias

from dnsdisco.settings.sections import RateLimits

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIXES_MAX = 16_384  # networks that are counted at a time, some 6 MB; when full, all are forgotten, and begin anew
OCTETS_A_TOKEN = 256  # of a reply; a larger one costs a token more for every such part: 51 KB/s go to a network at most

# A flood of names that do not exist shall not use up what is there for the others, nor one of refusals.
ANSWER, DENIAL, ERROR = range(3)
KINDS = tuple({0: ANSWER, 3: DENIAL}.get(rcode, ERROR) for rcode in range(16))  # by rcode


class RateVerdict(Enum):
    SEND = auto()
    SLIP = auto()
    DROP = auto()


class Bucket:
    """The tokens of one network. `credit`: tokens by kind, a second's worth at most.

    The datagram loop takes them by itself without looking at a clock; a bucket is filled when it comes here, so the first second of a
    flood may see three seconds' worth, and every later one the limit.
    """

    __slots__ = ("_filled_at", "_limits", "_over", "credit")

    def __init__(self, limits: RateLimits, now: float) -> None:
        self._limits = limits
        self.credit = [limits.responses_per_second] * 3
        self._filled_at = [now] * 3
        self._over = 0

    def take(self, kind: int, octets: int, now: float) -> RateVerdict:
        """Decide whether a reply of so many *octets* may be sent, and take its tokens."""
        most = self._limits.responses_per_second
        cost = min(cost_of(octets), most)
        self._fill(kind, now)
        if self.credit[kind] >= cost:
            self.credit[kind] -= cost
            return RateVerdict.SEND
        self._over += 1
        slip = self._limits.slip
        return RateVerdict.SLIP if slip and not self._over % slip else RateVerdict.DROP

    def _fill(self, kind: int, now: float) -> None:
        most = self._limits.responses_per_second
        gained = int((now - self._filled_at[kind]) * most)
        if self.credit[kind] + gained >= most:
            self.credit[kind], self._filled_at[kind] = most, now
        elif gained > 0:  # what is less than a token goes on growing
            self.credit[kind] += gained
            self._filled_at[kind] += gained / most


class Buckets:
    """All networks that have been answered of late. `is_on`: whether any network is limited."""

    def __init__(self, limits: RateLimits, exempt: Iterable[Network]) -> None:
        self._limits, self._exempt = limits, tuple(exempt)
        self._buckets: dict[tuple[int, int], Bucket] = {}
        self.is_on = limits.responses_per_second > 0

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def is_full(self) -> bool:
        return len(self._buckets) >= PREFIXES_MAX

    def is_limited(self, address: Address) -> bool:
        return self.is_on and not any(address in network for network in self._exempt)

    def of(self, address: Address, now: float) -> Bucket | None:
        """The bucket of the network of *address*; None: it is not limited."""
        if not self.is_limited(address):
            return None
        limits = self._limits
        length = limits.ipv4_prefix if address.version == 4 else limits.ipv6_prefix
        key = address.version, int(address) >> (address.max_prefixlen - length)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(limits, now)
        return bucket

    def clear(self) -> None:
        self._buckets.clear()


def cost_of(octets: int) -> int:
    return 1 + octets // OCTETS_A_TOKEN
