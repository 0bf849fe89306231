"""A text of YAML is good or bad alike in every file, with one place and one reason; and JSON is no way around the bounds."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.config import load as configuration
from dnsdisco.errors import Problem
from dnsdisco.providers.static import text as services
from dnsdisco.written.syntax import DEPTH_MAX, Unreadable
from dnsdisco.written.yaml import FAULTS_MAX, load, survey

DEEP = "a: " + "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)
DEEP_ALIAS = "a: &x " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 12 + "*x" + "]" * 12
GOOD = [
    "", "# nothing\n", "---\n", "{}", "null", "a: 1\n", "a: 1\n...\n", "---\na: 1\n", "a: [1, {b: c}]", "a: *b\n".replace("*b", "&b c"), DEEP,
    "a: &x {p: 1}\nb: {<<: *x, q: 2}", "a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: [*y, {r: 1}]}", "<<: {a: 1}\nb: 2", "a: {<<: []}", '"<<": 1\n', "a: <<", "a: =", "a: &x 1\nb: &x 2\nc: *x",
    "&k a: 1\nb: {*k : 2}", "a: !!str 5", "a: !!int 5", "!!map {a: !!seq [x]}", "a: !!timestamp 2026-01-02", "a: ! x", "a: ! {b: c}", "? a\n: b", "no: yes", "~: 1", "a:\n- b\n- c", "a: |\n  x\n", "a: 'it''s'", 'a: "\\u00e9"',
    "é: ü", "%YAML 1.1\n---\na: 1",
]  # fmt: skip
BAD = {
    "a: 1\nb: {c: 1, c: 2}\n": (2, 11, "b.c", "this key was given already on line 2; which of the two is meant?"),
    "a: 1\nb: 2\na: 3\n": (3, 1, "a", "this key was given already on line 1; which of the two is meant?"),
    "<<: {a: 1}\n<<: {b: 1}": (2, 1, "['<<']", "this key was given already on line 1; which of the two is meant?"),
    "a: {&k b: 1, *k : 2}": (1, 14, "a.b", "this key was given already on line 1; which of the two is meant?"),
    "a: !x y": (1, 4, "a", "the tag !x cannot be used here; leave it out"),
    "a: [1, !!binary aGk=]": (1, 8, "a[1]", "the tag !!binary cannot be used here; leave it out"),
    "!x a: 1": (1, 1, "", "the tag !x cannot be used here; leave it out"),
    "a: !!set {b}": (1, 4, "a", "the tag !!set cannot be used here; leave it out"),
    "a: !!seq {b: c}": (1, 4, "a", "the tag !!seq cannot be used here; leave it out"),
    "!!python/object/apply:os.system [id]": (1, 1, "", "the tag !!python/object/apply:os.system cannot be used here; leave it out"),
    "a: *b": (1, 4, "a", "undefined alias: *b has no anchor &b before it"),
    "a: {*b : 1}": (1, 5, "a", "undefined alias: *b has no anchor &b before it"),
    "a: &a [1, *a]": (1, 11, "a[1]", "an alias inside what it stands for: *a"),
    "a: &a {b: {c: *a}}": (1, 15, "a.b.c", "an alias inside what it stands for: *a"),
    "? [a]\n: b": (1, 3, "", "a key must be a text"),
    "a: {? {b: c} : d}": (1, 7, "a", "a key must be a text"),
    "a: &x [b]\nc: {*x : d}": (2, 5, "c", "a key must be a text"),
    "a: {<<: 3}": (1, 9, "a", "<< takes an alias of a mapping, or a list of them"),
    "a: {<<: [3]}": (1, 9, "a", "<< takes an alias of a mapping, or a list of them"),
    "<<: ~": (1, 5, "", "<< takes an alias of a mapping, or a list of them"),
    "a: 1\n---\nb: 2": (2, 1, "", "another document begins here; one is expected"),
    "a: " + "[" * DEPTH_MAX: (1, 3 + DEPTH_MAX, "", f"more than {DEPTH_MAX} levels of lists and mappings in each other"),
    "a: " + "{b: " * 40 + "}" * 40: (1, 4 * DEPTH_MAX, "", f"more than {DEPTH_MAX} levels of lists and mappings in each other"),
    "a: " + "[" * 10_000: (1, 3 + DEPTH_MAX, "", f"more than {DEPTH_MAX} levels of lists and mappings in each other"),
    "[" * 10_000: (1, 1 + DEPTH_MAX, "", f"more than {DEPTH_MAX} levels of lists and mappings in each other"),
    "- " * 10_000 + "x": (1, 1 + 2 * DEPTH_MAX, "", f"more than {DEPTH_MAX} levels of lists and mappings in each other"),
    DEEP_ALIAS: (2, 16, "", f"with its aliases unfolded this file is more than {DEPTH_MAX} levels deep"),
    "a: [1, 2": (1, 9, "", "this is not YAML: the text ends too early: a list, a mapping or a quoted text is not closed"),
    "a: {\n\n": (1, 5, "", "this is not YAML: the text ends too early: a list, a mapping or a quoted text is not closed"),
    "a: 'b\n\n": (1, 6, "", "this is not YAML: the text ends too early: a list, a mapping or a quoted text is not closed"),
    "a:\n\tb: 1": (2, 1, "", "this is not YAML: a tab stands where only spaces may; YAML is indented with spaces"),
    "a: b: c": (1, 5, "", "this is not YAML: a second colon on one line; put the text in quotes, or check the indentation"),
    "a: @b": (1, 4, "", "this is not YAML: a text that begins with @ must be in quotes"),
    "a: `b": (1, 4, "", "this is not YAML: a text that begins with ` must be in quotes"),
    "a: %b": (1, 4, "", "this is not YAML: a text that begins with % must be in quotes"),
    "a: 1\nb: [::1]:53": (2, 5, "", 'this is not YAML: a value cannot begin with a colon; put an IPv6 address in quotes, as in "[::1]:53"'),
    "- a\nb: c": (2, 1, "", "this is not YAML: while parsing a block collection that began on line 1: did not find expected '-' indicator"),
    "a: 1\nb: \x00": (2, 4, "", "the character U+0000 cannot stand in YAML or JSON"),
    "é: \x1b[31m": (1, 4, "", "the character U+001B cannot stand in YAML or JSON"),
    "a: \ud800": (1, 4, "", "the character U+D800 cannot stand in YAML or JSON"),
}  # fmt: skip


def in_services(text: str, file: str = "services.yaml") -> Problem | None:
    try:
        services.parse(text, file)
    except Unreadable as refused:
        return refused.problem._replace(file="")
    return None


def in_configuration(text: str) -> Problem | None:
    return next((problem._replace(file="") for problem in configuration.parse(text, "dnsdisco.yaml").problems), None)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_text_is_good_in_both(text):
    assert (in_configuration(text), in_services(text)) == (None, None)


@pytest.mark.parametrize(("text", "fault"), BAD.items())
def test_a_bad_text_is_bad_in_both_at_one_place_for_one_reason(text, fault):
    assert in_configuration(text) == in_services(text) == Problem("", *fault)


@settings(max_examples=300)
@given(st.text("ab:- {}[],&*!|>'\"%@#?\n\t<~", max_size=40))
def test_any_text_has_one_verdict(text):
    ours, theirs = in_configuration(text), in_services(text)
    if ours and theirs and "expected a mapping" in ours.message:
        ours = ours._replace(message=theirs.message)
    assert ours == theirs or services.is_json(text, "services.yaml")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": 1, "b": 2}}',
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
        '{"a": "\x00"}',
        '{"a": ' + '[{"b": ' * 20 + "1" + "}]" * 20 + "}",
    ],
)
def test_json_is_bad_where_it_would_be_as_yaml(text):
    fault = in_configuration(text)
    assert fault is not None
    assert in_services(text, "services.json") == in_services(text) == fault


@pytest.mark.parametrize(
    "inner",
    [
        "[" * 30 + "]" * 30,
        "1",
        '"[[[["',
        '"]]]]{{"',
        '"\\"["',
        '"\\\\", "["',
        '"a]" , "[b"',
        '{"[": "]", "}": "{"}',
        '["]", ["]", ["]"]]]',
    ],
)
def test_brackets_in_the_texts_of_json_are_no_levels(inner):
    good = f'{{"a": [{inner}]}}'
    assert in_services(good, "services.json") is None
    bad = f'{{"a": {"[" * DEPTH_MAX}{inner}{"]" * DEPTH_MAX}}}'
    assert "levels" in in_services(bad, "services.json").message


def test_every_fault_is_found_at_once_and_the_rest_is_read():
    found = survey("a: !x 1\nb: {c: 1, c: 2, d: *e}\n? [f]\n: g\nh: {<<: 1, i: 2}\n", "f", str, 100)
    assert [problem[1:4] for problem in found.problems] == [(1, 4, "a"), (2, 11, "b.c"), (2, 20, "b.d"), (3, 3, ""), (5, 9, "h")]
    assert found.data == {"a": None, "b": {"c": "1", "d": None}, "h": {"i": "2"}}


def test_no_more_faults_than_anybody_mends():
    found = survey("a: [" + "!x y, " * 1000 + "]", "f", str, 10_000)
    assert (len(found.problems), found.is_whole) == (FAULTS_MAX, False)


def test_the_bound_of_values_is_the_caller_s_and_counts_what_aliases_stand_for():
    text = "a: &a [1, 2, 3, 4]\nb: [*a, *a]\n"
    assert load(text, "f", str, 19) == {"a": ["1", "2", "3", "4"], "b": [["1", "2", "3", "4"]] * 2}
    with pytest.raises(Unreadable, match="with its aliases unfolded this file holds more than 18 values"):
        load(text, "f", str, 18)


SIZE = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "x,\n" * SIZE,
        "- " * SIZE,
        "{" * SIZE,
        "".join(f"k{n}: {{}}\n" for n in range(SIZE // 8)) + "k0: 1",
        "a: " + "!x y, " * SIZE,
        "a: [" + "!x y, " * (SIZE // 8) + "]",
        "a: {" + "? [] : 1, " * (SIZE // 8) + "}",
        f"{'k' * SIZE}: [" + "1," * (SIZE // 8) + "*x]",
        "a: &" + "x" * SIZE + " 1\nb: *y",
        "\n" * SIZE + "a: \x00",
        "é\n" * SIZE + "\t: :",
        "a: 'x" + "\n" * SIZE,
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, x{n}: 1}}\n" for n in range(1, 3000)),
    ],
    ids=range(13),
)
@pytest.mark.slow
def test_a_fault_and_its_place_take_linear_time(text):
    began_at = time.process_time()
    assert in_services(text)
    assert in_configuration(text)
    services.places(text, {"a", "k0", "k" * SIZE})
    assert time.process_time() - began_at < 10  # a second on a quiet machine; a quadratic reader takes minutes


def test_places_below_a_long_key_take_linear_time():
    key = "k" * SIZE
    text = f"? {key}\n: [{'1, ' * (SIZE // 8)}]\nb: {{? {key} : 1}}"
    began_at = time.process_time()
    found = services.places(text, {key, "b"})
    assert time.process_time() - began_at < 10
    assert found[key].key == (1, 3)
    assert found[f"b.{key}"].key == (3, 7)
