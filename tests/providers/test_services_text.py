"""The text of a services file: what is read, what is refused whole, and with which place."""

import json
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.merge import merge
from dnsdisco.providers.file_state import FileState
from dnsdisco.providers.static import text as services_text
from dnsdisco.providers.static.content import content_of
from dnsdisco.providers.static.text import parse, places, text_of
from dnsdisco.written.syntax import Unreadable

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))


def test_scalars_stay_as_they_were_written():
    assert parse("no: {port: 0x1F, on: yes, v: 1.10, d: 2026-01-02, t: 1:53, n: ~, e: , q: 'null', s: !!str 5}", "x.yaml") == {
        "no": {
            "port": "0x1F",
            "on": "yes",
            "v": "1.10",
            "d": "2026-01-02",
            "t": "1:53",
            "n": None,
            "e": None,
            "q": "null",
            "s": "5",
        },
    }


def test_anchors_and_merge_keys():
    text = """
.defaults: &defaults {port: 8080, tags: [a]}
web: {<<: *defaults, address: 10.0.0.1, port: 80}
api: {<<: [{port: 1}, *defaults], address: 10.0.0.2}
"""
    data = parse(text, "x.yaml")
    assert data["web"] == {"address": "10.0.0.1", "port": "80", "tags": ["a"]}
    assert data["api"] == {"address": "10.0.0.2", "port": "1", "tags": ["a"]}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "null\n", "{}", " { } "])
def test_an_empty_file_has_no_services(text):
    assert parse(text, "x.yaml") == {}


@pytest.mark.parametrize("text", ["", " \n", "{}", "null"])
def test_an_empty_json_file_has_no_services(text):
    assert parse(text, "x.json") == {}


def test_json_by_content():
    text = '{"a": {"port": 80, "v": 1.10, "t": true}}'
    assert parse(text, "services") == {"a": {"port": 80, "v": "1.10", "t": True}}
    assert parse("{a: {port: 80}}", "services") == {"a": {"port": "80"}}  # YAML in flow style


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", (2, 11), "b.c: this key was given already on line 2"),
        ("a: 1\na: 2\n", (2, 1), "a: this key was given already on line 1"),
        ("<<: {a: 1}\n<<: {b: 1}", (2, 1), "['<<']: this key was given already on line 1"),
        ("- a\n", (1, 1), "expected a mapping of service names"),
        ("\n\nweb\n", (3, 1), "expected a mapping of service names"),
        ("a: [1, 2\nb: 3\n", (2, 2), "this is not YAML"),
        ("a:\n\tb: 1\n", (2, 1), "a tab"),
        ("a: b: c\n", (1, 5), "a second colon"),
        ("a: @b\n", (1, 4), "must be in quotes"),
        ("a: {\n", (1, 5), "ends too early"),
        ("a: !!python/object/apply:os.system [id]\n", (1, 4), "cannot be used here"),
        ("a: !x y\n", (1, 4), "cannot be used here"),
        ("a: &a [*a]\n", (1, 8), "inside what it stands for"),
        ("a: *b\n", (1, 4), "no anchor &b"),
        ("a: 1\n---\nb: 1\n", (2, 1), "another document"),
        ("a: 1\nb: \x00\n", (2, 4), "U+0000"),
        ("é: \x1b[31m\n", (1, 4), "U+001B"),
        ("? [a]\n: b\n", (1, 3), "a key must be a text"),
        ("<<: 3\n", (1, 5), "takes an alias of a mapping"),
        (BOMB, (7, 22), "aliases unfolded"),
        ("[" * 10_000, (1, 33), "more than 32 levels"),
        ("a: " + "{b: " * 40 + "}" * 40, (1, 4 + 32 * 4 - 4), "more than 32 levels"),
    ],
)
def test_yaml_that_is_refused_whole(text, place, words):
    with pytest.raises(Unreadable) as refused:
        parse(text, "x.yaml")
    problem = refused.value.problem
    assert (problem.file, problem.line, problem.column) == ("x.yaml", *place)
    assert words in str(problem)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": 1,}', (1, 8), "no comma after the last one"),
        ('{"a": [1, 2, \n ] }', (1, 12), "no comma after the last one"),
        ('{"a": {\n "c": 1, "c": 2}}', (2, 10), "a.c: this key was given already on line 2"),
        ('{"a": NaN}', (1, 1), "NaN is not a number"),
        ('{"a": 1\n "b": 2}', (2, 2), "expecting ',' delimiter"),
        ("[1]", (1, 1), "expected a mapping"),
        ("a: 1", (1, 1), "this is not JSON"),
        ('{"a": ' + "[" * 100_000, (1, 38), "levels"),
        ('{"a": "\x00"}', (1, 8), "U+0000"),
        ('{"a": ' + "9" * 5000 + "}", (1, 1), "4300"),
    ],
)
def test_json_that_is_refused_whole(text, place, words):
    with pytest.raises(Unreadable) as refused:
        parse(text, "x.json")
    problem = refused.value.problem
    assert (problem.line, problem.column) == place
    assert words in str(problem)


