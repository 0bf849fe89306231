"""Which provider a name belongs to, what a duration is and where an upstream is: one table each, for DNS, library and command line.

The last three of five pairs of copies that had drifted apart where a user saw it; test_one_choice.py has the first two.
"""

from __future__ import annotations

import json

import pytest

from dnsdisco.cli import main
from dnsdisco.config import load
from dnsdisco.config.sources import Given
from dnsdisco.model.claims import ChainPolicy
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.providers.static import check_file, StaticServiceDiscovery
from dnsdisco.server.settings import WorkerSettings
from dnsdisco.settings.forms import for_workers
from dnsdisco.written import endpoints
from tests.config.known import inspect
from tests.kit import Answers, section

# What each provider of a chain has, in order (address by name), what is asked, and the addresses that are found with `first` and with `merge`.
CLAIMS = [
    ([{"Web": 1}, {"web": 2}], "web", [1], [1, 2]),
    ([{"Web": 1}, {"web": 2}], "WEB", [1], [1, 2]),
    ([{"web": 1}, {"Web": 2}], "Web", [1], [1, 2]),
    ([{"Web": 1, "web": 2}], "web", [1], [1]),
    ([{"a": 9, "my.service": 1}, {"my-service": 2}], "my-service", [2], [2]),
    ([{"my-service": 1}, {"My_Service": 2}], "my-service", [1], [1]),
    ([{"my-service": 1}, {"My_Service": 2}], "my_service", [2], [2]),
    ([{"My_Service": 1}, {"my_service": 2}], "my-service", [1], [1, 2]),
    ([{"a": 9}, {"My.Service": 1}], "my-service", [1], [1]),
    ([{"my service": 1}, {"my.service": 2}], "my-service", [1], [1]),
    ([{"Web": 1}, {"b": 9}, {"WEB": 2}], "web", [1], [1, 2]),
    ([{"web": 1}], "wob", [], []),
]
# A `ttl`, and its seconds; None: it is a fault.
DURATIONS = [
    ("5", 5), ("5s", 5), (" 5s ", 5), ("5S", 5), ("0", 0), ("0s", 0), ("1m30s", 90), ("1h", 3600), ("0.5h", 1800), ("2000ms", 2), ("3000000us", 3), ("0.001w", None),
    ("60.48s", None), ("1w", None), ("1d", None), ("3601", None), ("-1", None), ("-1s", None), ("1x", None), ("1 s", None), ("ten", None), ("500ms", None), ("1e3", None),
    ("0x10", None), ("020", 20), ("true", None), ("", None), ("1h1", None), (".5h", None),
]  # fmt: skip
# An upstream, and how it is known from then on; None: it is a fault.
UPSTREAMS = [
    ("192.0.2.1", "192.0.2.1:53"), (" 192.0.2.1 ", "192.0.2.1:53"), ("192.0.2.1:5353", "192.0.2.1:5353"), ("2001:DB8::1", "[2001:db8::1]:53"), ("fe80::1%eth0", "[fe80::1%eth0]:53"),
    ("TLS://192.0.2.1", "tls://192.0.2.1:853"), ("tls://192.0.2.1/", "tls://192.0.2.1:853"), ("tls://192.0.2.1#dns.example", "tls://192.0.2.1:853#dns.example"),
    ("https://192.0.2.1/q{?dns}", "https://192.0.2.1/q"), ("https://192.0.2.1/dns-query", "https://192.0.2.1/dns-query"),
    ("tls://192.0.2.1#ü", None), ("tls://dns.example", None), ("dns.example", None), ("192.0.2.1:0", None), ("192.0.2.1:x", None), ("http://192.0.2.1/q", None), ("quic://192.0.2.1", None), ("", None), ("[2001:db8::1", None),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", ())
    return tmp_path


@pytest.mark.parametrize(("providers", "asked", "first", "merged"), CLAIMS)
@pytest.mark.parametrize("chain", ["first", "merge"])
def test_which_provider_a_name_belongs_to(folder, capsys, providers, asked, first, merged, chain):
    expected = {f"10.0.0.{number}" for number in (first if chain == "first" else merged)}
    files = [folder / f"{at}.yaml" for at in range(len(providers))]
    for file, services in zip(files, providers, strict=True):
        file.write_text(json.dumps({name: {"address": f"10.0.0.{number}", "port": 80} for name, number in services.items()}))
    each = [StaticServiceDiscovery(file) for file in files]
    library = ChainServiceDiscovery(each, chain)
    found = library.get_service(asked) or {"instances": []}
    assert {instance["address"] for instance in found["instances"]} == expected
    listed = [{instance["address"] for instance in service["instances"]} for service in library.get_services().values()]
    assert [addresses for addresses in listed if addresses & expected] == [expected] * bool(expected)

    snapshots = {str(at): provider.local_source().services().services for at, provider in enumerate(each)}
    dns = Answers(snapshots=snapshots, chain=ChainPolicy(is_merging=chain == "merge"))
    assert {line.split()[-1] for line in section(dns.ask(f"{asked}.svc.local").answer)} == expected

    entries = ", ".join(f"{{type: static, path: {file}}}" for file in files)
    (folder / "d.yaml").write_text(f"chain: {chain}\nproviders: [{entries}]\n")
    assert main(["url", asked, "--config", "d.yaml"]) == (0 if expected else 1)
    assert capsys.readouterr().out.strip() in ({f"http://{address}:80" for address in expected} or {""})
    assert main(["services", "--json", "--config", "d.yaml"]) == 0
    shown = json.loads(capsys.readouterr().out)["services"].values()
    shown = [{instance["address"] for instance in service["instances"]} for service in shown]
    assert [addresses for addresses in shown if addresses & expected] == [expected] * bool(expected)


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_what_a_duration_is(folder, capsys, written, seconds):
    services = folder / "services.yaml"
    services.write_text(f"web: {{address: 10.0.0.1, ttl: {json.dumps(written)}}}\n")
    (folder / "d.yaml").write_text(f"ttl: {json.dumps(written)}\nproviders: [{{type: static, path: empty.yaml}}]\n")
    (folder / "empty.yaml").touch()
    library = StaticServiceDiscovery(services)
    assert library.get_service("web").get("ttl") == seconds
    assert (check_file(services) == []) == (seconds is not None)

    dns = Answers(snapshots={"0": library.local_source().services().services}, ttl=7)
    assert dns.ask("web.svc.local").answer[0].ttl == (7 if seconds is None else seconds)

    for arguments in (["check", "--services", "services.yaml"], ["check", "--config", "d.yaml"]):
        assert main(arguments) == (0 if seconds is not None else 1), (arguments, capsys.readouterr())
        capsys.readouterr()
    settings = inspect(Given(config="d.yaml", environ={})).settings
    assert (settings.ttl if settings else None) == seconds


@pytest.mark.parametrize(("written", "canonical"), UPSTREAMS)
def test_where_an_upstream_is(folder, capsys, written, canonical):
    (folder / "empty.yaml").touch()
    text = f"providers: [{{type: static, path: empty.yaml}}]\nforward: {{upstreams: [{json.dumps(written)}]}}\n"
    (folder / "d.yaml").write_text(text)
    given = Given(config="d.yaml", environ={})
    by_flag = Given(flags={"services": "empty.yaml", "upstream": [written]}, environ={})
    assert main(["check", "--config", "d.yaml"]) == (0 if canonical else 1), capsys.readouterr()
    for settings in (inspect(given).settings, inspect(by_flag).settings):
        assert (settings is not None) == (canonical is not None)
        if settings is None:
            continue
        (read,) = WorkerSettings.from_plain(for_workers(settings)).configured.forward.upstreams
        assert str(read) == canonical
        assert str(endpoints.upstream(str(read))) == canonical
