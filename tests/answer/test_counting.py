"""Answers are counted by type, and a client that makes types up cannot make the table of counters grow."""

from __future__ import annotations

from dnsdisco.answer.table import Table
from dnsdisco.wire.constants import A, HTTPS, NXDOMAIN, TYPES


def test_known_types_have_a_counter_of_their_own_and_all_others_share_one():
    table = Table()
    for qtype in range(65_536):
        table.cell(qtype, NXDOMAIN)[0] += 1
    counts = table.counts()
    assert len(counts) == len(TYPES) + 1
    assert counts[A, NXDOMAIN] == counts[HTTPS, NXDOMAIN] == 1
    assert counts[0, NXDOMAIN] == 65_536 - len(TYPES)
