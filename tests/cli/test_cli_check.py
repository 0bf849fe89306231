"""`dnsdisco check`: faults of the configuration, of the services file and of the zone files, together and with their places."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from dnsdisco.cli import main
from dnsdisco.control import zonefiles
from dnsdisco.errors import ConfigError, Problem
from dnsdisco.model.service import Instance, Service, Snapshot
from dnsdisco.providers import registry
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.local_source import LocalSource

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("SERVICE_DISCOVERY_PROVIDER", "SERVICE_DISCOVERY_CONFIG_FILE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "conf" / "zones").mkdir(parents=True)
    return tmp_path


def checked(capsys, *args):
    status = main(["check", "--json", *args])
    out, _ = capsys.readouterr()
    got = json.loads(out)
    assert set(got) == {"version", "ok", "problems"}
    assert got["version"] == 1
    assert (status == 0) == got["ok"]
    assert all(set(problem) == {"file", "line", "column", "path", "message"} for problem in got["problems"])
    return [
        (problem["file"], problem["line"], problem["column"], problem["path"], problem["message"]) for problem in got["problems"]
    ]


def test_nothing_written_nothing_wrong(capsys):
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("warning: no file was read: there is no dnsdisco.yaml and no /etc/dnsdisco/dnsdisco.yaml")
    assert err == "dnsdisco: no fault\n"
    assert [(line, message.startswith("warning: no file was read")) for _, line, _, _, message in checked(capsys)] == [(0, True)]


def test_it_says_which_files_it_has_read(folder, capsys):
    (folder / "conf" / "dnsdisco.yaml").write_text(
        "providers: [{type: static, path: zones/services.yaml}]\nzone_files: [zones/*.zone]\n"
    )
    (folder / "conf" / "zones" / "services.yaml").write_text("web: {address: 10.0.0.1}\n")
    (folder / "conf" / "zones" / "a.zone").write_text("")
    assert main(["check", "--config", "conf/dnsdisco.yaml"]) == 0
    assert capsys.readouterr().err.startswith("dnsdisco: read conf/dnsdisco.yaml, conf/zones/services.yaml, conf/zones/a.zone\n")
    (folder / "other.yaml").write_text("web: {address: x y}\n")
    assert main(["check", "--services", "other.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("other.yaml:1:16: fault: web.address")
    assert err.startswith("dnsdisco: read other.yaml\n")


def test_the_example_files_have_no_fault(folder, capsys):
    zones = ROOT / "zones"
    (folder / "dnsdisco.yaml").write_text(
        f"providers: [{{type: static, path: {zones}/services.yaml}}]\nzone_files: ['{zones}/*.zone']\n"
    )
    assert checked(capsys) == []


def test_faults_of_the_configuration(folder, capsys):
    (folder / "dnsdisco.yaml").write_text("lisen: []\nttl: x\n")
    assert main(["check"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "dnsdisco.yaml:1:1: fault: lisen: unknown key; did you mean listen?"
    assert out.splitlines()[1].startswith("dnsdisco.yaml:2:6: fault: ttl: expected a duration such as 10s")
    assert err == "dnsdisco: read dnsdisco.yaml\ndnsdisco: 2 faults\n"
    assert [problem[:4] for problem in checked(capsys)] == [("dnsdisco.yaml", 1, 1, "lisen"), ("dnsdisco.yaml", 2, 6, "ttl")]


def test_a_missing_file(capsys):
    assert checked(capsys, "--config", "gone.yaml") == [("gone.yaml", 0, 0, "", "no such file")]


def test_faults_of_the_files_that_the_configuration_names(folder, capsys):
    (folder / "conf" / "dnsdisco.yaml").write_text(
        "zones: [svc.local]\nproviders: [{type: static, path: zones/services.yaml}]\nzone_files: [zones/*.zone, zones/gone.zone, 'none/*']\n"
    )
    (folder / "conf" / "zones" / "services.yaml").write_text("web:\n  instances:\n    - {address: 10.0.0.1, port: 70000}\n")
    (folder / "conf" / "zones" / "a.zone").write_text("www CNAME web\nother.example. A 10.0.0.1\n\n  bad A nonsense\n")
    (folder / "conf" / "zones" / "b.zone").write_bytes(b"www A 10.0.0.1\n; \xff\n")
    problems = checked(capsys, "--config", "conf/dnsdisco.yaml")
    places = [problem[:3] for problem in problems]
    assert ("conf/zones/services.yaml", 3, 33) in places
    assert ("conf/zones/a.zone", 2, 1) in places
    assert ("conf/zones/b.zone", 2, 0) in places
    assert ("conf/dnsdisco.yaml", 3, 28, "zone_files[1]", "no file is called conf/zones/gone.zone") in problems
    assert ("conf/dnsdisco.yaml", 3, 45, "zone_files[2]", "warning: no file is called conf/none/*") in problems


def test_a_faulty_configuration_does_not_hide_the_faults_of_the_files_it_names(folder, capsys):
    (folder / "s.yaml").write_text("web: {address: 10.0.0.1, port: 70000}\n")
    (folder / "a.zone").write_text("www A nonsense\n")
    (folder / "dnsdisco.yaml").write_text(
        "tll: 5\nproviders: [{type: static, path: s.yaml}]\nzone_files: [a.zone]\nhttp: x\nforward: {zone: {}}\n"
    )
    assert [problem[:2] for problem in checked(capsys)] == [
        ("dnsdisco.yaml", 1),
        ("dnsdisco.yaml", 4),
        ("dnsdisco.yaml", 5),
        ("s.yaml", 1),
        ("a.zone", 1),
    ]


def test_warnings_alone_are_no_fault(folder, capsys):
    (folder / "dnsdisco.yaml").write_text("zone_files: ['none/*.zone']\n")
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert out == "dnsdisco.yaml:1:14: warning: zone_files[0]: no file is called none/*.zone\n"
    assert err == "dnsdisco: read dnsdisco.yaml\ndnsdisco: no fault\n"


def test_a_lost_name_is_a_warning(folder, capsys):
    (folder / "services.yaml").write_text("My Web: {address: 10.0.0.1, port: 1}\nmy-web: {address: 10.0.0.2, port: 2}\n")
    problems = checked(capsys)
    assert problems
    assert all(problem[0] == "services.yaml" and problem[4].startswith("warning: ") for problem in problems)


def test_the_services_file_that_would_be_used(folder, capsys, monkeypatch):
    bad = "web: {address: 10.0.0.1, port: 70000}\n"
    (folder / "services.yaml").write_text(bad)
    (folder / "other.yaml").write_text(bad)
    assert [problem[:2] for problem in checked(capsys)] == [("services.yaml", 1)]
    monkeypatch.setenv("SERVICE_DISCOVERY_CONFIG_FILE", "other.yaml")
    assert [problem[:2] for problem in checked(capsys)] == [("other.yaml", 1)]
    monkeypatch.setenv("SERVICE_DISCOVERY_CONFIG_FILE", "gone.yaml")
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "static")
    [problem] = checked(capsys)
    assert problem[0] == "gone.yaml"
    assert "no such file" in problem[4]
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "env")
    [problem] = checked(capsys)
    assert problem[4].startswith("warning: no file was read")


def test_a_zone_file_that_is_too_large(folder, capsys, monkeypatch):
    monkeypatch.setattr(zonefiles, "FILE_OCTETS_MAX", 10)
    (folder / "a.zone").write_text("www A 10.0.0.1\n")
    (folder / "dnsdisco.yaml").write_text("zone_files: [a.zone]\n")
    assert checked(capsys) == [("a.zone", 0, 0, "", "the file is larger than 10 octets")]


def test_what_has_no_effect_in_a_zone_file_is_a_warning(folder, capsys):
    (folder / "a.zone").write_text("@ SOA ns h 1 2 3 4 5\n@ NS ns\n  NS ns2\nwww A 10.0.0.1\n")
    (folder / "dnsdisco.yaml").write_text("zone_files: [a.zone]\n")
    found = [(line, message) for _, line, _, _, message in checked(capsys)]
    assert [line for line, _ in found] == [1, 2, 3]
    assert all("has no effect" in message and message.startswith("warning: ") for _, message in found)


def test_a_provider_that_cannot_be_built(folder, capsys, monkeypatch):
    (folder / "dnsdisco.yaml").write_text("providers: [env, {type: env, optional: true}]\n")
    from dnsdisco.providers import registry

    def refuse(entry, environ):
        raise ConfigError((Problem("", 0, 0, "provider env", "no such option"),))

    monkeypatch.setattr(registry, "create", refuse)
    assert checked(capsys) == [
        ("dnsdisco.yaml", 1, 13, "providers[0]", "no such option"),
        ("dnsdisco.yaml", 1, 13, "providers[0]", "no such option"),
    ]
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "static")
    assert checked(capsys) == [("", 0, 0, "static", "no such option")]


def test_records_that_the_server_would_leave_out(folder, capsys):
    (folder / "services.yaml").write_text(
        "web:\n"
        "  address: 10.0.0.1\n"
        "  port: 70000\n"
        "mail:\n"
        "  address: 10.0.0.2\n"
        "  records:\n"
        "    - {type: FOO, value: x}\n"
        "    - {type: A, value: 10.0.0}\n"
        "    - {type: MX, value: '10 mx.example.net.'}\n"
        "    - {type: CNAME, value: www.example.net.}\n"
        "    - {type: TXT, name: a..b, value: x}\n"
        "    - 5\n"
    )
    problems = checked(capsys)
    assert [problem[1:4] for problem in problems] == [
        (3, 9, "web.port"),
        (7, 7, "mail.records[0]"),
        (8, 7, "mail.records[1]"),
        (10, 7, "mail.records[3]"),
        (11, 7, "mail.records[4]"),
        (12, 7, "mail.records[5]"),
    ]
    assert "FOO" in problems[1][4]


def test_a_name_that_is_empty_has_a_place(folder, capsys):
    (folder / "services.yaml").write_text('web: {address: 10.0.0.1}\n"": {address: 10.0.0.2}\n')
    [(file, line, column, path, message)] = checked(capsys)
    assert (file, line, column, path) == ("services.yaml", 2, 1, "")
    assert "expected a service name" in message


def test_a_variable_that_makes_no_sense_is_a_warning(capsys, monkeypatch):
    monkeypatch.setenv("SERVICE_DB_HOST", "10.0.0.1")
    monkeypatch.setenv("SERVICE_DB_PORT", "many")
    [(file, line, column, path, message)] = checked(capsys)
    assert (file, line, column, path) == ("", 0, 0, "SERVICE_DB_PORT")
    assert message.startswith("warning: expected a whole number from 1 to 65535")


def test_a_zone_file_that_is_none(folder, capsys):
    os.mkfifo(folder / "a.zone")
    (folder / "b.zone").mkdir()
    (folder / "dnsdisco.yaml").write_text("zone_files: ['*.zone']\n")
    message = "this is not a regular file"
    assert checked(capsys) == [("a.zone", 0, 0, "", message), ("b.zone", 0, 0, "", message)]


def test_a_name_that_another_provider_has_is_a_warning_for_the_loser(folder, capsys, monkeypatch):
    """Each name is somebody's raw one; the other's is made up, and it is told once, at its place."""
    monkeypatch.setenv("SERVICE_MY_API_HOST", "10.0.0.9")
    monkeypatch.setenv("SERVICE_WEB_HOST", "10.0.0.8")
    (folder / "services.yaml").write_text("web: {address: 10.0.0.1}\nmy_api: {address: 10.0.0.2}\nother: 5\n")
    assert main(["check", "--json"]) == 1
    out, err = capsys.readouterr()
    said = json.loads(out)["problems"]
    assert [problem for problem in said if problem["path"] == "my_api"] == [
        {
            "file": "services.yaml",
            "line": 2,
            "column": 1,
            "path": "my_api",
            "message": "warning: is not found as my-api: that name belongs to my-api of env",
        }
    ]
    assert len(said) == 2  # `web` of the one shadows that of the other: nothing is lost
    assert "other" not in err


def test_what_is_left_out_of_a_provider_takes_no_name(folder, capsys, monkeypatch):
    monkeypatch.setenv("SERVICE_MY_API_HOST", "10.0.0.9")
    (folder / "services.yaml").write_text("my_api: {address: 10.0.0.2}\n")
    (folder / "dnsdisco.yaml").write_text("providers: [static, {type: env, exclude: [my-*]}]\n")
    assert main(["check"]) == 0
    assert capsys.readouterr().out == ""


def test_a_plug_in_that_reads_something_here_is_looked_at_too(folder, capsys, monkeypatch):
    """What the built-in providers have, a plug-in can have: faults in its source, and names that another one takes."""

    class Inventory(LocalSource):
        file = "inventory.txt"

        def services(self):
            return {"my_api": {"address": "10.0.0.1", "port": 80}}

        def faults(self, verify):
            return [Problem(self.file, 3, 1, "web", "has no rack", is_warning=True)]

        def places(self, names):
            return dict.fromkeys(names, (7, 2))

    class InventoryServiceDiscovery(ServiceDiscovery):
        def get_services(self):
            raise AssertionError("a check asks no backend")

        def local_source(self):
            return Inventory()

    load, types = registry.load, registry.types()
    monkeypatch.setattr(registry, "load", lambda kind: InventoryServiceDiscovery if kind == "inventory" else load(kind))
    monkeypatch.setattr(registry, "types", lambda: [*types, "inventory"])
    (folder / "services.yaml").write_text("my-api: {address: 10.0.0.2, port: 80}\n")
    (folder / "dnsdisco.yaml").write_text("providers: [{type: static, path: services.yaml}, inventory]\n")
    found = checked(capsys)
    assert [(file, line, column, path) for file, line, column, path, _ in found] == [
        ("inventory.txt", 3, 1, "web"),
        ("inventory.txt", 7, 2, "my_api"),
    ]
    assert found[1][4] == "warning: is not found as my-api: that name belongs to my-api of static"


def test_a_name_below_a_service_that_a_service_in_a_namespace_has_is_named(folder, capsys, monkeypatch):
    """`web.shop` is the service `web` in the namespace `shop`, not a tag, an instance or a record of the service `shop`, whoever has it."""

    class Namespaced(LocalSource):
        def services(self):
            made = [
                Service(name, "shop", is_default_namespace=False, instances=(Instance(name, "10.0.0.9"),)) for name in ("web", "s1", "_dmarc", "all")
            ]  # fmt: skip
            return Snapshot({service.key: service for service in made})

    class NamespacedServiceDiscovery(ServiceDiscovery):
        def get_services(self):
            raise AssertionError("a check asks no backend")

        def local_source(self):
            return Namespaced()

    load, types = registry.load, registry.types()
    monkeypatch.setattr(registry, "load", lambda kind: NamespacedServiceDiscovery if kind == "namespaced" else load(kind))
    monkeypatch.setattr(registry, "types", lambda: [*types, "namespaced"])
    (folder / "services.yaml").write_text(
        "good: {address: 10.0.0.1}\n"
        "shop: {instances: [{id: s1, address: 10.0.0.2, tags: [web]}], records: [{type: TXT, name: _dmarc, value: x}]}\n"
    )
    (folder / "dnsdisco.yaml").write_text("providers: [{type: static, path: services.yaml}, namespaced]\n")
    found = checked(capsys)
    assert {each[:4] for each in found} == {("services.yaml", 2, 1, "shop")}
    assert sorted(each[4] for each in found) == [
        "warning: all is not found as all.shop: that name belongs to shop/all of namespaced",
        "warning: the TXT record '_dmarc' is not found as _dmarc.shop: that name belongs to shop/_dmarc of namespaced",
        "warning: the instance 's1' is not found as s1.shop: that name belongs to shop/s1 of namespaced",
        "warning: the tag 'web' is not found as web.shop: that name belongs to shop/web of namespaced",
    ]
