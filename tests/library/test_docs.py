"""docs/services.md, docs/library.md and docs/adding-a-provider.md: every example runs, every key has its row."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import dnsdisco
from dnsdisco.model import data, fields
from dnsdisco.model.data import service_from_data
from dnsdisco.model.instances import INSTANCE_KEYS
from dnsdisco.providers.env import services_from
from dnsdisco.providers.services_text import DEPTH_MAX, FILE_OCTETS_MAX, parse
from dnsdisco.providers.static import check_file

ROOT = Path(__file__).parents[2]
SERVICES, LIBRARY, ADDING = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("services", "library", "adding-a-provider")
)


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
    assert keys(section("Of the service")) == data._SERVICE_KEYS | {"instances"}
    assert keys(section("Of an instance")) == INSTANCE_KEYS
    assert keys(section("Checks")) == {f"check.{key}" for key in fields._CHECK_KEYS}
    for key in data._SHARED_KEYS:
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


def test_the_library_s_page_runs(tmp_path):
    (tmp_path / "services.json").write_text(json.dumps({"auth": {"url": "http://auth-service:5001"}}))
    page = "\n".join(blocks(LIBRARY, "python"))
    ran = python(page + "\nprint(get_service_url('auth'))", tmp_path)
    assert ran.stdout.splitlines() == [
        "Auth service is at http://auth-service:5001 on port 5001",
        "Service auth is at http://auth-service:5001",
        "http://auth-service:5001",
    ]
    assert set(re.findall(r"^`(\w+)\(", LIBRARY, re.MULTILINE)) == {name for name in dnsdisco.__all__ if name[0].islower()}


INVENTORY = """
import http.server, json, threading
import pytest

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hosts = self.server.inventory.hosts
        body = json.dumps(hosts).encode()
        self.send_response(503 if hosts is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

@pytest.fixture
def inventory():
    class Inventory:
        hosts = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.inventory = Inventory()
    server.inventory.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.inventory
    server.shutdown()
    thread.join()
    server.server_close()
"""


@pytest.fixture
def plugin(tmp_path):
    """The package of the page, as pip would install it."""
    module, _, tests = blocks(ADDING, "python")
    pyproject = blocks(ADDING, "toml")[0]
    (tmp_path / "dnsdisco_inventory.py").write_text(module)
    (tmp_path / "test_inventory.py").write_text(tests)
    (tmp_path / "conftest.py").write_text(INVENTORY)
    shutil.copy(ROOT / "tests" / "providers" / "contract.py", tmp_path)
    info = tmp_path / "dnsdisco_inventory-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dnsdisco-inventory\nVersion: 1.0\n")
    entry = re.search(r'^\[project.entry-points."dnsdisco.providers"\]\n(.*)', pyproject, re.MULTILINE)[1]
    (info / "entry_points.txt").write_text(f"[dnsdisco.providers]\n{entry.replace(chr(34), '')}\n")
    return tmp_path


def test_the_example_plug_in_keeps_the_contract(plugin):
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(plugin), "-o", "addopts=", str(plugin)],
        cwd=plugin,
        env=environment(plugin),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\b1[0-9] passed", ran.stdout)


def test_the_example_plug_in_is_found_by_name(plugin):
    code = """
import http.server, json, os, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.headers["Authorization"] == "Bearer secret"
        body = json.dumps([{"service": "web", "host": f"10.0.0.{n}", "port": 80, "alive": n > 1} for n in (0, 1, 2)]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"INVENTORY_URL": f"http://127.0.0.1:{server.server_port}", "INVENTORY_TOKEN": "secret"}
import dnsdisco
print(dnsdisco.get_service_url("web"), dnsdisco.get_service_url("nobody", "-"), type(dnsdisco.get_discovery_provider()).__name__)
try:
    dnsdisco.register_service("web", {"address": "10.0.0.9"})
except dnsdisco.NotSupported as error:
    print(error)
"""
    ran = python(code, plugin, SERVICE_DISCOVERY_PROVIDER="inventory")
    assert ran.stdout.splitlines() == ["http://10.0.0.2:80 - InventoryServiceDiscovery", "the inventory provider is read-only"]


def test_the_example_of_watching_is_a_method_of_the_contract(plugin):
    """It is an excerpt: it runs with the one thing that it leaves open."""
    module, excerpt, _ = blocks(ADDING, "python")
    code = f"""{module}

class Watching(InventoryServiceDiscovery):
{excerpt}
    def wait_for_change_after(self, index, timeout_s):
        return index + 1, {{f"a{{index}}": {{"address": "10.0.0.1"}}}}

import threading
stop = threading.Event()
for services in Watching().watch(stop):
    print(list(services))
    if "a2" in services:
        stop.set()
"""
    assert python(code, plugin).stdout.splitlines() == ["['a0']", "['a1']", "['a2']"]


def test_the_configuration_of_the_example_is_read(tmp_path):
    from dnsdisco.config.sources import resolve, Source

    (tmp_path / "dnsdisco.yaml").write_text(blocks(ADDING, "yaml")[0])
    settings = resolve(Source(str(tmp_path / "dnsdisco.yaml"), {}, {}), known_types={"env", "inventory"})
    assert settings.plain()["providers"][0]["url"] == "http://inventory:9999"
    assert yaml.safe_load(blocks(ADDING, "yaml")[0])["providers"][0]["type"] == "inventory"


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
