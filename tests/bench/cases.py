"""What is asked: each case is a file of queries."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.bench.load import query

A, SRV, AAAA = 1, 33, 28
COOKIE = b"\0\x0a\0\x08abcdefgh"


class Case(NamedTuple):
    name: str
    services: int
    queries: Callable[[int], Iterable[bytes]]  # of the number of services


def _shuffled(queries: Iterable[bytes]) -> list[bytes]:
    result = list(queries)
    random.Random(1).shuffle(result)
    return result


def _hits(services: int) -> Iterable[bytes]:
    return _shuffled(query(f"s{n}.svc.local", qtype) for n in range(services) for qtype in (A, SRV))


def _mixed_case(services: int) -> Iterable[bytes]:
    source = random.Random(2)

    def spelled(name: str) -> str:
        return "".join(source.choice((char.upper(), char)) for char in name)

    return _shuffled(query(spelled(f"s{n}.svc.local"), A) for n in range(services) for _ in range(3))


def _random_names(services: int) -> Iterable[bytes]:
    source = random.Random(3)
    return (query(f"x{source.randrange(1 << 40)}.svc.local", A) for _ in range(200_000))


CASES = [
    Case("hits: A and SRV with glue", 1000, _hits),
    Case("hits without EDNS", 1000, lambda services: _shuffled(query(f"s{n}.svc.local", A, edns=False) for n in range(services))),
    Case("hits in mixed case", 1000, _mixed_case),
    Case(
        "hits with a cookie", 1000, lambda services: _shuffled(query(f"s{n}.svc.local", A, options=COOKIE) for n in range(services))
    ),
    Case("NODATA: AAAA", 1000, lambda services: _shuffled(query(f"s{n}.svc.local", AAAA) for n in range(services))),
    Case("NXDOMAIN: random names", 1000, _random_names),
]
