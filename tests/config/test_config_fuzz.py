"""Whatever stands in a configuration or in a services file: it is read, or every fault has its place; never a crash, never a hang."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st

from dnsdisco.settings.declared import Settings
from tests.fuzz.files import configuration_holds, services_hold

pytestmark = pytest.mark.slow

CASE_S = 2.0  # for one of them, on a busy machine; the rule is milliseconds

NASTY = st.sampled_from(
    ["", "0", "-1", "1e309", ".inf", ".nan", "9" * 5000, "0x" + "f" * 300, "1w", "1_000", "0o17", "~", "off", "on", "%", "[::1%eth0]:53", "fe80::1%eth0",
     "tls://", "https://[", "tls://1.2.3.4#", "https://1.2.3.4/\u00e4", "10.0.0.0/-1", "::/129", "a" * 70_000, "\U0001f4a9", "\ud7ff", "*", "{address}", "..", "a..b", "-", "2026-11-30",
     "!!python/object:os.system", "\x85", "1" + "0s1" * 10_000]
)  # fmt: skip
SCALARS = NASTY | st.text(max_size=12) | st.integers() | st.floats() | st.booleans() | st.none()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS.map(str), inner, max_size=4), max_leaves=12
)
KEYS = st.sampled_from(sorted(Settings._fields))
PROVIDERS = st.sampled_from(["env", "static", "consul", "kubernetes", "nothing", ""])
ENTRIES = st.builds(lambda kind, more: {**more, "type": kind}, PROVIDERS, st.dictionaries(st.sampled_from(["path", "address", "token", "optional", "include", "max_stale", "labels", "wait", "x"]), TREES, max_size=4))  # fmt: skip
CONFIGURATIONS = st.dictionaries(KEYS, TREES, max_size=6) | st.builds(
    lambda entries, more: {**more, "providers": entries}, st.lists(ENTRIES, max_size=4), st.dictionaries(KEYS, TREES, max_size=3)
)
FIELDS = st.sampled_from(["url", "address", "port", "ports", "scheme", "ttl", "tags", "meta", "check", "records", "instances", "health", "weight", "priority", "id", "when_all_unhealthy", "name", "namespace", "aliases"])  # fmt: skip
INNER = TREES | st.dictionaries(st.sampled_from(["http", "tcp", "interval", "type", "value", "ttl", "address", "port", "name", "protocol", "id"]), TREES, max_size=4)  # fmt: skip
SERVICES = st.dictionaries(
    SCALARS.map(str), TREES | st.dictionaries(FIELDS, INNER | st.lists(INNER, max_size=3), max_size=6), max_size=4
)
PIECES = st.sampled_from(["a: ", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "|\n", ">\n", "\n", "  ", "\t", "'", '"', "#", ": ", "? ", "!!", "%YAML 1.3\n", "---\n", "...\n", "\\x", "\x00", "\ufeff"])  # fmt: skip
SCRIBBLES = st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join)
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def text_of(tree: object) -> str:
    return yaml.safe_dump(tree, allow_unicode=True)


def looked_at(look) -> None:
    began = time.process_time()
    look()
    assert time.process_time() - began < CASE_S


def configuration_is_read_or_placed(text: str) -> None:
    looked_at(lambda: configuration_holds(text.encode("utf-8", "surrogatepass")))


def services_are_read_or_placed(text: str, name: str = "services.yaml") -> None:
    looked_at(lambda: services_hold(text.encode("utf-8", "surrogatepass"), name))


@fuzz
@given(CONFIGURATIONS)
def test_any_tree_of_known_keys_is_a_configuration_or_has_its_faults_placed(tree):
    configuration_is_read_or_placed(text_of(tree))


@fuzz
@given(SCRIBBLES)
def test_any_scribble_is_a_configuration_or_has_its_faults_placed(text):
    configuration_is_read_or_placed(text)


@fuzz
@given(SERVICES)
def test_any_tree_of_known_keys_is_services_or_has_its_faults_placed(tree):
    services_are_read_or_placed(text_of(tree))


@fuzz
@given(SCRIBBLES, st.sampled_from(["services.yaml", "services.json"]))
def test_any_scribble_is_services_or_has_its_faults_placed(text, name):
    services_are_read_or_placed(text, name)


LONG = 400_000
ATTACKS = {
    "digits": "a: " + "9" * LONG,
    "digits with a point": "a: " + "9" * LONG + ".",
    "duration": "ttl: " + "1s" * LONG,
    "escapes": 'a: "' + "\\x41" * (LONG // 4) + '"',
    "brackets": "a: " + "[" * LONG,
    "keys": "\n".join(f"k{n}: " for n in range(60_000)),
    "colons": "a: " + ":" * LONG,
    "spaces": " " * LONG + "a: 1",
    "quotes": "a: '" + "''" * LONG,
    "sexagesimal": "a: " + "1:" * (LONG // 2) + "1",
    "comment": "#" * LONG,
    "anchors": "".join(f"- &a{n} x\n" for n in range(60_000)),
    "merge": "a: &a {b: c}\n" + "".join(f"m{n}: {{<<: [{', '.join(['*a'] * 50)}]}}\n" for n in range(500)),
    "alias bomb": "a: &a [x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 20)}]\n" for n in range(8)),
    "address": "web: {address: '" + ":" * LONG + "'}",
    "url": "web: {url: 'http://" + "@" * LONG + "'}",
    "listen": "listen: ['[" + "1" * LONG + "']",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_what_is_long_takes_linear_time(text: str) -> None:
    configuration_is_read_or_placed(text)
    services_are_read_or_placed(text)
