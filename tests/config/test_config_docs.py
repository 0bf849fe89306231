"""docs/configuration.md and the schema say the same: every key, every variable, every default, and every example loads."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from dnsdisco.config.schema import BUILT_IN, COMMON_OPTIONS, SECTIONS, Settings
from dnsdisco.config.sources import Given, inspect

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \|.*$", PAGE, re.MULTILINE)}

KEYS = [
    *(key for key in Settings.model_fields if key not in SECTIONS),
    *(f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields),
    *COMMON_OPTIONS,
    *(key for model in BUILT_IN.values() for key in set(model.model_fields) - COMMON_OPTIONS),
]

VARIABLES = [
    "SERVICE_DISCOVERY_PROVIDER", "SERVICE_DISCOVERY_CONFIG_FILE", "CONSUL_HOST", "CONSUL_PORT", "CONSUL_TOKEN", "CONSUL_HTTP_ADDR",
    "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY",
    "CONSUL_CAPATH", "CONSUL_HTTP_AUTH", "CONSUL_HTTP_SSL_VERIFY", "CONSUL_TLS_SERVER_NAME", "CONSUL_NAMESPACE", "CONSUL_PARTITION", "KUBERNETES_NAMESPACE",
    "KUBECONFIG", "NO_COLOR",
]  # fmt: skip


@pytest.mark.parametrize("key", sorted(set(KEYS)))
def test_every_key_has_its_row(key):
    assert key in ROWS


def test_no_row_is_about_a_key_that_is_gone():
    rows = {key for key in ROWS if re.fullmatch(r"[a-z_]+(\.[a-z_]+[0-9]?[a-z_]*)?", key)}
    assert rows == set(KEYS)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_is_there(variable):
    assert f"`{variable}`" in PAGE


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_provider_is_there(kind):
    assert re.search(rf"^`{kind}` ", PAGE, re.MULTILINE)


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example, tmp_path):
    (tmp_path / "dnsdisco.yaml").write_text(example)
    inspection = inspect(Given(str(tmp_path / "dnsdisco.yaml"), environ={"HOME": "/home/someone"}), known_types=BUILT_IN)
    assert inspection.problems == ()


def test_the_defaults_that_the_page_shows_are_the_defaults(tmp_path):
    shown = yaml.safe_load(EXAMPLES[0])
    assert set(shown) == set(Settings.model_fields)
    (tmp_path / "dnsdisco.yaml").write_text(EXAMPLES[0])
    environ = {"HOME": "/home/someone"}
    said = inspect(Given(str(tmp_path / "dnsdisco.yaml"), environ=environ)).settings.plain()
    (tmp_path / "empty.yaml").touch()
    unsaid = inspect(Given(str(tmp_path / "empty.yaml"), environ=environ)).settings.plain()
    decided = {"providers": None, "listen": None}  # by what is found on the machine
    assert {**said, **decided} == {**unsaid, **decided}


NUMBERS = {
    **{key: field.default for key, field in Settings.model_fields.items() if type(field.default) in (int, float)},
    **{f"cache.{key}": field.default for key, field in SECTIONS["cache"].model_fields.items()},
}


@pytest.mark.parametrize(("key", "default"), NUMBERS.items())
def test_the_row_of_a_number_has_its_default(key, default):
    assert ROWS[key].endswith(f"| {default:g} |")
