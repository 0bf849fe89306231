"""Providers are found by name, built from their entry, and detected; every way in which that fails says what to do."""

import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dnsdisco.errors import ConfigError
from dnsdisco.providers import registry
from dnsdisco.providers.env import EnvServiceDiscovery
from dnsdisco.providers.kubernetes import options as kubernetes_options
from dnsdisco.providers.static import StaticServiceDiscovery

PLUGIN = """
from dnsdisco import ServiceDiscovery

class Nomad(ServiceDiscovery):
    type = "nomad"

    def __init__(self, address="http://127.0.0.1:4646", region=None):
        if "?" in address:
            raise ValueError(f"address: expected a URL, found {address}")
        self.address, self.region = address, region

    def get_services(self):
        return {"web": {"address": "10.0.0.1", "port": 80, "meta": {"nomad": self.address}}}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution on sys.path: what pip leaves behind, and no more."""

    def install(name, entry_points, **modules):
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "".join(f"{key} = {value}\n" for key, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[dnsdisco.providers]\n{lines}")
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(folder))

    return install


def refused(entry, environ=None):
    with pytest.raises(ConfigError) as error:
        registry.create(entry, environ or {})
    [problem] = error.value.problems
    return str(problem)


def test_built_in_ones():
    assert {"env", "static", "consul", "kubernetes"} <= set(registry.types())
    env = registry.create({"type": "env"}, {"SERVICE_A_HOST": "h"})
    assert isinstance(env, EnvServiceDiscovery)
    assert list(env.get_services()) == ["a"]
    static = registry.create({"type": "static", "path": "x.yaml"}, {})
    assert isinstance(static, StaticServiceDiscovery)
    assert static.file == "x.yaml"
    named = registry.create({"type": "static"}, {"SERVICE_DISCOVERY_CONFIG_FILE": "y.yaml"})
    assert isinstance(named, StaticServiceDiscovery)
    assert named.file == "y.yaml"


def test_common_options_do_not_reach_the_provider():
    common = {"optional": True, "include": ["a*"], "exclude": [], "max_stale": None, "when_all_unhealthy": "empty"}
    assert registry.create({"type": "env", **common, "poll_interval": 2}, {}).poll_interval == 2
    assert registry.create({"type": "env", **common, "poll_interval": None}, {}).poll_interval == 5


def test_a_plug_in(install):
    install("nomad-disco", {"nomad": "nomad_disco:Nomad"}, nomad_disco=PLUGIN)
    assert "nomad" in registry.types()
    with capture_logs() as logs:
        provider: Any = registry.create({"type": "nomad", "region": "eu"}, {})
    assert provider.region == "eu"
    assert provider.get_service_url("web") == "http://10.0.0.1:80"
    assert [log["event"] for log in logs] == ["the provider nomad is nomad_disco:Nomad of nomad-disco 1.2"]


def test_an_unknown_type_says_what_there_is(install):
    install("nomad-disco", {"nomad": "nomad_disco:Nomad"}, nomad_disco=PLUGIN)
    message = refused({"type": "nomda"})
    assert "there is no provider 'nomda'; did you mean nomad?" in message
    assert "Installed here: consul, env, kubernetes, nomad, static" in message
    assert (
        refused({"type": "zzz"})
        == "provider zzz: there is no provider 'zzz'. Installed here: consul, env, kubernetes, nomad, static"
    )