def test_octets_that_are_no_text():
    assert text_of(b"\xef\xbb\xbfa: 1", "x") == "a: 1"
    with pytest.raises(Unreadable) as refused:
        text_of("é: 1\nb: ".encode() + b"\xff", "x")
    assert (refused.value.problem.line, refused.value.problem.column) == (2, 4)
    with pytest.raises(Unreadable):
        text_of("a: 1".encode("utf-16"), "x")


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr(services_text, "FILE_OCTETS_MAX", 10)
    assert text_of(b"a: 3456789", "x") == "a: 3456789"
    with pytest.raises(Unreadable, match="larger than 10 octets"):
        text_of(b"a: 34567890", "x")


def test_attacks_cost_nothing():
    tracemalloc.start()
    began_at = time.process_time()
    for text in (BOMB, "[" * 100_000, "a: " + "{b: " * 10_000, "a: !!python/object/new:os.system [id]"):
        with pytest.raises(Unreadable):
            parse(text, "x.yaml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began_at < 0.4
    assert peak < 10_000_000


def test_places():
    text = """\
web:
  instances:
    - id: a
      port: 80
    - {id: é, ports: {http: 80}}
  tags: [x,
    y]
other: {a: 1}
"""
    found = places(text, {"web"})
    assert {path: place.key for path, place in found.items()} == {
        "web": (1, 1),
        "web.instances": (2, 3),
        "web.instances[0]": (3, 7),
        "web.instances[0].id": (3, 7),
        "web.instances[0].port": (4, 7),
        "web.instances[1]": (5, 7),
        "web.instances[1].id": (5, 8),
        "web.instances[1].ports": (5, 15),
        "web.instances[1].ports.http": (5, 23),
        "web.tags": (6, 3),
        "web.tags[0]": (6, 10),
        "web.tags[1]": (7, 5),
    }
    assert found["web.instances[0].port"].value == (4, 13)


def test_places_in_json():
    text = json.dumps({"a": {"x": "\ud83d\ude00", "port": 0}}, indent="\t")
    assert places(text, {"a"})["a.port"].value == (4, 11)


simple = st.recursive(
    st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc-_.é :#'", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)
documents = st.dictionaries(st.text("abc-_.é", min_size=1, max_size=4), simple, max_size=4)


@settings(max_examples=150)
@given(documents, st.sampled_from([True, False, None]))
@pytest.mark.slow
def test_what_yaml_and_json_write_is_read(document, flow):
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, default_flow_style=flow, allow_unicode=True)
    assert parse(text, "x.yaml") == document
    assert parse(json.dumps(document), "x.json") == document
    assert set(places(text, set(document))) >= set(document)


@settings(max_examples=200)
@given(st.text("a:- {}[],&*!|>'\"%@#?\n\t<\\", max_size=40), st.sampled_from(["x.yaml", "x.json"]))
def test_any_text_is_read_or_refused_with_a_place(text, file):
    try:
        data = parse(text, file)
    except Unreadable as refused:
        problem = refused.problem
        lines = text.split("\n")
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1
        assert problem.message
    else:
        assert all(isinstance(name, str) for name in data)
    places(text, {"a"})


@pytest.mark.parametrize("name", ["\ud800", "a\udc00b", "\U0001f4a9", "\ud83d\ud83d", "\\ud800", "\\\\ud83d\udc00"])
def test_a_key_of_half_characters_has_its_place(name):
    """JSON can say half a character, and libyaml, which knows the places, refuses it."""
    text = json.dumps({"a": 1, name: {"port": 80}, "b": {"port": 81}}, indent=1)
    found = places(text, {"a", name, "b"})
    assert found[name].key == (3, 2)
    assert found[f"{name}.port"].value == (4, 11)
    assert found["b.port"].value == (7, 11)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (".d: &a {port: 80}\nweb: {}\n<<: *a\n", 3),
        (".d: &a {port: 80}\n<<: [*a, *a]\nweb: {}\n", 2),
        ("<<: {port: 80}\nport: 81\n", 2),  # written itself, too
    ],
)
def test_a_service_that_a_merge_brings_has_the_place_of_the_merge(text, line):
    assert places(text, {"port"})["port"].key == (line, 1)


