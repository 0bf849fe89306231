"""`services`, `url`, `register`, `deregister`: the providers from the command line, without a server."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import subprocess
import sys

import pytest
import yaml

from dnsdisco.cli import main

EXAMPLE = pathlib.Path(__file__).parents[2] / "zones" / "services.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.startswith(("SERVICE_", "CONSUL_", "KUBE")):
            monkeypatch.delenv(variable)
    return tmp_path


def said(capsys, *args):
    status = main(list(args))
    out, err = capsys.readouterr()
    return status, out, err


def test_json_is_what_the_library_gives(capsys):
    status, out, err = said(capsys, "services", "--json", "--services", str(EXAMPLE))
    got = json.loads(out)
    assert (status, err, got["version"]) == (0, "", 1)
    assert list(got["services"]) == ["auth", "backend", "web"]
    assert got["services"]["auth"]["url"] == "http://10.0.0.21:5001"
    assert [instance["id"] for instance in got["services"]["web"]["instances"]] == ["web-1", "web-2", "web-3"]
    from dnsdisco.providers.static import StaticServiceDiscovery

    assert got["services"] == json.loads(json.dumps(StaticServiceDiscovery(str(EXAMPLE)).get_services()))


def test_a_line_an_instance_for_programs(capsys):
    status, out, _ = said(capsys, "services", "--services", str(EXAMPLE), "--provider", "static")
    rows = [line.split("\t") for line in out.splitlines()]
    assert status == 0
    assert rows[0] == ["service", "instance", "address", "port", "health", "tags"]
    assert [row[0] for row in rows[1:]] == ["auth", "backend", "web", "web", "web"]
    assert rows[3][1:5] == ["web-1", "10.0.0.11", "8080", "passing"]
    assert rows[5][4] == "critical"
    assert "primary" in rows[3][5]


@pytest.mark.slow
def test_a_table_for_people(folder):
    (folder / "s.yaml").write_text('"[red]x[/red]": {address: 10.0.0.1, port: 80, meta: {a: "\\e[31m"}}\nweb: {instances: []}\n')
    main_end, terminal = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), "COLUMNS": "120"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-m", "dnsdisco.cli", "services", "--services", "s.yaml"], stdout=terminal, env=environ
    ) as done:
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += os.read(main_end, 65536)
            except OSError:  # how Linux tells that the other end was closed
                break
    os.close(main_end)
    assert done.returncode == 0
    assert b"[red]x[/red]" in shown  # a name is a name, not our markup
    assert b"\x1b[" in shown
    assert b"web" in shown


def test_no_services(folder, capsys):
    assert said(capsys, "services") == (0, "", "dnsdisco: no provider knows a service\n")
    status, out, _ = said(capsys, "services", "--json")
    assert (status, json.loads(out)) == (0, {"version": 1, "services": {}})


def test_the_environment_is_a_provider(monkeypatch, capsys):
    monkeypatch.setenv("SERVICE_AUTH_URL", "http://10.0.0.9:5001")
    assert said(capsys, "url", "auth") == (0, "http://10.0.0.9:5001\n", "")
    assert said(capsys, "url", "auth", "--provider", "env") == (0, "http://10.0.0.9:5001\n", "")


@pytest.fixture
def plugin(folder, monkeypatch):
    """Installs `shelf`, a plug-in whose get_services() does what *line* says."""

    def install(line):
        info = folder / "site" / "shelf-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[dnsdisco.providers]\nshelf = shelf:Shelf\n")
        (folder / "site" / "shelf.py").write_text(
            f"from dnsdisco import ServiceDiscovery\nclass Shelf(ServiceDiscovery):\n    def get_services(self): {line}\n"
        )
        monkeypatch.syspath_prepend(str(folder / "site"))
        monkeypatch.delitem(sys.modules, "shelf", raising=False)

    return install


def test_a_plug_in_s_short_forms_are_shown_in_full(plugin, capsys):
    plugin("return {'a': {'url': 'http://10.0.0.1:80/x'}, 'b': {'instances': [{'address': '10.0.0.2'}]}, 'bad': 5, 7: {}}")
    status, out, err = said(capsys, "services", "--json", "--provider", "shelf")
    services = json.loads(out)["services"]
    assert (status, list(services)) == (0, ["a", "b"])
    for service in services.values():
        assert {"url", "address", "port", "scheme", "tags", "meta", "id", "health"} <= service.keys() & service["instances"][
            0
        ].keys()
    assert services["a"]["instances"][0]["url"] == services["a"]["url"] == "http://10.0.0.1:80/x"
    assert "bad: expected a mapping" in err
    assert "7: expected a service name" in err


@pytest.mark.parametrize(("line", "words"), [("raise RuntimeError('boom')", "RuntimeError: boom"), ("return None", "NoneType")])
def test_a_plug_in_that_fails_is_a_provider_that_cannot_be_asked(line, words, plugin, capsys):
    plugin(line)
    for command in (["services"], ["url", "web"]):
        status, out, err = said(capsys, *command, "--provider", "shelf")
        assert (status, out) == (1, "")
        assert "dnsdisco: shelf: " in err
        assert words in err


def test_url(capsys):
    assert said(capsys, "url", "auth", "--services", str(EXAMPLE)) == (0, "http://10.0.0.21:5001\n", "")
    status, out, _ = said(capsys, "url", "web", "--services", str(EXAMPLE))
    assert (status, out in {"http://10.0.0.11:8080\n", "http://[2001:db8::12]:8080\n"}) == (0, True)


@pytest.mark.parametrize(
    ("general", "own", "status"),
    [("", "", 0), ("when_all_unhealthy: empty", "", 1), ("when_all_unhealthy: empty", ", when_all_unhealthy: fail_open", 0)],
)
def test_url_follows_the_rule_for_critical_instances(general, own, status, folder, capsys):
    """The same three levels as in a server's answers."""
    (folder / "s.yaml").write_text("web: {address: 10.0.0.1, port: 80, health: critical}\n")
    (folder / "dnsdisco.yaml").write_text(f"{general}\nproviders: [{{type: static, path: s.yaml{own}}}]\n")
    assert said(capsys, "url", "web")[0] == status


