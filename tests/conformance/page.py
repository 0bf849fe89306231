"""docs/odd-input.md: the probe table as a page. `python -m tests.conformance.page` writes it; a test holds the two together."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.probes import PROBES

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


if __name__ == "__main__":
    PAGE.write_text(page())
