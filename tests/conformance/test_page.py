"""docs/conformance.md says what the code says."""

from __future__ import annotations

from tests.conformance.comparison import BEGIN, END, PAGE, REASONS_BEGIN, REASONS_END, reasons_table


def test_every_class_of_differences_is_in_the_page_with_its_reason():
    page = PAGE.read_text()
    table = page.partition(REASONS_BEGIN)[2].partition(REASONS_END)[0]
    assert table.strip() == reasons_table().strip(), "write it anew: python -m tests.conformance --reasons"


def test_the_page_has_the_tables():
    tables = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert "| dnsdisco | 18/18 | 18/18 | 98/98 | 98/98 |" in tables
    assert "| dnsdisco, forwarding | 18/18 | 18/18 | 98/98 | 98/98 |" in tables
    assert "Not explained" not in tables
