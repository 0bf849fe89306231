"""docs/forwarding.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.statistics import ForwardStatistics
from dnsdisco.settings.forms import from_plain
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.written.endpoints import is_path
from dnsdisco.written.endpoints import upstream as upstream_from

PAGE = (Path(__file__).parents[2] / "docs" / "forwarding.md").read_text(encoding="utf-8")


def test_every_bound_is_listed_with_its_value():
    listed = {}
    for names, values in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([\d., ]+) \|", PAGE, re.MULTILINE):
        listed.update(zip(re.findall(r"\w+", names), map(float, values.split(", ")), strict=True))
    assert listed == {name: float(value) for name, value in ForwardLimits()._asdict().items()}


def test_every_counter_is_listed():
    assert {name for name in ForwardStatistics().as_dict() if f"`{name}`" not in PAGE} == set()


def test_the_example_and_every_form_can_be_read():
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    settings = from_plain(ForwardSettings, example["forward"])
    forms = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.split("## Which")[0], re.MULTILINE)))
    assert len(forms) >= 7
    for text in [*settings.upstreams, *(text for _, texts in settings.zones for text in texts), *forms]:
        if text not in ("[]", "--upstream none"):
            assert is_path(text) or upstream_from(text)
