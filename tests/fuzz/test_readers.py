"""Every reader against what must hold for any input. By the hundred thousand: `python -m tests.fuzz`."""

from __future__ import annotations

import os
import re
import time
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import page, run
from tests.fuzz.reader import inputs
from tests.fuzz.readers import READERS

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("DNSDISCO_FUZZ", "10000")) // 20
CASES_MIN = 1_000  # of a run that is worth a row of the page
SEED = int(os.environ.get("DNSDISCO_SEED", "8906"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READERS)
def test_inputs_that_are_nearly_right(name):
    run.run(name, COUNT, SEED)


@pytest.mark.parametrize("name", READERS)
def test_every_seed_and_any_octets(name):
    reader = READERS[name]
    for seed in reader.seeds:
        run.check(name, seed)

    @settings(max_examples=60, deadline=None)
    @given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(reader.words), max_size=12).map(b"".join)))
    def holds(octets: bytes) -> None:
        run.check(name, octets)

    holds()


def test_every_reader_has_its_figures_on_the_page():
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+) \|", page.PAGE.read_text(), re.MULTILINE))
    for name in READERS:
        assert int(rows.get(name, "0").replace(",", "")) >= CASES_MIN, f"python -m tests.fuzz '{name}' --write"


def test_the_same_seed_gives_the_same_cases():
    for reader in READERS.values():
        one, other, third = ([*islice(inputs(reader, seed), 50)] for seed in (1, 1, 2))
        assert one == other
        assert one != third


def planted(monkeypatch, check, **more):
    monkeypatch.setitem(READERS, "query", READERS["query"]._replace(check=check, **more))


def test_a_planted_fault_is_found(monkeypatch):
    def blind(octets: bytes) -> None:
        assert b"\xff\xff" not in octets

    planted(monkeypatch, blind)
    with pytest.raises(AssertionError, match=r"query --input [0-9a-f]+: AssertionError"):
        run.run("query", 10_000, SEED)


def test_a_planted_delay_is_found(monkeypatch):
    def slow(octets: bytes) -> None:
        until = time.process_time() + (0.2 if len(octets) > 300 else 0)
        while time.process_time() < until:
            pass

    planted(monkeypatch, slow, case_s=0.1)
    with pytest.raises(AssertionError, match=r"query --input [0-9a-f]+: 0\.\d s"):
        run.run("query", 10_000, SEED)


def test_planted_waste_of_memory_is_found(monkeypatch):
    planted(monkeypatch, lambda octets: bytearray(5_000_000) and None, case_octets=1_000_000)
    with pytest.raises(AssertionError, match=r"query --input [0-9a-f]*: 5\d+ octets of memory"):
        run.run("query", run.MEMORY_EVERY, SEED)