def test_a_character_beyond_the_plane_has_its_place_however_it_is_written():
    for text in ('{"\U0001f4a9": {}, "x": 1}', '{"\\ud83d\\udca9": {}, "x": 1}'):
        assert places(text, {"\U0001f4a9"})["\U0001f4a9"].key == (1, 2)


@pytest.mark.parametrize("text", ["a: *{}", "a: &x [*{}]", "a: !{} b", "%{}\n---\na: 1", "a: &{0} *{0}", "? [{}]\n: x"])
def test_a_fault_is_short_however_long_what_it_repeats_is(text):
    with pytest.raises(Unreadable) as caught:
        parse(text.format("y" * 50_000), "x.yaml")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "? {}\n: x",
        "web: {{? {} : 1}}",
        "web: {{address: 1.2.3.4, meta: {{? {} : [1]}}}}",
        "web: {{address: 1.2.3.4, ports: {{? {} : x}}}}",
    ],
)
def test_the_path_of_a_fault_is_short_too(text):
    content = content_of(text.format("y" * 50_000), "x.yaml", None)
    assert content.faults
    for problem in content.problems("x.yaml"):
        assert len(str(problem)) < 600


STATE = FileState(1, 1, 1, 1, 1)
HELD_ONCE = """
web: {address: 10.0.0.1, port: 80}
many: {instances: [{address: 10.0.0.1}, {address: 10.0.0.2, id: Two}, {address: 10.0.0.3, id: two}, {address: host.example}]}
shop: {address: 10.0.0.4, namespace: cart, records: [{type: TXT, value: x}]}
none: {instances: []}
"""


def test_what_is_read_is_what_is_published_and_held_once():
    """Merging copies no service that has its labels from the reader; the plain data are gone."""
    content = content_of(HELD_ONCE, "x.yaml", STATE)
    merger = merge([ChainSource("static")], ChainPolicy(), [content.snapshot])
    services = {id(service) for service in content.snapshot.services.values()}
    assert len(services) == len(merger.entries) == 4
    assert {id(entry.service) for entry in merger.entries.values()} == services
    assert {type(mark) for mark in content.marks.values()} == {int}
    (many,) = (service for service in content.snapshot.services.values() if service.name == "many")
    assert len({instance.label for instance in many.instances}) == 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("web: {address: 10.0.0.1}", "web: {address: 10.0.0.2}"),
        ("web: {address: 10.0.0.1, meta: {a: '1'}}", "web: {address: 10.0.0.1, meta: {a: '2'}}"),
        ("web: {address: 10.0.0.1, meta: {a: 2026-01-01}}", "web: {address: 10.0.0.1, meta: {a: 2026-01-02}}"),
        ("web: {address: 10.0.0.1, tags: [a, b]}", "web: {address: 10.0.0.1, tags: [ab]}"),
        ("web: {address: 10.0.0.1, port: 1}", "web: {address: 10.0.0.1, port: true}"),
    ],
)
def test_other_data_are_another_service_and_the_same_data_the_same(before, after):
    old = content_of(f"{before}\nother: {{address: 10.0.0.9}}", "x.yaml", STATE)
    new = content_of(f"{after}\nother: {{address: 10.0.0.9}}", "x.yaml", STATE, old)
    again = content_of(f"{after}\nother: {{address: 10.0.0.9}}", "x.yaml", STATE, new)
    assert new.marks["web"] != old.marks["web"]
    assert new.snapshot.services["", "other"] is old.snapshot.services["", "other"]
    assert new.snapshot.changed == {("", "web")} or new.faults
    assert again.snapshot is new.snapshot
