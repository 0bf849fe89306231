"""docs/odd-input.md and docs/record-types.md: tables as pages. `python -m tests.conformance.page` writes them; tests hold both together."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.probes import PROBES
from tests.conformance.rdata_table import ELSEWHERE, TABLE

PAGE = Path(__file__).parents[2] / "docs" / "odd-input.md"

HEAD = """# What odd and malformed input gets

Every row is a test (`tests/conformance/`), run against the answering code and over real sockets. This page is made from the same
table: `python -m tests.conformance.page`. Silence, because a reply could be abused, or start a loop between two servers.

| sent | reply | source |
|---|---|---|
"""


def page() -> str:
    rows = (f"| {probe.title} | {'silence' if probe.expected == '-' else probe.expected} | {probe.source} |" for probe in PROBES)
    return HEAD + "\n".join(rows) + "\n"


RECORD_TYPES_PAGE = Path(__file__).parents[2] / "docs" / "record-types.md"

RECORD_TYPES_HEAD = r"""# Record types as text

What a zone file or `records:` of a service may say of each type, and what `dnsdisco query` prints. All that dig (also with `+multiline`, `+split`,
`+ttlunits`, `+unknownformat`), kdig and NSD print is read to the octets that it was printed from, and so is what `dnsdisco query` prints. Every
row is a test beside dnspython, BIND, Knot, NSD and drill (`tests/conformance/test_rdata_table.py`); this page is made from the same table:
`python -m tests.conformance.page`.

- Every type, known or not, may also be written as `\# length hex` (RFC 3597 §5), and called `TYPE` with its number. A type that is not in the
  table has that form alone.
- What cannot be right is a fault with its place in `dnsdisco check`, and is not served: a key of HTTPS or SVCB twice, a `mandatory` key that is
  missing, a string of more than 255 octets, a digest of the wrong length, a key that is no base64, an expression of NAPTR without its delimiters, a number that is too large, a meta type (OPT, TSIG, AXFR, ANY).
- The parameters of HTTPS and SVCB may stand in any order; they are sent in that of their numbers (RFC 9460 §2.2).
- Names that are not ASCII are to be written in their IDNA form (`xn--…`).
- In `records:` a TXT value is the string itself: nothing in it is special, and one of more than 255 octets is split.
- SOA and NS of a zone's own name have no effect in a zone file (a warning); NS below it and DNAME are refused there.

| type | text |
|---|---|
"""

ELSEWHERE_HEAD = """
## Where others differ

| program | type | what it does |
|---|---|---|
"""


def _code(text: str) -> str:
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    return f"`{shown}`".replace("|", "\\|")


def record_types_page() -> str:
    rows = (f"| {kind} | {'<br>'.join(map(_code, texts))} |" for kind, texts in TABLE.items())
    same: dict[tuple[str, str], list[str]] = {}
    for (program, *subject), reason in ELSEWHERE.items():
        same.setdefault((program, reason), []).append(subject[0] if len(subject) == 1 else f"{subject[0]} {_code(subject[1])}")
    others = (f"| {program} | {', '.join(subjects)} | {reason} |" for (program, reason), subjects in same.items())
    return RECORD_TYPES_HEAD + "\n".join(rows) + "\n" + ELSEWHERE_HEAD + "\n".join(others) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    RECORD_TYPES_PAGE.write_text(record_types_page())