@pytest.mark.parametrize("entry", [{}, {"type": None}, {"type": ["env"]}, {"type": ""}])
def test_an_entry_without_a_type(entry):
    assert "expected the `type`" in refused(entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "nomad", "adress": "x"}, "unknown setting 'adress'"),
        ({"type": "nomad", "address": "?"}, "address: expected a URL, found ?"),
        ({"type": "env", "x": 1}, "unknown setting 'x'"),
        ({"type": "static", "file": "x"}, "unknown setting 'file'"),
    ],
)
def test_settings_that_cannot_be_used(install, entry, words):
    install("nomad-disco", {"nomad": "nomad_disco:Nomad"}, nomad_disco=PLUGIN)
    assert words in refused(entry)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import surely_not_installed", "needs the module surely_not_installed, which is not installed here"),
        ("1/0", "cannot be imported: ZeroDivisionError"),
        ("def", "cannot be imported: SyntaxError"),
        ("", "cannot be imported: AttributeError"),
        ("Thing = 5", "is no subclass of dnsdisco.ServiceDiscovery"),
        ("class Thing: pass", "is no subclass of dnsdisco.ServiceDiscovery"),
        ("from dnsdisco import ServiceDiscovery\nclass Thing(ServiceDiscovery): type = 'thing'", "get_services"),
        (PLUGIN.replace("Nomad", "Thing").replace("if", "raise KeyError('x')\n        if"), "KeyError: 'x'"),
    ],
)
def test_a_plug_in_that_is_broken_names_itself(install, source, words):
    install("thing-disco", {"thing": "thing_disco:Thing"}, thing_disco=source)
    message = refused({"type": "thing"})
    assert message.startswith("provider thing: ")
    assert words in message
    registry.create({"type": "env"}, {})  # and nobody else is harmed


def test_a_plug_in_cannot_take_the_name_of_one_of_ours(install):
    install("evil", {"env": "evil:Evil"}, evil=PLUGIN.replace("Nomad", "Evil"))
    with capture_logs() as logs:
        assert isinstance(registry.create({"type": "env"}, {}), EnvServiceDiscovery)
    assert "evil 1.2 also calls itself env" in logs[0]["event"]


@pytest.mark.parametrize("kind", ["consul", "kubernetes"])
def test_a_client_library_that_is_missing_is_named_with_its_extra(kind, monkeypatch, tmp_path):
    (tmp_path / "token").touch()
    monkeypatch.setattr(kubernetes_options, "SERVICE_ACCOUNT", str(tmp_path))
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == kind else object())
    assert refused({"type": kind}) == (
        f"provider {kind}: its client library is not installed; `pip install 'dnsdisco[{kind}]'` does it"
    )
    with capture_logs() as logs:
        assert registry.detect({"CONSUL_HOST": "x", "KUBERNETES_SERVICE_HOST": "x"}, folder=Path("/")).count(kind) == 0
    assert [kind in log["event"] and "passed over" in log["event"] for log in logs if kind in log["event"]] == [True]


def test_where_the_package_is_not_installed(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    assert "dnsdisco is not installed here" in refused({"type": "env"})


@pytest.fixture
def everything_is_installed(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: object())


@pytest.mark.usefixtures("everything_is_installed")
@pytest.mark.parametrize(
    ("environ", "files", "expected"),
    [
        ({}, [], ["env"]),
        ({}, ["services.yaml"], ["static", "env"]),
        ({}, ["services.json"], ["static", "env"]),
        ({}, ["zones/services.yaml"], ["static", "env"]),
        ({"SERVICE_DISCOVERY_CONFIG_FILE": "/nowhere"}, [], ["static", "env"]),
        ({"CONSUL_HOST": "c"}, [], ["consul", "env"]),
        ({"CONSUL_HTTP_ADDR": "c"}, ["services.yaml"], ["consul", "static", "env"]),
        ({"CONSUL_PORT": "8500", "CONSUL_TOKEN": "t", "CONSUL_HOST": ""}, [], ["env"]),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, [], ["env"]),
        ({}, ["token"], ["env"]),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "CONSUL_HOST": "c"},
            ["token", "services.yaml"],
            ["kubernetes", "consul", "static", "env"],
        ),
    ],
)
def test_detection(tmp_path, monkeypatch, environ, files, expected):
    monkeypatch.setattr(kubernetes_options, "SERVICE_ACCOUNT", str(tmp_path))
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert registry.detect(environ, folder=tmp_path) == expected


