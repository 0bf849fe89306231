"""Flags over environment over the file over defaults, and what comes out (dnsdisco/config/sources.py, providers.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.config import load, sources
from dnsdisco.config.client_defaults import Glance, glance
from dnsdisco.config.reading import made, ReadingContext
from dnsdisco.config.sources import Given
from dnsdisco.errors import ConfigError
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.forms import from_plain, to_plain
from dnsdisco.written import addresses
from tests.config.known import inspect, resolve
from tests.config.reread import reread

COMMON = set(EntryOptions._fields)
HOME = {"HOME": "/home/someone"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", ("dnsdisco.yaml", str(tmp_path / "etc" / "dnsdisco.yaml")))
    return tmp_path


def types(settings):
    return [provider["type"] for provider in settings.providers]


def test_the_defaults(folder):
    plain = to_plain(resolve(Given(environ=HOME), detect=lambda environ: ["static", "env"]))
    common = {"optional": False, "include": [], "exclude": [], "max_stale": None, "when_all_unhealthy": None, "poll_interval": None}
    assert plain == {
        "zones": ["svc.local"],
        "listen": ["127.0.0.1:53", "[::1]:53"] if sources._has_ipv6() else ["127.0.0.1:53"],
        "ttl": 5,
        "negative_ttl": 2,
        "chain": "first",
        "when_all_unhealthy": "fail_open",
        "startup_timeout": 3.0,
        "stale_after": 30.0,
        "max_answers": 0,
        "srv_weight_scale": 1,
        "providers": [{"type": "static", **common}, {"type": "env", **common}],
        "zone_files": [],
        "forward": {"upstreams": ["/etc/resolv.conf"], "zones": {}, "policy": "order", "trust_ad": False, "rebind_protection": False, "rebind_allowed": [], "case_randomisation": False},
        "cache": {"size": 10000, "min_ttl": 0, "max_ttl": 86400, "negative_max_ttl": 300, "serve_stale": 86400},
        "acl": {"allow": ["127.0.0.0/8", "::1/128", *addresses.PRIVATE_NETWORKS]},
        "rate_limit": {
            "responses_per_second": 200, "slip": 2, "ipv4_prefix": 24, "ipv6_prefix": 56, "exempt": [*addresses.PRIVATE_NETWORKS],
        },
        "identity": {"version": "", "server_id": ""},
        "tls": {"certificate": None, "key": None},
        "workers": 1,
        "http": "127.0.0.1:8053",
        "http_hosts": [],
        "state_dir": "/home/someone/.local/state/dnsdisco",
        "control": "/home/someone/.local/state/dnsdisco/control.sock",
        "log_level": "info",
        "log_format": "text",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({}, HOME, "/home/someone/.local/state/dnsdisco/control.sock"),
        ({"state_dir": "/var/lib/d"}, HOME, "/var/lib/d/control.sock"),
        ({"state_dir": "off"}, HOME, "/run/dnsdisco/control.sock"),
        ({"state_dir": "off"}, {**HOME, "XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/dnsdisco/control.sock"),
        ({"state_dir": "off"}, {**HOME, "XDG_RUNTIME_DIR": "relative"}, "/run/dnsdisco/control.sock"),
        ({}, {}, "/run/dnsdisco/control.sock"),
        ({"control": "off"}, HOME, None),
        ({"control": "/tmp/x", "state_dir": "/var/lib/d"}, HOME, "/tmp/x"),
    ],
)
def test_where_the_control_socket_is(folder, flags, environ, expected):
    assert resolve(Given(flags=flags, environ=environ)).control == expected


def test_ipv6_loopback_only_where_it_can_be_bound(monkeypatch):
    monkeypatch.setattr(sources, "_has_ipv6", lambda: False)
    assert resolve(Given()).listen == ("127.0.0.1:53",)
    monkeypatch.setattr(sources, "_has_ipv6", lambda: True)
    assert resolve(Given()).listen == ("127.0.0.1:53", "[::1]:53")
    assert resolve(Given(flags={"listen": ["127.0.0.1"]})).listen == ("127.0.0.1:53",)


EVERYTHING = """
zones: [Svc.Internal., svc.local]
listen: [127.0.0.1, "[::1]:5300", tls://127.0.0.1]
ttl: 1m
negative_ttl: 0
chain: merge
when_all_unhealthy: empty
startup_timeout: 500ms
stale_after: 1m30s
max_answers: 8
srv_weight_scale: 256
providers:
  - {type: env}
  - {type: static, path: zones/services.yaml, optional: true, include: [web-*], exclude: [web-old], max_stale: 1h}
  - {type: consul, address: "http://127.0.0.1:8500", token_file: /run/consul.token, when_all_unhealthy: empty}
  - {type: kubernetes, kubeconfig: ~/kube.yaml, context: null, namespaces: [a, b], default_namespace: a, labels: "app=x", addresses: endpoints}
  - {type: nomad, poll_interval: 2s, servers: [x, y]}
zone_files: [zones/*.zone]
forward:
  upstreams: [/etc/resolv.conf, resolv.conf, 192.0.2.1, "tls://192.0.2.1#dns.example"]
  zones: {Corp.Example.: [10.0.0.53], "168.192.in-addr.arpa": []}
  policy: fastest
  trust_ad: true
  rebind_protection: true
  rebind_allowed: [Corp.Example.]
  case_randomisation: true
cache: {size: 0, min_ttl: 5, max_ttl: 1h, negative_max_ttl: 1m, serve_stale: 0}
acl: {allow: [127.0.0.1, private, 10.0.0.0/8]}
rate_limit: {responses_per_second: off, slip: 1, ipv4_prefix: 32, ipv6_prefix: 64, exempt: [192.0.2.7]}
identity: {version: "dnsdisco", server_id: "a"}
tls: {certificate: cert.pem, key: ~/key.pem}
workers: 4
http: off
state_dir: state
"""


def test_everything_in_the_file_normalised(folder):
    (folder / "conf").mkdir()
    (folder / "conf" / "f.yaml").write_text(EVERYTHING)
    settings = resolve(Given("conf/f.yaml", environ=HOME))
    plain = to_plain(settings)
    common = {"optional": False, "include": [], "exclude": [], "max_stale": None, "when_all_unhealthy": None, "poll_interval": None}
    assert plain == {
        "zones": ["svc.internal", "svc.local"],
        "listen": ["127.0.0.1:53", "[::1]:5300", "tls://127.0.0.1:853"],
        "ttl": 60,
        "negative_ttl": 0,
        "chain": "merge",
        "when_all_unhealthy": "empty",
        "startup_timeout": 0.5,
        "stale_after": 90.0,
        "max_answers": 8,
        "srv_weight_scale": 256,
        "providers": [
            {**common, "type": "env"},
            {
                **common, "type": "static", "path": f"{folder}/conf/zones/services.yaml", "optional": True, "include": ["web-*"],
                "exclude": ["web-old"], "max_stale": 3600.0,
            },
            {
                **common, "type": "consul", "address": "http://127.0.0.1:8500", "token_file": "/run/consul.token",
                "when_all_unhealthy": "empty",
            },
            {
                **common, "type": "kubernetes", "kubeconfig": "/home/someone/kube.yaml", "context": None, "namespaces": ["a", "b"],
                "default_namespace": "a", "labels": "app=x", "addresses": "endpoints",
            },
            {**common, "type": "nomad", "poll_interval": 2.0, "servers": ["x", "y"]},
        ],
        "zone_files": [f"{folder}/conf/zones/*.zone"],
        "forward": {
            "upstreams": ["/etc/resolv.conf", f"{folder}/conf/resolv.conf", "192.0.2.1:53", "tls://192.0.2.1:853#dns.example"],
            "zones": {"corp.example": ["10.0.0.53:53"], "168.192.in-addr.arpa": []},
            "policy": "fastest",
            "trust_ad": True,
            "rebind_protection": True,
            "rebind_allowed": ["corp.example"],
            "case_randomisation": True,
        },
        "cache": {"size": 0, "min_ttl": 5, "max_ttl": 3600, "negative_max_ttl": 60, "serve_stale": 0},
        "acl": {"allow": ["127.0.0.1/32", *addresses.PRIVATE_NETWORKS]},
        "rate_limit": {
            "responses_per_second": 0, "slip": 1, "ipv4_prefix": 32, "ipv6_prefix": 64, "exempt": ["192.0.2.7/32"],
        },
        "identity": {"version": "dnsdisco", "server_id": "a"},
        "tls": {"certificate": f"{folder}/conf/cert.pem", "key": "/home/someone/key.pem"},
        "workers": 4,
        "http": None,
        "http_hosts": [],
        "state_dir": f"{folder}/conf/state",
        "control": f"{folder}/conf/state/control.sock",
        "log_level": "info",
        "log_format": "text",
    }  # fmt: skip
    assert json.loads(json.dumps(plain)) == plain
    assert from_plain(Settings, json.loads(json.dumps(plain))) == settings == reread(settings)


def test_a_provider_says_only_what_it_was_told_of_its_own(folder):
    """What the entry leaves out, the provider takes from its environment variables, so a default here would hide those."""
    (folder / "f.yaml").write_text("providers: [consul, {type: kubernetes, context: null}]")
    consul, kubernetes = resolve(Given("f.yaml")).providers
    assert set(consul) == COMMON
    assert set(kubernetes) == COMMON | {"context"}


def test_flags_win_over_the_file_and_replace_its_lists(folder):
    (folder / "f.yaml").write_text(EVERYTHING)
    flags = {"zone": ["a.example"], "listen": ["127.0.0.1:5300"], "provider": ["env"], "upstream": ["192.0.2.9"], "workers": 2,
             "http": "127.0.0.1:9", "state_dir": "off"}  # fmt: skip
    settings = resolve(Given("f.yaml", flags, HOME))
    assert settings.zones == ("a.example",)
    assert settings.listen == ("127.0.0.1:5300",)
    assert types(settings) == ["env"]
    assert settings.forward.upstreams == ("192.0.2.9:53",)
    assert dict(settings.forward.zones) == {
        "corp.example": ("10.0.0.53:53",),
        "168.192.in-addr.arpa": (),
    }  # not touched by --upstream
    assert (settings.workers, settings.http, settings.state_dir) == (2, "127.0.0.1:9", None)
    assert settings.ttl == 60  # no flag, so the file's


@pytest.mark.parametrize("word", ["none", "off"])
def test_no_upstream_at_all(word):
    assert resolve(Given(flags={"upstream": [word]})).forward.upstreams == ()


def test_https_without_its_packages_names_the_extra(monkeypatch, folder):
    (folder / "f.yaml").write_text("forward: {upstreams: ['https://192.0.2.1/dns-query']}\n")
    assert resolve(Given(config="f.yaml")).forward.upstreams == ("https://192.0.2.1/dns-query",)
    monkeypatch.setattr("dnsdisco.config.values.find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=r"f\.yaml:1:.*pip install 'dnsdisco\[doh\]'"):
        resolve(Given(config="f.yaml"))


def test_none_beside_an_upstream_is_a_fault():
    with pytest.raises(ConfigError, match=r"--upstream: expected an upstream .* found 'none'"):
        resolve(Given(flags={"upstream": ["none", "192.0.2.1"]}))


@pytest.mark.parametrize(
    ("written", "http"),
    [("off", None), ("false", None), ("no", None), ("'off'", None), ("none", None), ("127.0.0.1:1", "127.0.0.1:1")],
)
def test_http_off(written, http, folder):
    (folder / "f.yaml").write_text(f"http: {written}\nstate_dir: off")
    settings = resolve(Given("f.yaml"))
    assert (settings.http, settings.state_dir) == (http, None)


@pytest.mark.parametrize(("given", "http"), [("off", None), ("OFF", None), ("none", None), ("[::1]:8053", "[::1]:8053")])
def test_http_off_by_flag(given, http, folder):
    (folder / "f.yaml").write_text("http: 127.0.0.1:1")
    assert resolve(Given("f.yaml", {"http": given})).http == http


def test_the_environment_wins_over_the_file_and_a_flag_over_both(folder):
    (folder / "f.yaml").write_text("providers: [static, {type: consul, address: 'http://a:1'}]")
    environ = {"SERVICE_DISCOVERY_PROVIDER": "env, consul"}
    assert types(resolve(Given("f.yaml"))) == ["static", "consul"]
    assert types(resolve(Given("f.yaml", environ=environ))) == ["env", "consul"]
    assert types(resolve(Given("f.yaml", {"provider": ["kubernetes", "static"]}, environ))) == ["kubernetes", "static"]
    assert types(resolve(Given("f.yaml", {"provider": ["kubernetes,static"]}, environ))) == ["kubernetes", "static"]
    assert types(resolve(Given("f.yaml", environ={"SERVICE_DISCOVERY_PROVIDER": " "}))) == ["static", "consul"]  # empty is not set


def test_a_provider_chosen_by_name_keeps_its_settings_from_the_file(folder):
    (folder / "f.yaml").write_text(
        "providers: [static, {type: consul, address: 'http://a:1'}, {type: consul, address: 'http://b:1'}]"
    )
    chosen = resolve(Given("f.yaml", {"provider": ["consul", "env"]})).providers
    assert [(entry["type"], entry.get("address")) for entry in chosen] == [
        ("consul", "http://a:1"),
        ("consul", "http://b:1"),
        ("env", None),
    ]


def test_detection_only_when_nothing_is_configured(folder):
    asked = []

    def detect(environ):
        asked.append(environ)
        return ["kubernetes", "env"]

    assert types(resolve(Given(environ=HOME), detect=detect)) == ["kubernetes", "env"]
    assert asked == [HOME]
    (folder / "dnsdisco.yaml").write_text("providers: []")
    assert types(resolve(Given(), detect=detect)) == []  # said on purpose
    assert types(resolve(Given(flags={"provider": ["env"]}), detect=detect)) == ["env"]
    assert len(asked) == 1
    (folder / "dnsdisco.yaml").write_text("ttl: 7")
    assert types(resolve(Given(), detect=detect)) == ["kubernetes", "env"]
    assert types(resolve(Given())) == ["env"]


@pytest.mark.parametrize(
    ("config", "flags", "detected", "expected"),
    [
        ("{}", {}, ["consul", "env"], [("consul", None), ("static", "S"), ("env", None)]),
        ("{}", {}, ["consul", "static", "env"], [("consul", None), ("static", "S"), ("env", None)]),
        ("providers: [env, {type: static, path: a}, {type: static, path: b}]", {}, [], [("env", None), ("static", "S")]),
        ("providers: [consul]", {}, [], [("static", "S"), ("consul", None)]),
        ("providers: [{type: static, path: a}]", {"provider": ["env"]}, [], [("static", "S"), ("env", None)]),
        ("{}", {"provider": ["env", "static"]}, [], [("env", None), ("static", "S")]),
    ],
)
def test_services_is_the_static_providers_file(config, flags, detected, expected, folder):
    (folder / "conf").mkdir()
    (folder / "conf" / "f.yaml").write_text(config)
    source = Given("conf/f.yaml", {**flags, "services": "here.yaml"})
    chosen = resolve(source, detect=lambda environ: detected).providers
    path = str(folder / "here.yaml")  # from the working directory, not from the file's folder
    wanted = [(kind, path if where == "S" else where) for kind, where in expected]
    assert [(entry["type"], entry.get("path")) for entry in chosen] == wanted


def test_services_keeps_the_entrys_other_options(folder):
    (folder / "f.yaml").write_text("providers: [{type: static, path: a, optional: true}]")
    [entry] = resolve(Given("f.yaml", {"services": "b"})).providers
    assert (entry["optional"], entry["path"]) == (True, str(folder / "b"))


def test_the_file_is_searched_for(folder):
    (folder / "etc").mkdir()
    (folder / "etc" / "dnsdisco.yaml").write_text("ttl: 11\nzone_files: [a.zone]")
    settings = resolve(Given())
    assert (settings.ttl, settings.zone_files) == (11, (str(folder / "etc" / "a.zone"),))
    (folder / "dnsdisco.yaml").write_text("ttl: 12")
    assert resolve(Given()).ttl == 12
    (folder / "other.yaml").write_text("ttl: 13")
    assert resolve(Given("other.yaml")).ttl == 13
    (folder / "dnsdisco.yaml").write_text("ttl: x")
    [problem] = inspect(Given()).problems
    assert problem.file == "dnsdisco.yaml"


def test_a_named_file_must_be_there(folder):
    (folder / "dnsdisco.yaml").write_text("ttl: 12")
    with pytest.raises(ConfigError, match=r"^gone\.yaml: no such file$"):
        resolve(Given("gone.yaml"))


def test_dots_in_a_path_stay_for_the_kernel(folder):
    (folder / "f.yaml").write_text("zone_files: [../a/./b.zone]")
    assert resolve(Given(str(folder / "f.yaml"))).zone_files == (f"{folder}/../a/b.zone",)


def test_no_home_no_state(folder):
    assert resolve(Given(environ={})).state_dir is None
    assert resolve(Given(environ={"HOME": "relative"})).state_dir is None


def test_a_source_travels_as_json(folder):
    source = Given("f.yaml", {"listen": ["127.0.0.1:1"], "workers": 2}, HOME)
    again = Given.from_plain(json.loads(json.dumps(source.plain())), HOME)
    assert again == source
    assert "HOME" not in json.dumps(source.plain())


def test_a_reload_sees_the_file_anew_and_the_flags_as_they_were(folder):
    (folder / "f.yaml").write_text("ttl: 5\nzones: [a.example]")
    source = Given("f.yaml", {"zone": ["b.example"]})
    assert resolve(source).ttl == 5
    (folder / "f.yaml").write_text("ttl: 6\nzones: [c.example]")
    assert (resolve(source).ttl, resolve(source).zones) == (6, ("b.example",))


def test_what_a_client_needs_at_a_glance(folder):
    assert glance()[:2] == (("127.0.0.1:53",), "svc.local")
    (folder / "dnsdisco.yaml").write_text('listen: ["::1", 127.0.0.1:1]\nzones: [A.example, b.example]\nttl: nonsense')
    assert glance()[:2] == (("[::1]:53", "127.0.0.1:1"), "a.example")
    for text in ("listen: x\nzones: []", "listen: [x]\nzones: [a..b]", "listen: 5\nzones:", "[", "[]", "listen: {a: b}"):
        (folder / "other.yaml").write_text(text)
        assert glance("other.yaml")[:2] == Glance()[:2]
    assert glance("nowhere")[:2] == Glance()[:2]


@pytest.mark.parametrize(
    "text", ["", "control: c.sock", "state_dir: st", "state_dir: off", "control: off", "state_dir: /x\ncontrol: ../y"]
)
def test_the_control_socket_at_a_glance_is_the_one_of_the_settings(folder, text):
    (folder / "sub").mkdir()
    (folder / "sub" / "f.yaml").write_text(text)
    environ = {key: value for key, value in os.environ.items() if key in ("HOME", "XDG_RUNTIME_DIR")}
    assert glance("sub/f.yaml").control == resolve(Given("sub/f.yaml", {}, environ)).control


def test_a_small_command_needs_no_pydantic():
    """`dnsdisco query` has 200 ms; pydantic alone takes half of that."""
    code = "import sys, dnsdisco.config.client_defaults as g; g.glance(); sys.exit(bool({'pydantic', 'socket'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["env", "off", "::1"])
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*Settings._fields, "type", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(trees)
def test_any_json_is_settings_or_faults(tree):
    document = load.parse(json.dumps(tree), "f.yaml")
    _, problems, values = sources._file_values(document, ReadingContext("", HOME))
    settings = made(values)
    if not problems:
        assert from_plain(Settings, json.loads(json.dumps(to_plain(settings)))) == settings == reread(settings)
