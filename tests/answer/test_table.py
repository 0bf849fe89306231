"""The bounds of the table of compiled answers."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest

from dnsdisco.answer import table
from tests.kit import Answers


def deny(answers: Answers, label: str, rtype: int) -> None:
    query = dns.message.make_query(f"{label}.svc.local.", rtype)
    octets = answers.send(query.to_wire())
    assert dns.message.from_wire(octets or b"").rcode() == 3


@pytest.mark.slow
def test_denials_of_one_shape_more_than_its_bound_are_forgotten_and_counted():
    answers = Answers(recursion=False)
    denials = answers.responder.fast_path.table.denials
    shapes = [("x" * length, rtype) for length in range(1, 64) for rtype in range(256, 65536, 256)]
    assert len(shapes) > table.DENIALS_MAX
    asked = iter(shapes)
    while len(denials) < table.DENIALS_MAX:
        deny(answers, *next(asked))
    assert answers.responder.forgotten["denials"] == 0
    deny(answers, *next(asked))
    assert len(denials) == 1
    assert answers.responder.forgotten["denials"] == 1
    for _ in range(10):
        deny(answers, *next(asked))
    assert len(denials) == 11
    assert answers.responder.forgotten["denials"] == 1
