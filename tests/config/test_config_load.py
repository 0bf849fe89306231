"""A YAML file into plain values with their places, and each fault with file:line:col (dnsdisco/config/load.py)."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.config import load, octets
from dnsdisco.config.load import VALUES_MAX
from dnsdisco.written.places import dotted
from dnsdisco.written.syntax import DEPTH_MAX


def problems(text):
    return [(problem.line, problem.column, problem.path, problem.message) for problem in load.parse(text, "f.yaml").problems]


def test_values_are_what_json_can_say():
    document = load.parse(
        """
        text: 127.0.0.1:53
        colon: 1:53
        date: 2026-01-02
        quoted: "5"
        whole: 5
        hex: 0x10
        octal: 010
        not_octal: 08
        grouped: 1_000
        real: 1.5
        exponent: 1e3
        off: off
        yes: Yes
        empty:
        tilde: ~
        list: [1, [two], {three: 3}]
        """,
        "f.yaml",
    )
    assert document.problems == ()
    assert document.values == {
        "text": "127.0.0.1:53", "colon": "1:53", "date": "2026-01-02", "quoted": "5", "whole": 5, "hex": "0x10", "octal": "010",
        "not_octal": "08", "grouped": "1_000", "real": 1.5, "exponent": "1e3", "off": False, "yes": True, "empty": None, "tilde": None,
        "list": [1, ["two"], {"three": 3}],
    }  # fmt: skip


def test_every_value_and_key_has_its_place():
    document = load.parse("a: 1\nlist:\n  - x\n  - {k: v}\n", "f.yaml")
    assert document.problem(("list", 1, "k"), "").line == 4
    assert document.problem(("list", 1, "k"), "").column == 9
    assert document.problem(("list", 1, "k"), "", at_key=True).column == 6
    assert document.problem(("list", 1, "missing"), "")[1:4] == (4, 5, "list[1].missing")
    assert document.problem(("nowhere",), "")[1:4] == (1, 1, "nowhere")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_says_nothing(text, tmp_path):
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    document = load.read(str(tmp_path / "f.yaml"))
    assert (document.values, document.problems) == ({}, ())


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a:\n\t- b\n", 2, 1, "a tab stands where only spaces may"),
        ("a: b\n\tc: d\n", 2, 1, "a tab stands where only spaces may"),
        ("a: 1\nb: [::1]:53\n", 2, 5, 'put an IPv6 address in quotes, as in "[::1]:53"'),
        ("a: b: c\n", 1, 5, "a second colon on one line"),
        ("a: [1,\n", 1, 7, "a list, a mapping or a quoted text is not closed"),
        ("a: 'text\n", 1, 9, "a list, a mapping or a quoted text is not closed"),
        ("a: %x\n", 1, 4, "a text that begins with % must be in quotes"),
        ("a: @x\n", 1, 4, "a text that begins with @ must be in quotes"),
        ("a: *nobody\n", 1, 4, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, 1, "another document"),
        ("- a\nb: c\n", 2, 1, "began on line 1"),
        ("a: \x00b\n", 1, 4, "the character U+0000 cannot stand in YAML"),
        ("a: 1\nbc: \x1b[0m\n", 2, 5, "the character U+001B cannot stand in YAML"),
    ],
)
def test_what_is_not_yaml(text, line, column, message):
    [problem] = load.parse(text, "f.yaml").problems
    assert (problem.file, problem.line, problem.column) == ("f.yaml", line, column)
    assert message in problem.message


@pytest.mark.parametrize("text", ["5", "just text", "[1, 2]", "- a\n- b\n"])
def test_the_whole_is_a_mapping(text):
    [(line, column, path, message)] = problems(text)
    assert (line, column, path) == (1, 1, "")
    assert message.startswith("expected a mapping of keys to values")


def test_no_tag_builds_anything(tmp_path):
    marker = tmp_path / "made"
    found = problems(f"a: !!python/object/apply:os.system ['touch {marker}']\nb: !secret x\nc: !!binary aGk=\nd: !!set {{x}}\n")
    assert [(line, path) for line, _, path, _ in found] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert all("cannot be used here" in message for *_, message in found)
    assert not marker.exists()


def test_each_key_once_and_the_first_line_is_named():
    assert problems("a: 1\nb: {c: 1,\n    c: 2}\na: 3\n") == [
        (3, 5, "b.c", "this key was given already on line 2; which of the two is meant?"),
        (4, 1, "a", "this key was given already on line 1; which of the two is meant?"),
    ]


def test_keys_are_text_as_written():
    assert load.parse("on: 1\n8: 2\n~: 3\n", "f.yaml").values == {"on": 1, "8": 2, "~": 3}
    assert problems("? [a]\n: b\n") == [(1, 3, "", "a key must be a text")]


def test_anchors_and_merges():
    document = load.parse("base: &b {x: 1, y: 2}\nz: {<<: *b, y: 3}\nw: {<<: [*b, {v: 0, x: 9}]}\ncopy: *b\n", "f.yaml")
    assert document.problems == ()
    assert document.values["z"] == {"x": 1, "y": 3}
    assert document.values["w"] == {"x": 1, "y": 2, "v": 0}
    assert document.values["copy"] == {"x": 1, "y": 2}
    assert problems("z: {<<: 4}\n") == [(1, 9, "z", "<< takes an alias of a mapping, or a list of them")]


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
TOWER = "t0: &t0 [x]\n" + "".join(f"t{n}: &t{n} [*t{n - 1}]\n" for n in range(1, 3000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, f"with its aliases unfolded this file holds more than {VALUES_MAX} values"),
        (TOWER, f"with its aliases unfolded this file is more than {DEPTH_MAX} levels deep"),
        ("[" * 10_000, f"more than {DEPTH_MAX} levels"),
        ("{a: " * 10_000, f"more than {DEPTH_MAX} levels"),
        ("- " * 10_000 + "x", f"more than {DEPTH_MAX} levels"),
        ("a: &x [*x]", "an alias inside what it stands for"),
        ("a: &x {b: {c: *x}}", "an alias inside what it stands for"),
        ("a: [" + "1," * (VALUES_MAX + 1) + "]", f"more than {VALUES_MAX} values"),
    ],
    ids=["aliases", "tower of aliases", "brackets", "braces", "dashes", "itself", "itself, deeper", "too many"],
)
def test_a_bomb_is_refused_before_it_costs_anything(text, message):
    began_at = time.process_time()
    document = load.parse(text, "f.yaml")
    assert time.process_time() - began_at < 2  # tens of milliseconds on a quiet machine; unbounded it is minutes or a crash
    [problem] = document.problems
    assert message in problem.message


def test_a_million_nines_are_not_turned_into_a_number():
    document = load.parse("a: " + "9" * 100_000, "f.yaml")
    assert isinstance(document.values["a"], str)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.yaml", "no such file"),
        ("folder", "this is a directory; a file is expected"),
        ("big.yaml", f"the file is larger than {octets.CONFIG_OCTETS_MAX} octets"),
        ("folder/../big.yaml/x", "cannot be read: not a directory"),
        ("nul\0.yaml", "cannot be read: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "big.yaml").write_bytes(b"#" * (octets.CONFIG_OCTETS_MAX + 1))
    [problem] = load.read(path).problems
    assert problem.file == path
    assert problem.message.startswith(message)


def test_an_endless_file_is_given_up_at_the_bound():
    [problem] = load.read("/dev/zero").problems
    assert "larger than" in problem.message


def test_a_forbidden_file(tmp_path):
    path = tmp_path / "f.yaml"
    path.touch(mode=0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)  # root may read everything
    try:
        [problem] = load.read(str(path)).problems
    finally:
        if was_root:
            os.seteuid(0)
    assert problem.message == "cannot be read: permission denied"


@pytest.mark.parametrize(
    ("octets", "line", "column"), [(b"a: 1\nb: \xff\n", 2, 4), (b"\xff\xfea\x00", 1, 1), ("é: ü\n".encode() + b"\xc3", 2, 1)]
)
def test_what_is_not_utf8(octets, line, column, tmp_path):
    (tmp_path / "f.yaml").write_bytes(octets)
    [problem] = load.read(str(tmp_path / "f.yaml")).problems
    assert (problem.line, problem.column) == (line, column)
    assert problem.message.startswith("this is not UTF-8: octet 0x")


def test_columns_count_characters():
    assert problems("ä: {ö: 1, ö: 2}\n")[0][:3] == (1, 11, "ä.ö")


def test_the_working_directory_comes_before_etc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", ("dnsdisco.yaml", str(tmp_path / "etc.yaml")))
    assert load.find() is None
    (tmp_path / "etc.yaml").touch()
    assert load.find() == str(tmp_path / "etc.yaml")
    (tmp_path / "dnsdisco.yaml").symlink_to("gone")
    assert load.find() == "dnsdisco.yaml"  # broken, and said so, rather than passed over


def test_key_paths():
    assert dotted(("providers", 1, "path")) == "providers[1].path"
    assert dotted(("forward", "zones", "corp.example", 0)) == "forward.zones['corp.example'][0]"
    assert dotted(("a\nb",)) == "['a\\x0ab']"


@given(st.text(alphabet=st.sampled_from("ab:-[]{},'\"#&*!|>%@`\n\t ?~<0.\u00e9\\"), max_size=60))
def test_no_text_breaks_the_reader(text):
    document = load.parse(text, "f.yaml")
    for problem in document.problems:
        assert problem.message
        assert "\n" not in problem.message


def test_a_pipe_is_read_to_its_end_and_not_waited_for_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(octets, "PIPE_S", 0.2)
    os.mkfifo(tmp_path / "pipe")
    reading, writing = os.pipe()
    os.write(writing, b"ttl: 7\n")
    os.close(writing)
    assert load.read(f"/proc/self/fd/{reading}").values == {"ttl": 7}
    os.close(reading)
    keeps_it_open = os.open(tmp_path / "pipe", os.O_RDWR)
    [problem] = load.read(str(tmp_path / "pipe")).problems
    assert "no data came from it for 0.2 s" in problem.message
    os.close(keeps_it_open)
    [problem] = load.read("/dev/zero").problems
    assert "larger than" in problem.message
