"""No two questions share a key (C-08)."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.cache.cache import Cache, Freshness, key_of_name, make_key
from dnsdisco.cache.entry import Kind
from dnsdisco.wire.name import wire_of
from tests.cache.made import item

NAMES = st.lists(st.binary(min_size=1, max_size=5), max_size=4).map(lambda labels: wire_of(tuple(labels)).lower())
QUESTIONS = st.tuples(NAMES, st.integers(0, 65535), st.integers(0, 65535), st.booleans(), st.booleans())


def made(question):
    name, qtype, qclass, do, cd = question
    return make_key(name, qtype.to_bytes(2, "big") + qclass.to_bytes(2, "big"), dnssec_ok=do, checking_disabled=cd)


@settings(max_examples=500)
@given(QUESTIONS, QUESTIONS)
@pytest.mark.slow
def test_keys_are_equal_when_the_questions_are(one, other):
    assert (made(one) == made(other)) == (one == other)


def test_a_million_pairs_that_look_alike():
    """Names built of the octets that types, classes and flags are made of, so that a key that is cut in the wrong place would show."""
    source = random.Random(8)
    octets = (b"\0", b"\1", b"\x1c", b"\2", b"\3", b"a")
    names = list(
        {wire_of(tuple(source.choice(octets) * source.randint(1, 3) for _ in range(source.randint(0, 4)))) for _ in range(400)}
    )
    questions = [
        (name, qtype, 1, do, cd) for name in names for qtype, do, cd in product((0, 1, 28, 256), (False, True), (False, True))
    ]
    assert len(questions) ** 2 > 1_000_000
    assert len({made(question) for question in questions}) == len(questions)
    denials = {key_of_name(made(question)) for question in questions}
    assert len(denials) == len({(name, do, cd) for name, _, _, do, cd in questions})


@settings(max_examples=200)
@given(
    st.lists(QUESTIONS.filter(lambda question: question[1] != 0), max_size=30), QUESTIONS.filter(lambda question: question[1] != 0)
)
@pytest.mark.slow
def test_an_entry_serves_its_own_question_alone(kept, asked):
    cache = Cache()
    for question in kept:
        cache.keep(made(question), item(Kind.POSITIVE, 60), 0.0)
    assert (cache.look(made(asked), 1.0)[0] is Freshness.FRESH) == (asked in kept)
