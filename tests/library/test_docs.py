"""docs/services.md and docs/library.md: every example runs, every key has its row."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dnsdisco
from dnsdisco.model import fields, service_data
from dnsdisco.model.instances import INSTANCE_KEYS
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers.env import services_from
from dnsdisco.providers.static import check_file
from dnsdisco.providers.static.text import FILE_OCTETS_MAX, parse
from dnsdisco.written.syntax import DEPTH_MAX

ROOT = Path(__file__).parents[2]
SERVICES, LIBRARY = ((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("services", "library"))


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", SERVICES, re.MULTILINE | re.DOTALL)[1]


def keys(text):
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("text", blocks(SERVICES, "yaml"))
def test_every_services_file_in_the_docs_is_good(text, tmp_path):
    (tmp_path / "services.yaml").write_text(text)
    assert check_file(tmp_path / "services.yaml") == []
    assert parse(text, "x.yaml")


def test_every_key_has_its_row_and_no_row_is_about_a_key_that_is_gone():
    assert keys(section("Of the service")) == service_data._SERVICE_KEYS | {"instances"}
    assert keys(section("Of an instance")) == INSTANCE_KEYS
    assert keys(section("Checks")) == {f"check.{key}" for key in fields._CHECK_KEYS}
    for key in service_data._SHARED_KEYS:
        assert f"`{key}`" in section("Of the service").rpartition("\n\n")[0].rpartition("Beside `instances`")[2]


def test_what_the_docs_say_of_services_is_so():
    text = "\n".join(blocks(SERVICES, "yaml"))
    services = {}
    for each in blocks(SERVICES, "yaml"):
        services |= {name: service_from_data(name, value)[0] for name, value in parse(each, "x.yaml").items() if name[0] != "."}
    assert services["search"].instances[0].address == "search.example"
    assert services["db"].alias_of == "db.example.com"
    assert services["orders"].instances[0].ports[0].number == 8080
    assert services["bills"].instances[0].ports[0].number == 9090
    assert "version: 1.10" not in text  # said in words: read it as they do
    assert parse("no: {meta: {version: 1.10}}", "x.yaml") == {"no": {"meta": {"version": "1.10"}}}
    assert f"{FILE_OCTETS_MAX // 1024 // 1024} MiB, {DEPTH_MAX} levels" in SERVICES


def test_the_environment_variables_in_the_docs():
    environ = dict(line.split("=", 1) for line in blocks(section("Environment variables"), "")[0].splitlines())
    found, warnings = services_from(environ)
    assert warnings == []
    assert {name: [(each["address"], each["port"]) for each in value["instances"]] for name, value in found.items()} == {
        "auth": [("auth-service", 5001)],
        "backend": [("backend-service", 5000)],
        "web": [("10.0.0.11", 8080), ("10.0.0.12", 8080)],
        "db": [("10.0.0.9", 5432)],
    }


@pytest.mark.slow
def test_the_library_s_page_runs(tmp_path):
    (tmp_path / "services.json").write_text(json.dumps({"auth": {"url": "http://auth-service:5001"}}))
    page = "\n".join(blocks(LIBRARY, "python"))
    ran = python(page + "\nprint(get_service_url('auth'))", tmp_path)
    assert ran.stdout.splitlines() == [
        "Auth service is at http://auth-service:5001 on port 5001",
        "Service auth is at http://auth-service:5001",
        "my-service is at http://10.0.0.8:8080",
        "http://auth-service:5001",
    ]
    assert set(re.findall(r"^`(\w+)\(", LIBRARY, re.MULTILINE)) == {name for name in dnsdisco.__all__ if name[0].islower()}


def python(code, cwd, **environ):
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment(cwd) | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def environment(folder):
    """Without what would be detected; with *folder* and this project on the path."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("SERVICE_", "CONSUL_", "KUBERNETES_", "PYTEST_"))
    }
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
