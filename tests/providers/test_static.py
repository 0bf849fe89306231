"""The static provider reads: what becomes of a file, and what `dnsdisco check` says of it."""

import os

import pytest
from structlog.testing import capture_logs

from dnsdisco.errors import ProviderError
from dnsdisco.providers.static import check_file, StaticServiceDiscovery

FILE = """\
# one good, three bad, one odd
auth: {url: "http://auth-service:5001", address: auth-service, port: 5001}
web:
  instances:
    - {id: web-1, address: 10.0.0.11, port: 8080}
    - id: web-2
      address: 10.0.0.12
      port: 70000
    - {id: web-3}
  wieght: 3
bad: {address: 0.0.0.0}
"*": {address: 10.0.0.1}
.defaults: {port: 1}
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "services.yaml"


def test_one_bad_service_or_instance_is_left_out_alone(path):
    path.write_text(FILE)
    services = StaticServiceDiscovery(path).get_services()
    assert list(services) == ["auth", "web"]
    assert [each["id"] for each in services["web"]["instances"]] == ["web-1"]


def test_every_fault_has_its_place(path):
    path.write_text(FILE)
    found = [(problem.line, problem.column, problem.path, problem.is_warning) for problem in check_file(path)]
    assert found == [
        (8, 13, "web.instances[1].port", False),
        (9, 7, "web.instances[2]", False),
        (10, 3, "web.wieght", True),
        (11, 16, "bad.address", False),
        (12, 1, "*", False),
    ]
    assert {problem.file for problem in check_file(path)} == {str(path)}
    assert "did you mean weight" in check_file(path)[2].message


def test_faults_that_came_in_by_a_merge_key_are_placed_where_it_is(path):
    path.write_text("a:\n  <<: {port: 0}\n  address: 10.0.0.1\n")
    [problem] = check_file(path)
    assert (problem.line, problem.column, problem.path) == (1, 1, "a.port")


def test_names_that_collide_in_dns_are_warnings(path):
    path.write_text("my.api: {address: 10.0.0.1}\nmy-api: {address: 10.0.0.2}\nMy_Api: {address: 10.0.0.3}\n")
    problems = check_file(path)
    assert [(problem.line, problem.path, problem.is_warning) for problem in problems] == [(1, "my.api", True), (3, "My_Api", True)]
    assert "is not found as my-api: that name belongs to my-api" in problems[0].message


def test_a_good_file_has_no_problems(path):
    path.write_text("auth: {address: 10.0.0.1}\n")
    assert check_file(path) == []


@pytest.mark.parametrize(("content", "place"), [(b"a: [\n", (1, 5)), (b"a: \xff", (1, 4)), (b"a: 1\na: 2", (2, 1))])
def test_a_file_that_does_not_parse_is_refused_whole(path, content, place):
    path.write_bytes(content)
    [problem] = check_file(path)
    assert (problem.file, problem.line, problem.column) == (str(path), *place)
    for ask in (
        lambda provider: provider.get_services(),
        lambda provider: provider.get_service("a"),
        lambda provider: next(watch(provider)),
    ):
        with pytest.raises(ProviderError, match=f"services.yaml:{place[0]}:{place[1]}: "):
            ask(StaticServiceDiscovery(path))


def watch(provider):
    import threading

    return provider.watch(threading.Event())


def test_a_file_that_was_named_must_be_there(path, monkeypatch):
    with pytest.raises(ProviderError, match="no such file"):
        StaticServiceDiscovery(path).get_services()
    monkeypatch.setenv("SERVICE_DISCOVERY_CONFIG_FILE", str(path))
    with pytest.raises(ProviderError, match="no such file"):
        StaticServiceDiscovery().get_services()
    assert [problem.message for problem in check_file(path)] == ["no such file or directory"]


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", ""):
        with pytest.raises(ProviderError, match="this is not a regular file"):
            StaticServiceDiscovery(tmp_path / name).get_services()
        assert "this is not a regular file" in check_file(tmp_path / name)[0].message


def test_where_the_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERVICE_DISCOVERY_CONFIG_FILE", raising=False)
    provider = StaticServiceDiscovery()
    assert provider.get_services() == {}
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones/services.yaml").write_text("c: {address: 10.0.0.3}")
    assert list(provider.get_services()) == ["c"]
    (tmp_path / "services.json").write_text('{"b": {"address": "10.0.0.2"}}')
    assert list(provider.get_services()) == ["b"]
    (tmp_path / "services.yaml").write_text("a: {address: 10.0.0.1}")
    assert list(provider.get_services()) == ["a"]
    monkeypatch.chdir("/")
    assert list(provider.get_services()) == ["a"]
    monkeypatch.setenv("SERVICE_DISCOVERY_CONFIG_FILE", str(tmp_path / "services.json"))
    assert list(StaticServiceDiscovery().get_services()) == ["b"]
    assert list(StaticServiceDiscovery(tmp_path / "services.yaml").get_services()) == ["a"]


def test_settings_win_over_the_environment(tmp_path):
    environ = {"SERVICE_DISCOVERY_CONFIG_FILE": "/nowhere"}
    assert StaticServiceDiscovery.from_settings({}, environ).file == "/nowhere"
    assert StaticServiceDiscovery.from_settings({"path": ""}, environ).file == "/nowhere"
    assert StaticServiceDiscovery.from_settings({"path": "/else"}, environ).file == "/else"


def test_a_change_is_read_and_nothing_else_is(path):
    path.write_text("a: {address: 10.0.0.1}\nb: {address: 10.0.0.2}\n")
    provider = StaticServiceDiscovery(path)
    first = provider._load()
    assert provider._load() is first
    path.write_text("a: {address: 10.0.0.1}\nb: {address: 10.0.0.9}\n")
    second = provider._load()
    assert second.snapshot.services["", "a"] is first.snapshot.services["", "a"]
    assert second.snapshot.services["", "b"].instances[0].address == "10.0.0.9"
    assert second.snapshot.changed == {("", "b")}
    path.write_text("# the same\na: {address: 10.0.0.1}\nb: {address: 10.0.0.9}\n")
    assert provider._load().snapshot is second.snapshot
    path.write_text("b: {address: 10.0.0.9}\na: {address: 10.0.0.1}\n")
    assert [key for _, key in provider._load().snapshot.services] == ["b", "a"]  # the first one wins a name
    path.write_text("b: {address: 10.0.0.9}\n")
    assert provider._load().snapshot.changed == {("", "a")}


def test_each_fault_is_logged_once(path):
    path.write_text("a: {address: 0.0.0.0}\n")
    provider = StaticServiceDiscovery(path)
    with capture_logs() as logs:
        provider.get_services()
        provider.get_services()
        path.write_text("# more\na: {address: 0.0.0.0}\n")
        provider.get_services()
    assert len(logs) == 1
    assert logs[0]["event"].startswith(f"{path}:1:14: a.address: expected ")
    with capture_logs() as logs:
        path.write_text("\n".join(f"a{n}: {{address: 0.0.0.0}}" for n in range(50)))
        provider.get_services()
    assert len(logs) == 21
    assert "30 more" in logs[-1]["event"]
