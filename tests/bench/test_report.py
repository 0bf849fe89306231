"""Results come out whole: as a table, as JSON that grows case by case, and as a plot that is well-formed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from tests.bench import load, report
from tests.bench.cases import CASES

ROWS = {"dnsdisco": {"qps": 200_000.0, "cpu_us": 4.0}, "A & B": {"qps": 100_000.0, "cpu_us": 2.0, "lost": 3.0}}
RESULT = {"title": "hits <all>", "rounds": 5, "rows": ROWS}


def test_a_table_compares_us_with_each_of_the_others():
    lines = report.table(RESULT).splitlines()
    assert lines[2] == "|  | queries/s | CPU us/q | lost | our CPU / its | our queries/s / its |"
    assert lines[4] == "| dnsdisco | 200,000 | 4.00 |  |  |  |"
    assert lines[5] == "| A & B | 100,000 | 2.00 | 3 | 2.00 | 2.00 |"


def test_writing_keeps_what_was_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "DOCS", tmp_path)
    (tmp_path / "performance.md").write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write({"hits": RESULT})
    report.write({"tcp": {**RESULT, "title": "over TCP"}})
    assert set(json.loads((tmp_path / "performance.json").read_text())) == {"hits", "tcp"}
    page = (tmp_path / "performance.md").read_text()
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "hits <all>" in page
    assert "over TCP" in page
    assert "old" not in page
    drawn = ET.parse(tmp_path / "performance.svg").getroot()
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "hits <all>" in texts
    assert texts.count("A & B") == 2


def test_every_case_asks_something_and_names_are_asked_once_where_that_counts(tmp_path):
    assert len({case.key for case in CASES}) == len(CASES)
    for case in CASES:
        asked = list(zip(range(500), case.queries(min(case.services, 100), 1), strict=False))
        path = load.write(tmp_path / "queries", (octets for _, octets in asked))
        assert path.stat().st_size > 30
        if case.fresh:
            first = {octets for _, octets in zip(range(500), case.queries(1, 2), strict=False)}
            assert first.isdisjoint(octets for _, octets in asked)
