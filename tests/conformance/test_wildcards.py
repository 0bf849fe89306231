"""Wildcards of zone files beside BIND, Knot and NSD (RFC 4592): one zone, the same questions, rcode and records alike."""

from __future__ import annotations

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.conformance.servers import is_here, Knotd, Named, Nsd
from tests.conformance.zonedata import Record, ZoneData
from tests.kit import Answers, section

ZONE = "example.test"
RECORDS = """
f.*.e TXT x
*.w TXT wild
a.w TXT a
b.a.w TXT b
*.*.two TXT two
a.*.three TXT a
*.c CNAME host
host A 10.0.0.6
*.c2 CNAME x.w
*.c3 CNAME nothere
sub.*.c4 TXT below
*.c4 A 10.0.0.9
*.web TXT below-a-service
*.ghost.w A 10.0.0.8
*.over.web A 10.0.0.7
"""
# A service of ours, as the records that it is for the others.
SERVICE = "web: {instances: [{id: w1, address: 10.0.0.1}]}"
AS_RECORDS = "web A 10.0.0.1\nw1.web A 10.0.0.1\nall.web A 10.0.0.1\n"

NAMES = [
    "e",
    "y.e",
    "f.y.e",
    "*.e",
    "f.*.e",
    "x.f.*.e",
    "x.y.e",
    "x.*.e",
    "w",
    "x.w",
    "y.x.w",
    "a.w",
    "x.a.w",
    "b.a.w",
    "x.b.a.w",
    "*.w",
    "x.*.w",
    "two",
    "x.two",
    "y.x.two",
    "z.y.x.two",
    "*.two",
    "*.*.two",
    "x.*.two",
    "three",
    "x.three",
    "a.x.three",
    "x.*.three",
    "a.*.three",
    "x.a.*.three",
    "c",
    "x.c",
    "y.x.c",
    "*.c",
    "c2",
    "x.c2",
    "x.c3",
    "c4",
    "x.c4",
    "sub.x.c4",
    "sub.*.c4",
    "web",
    "w1.web",
    "x.web",
    "y.x.web",
    "x.w1.web",
    "all.web",
    "*.web",
    "over.web",
    "x.over.web",
    "over",
    "ghost.w",
    "x.ghost.w",
    "nothere",
    "*.nothere",
    "x.nothere",
    "*",
]


@pytest.fixture(scope="module")
def ours():
    return Answers(
        SERVICE, zones=((b"example", b"test"),), zone_file=f"$ORIGIN {ZONE}.\n$TTL 3600\n{RECORDS}", zone_file_zones=(ZONE,)
    )


@pytest.mark.servers
@pytest.mark.parametrize("peer", [Named, Knotd, Nsd])
def test_every_name_below_and_beside_a_wildcard(peer, ours, tmp_path):
    if not is_here(peer):
        pytest.skip(f"NOT COMPARED: {peer.program} (Debian: {peer.package}) is not installed")
    lines = [line.split(" ", 2) for line in (RECORDS + AS_RECORDS).strip().splitlines()]
    records = tuple(Record(owner, 3600, rtype, data) for owner, rtype, data in lines)
    differing = []
    with peer(tmp_path, ZoneData(ZONE, "{}", "", records)) as server:
        for name in NAMES:
            for rtype in ("TXT", "A", "CNAME"):
                if rtype == "TXT" and name in ("web", "w1.web", "all.web"):
                    continue  # what a service's own TXT says is another page's
                query = dns.message.make_query(f"{name}.{ZONE}.", rtype)
                theirs = dns.query.udp(query, server.address, port=server.port, timeout=5)
                mine = ours.ask(f"{name}.{ZONE}", rtype)
                if (mine.rcode(), section(mine.answer)) != (theirs.rcode(), section(theirs.answer)):
                    differing.append(f"{name} {rtype}: {dns.rcode.to_text(mine.rcode())} {section(mine.answer)}, there {theirs}")
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("y.e", "NOERROR"),  # *.e is there, without records of its own (RFC 4592 §2.2.2)
        ("f.y.e", "NOERROR"),
        ("*.e", "NOERROR"),
        ("x.*.e", "NXDOMAIN"),
        ("x.three", "NOERROR"),
        ("x.a.*.three", "NXDOMAIN"),
        ("x.two", "NOERROR"),
        ("x.a.w", "NXDOMAIN"),
        ("nothere", "NXDOMAIN"),
    ],
)
def test_what_stands_beside_an_empty_wildcard(ours, name, rcode):
    reply = ours.ask(f"{name}.{ZONE}", "MX")
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert not reply.answer
    assert reply.authority
