"""docs/cache.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dnsdisco.answer.aliases import ALIASES_MAX
from dnsdisco.cache.cache import Cache
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.server.cached_upstream import UpstreamLimits
from dnsdisco.server.settings import WorkerSettings
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain, to_plain
from dnsdisco.settings.sections import CacheSettings

PAGE = (Path(__file__).parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")


def test_every_bound_is_listed_with_its_value():
    listed = {}
    for names, values in re.findall(r"^\| ((?:`\w+`(?: \(`[\w.]+`\))?(?:, )?)+) \| ([\d., ]+) \|", PAGE, re.MULTILINE):
        listed.update(zip(re.findall(r"`(\w+)`", names), map(float, values.split(", ")), strict=True))
    limits = {**CacheSettings()._asdict(), **CacheLimits()._asdict(), **UpstreamLimits()._asdict()}
    assert listed == {name: float(value) for name, value in limits.items()}


def test_every_counter_is_listed():
    assert {name for name in Cache().figures() if f"`{name}`" not in PAGE} == set()


def test_the_example_is_the_default_and_reaches_the_worker():
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    assert from_plain(Settings, example).cache == Settings().cache == CacheSettings()
    assert WorkerSettings.from_plain(to_plain(Settings())).policy(recursion=True).cache == CacheSettings()
    plain = {"cache": {"size": 5, "min_ttl": 1, "max_ttl": 2, "negative_max_ttl": 3, "serve_stale": 4}}
    expected = CacheSettings(size=5, min_ttl=1, max_ttl=2, negative_max_ttl=3, serve_stale=4)
    assert WorkerSettings.from_plain(plain).policy(recursion=True).cache == expected
    with pytest.raises(TypeError):
        WorkerSettings.from_plain({"cache": {"sise": 5}})


def test_numbers_in_words():
    assert ALIASES_MAX == 16
    assert "at most sixteen" in PAGE
    assert CacheLimits().prefetch_hits == 3
    assert "more than three times" in PAGE
