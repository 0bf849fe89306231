"""The table of findings: codes, the page made from it, and that each code has a test in which the fault is real."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from dnsdisco.doctor.codes import TABLE
from dnsdisco.doctor.finding import LEVELS
from dnsdisco.doctor.run import CHECKS
from tests.doctor.doctor_page import PAGE, page

HERE = Path(__file__).parent
REAL = ("test_doctor_files.py", "test_doctor_resolvers.py", "test_doctor_server.py")


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.doctor.doctor_page"


def test_every_code_is_whole_and_used_once():
    assert [code for code, count in Counter(row.code for row in TABLE).items() if count > 1] == []
    for row in TABLE:
        assert re.fullmatch(r"DD\d{3}", row.code)
        assert row.level in LEVELS
        assert row.looked_at.endswith(".")
        assert row.meaning.endswith(".")
        assert row.fix or row.level == "ok"


def test_there_is_a_check_for_every_code():
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "dnsdisco" / "doctor").glob("[!c]*.py"))
    source += "".join(path.read_text() for path in (Path(__file__).parents[2] / "dnsdisco" / "doctor").glob("check_*.py"))
    from dnsdisco.doctor import codes

    names = {name for name, row in vars(codes).items() if row in TABLE}
    assert {name for name in names if not re.search(rf"codes\.{name}\b", source)} == set()
    assert CHECKS


def test_every_code_is_in_a_test_where_its_fault_is_real():
    tested = set(re.findall(r"\bDD\d{3}\b", "".join((HERE / name).read_text() for name in REAL)))
    assert {row.code for row in TABLE} - tested == set()