def detected(**attributes):
    """The source of a plug-in that the variable NOMAD_ADDR suggests."""
    lines = "".join(f"    {name} = {value!r}\n" for name, value in attributes.items())
    return (
        PLUGIN
        + lines
        + """
    @classmethod
    def is_suggested(cls, environ, folder):
        return "NOMAD_ADDR" in environ
"""
    )


@pytest.mark.usefixtures("everything_is_installed")
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, ["consul", "nomad", "static", "env"]),
        ({"precedence": 15}, ["nomad", "consul", "static", "env"]),
        ({"precedence": 101}, ["consul", "static", "env", "nomad"]),
    ],
)
def test_a_plug_in_can_be_detected(install, tmp_path, attributes, expected):
    install("nomad-disco", {"nomad": "nomad_disco:Nomad"}, nomad_disco=detected(**attributes))
    environ = {"CONSUL_HOST": "c", "SERVICE_DISCOVERY_CONFIG_FILE": "x"}
    assert registry.detect({**environ, "NOMAD_ADDR": ""}, folder=tmp_path) == expected
    assert registry.detect(environ, folder=tmp_path) == [kind for kind in expected if kind != "nomad"]


def test_what_a_plug_in_needs_is_named_with_what_installs_it(install, tmp_path):
    source = detected(needs=("surely_not_installed",), package="nomad-disco[http]")
    install("nomad-disco", {"nomad": "nomad_disco:Nomad"}, nomad_disco=source)
    reason = "its client library is not installed; `pip install 'nomad-disco[http]'` does it"
    assert refused({"type": "nomad"}) == f"provider nomad: {reason}"
    with capture_logs() as logs:
        assert registry.detect({"NOMAD_ADDR": ""}, folder=tmp_path) == ["env"]
    assert [log["event"] for log in logs] == [f"nomad was detected and is passed over: {reason}"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1/0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("import surely_not_installed", "needs the module surely_not_installed"),
        ("Thing = 5", "is no subclass of dnsdisco.ServiceDiscovery"),
        (detected().replace("Nomad", "Thing").replace('"NOMAD_ADDR" in environ', "environ[0]"), "KeyError: 0"),
    ],
)
def test_a_broken_plug_in_costs_no_other_its_detection(install, tmp_path, source, words):
    install("thing-disco", {"thing": "thing_disco:Thing"}, thing_disco=source)
    with capture_logs() as logs:
        assert registry.detect({}, folder=tmp_path) == ["env"]
    (line,) = [log["event"] for log in logs]
    assert line.startswith("thing cannot be detected: ")
    assert words in line


@pytest.mark.slow
def test_what_a_provider_declares_is_known_before_it_is_imported():
    """A server that asks only one provider does not hold what the others need, such as http.client and YAML."""
    code = """
import sys
from dnsdisco.providers import registry
kinds = registry.types()
needs = {kind: registry.traits(kind).needs for kind in kinds}
registry.detect({"CONSUL_HOST": "c", "SERVICE_DISCOVERY_CONFIG_FILE": "f"})
imported = {name for kind in kinds if kind != "env" for name in (f"dnsdisco.providers.{kind}.provider", "http.client", "yaml")} & {*sys.modules}
print(needs["consul"], needs["env"], sorted(imported))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "('consul',) () []\n"


def test_detection_looks_into_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert registry.detect({}) == ["env"]
    (tmp_path / "services.json").write_text(json.dumps({}))
    assert registry.detect({}) == ["static", "env"]


def test_the_entry_points_are_declared_as_the_project_says():
    declared = {entry.name: entry.value for entry in distribution("dnsdisco").entry_points if entry.group == registry.GROUP}
    assert declared["env"] == "dnsdisco.providers.env:EnvServiceDiscovery"
    assert set(declared) == {"env", "static", "consul", "kubernetes"}