def test_an_unknown_url_is_status_1(folder, capsys):
    assert said(capsys, "url", "ath", "--services", str(EXAMPLE)) == (
        1,
        "",
        "dnsdisco: there is no URL for 'ath'; did you mean auth?\n",
    )
    (folder / "s.yaml").write_text("web: {instances: []}")
    assert said(capsys, "url", "web", "--services", "s.yaml") == (
        1,
        "",
        "dnsdisco: there is no URL for 'web'; it has no instance\n",
    )


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["services"], "broken.yaml"),
        (["services"], "gone.yaml"),
        (["services", "--json"], "gone.yaml"),
        (["url", "web"], "broken.yaml"),
        (["url", "web"], "gone.yaml"),
        (["register", "web", "--address", "10.0.0.1", "--port", "80"], "broken.yaml"),
        (["deregister", "web"], "broken.yaml"),
    ],
)
def test_a_provider_that_cannot_be_asked_is_status_1(command, file, folder, capsys):
    (folder / "broken.yaml").write_text("a: [\n")
    status, out, err = said(capsys, *command, "--services", file)
    assert (status, out) == (1, "")
    assert file in err
    assert "Traceback" not in err


def test_a_faulty_configuration_is_status_1(folder, capsys):
    (folder / "dnsdisco.yaml").write_text("ttl: x")
    for command in (["services"], ["url", "web"], ["register", "web", "--address", "a", "--port", "1"], ["deregister", "web"]):
        status, out, err = said(capsys, *command)
        assert (status, out) == (1, "")
        assert err.startswith("dnsdisco.yaml:1:6: fault: ttl: ")


REGISTER = [
    "register", "web", "--address", "10.0.0.14", "--port", "8080", "--id", "web-4", "--tag", "v3", "--tag", "blue", "--meta", "zone=c",
    "--meta", "note=a=b", "--weight", "7", "--check-http", "http://10.0.0.14:8080/health", "--interval", "5s", "--services", "s.yaml",
]  # fmt: skip


def test_register_writes_and_prints_the_id(folder, capsys):
    (folder / "s.yaml").write_text(EXAMPLE.read_text())
    assert said(capsys, *REGISTER)[:2] == (0, "web-4\n")
    text = (folder / "s.yaml").read_text()
    assert "# The short form: one instance." in text  # the rest of the file stays
    [made] = [instance for instance in yaml.safe_load(text)["web"]["instances"] if instance["id"] == "web-4"]
    made.pop("check", None)
    assert made == {
        "id": "web-4", "address": "10.0.0.14", "port": 8080, "weight": 7, "tags": ["v3", "blue"], "meta": {"zone": "c", "note": "a=b"},
    }  # fmt: skip


def test_register_and_deregister_by_id_and_all(folder, capsys):
    where = ["--services", "s.yaml", "--provider", "static"]
    (folder / "s.yaml").touch()
    status, first, _ = said(capsys, "register", "new", "--address", "10.0.0.1", "--port", "80", *where)
    assert (status, len(first.split())) == (0, 1)
    status, second, _ = said(capsys, "register", "new", "--address", "10.0.0.2", "--port", "80", *where)
    assert status == 0
    assert first != second
    assert said(capsys, "register", "new", "--address", "10.0.0.1", "--port", "80", *where)[1] == first  # the same one again
    assert said(capsys, "deregister", "new", "--id", "nobody", *where) == (
        1,
        "",
        "dnsdisco: there is no instance 'nobody' of 'new'\n",
    )
    assert said(capsys, "deregister", "new", "--id", first.strip(), *where) == (0, "", "")
    assert said(capsys, "url", "new", *where)[1] == "http://10.0.0.2:80\n"
    assert said(capsys, "deregister", "new", *where) == (0, "", "")
    assert said(capsys, "deregister", "new", *where) == (1, "", "dnsdisco: there is no instance of 'new'\n")


def test_what_cannot_be_written_to_says_so(capsys):
    status, out, err = said(capsys, "register", "x", "--address", "10.0.0.1", "--port", "80", "--provider", "env")
    assert (status, out) == (1, "")
    assert err.startswith("dnsdisco: ")


def test_an_instance_that_is_none_is_wrong_usage(folder, capsys):
    (folder / "s.yaml").touch()
    status, out, err = said(capsys, "register", "x", "--address", "not an address", "--port", "80", "--services", "s.yaml")
    assert (status, out) == (2, "")
    assert "address" in err
    assert (folder / "s.yaml").read_text() == ""
