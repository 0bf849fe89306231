"""Where the value of each setting comes from, and the JSON Schema of all."""

from __future__ import annotations

import pytest

from dnsdisco.config.sources import Given
from dnsdisco.settings.forms import json_schema, leaves
from tests.config.known import inspect

FILE = """\
ttl: 7
forward:
  trust_ad: true
cache: {size: 5,
  min_ttl: 1}
providers: [env]
workers: 2
"""


def origins(tmp_path, text=FILE, **given):
    path = tmp_path / "dnsdisco.yaml"
    path.write_text(text)
    return inspect(Given(str(path), **given)).origins


def test_every_setting_has_one(tmp_path):
    assert set(origins(tmp_path)) == {path for path, _, _ in leaves()}


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("ttl", "file:1"),
        ("forward.trust_ad", "file:3"),
        ("forward.upstreams", "flag"),
        ("forward.zones", "default"),
        ("cache.size", "file:4"),
        ("cache.min_ttl", "file:5"),
        ("workers", "flag"),
        ("zones", "default"),
        ("state_dir", "default"),
        ("providers", "file:6"),
    ],
)
def test_flag_over_file_over_default(path, origin, tmp_path):
    assert origins(tmp_path, flags={"workers": 3, "upstream": ["192.0.2.1"]})[path] == origin


@pytest.mark.parametrize(
    ("text", "given", "origin"),
    [
        ("{}", {}, "detected"),
        ("providers: [env]", {"environ": {"SERVICE_DISCOVERY_PROVIDER": "static"}}, "environment:SERVICE_DISCOVERY_PROVIDER"),
        ("providers: [env]", {"environ": {"SERVICE_DISCOVERY_PROVIDER": "x"}, "flags": {"provider": ["env"]}}, "flag"),
        ("providers: [env]", {"flags": {"services": "s.yaml"}}, "flag"),
        ("providers: []", {}, "file:1"),
    ],
)
def test_of_the_providers(text, given, origin, tmp_path):
    assert origins(tmp_path, text, **given)["providers"] == origin


def test_the_schema_has_every_setting_with_its_bounds():
    schema = json_schema()
    found = {
        f"{key}.{name}" if inner else key
        for key, of in schema["properties"].items()
        for inner in [of.get("properties", {}) if of.get("additionalProperties") is False else {}]
        for name in inner or [""]
    }
    assert found == {path for path, _, _ in leaves()}
    assert schema["properties"]["cache"]["properties"]["size"] == {
        "description": "How many forwarded answers a worker keeps.",
        "type": "integer",
        "minimum": 0,
        "maximum": 10_000_000,
        "default": 10_000,
    }
    assert schema["properties"]["zones"]["minItems"] == 1
    assert schema["properties"]["chain"]["enum"] == ["first", "merge"]
