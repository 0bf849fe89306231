"""docs/adding-a-provider.md, followed in one folder: its files are installed by pip, its tests pass, its provider is found by name."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dnsdisco.config.sources import Given, resolve
from dnsdisco.errors import ConfigError
from dnsdisco.providers import registry
from tests.config.known import Known
from tests.library.test_docs import blocks, environment, python

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
MODULE, OPTIONS, WATCHING, TESTS, CONFTEST = blocks(PAGE, "python")
FILES = {
    "pyproject.toml": blocks(PAGE, "toml")[0],
    "dnsdisco_inventory.py": MODULE,
    "test_inventory.py": TESTS,
    "conftest.py": CONFTEST,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The one folder of the page."""
    made = tmp_path_factory.mktemp("inventory")
    for name, text in FILES.items():
        assert f"`{name}`" in PAGE
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def installed(folder, tmp_path_factory):
    """Where `pip install .` has put it. Without the network, so with the build backend that is here and without dependencies."""
    pytest.importorskip("hatchling", reason="hatchling, which the page builds with, is not installed")
    pytest.importorskip("pip", reason="pip is not installed")
    target = tmp_path_factory.mktemp("site-packages")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        ".",
    ]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return target


def test_pip_installs_the_provider_and_not_the_tests_beside_it(installed):
    assert sorted(each.name for each in installed.iterdir() if each.name != "__pycache__") == [
        "dnsdisco_inventory-1.0.dist-info",
        "dnsdisco_inventory.py",
    ]


def test_its_tests_pass(folder, installed):
    ran = pytest_in(folder, installed)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\b1[0-9] passed", ran.stdout)


def test_a_provider_that_breaks_the_contract_is_told_with_the_values(folder, installed, tmp_path):
    """The contract can fail: a provider that takes a dead backend for an empty one, and one that leaves out an instance."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    broken = MODULE.replace(
        'raise ProviderError(self.type, f"HTTP {error.code}", is_denied=error.code in (401, 403)) from None', "return []"
    )
    broken = broken.replace("for host in self._ask():", "for host in self._ask()[:2]:")
    (tmp_path / "dnsdisco_inventory.py").write_text(broken)
    ran = pytest_in(tmp_path, tmp_path, installed)
    assert ran.returncode == 1
    failed = set(re.findall(r"^FAILED .*::(\w+)", ran.stdout, re.MULTILINE))
    assert {"test_a_backend_that_does_not_answer_is_an_error_not_absence", "test_services_are_whole_and_readable"} <= failed
    assert re.search(r"^E +.*10\.0\.0\.12", ran.stdout, re.MULTILINE)  # and not an assertion without its values


def test_it_is_found_by_name(installed):
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
    ran = python(code, installed, SERVICE_DISCOVERY_PROVIDER="inventory")
    assert ran.stdout.splitlines() == ["http://10.0.0.2:80 - InventoryServiceDiscovery", "the inventory provider is read-only"]


def test_the_example_of_watching_is_a_method_of_the_contract(installed):
    """It is an excerpt: it runs with the one thing that it leaves open."""
    code = f"""{MODULE}

class Watching(InventoryServiceDiscovery):
{WATCHING}
    def wait_for_change_after(self, index, timeout_s):
        return index + 1, {{f"a{{index}}": {{"address": "10.0.0.1"}}}}

import threading
stop = threading.Event()
for services in Watching().watch(stop):
    print(list(services))
    if "a2" in services:
        stop.set()
"""
    assert python(code, installed).stdout.splitlines() == ["['a0']", "['a1']", "['a2']"]


def test_the_options_that_it_declares_are_checked(tmp_path, monkeypatch):
    (tmp_path / "checked_inventory.py").write_text(MODULE + OPTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = importlib.import_module("checked_inventory").CheckedInventory
    monkeypatch.setattr(registry, "traits", lambda _: made)
    (tmp_path / "dnsdisco.yaml").write_text("providers:\n  - {type: inventory, ulr: x, token: 5, pause: 2m}")
    with pytest.raises(ConfigError) as raised:
        resolve(Given(str(tmp_path / "dnsdisco.yaml")), Known({"inventory"}))
    assert [(problem.line, problem.column, problem.path) for problem in raised.value.problems] == [
        (2, 23, "providers[0].ulr"),
        (2, 38, "providers[0].token"),
        (2, 48, "providers[0].pause"),
    ]
    (tmp_path / "dnsdisco.yaml").write_text("providers: [{type: inventory, pause: 500ms}]")
    (entry,) = resolve(Given(str(tmp_path / "dnsdisco.yaml")), Known({"inventory"})).providers
    assert (entry["pause"], "url" in entry) == (0.5, False)


def test_its_configuration_is_read(tmp_path):
    (tmp_path / "dnsdisco.yaml").write_text(blocks(PAGE, "yaml")[0])
    settings = resolve(Given(str(tmp_path / "dnsdisco.yaml"), {}, {}), Known({"env", "inventory"}))
    assert settings.providers[0]["url"] == "http://inventory:9999"
    assert yaml.safe_load(blocks(PAGE, "yaml")[0])["providers"][0]["type"] == "inventory"


def pytest_in(folder, *path):
    """As somebody runs it there. *path*: what is before this project's own packages, the first one first."""
    environ = environment(path[0])
    for more in path[1:]:
        environ["PYTHONPATH"] = environ["PYTHONPATH"].replace(str(path[0]), f"{path[0]}:{more}", 1)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
