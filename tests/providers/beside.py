"""Answers of two servers in a form that can be compared, and the tables of docs/differences.md."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"

Row = tuple[str, str, str, str]  # name, type, what we say, what they say


def rows(heading: str) -> list[Row]:
    """Of the table under *heading*."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [(m[1], m[2], m[3], m[4]) for m in re.finditer(r"^\| `(\S+) (\w+)` \| (.+?) \| (.+?) \|", section, re.MULTILINE)]


def outcome(reply: dns.message.Message) -> str:
    """As the tables say it: "2 A", "NODATA", "NXDOMAIN"."""
    if reply.rcode() != dns.rcode.NOERROR:
        return dns.rcode.to_text(reply.rcode())
    kinds = Counter(dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer for _ in rrset)
    return " and ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "NODATA"
