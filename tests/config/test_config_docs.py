"""docs/configuration.md and the schema say the same: every key, every variable, every default, and every example loads."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from dnsdisco.config.sources import Given
from dnsdisco.providers import registry
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.forms import declared, leaves, to_plain
from tests.config import settings_page
from tests.config.known import BUILT_IN, inspect

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \|.*$", PAGE, re.MULTILINE)}

DECLARED = [path for path, _, _ in leaves()]
KEYS = [
    *DECLARED,
    *declared(EntryOptions),
    *(key for kind in BUILT_IN for key in declared(registry.options(kind))),
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
    inspection = inspect(Given(str(tmp_path / "dnsdisco.yaml"), environ={"HOME": "/home/someone"}))
    assert inspection.problems == ()


def test_the_defaults_that_the_page_shows_are_the_defaults(tmp_path):
    shown = yaml.safe_load(EXAMPLES[0])
    assert set(shown) == set(Settings._fields)
    (tmp_path / "dnsdisco.yaml").write_text(EXAMPLES[0])
    environ = {"HOME": "/home/someone"}
    said = to_plain(inspect(Given(str(tmp_path / "dnsdisco.yaml"), environ=environ)).settings)
    (tmp_path / "empty.yaml").touch()
    unsaid = to_plain(inspect(Given(str(tmp_path / "empty.yaml"), environ=environ)).settings)
    decided = {"providers": None, "listen": None}  # by what is found on the machine
    assert {**said, **decided} == {**unsaid, **decided}


def test_the_tables_are_those_of_the_declarations():
    assert settings_page.written(PAGE) == PAGE, "write them anew: python -m tests.config.settings_page"


def test_every_setting_stands_in_one_table():
    assert sorted(settings_page.keys(PAGE)) == sorted(DECLARED)


def test_a_wrong_bound_is_found():
    assert settings_page.written(PAGE.replace("0 to 10000000; 0: none", "0 to 9; 0: none")) == PAGE
