"""Every reader of text and wire against what must hold for any input. By the million: `python -m tests.conformance.fuzz`."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import fuzz
from tests.conformance.readers import READERS

COUNT = int(os.environ.get("DNSDISCO_FUZZ", "20000")) // 20
SEED = int(os.environ.get("DNSDISCO_SEED", "8906"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READERS)
def test_inputs_that_are_nearly_right(name):
    fuzz.run(name, COUNT, SEED)


@pytest.mark.parametrize("name", READERS)
def test_every_seed_and_any_octets(name):
    reader = READERS[name]
    for seed in reader.seeds:
        fuzz.check(name, seed)

    @settings(max_examples=60, deadline=None)
    @given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(reader.words), max_size=12).map(b"".join)))
    def holds(octets: bytes) -> None:
        fuzz.check(name, octets)

    holds()


def test_a_planted_fault_is_found(monkeypatch):
    def blind(octets: bytes) -> None:
        assert b"\xff\xff" not in octets

    monkeypatch.setitem(READERS, "query", READERS["query"]._replace(check=blind))
    with pytest.raises(AssertionError, match=r"query --input [0-9a-f]+: AssertionError"):
        fuzz.run("query", 10_000, SEED)
