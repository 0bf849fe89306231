"""What goes first when a reply does not fit."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import pytest

from dnsdisco.wire.constants import QR
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.query import slice_query
from dnsdisco.wire.reply import assemble, encode_record, RR

NAME = b"\3web\3svc\5local\0"
QUERY = slice_query(dns.message.make_query("web.svc.local.", "A", use_edns=0, payload=4096).to_wire())
ANSWER = [encode_record(RR(NAME, 1, 5, bytes((10, 0, 0, last))), NAME) for last in range(4)]
GLUE = [encode_record(RR(b"\1a" + NAME, 28, 5, bytes(15) + bytes((last,))), NAME) for last in range(3)]
EDE = (Ede(3, "consul has not been heard for a minute"), Ede(0, "every instance is critical"))
WHOLE = len(assemble(QUERY, QR, 0, (ANSWER, [], GLUE), ede=EDE, limit=4096))
TEXTS = sum(len(error.text) for error in EDE)


def cut(less: int) -> tuple[list[tuple[int, str | None]], int, int, bool]:
    """The EDEs, answers and additional records of a reply that has *less* octets than it would fill, and TC."""
    octets = assemble(QUERY, QR, 0, (ANSWER, [], GLUE), ede=EDE, limit=WHOLE - less)
    assert len(octets) <= WHOLE - less
    reply = dns.message.from_wire(octets)
    told = [(int(option.code), option.text) for option in reply.options if isinstance(option, dns.edns.EDEOption)]
    return told, sum(map(len, reply.answer)), sum(map(len, reply.additional)), bool(reply.flags & dns.flags.TC)


TOLD = [(error.code, error.text) for error in EDE]
CODES = [(error.code, None) for error in EDE]


@pytest.mark.parametrize(
    ("less", "expected"),
    [
        (0, (TOLD, 4, 3, False)),
        (1, (CODES, 4, 3, False)),  # the texts go first, and cost no record
        (TEXTS, (CODES, 4, 3, False)),
        (TEXTS + 1, (CODES, 4, 2, False)),
        (TEXTS + 3 * len(GLUE[0]), (CODES, 4, 0, False)),
        (TEXTS + 3 * len(GLUE[0]) + 1, ([], 4, 0, False)),  # a code before an answer
        (TEXTS + 3 * len(GLUE[0]) + 12, ([], 4, 0, False)),
        (TEXTS + 3 * len(GLUE[0]) + 13, ([], 3, 0, True)),
    ],
)
def test_the_texts_of_errors_go_first_then_glue_then_codes_then_answers(less, expected):
    assert cut(less) == expected
