"""What is asked of whom: each case is a file of queries, the servers that are compared, and what counts for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from typing import NamedTuple

from tests.bench.load import query

A, SRV, AAAA = 1, 33, 28
COOKIE = b"\0\x0a\0\x08abcdefgh"
ELSEWHERE = "fwd.example"  # what the upstream of the forwarding cases has, with a wildcard in it


class Case(NamedTuple):
    """`queries`: of the number of services and of the round. *fresh*: another file for each round, for names that are asked once.
    *returns_cookie*: each server is shown the cookie that it has given to this client.
    """

    key: str
    title: str
    services: int
    queries: Callable[[int, int], Iterable[bytes]]
    peers: tuple[str, ...] = ("dnsdisco", "Knot")
    transport: str = "udp"
    forwards: bool = False
    fresh: bool = False
    returns_cookie: bool = False
    workers: int = 1  # more than one: nothing is pinned to a processor
    window: int = 128  # queries outstanding
    warm_s: float = 1.0  # before anything is measured: every name has been asked once by then


def _shuffled(queries: Iterable[bytes]) -> list[bytes]:
    result = list(queries)
    random.Random(1).shuffle(result)
    return result


def _hits(services: int, _round: int) -> Iterable[bytes]:
    return _shuffled(query(f"s{n}.svc.local", qtype) for n in range(services) for qtype in (A, SRV))


def _hot(services: int, _round: int) -> Iterable[bytes]:
    """2,000 queries for 1,000 of the names, or as many as there are."""
    few = list(range(0, services, max(services // 1000, 1)))[:1000]
    return _shuffled(query(f"s{n}.svc.local", qtype) for n in islice(cycle(few), 1000) for qtype in (A, SRV))


def _each(qtype: int, *, edns: bool = True, options: bytes = b"") -> Callable[[int, int], Iterable[bytes]]:
    return lambda services, _round: _shuffled(query(f"s{n}.svc.local", qtype, edns=edns, options=options) for n in range(services))


def _mixed_case(services: int, _round: int) -> Iterable[bytes]:
    source = random.Random(2)

    def spelled(name: str) -> str:
        return "".join(source.choice((char.upper(), char)) for char in name)

    return _shuffled(query(spelled(f"s{n}.svc.local"), A) for n in range(services) for _ in range(3))


def _random_names(_services: int, _round: int) -> Iterable[bytes]:
    source = random.Random(3)
    return (query(f"x{source.randrange(1 << 40)}.svc.local", A) for _ in range(200_000))


def _cached(_services: int, _round: int) -> Iterable[bytes]:
    return _shuffled(query(f"n{n}.{ELSEWHERE}", A) for n in range(1000))


def _uncached(_services: int, round_: int) -> Iterable[bytes]:
    return (query(f"r{round_}n{n}.{ELSEWHERE}", A) for n in range(400_000))


EVERYBODY = ("dnsdisco", "dnslib per query", "Knot", "NSD", "Unbound", "BIND", "dnsmasq", "CoreDNS")
RESOLVERS = ("dnsdisco", "Unbound", "dnsmasq", "CoreDNS")

CASES = [
    Case("hits", "service hits: A and SRV with glue", 1000, _hits, EVERYBODY),
    Case("hits-plain", "hits without EDNS", 1000, _each(A, edns=False)),
    Case("hits-mixed", "hits in mixed case", 1000, _mixed_case),
    Case("hits-cookie", "hits with a DNS cookie", 1000, _each(A, options=COOKIE)),
    Case(
        "hits-cookies",
        "hits with the server's cookie, too",
        1000,
        _each(A, options=COOKIE),
        ("dnsdisco", "Knot", "Knot with cookies"),
        returns_cookie=True,
    ),
    Case("nodata", "NODATA: AAAA of an IPv4 service", 1000, _each(AAAA)),
    Case("nxdomain", "NXDOMAIN: 200,000 random names", 1000, _random_names),
    Case("names-50k", "50,000 distinct names", 50_000, _each(A), warm_s=15.0),
    Case("services-1", "one service", 1, _hot),
    Case("services-100", "100 services", 100, _hot),
    Case("services-10k", "1,000 names of 10,000 services", 10_000, _hot),
    Case("services-100k", "1,000 names of 100,000 services", 100_000, _hot),
    Case("workers-2", "two workers, nothing pinned", 1000, _hits, workers=2),
    Case("tcp", "TCP: 8 connections, A", 1000, _each(A), ("dnsdisco", "Knot", "CoreDNS"), transport="tcp"),
    Case("cached", "cached forwards: 1,000 names", 1, _cached, RESOLVERS, forwards=True),
    Case("uncached", "uncached forwards: no name twice", 1, _uncached, RESOLVERS, forwards=True, fresh=True, window=64),
]
