"""`config`: the settings of the running server, else of what `serve` would use; a file that is read again; the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnsdisco.cli import main
from dnsdisco.config.sources import Given, resolve
from dnsdisco.model.public import HIDDEN, is_secret
from dnsdisco.providers import registry
from dnsdisco.settings import kinds
from dnsdisco.settings.forms import declared, leaves
from dnsdisco.settings.setting import Setting
from tests.whole.server import Server

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("DNSDISCO_CONTROL", "SERVICE_DISCOVERY_PROVIDER"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def said(capsys: Any, *args: str) -> tuple[int, str, str]:
    status = main(["config", *args])
    out, err = capsys.readouterr()
    return status, out, err


def origins(text: str) -> dict[str, str]:
    """By the key at the beginning of a line, what stands behind its #."""
    return dict(re.findall(r"^ *([a-z_0-9]+):.*?  # (\S+)$", text, re.MULTILINE))


FILE = """\
ttl: 7s
forward:
  upstreams: [192.0.2.1, "tls://192.0.2.2#dns.example"]
  zones: {corp.example: [10.0.0.53]}
providers:
- {type: static, path: services.yaml, include: ["web*"]}
- {type: consul, address: "127.0.0.1:1", token: hunter2, http_auth: "me:hunter3", optional: true}
cache: {size: 5, serve_stale: 0}
http: off
state_dir: state
identity: {version: "1.10: # {x", server_id: "off"}
"""


def test_what_serve_would_use_can_be_read_again(folder: Path, capsys: Any) -> None:
    (folder / "dnsdisco.yaml").write_text(FILE)
    status, out, err = said(capsys, "show")
    assert (status, err) == (0, "dnsdisco: no server is reached: this is what `dnsdisco serve` would use\n")
    assert out.startswith(f"# {folder}/dnsdisco.yaml\n")
    found = origins(out)
    wanted = {
        "ttl": "file:1",
        "upstreams": "file:3",
        "size": "file:8",
        "http": "file:9",
        "workers": "default",
        "providers": "file:5",
    }
    assert {key: found[key] for key in wanted} == wanted
    assert all("  # " in line for line in out.splitlines()[1:] if not re.fullmatch(r"[a-z_]+:", line.rstrip()))
    assert "hunter" not in out
    again = folder / "again.yaml"
    again.write_text(
        out.replace(f"token: '{HIDDEN}'", "token: hunter2").replace(f"http_auth: '{HIDDEN}'", "http_auth: 'me:hunter3'")
    )
    assert resolve(Given(str(again)), registry) == resolve(Given("dnsdisco.yaml"), registry)


def test_of_the_running_server(folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it uses, not what the file says by now, nor the environment of the person who asks."""
    (folder / "dnsdisco.yaml").write_text("http: off\nstate_dir: state\nforward: {upstreams: []}\nttl: 7\n")
    (folder / "other.yaml").write_text("state_dir: state\nttl: 9\n")
    with Server("--workers", "2", cwd=folder, env={"SERVICE_DISCOVERY_PROVIDER": "env"}):
        (folder / "dnsdisco.yaml").write_text("http: off\nstate_dir: state\nforward: {upstreams: []}\nttl: 8\nworkers: nine\n")
        monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "static")
        status, out, err = said(capsys, "show")
        assert (status, err) == (0, f"dnsdisco: the server at {folder}/state/control.sock uses this\n")
        assert yaml.safe_load(out)["ttl"] == 7
        found = origins(out)
        wanted = {"ttl": "file:4", "workers": "flag", "listen": "flag", "providers": "environment:SERVICE_DISCOVERY_PROVIDER"}
        assert {key: found[key] for key in wanted} == wanted
        assert said(capsys, "path")[:2] == (0, f"{folder}/dnsdisco.yaml\n")
        plain = json.loads(said(capsys, "show", "--json")[1])
        assert plain.keys() == {"version", "file", "settings", "origins"}
        assert plain["origins"].keys() == {path for path, _, _ in leaves()}
        status, out, err = said(capsys, "show", "--config", "other.yaml")  # that is not the server's
        assert (status, yaml.safe_load(out)["ttl"]) == (0, 9)
        assert f"uses {folder}/dnsdisco.yaml; this is what `dnsdisco serve` would use" in err


def test_without_a_server_the_faults(folder: Path, capsys: Any) -> None:
    (folder / "dnsdisco.yaml").write_text("ttl: soon\n")
    for action in ("show", "path"):
        status, out, err = said(capsys, action)
        assert (status, out) == (1, "")
        assert err.startswith("dnsdisco.yaml:1:6: fault: ttl: ")


def test_the_path_and_where_it_is_none(folder: Path, capsys: Any) -> None:
    status, out, err = said(capsys, "path")
    assert (status, out) == (1, "")
    assert "there is none at dnsdisco.yaml" in err
    assert said(capsys, "show")[1].startswith("# no configuration file\n")
    (folder / "other.yaml").write_text("ttl: 9\n")
    assert said(capsys, "path", "--config", "other.yaml")[:2] == (0, f"{folder}/other.yaml\n")


def valid(schema: Any, text: str) -> bool:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema)
    return bool(validator.is_valid(yaml.safe_load(text)))


def test_the_schema_takes_the_examples_and_refuses_faults(folder: Path, capsys: Any) -> None:
    status, out, err = said(capsys, "schema")
    assert (status, err) == (0, "")
    schema = json.loads(out)
    pytest.importorskip("jsonschema").Draft202012Validator.check_schema(schema)
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for text in [FILE, *examples]:
        assert valid(schema, text), text
    assert len(examples) > 3
    for good in ("providers: [env]", "providers: [{type: nomad, anything: 1}]", "providers: [{type: consul, watch_limit: 3}]"):
        assert valid(schema, good), good
    for bad in (
        "ttl: -1", "tll: 5", "cache: {size: x}", "providers: [{type: consul, adress: x}]", "providers: [{type: consul, watch_limit: many}]",
        "providers: [{path: x}]", "providers: [{type: kubernetes, addresses: nowhere}]", "providers: [{type: static, optional: perhaps}]",
    ):  # fmt: skip
        assert not valid(schema, bad), bad


@pytest.mark.parametrize("kind", registry.types())
def test_what_is_declared_as_a_secret_is_hidden_by_its_name(kind: str) -> None:
    """Pages and `config show` know options by their names alone."""
    of = declared(registry.options(kind) or object)
    assert all(is_secret(name) for name, each in of.items() if isinstance(each, Setting) and isinstance(each.kind, kinds.Secret))


def test_json_goes_with_show(folder: Path, capsys: Any) -> None:
    assert said(capsys, "path", "--json")[0] == 2
