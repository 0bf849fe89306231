"""Every fault of a configuration, with its place and its words: fault → line:column, key path, message."""

from __future__ import annotations

import pytest

from dnsdisco.config.sources import Given
from dnsdisco.errors import ConfigError
from tests.config.known import inspect

KNOWN = ("env", "static", "consul", "kubernetes", "nomad")


def found(text, tmp_path, **source):
    path = tmp_path / "f.yaml"
    path.write_text(text, encoding="utf-8")
    inspection = inspect(Given(str(path), **source), known_types=KNOWN)
    assert (inspection.settings is None) == bool(inspection.problems)
    assert all(problem.file in (str(path), "") for problem in inspection.problems)
    return [(problem.line, problem.column, problem.path, problem.message) for problem in inspection.problems]


FAULTS = [
    # unknown keys
    ("lisen: [127.0.0.1:53]", 1, 1, "lisen", "unknown key; did you mean listen?"),
    ("ttl: 5\nfoobar: 1", 2, 1, "foobar", "unknown key; known here: zones, listen, ttl"),
    ("upstreams: [192.0.2.1]", 1, 1, "upstreams", "unknown key here; it belongs under forward"),
    ("forward: {workers: 2}", 1, 11, "forward.workers", "unknown key here; it belongs at the top of the file"),
    ("cache:\n  szie: 5", 2, 3, "cache.szie", "unknown key; did you mean size?"),
    ("providers: [{type: consul, adress: x}]", 1, 28, "providers[0].adress", "unknown key; did you mean address?"),
    ("providers: [{type: env, path: x}]", 1, 25, "providers[0].path", "unknown key; known here: type, optional"),
    # wrong types
    ("zones: svc.local", 1, 8, "zones", "expected a list such as [svc.local], found 'svc.local'"),
    ("zones: {svc.local: 1}", 1, 8, "zones", "expected a list such as [svc.local], found a mapping"),
    ("listen: 53", 1, 9, "listen", "expected a list such as [127.0.0.1:53], found 53"),
    ("listen:", 1, 8, "listen", "expected a list such as [127.0.0.1:53], found nothing"),
    ("ttl: [5]", 1, 6, "ttl", "expected a duration such as 10s, 500ms or 1m (a number is seconds), found a list"),
    ("ttl: true", 1, 6, "ttl", "found true"),
    ("workers: '2'", 1, 10, "workers", "expected a whole number from 1 to 256, found '2'"),
    ("workers: 1.5", 1, 10, "workers", "expected a whole number from 1 to 256, found 1.5"),
    ("cache: 5", 1, 8, "cache", "expected a mapping of keys to values, found 5"),
    ("forward: [192.0.2.1]", 1, 10, "forward", "expected a mapping of keys to values, found a list"),
    (
        "forward: {upstreams: 192.0.2.1}",
        1,
        22,
        "forward.upstreams",
        "expected a list such as [192.0.2.1], or [] for none, found '192.0.2.1'",
    ),
    ("forward: {zones: [corp.example]}", 1, 18, "forward.zones", "expected a mapping of keys to values, found a list"),
    ("forward: {policy: fast}", 1, 19, "forward.policy", "expected order or fastest, found 'fast'"),
    ("forward: {trust_ad: yes please}", 1, 21, "forward.trust_ad", "expected true or false, found 'yes please'"),
    ("acl: {allow: private}", 1, 14, "acl.allow", "expected a list such as [127.0.0.0/8, private], found 'private'"),
    ("identity: {version: 1.10}", 1, 21, "identity.version", "expected a text, found 1.1; put it in quotes"),
    ("providers: env", 1, 12, "providers", "expected a list such as [env, static], found 'env'"),
    ("providers: [5]", 1, 13, "providers[0]", "expected a provider such as env or {type: env}, found 5"),
    ("providers: [{type: [env]}]", 1, 20, "providers[0].type", "expected a text, found a list"),
    ("zone_files: zones/*.zone", 1, 13, "zone_files", "expected a list such as [zones/*.zone], found 'zones/*.zone'"),
    ("zone_files: [5]", 1, 14, "zone_files[0]", "expected a text, found 5; put it in quotes"),
    ("state_dir: 5", 1, 12, "state_dir", "expected a text, found 5; put it in quotes (or off)"),
    ("http: true", 1, 7, "http", "expected an address with a port such as 127.0.0.1:53 or [::1]:53, found true (or off)"),
    ("http:", 1, 6, "http", "found nothing (or off)"),
    # impossible values
    ("zones: []", 1, 8, "zones", "expected at least one value, found an empty list"),
    ("zones: [svc.local, SVC.local.]", 1, 8, "zones", "svc.local is given twice"),
    ("zones:\n  - svc..local", 2, 5, "zones[0]", "expected a DNS name such as svc.local"),
    ("zones: [bücher.example]", 1, 9, "zones[0]", "xn--"),
    ("listen: []", 1, 9, "listen", "expected at least one value"),
    ("listen: [127.0.0.1, 127.0.0.1:53]", 1, 9, "listen", "127.0.0.1:53 is given twice"),
    ("listen:\n  - 127.0.0.1:53\n  - localhost:53", 3, 5, "listen[1]", "a name cannot be used here"),
    ("listen: [127.0.0.1:70000]", 1, 10, "listen[0]", "expected a port from 0 to 65535, found 70000"),
    ("ttl: 3601", 1, 6, "ttl", "expected a duration from 0 to 3600 seconds, found 3601"),
    ("ttl: -1", 1, 6, "ttl", "expected a duration from 0 to 3600 seconds, found -1"),
    ("ttl: 0.5", 1, 6, "ttl", "expected whole seconds, found 0.5"),
    ("negative_ttl: 2h", 1, 15, "negative_ttl", "expected a duration from 0 to 3600 seconds, found '2h'"),
    ("chain: frist", 1, 8, "chain", "expected first or merge, found 'frist'; did you mean first?"),
    ("when_all_unhealthy: fail", 1, 21, "when_all_unhealthy", "expected fail_open or empty, found 'fail'"),
    ("startup_timeout: soon", 1, 18, "startup_timeout", "expected a duration such as 10s"),
    ("stale_after: .nan", 1, 14, "stale_after", "expected a duration"),
    ("max_answers: -1", 1, 14, "max_answers", "expected a whole number from 0 to 65535, found -1"),
    ("srv_weight_scale: 0", 1, 19, "srv_weight_scale", "expected a whole number from 1 to 65535, found 0"),
    ("workers: 0", 1, 10, "workers", "expected a whole number from 1 to 256, found 0"),
    ("http_hosts: dnsdisco", 1, 13, "http_hosts", "expected a list such as [dnsdisco.example]"),
    ("http_hosts: ['dnsdisco:8053']", 1, 14, "http_hosts[0]", "expected a DNS name"),
    ("http_hosts: ['*']", 1, 14, "http_hosts[0]", "expected a DNS name"),
    ("http_hosts: [a.example, A.example.]", 1, 13, "http_hosts", "a.example is given twice"),
    ("http: 127.0.0.1", 1, 7, "http", "the port is missing (or off)"),
    ("http: 127.0.0.1:53\nlisten: [127.0.0.1:53]", 1, 7, "http", "127.0.0.1:53 is listened on for DNS already"),
    ("state_dir: ''", 1, 12, "state_dir", "expected a path, found an empty text (or off)"),
    ("state_dir: ~/x", 1, 12, "state_dir", "HOME is not set; write the whole path (or off)"),
    ("cache: {size: 10000001}", 1, 15, "cache.size", "expected a whole number from 0 to 10000000"),
    ("cache: {min_ttl: 60, max_ttl: 10}", 1, 8, "cache", "min_ttl (60) is larger than max_ttl (10)"),
    ("cache: {serve_stale: 8d}", 1, 22, "cache.serve_stale", "expected a duration from 0 to 604800 seconds, found '8d'"),
    ("forward: {upstreams: [dns.example]}", 1, 23, "forward.upstreams[0]", "a name cannot be used here"),
    ("forward: {upstreams: [192.0.2.1, '192.0.2.1:53']}", 1, 22, "forward.upstreams", "192.0.2.1:53 is given twice"),
    ("forward: {zones: {a..b: [192.0.2.1]}}", 1, 19, "forward.zones['a..b']", "expected a DNS name"),
    ("forward: {zones: {corp.example: [x]}}", 1, 34, "forward.zones['corp.example'][0]", "expected an upstream"),
    ("forward: {zones: {corp.example: 192.0.2.1}}", 1, 33, "forward.zones['corp.example']", "expected a list such as"),
    ("acl: {allow: [10.0.0.1/8]}", 1, 15, "acl.allow[0]", "did you mean 10.0.0.0/8?"),
    (f"zones: [{'a' * 60}.{'b' * 60}.example]", 1, 9, "zones[0]", "expected a zone of at most 125 characters, found 129"),
    ('identity: {server_id: "a\\nb"}', 1, 23, "identity.server_id", "expected a text of at most 255 printable octets"),
    (f"identity: {{version: {'x' * 256}}}", 1, 21, "identity.version", "expected a text of at most 255 printable octets"),
    # providers
    (
        "providers: [{path: x}]",
        1,
        13,
        "providers[0]",
        "type is missing: consul, env, kubernetes, nomad, static, or a plug-in's name",
    ),
    ("providers: [{typ: env}]", 1, 13, "providers[0]", "did you mean type where 'typ' is written?"),
    ("providers: [{type: consol}]", 1, 20, "providers[0].type", "there is no provider 'consol'; did you mean consul?"),
    ("providers: [zookeeper]", 1, 13, "providers[0].type", "Known here: consul, env, kubernetes, nomad, static"),
    ("providers: [{type: static, path: ''}]", 1, 34, "providers[0].path", "expected a path, found an empty text"),
    ("providers: [{type: consul, address: 'ftp://x'}]", 1, 37, "providers[0].address", "such as http://127.0.0.1:8500"),
    ("providers: [{type: consul, address: 'http://u:p@x:8500'}]", 1, 37, "providers[0].address", "such as http://127.0.0.1:8500"),
    ("providers: [{type: consul, address: 'http://x:99999'}]", 1, 37, "providers[0].address", "such as http://127.0.0.1:8500"),
    ("providers: [{type: kubernetes, addresses: nodeport}]", 1, 43, "providers[0].addresses", "did you mean node_port?"),
    (
        "providers: [{type: kubernetes, namespaces: [a.b]}]",
        1,
        45,
        "providers[0].namespaces[0]",
        "expected a namespace (1 to 63 of a to z, 0 to 9 and -), found 'a.b'",
    ),
    ("providers: [{type: kubernetes, default_namespace: }]", 1, 51, "providers[0].default_namespace", "found nothing"),
    ("providers: [{type: env, optional: 'yes'}]", 1, 35, "providers[0].optional", "expected true or false, found 'yes'"),
    ("providers: [{type: env, include: web-*}]", 1, 34, "providers[0].include", "expected a list such as"),
    ("providers: [{type: env, max_stale: -5}]", 1, 36, "providers[0].max_stale", "expected a duration"),
    ("providers: [{type: nomad, poll_interval: 0}]", 1, 42, "providers[0].poll_interval", "expected a duration from 0.1 to 3600"),
    (
        "providers: [{type: nomad, when_all_unhealthy: never}]",
        1,
        47,
        "providers[0].when_all_unhealthy",
        "expected fail_open or empty",
    ),
    # what YAML itself refuses, once the schema has its say too
    ("ttl: 9999\nttl: 5", 2, 1, "ttl", "this key was given already on line 1"),
    ("ttl: !!binary aGk=", 1, 6, "ttl", "the tag !!binary cannot be used here"),
]


@pytest.mark.parametrize(("text", "line", "column", "path", "message"), FAULTS, ids=[fault[0][:50] for fault in FAULTS])
def test_a_fault(text, line, column, path, message, tmp_path):
    assert any(problem[:3] == (line, column, path) and message in problem[3] for problem in found(text, tmp_path)), found(
        text, tmp_path
    )


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if not fault[0].startswith("ttl: 9999")], ids=lambda fault: fault[0][:50]
)
def test_a_fault_is_told_once(fault, tmp_path):
    assert len(found(fault[0], tmp_path)) == 1


def test_all_faults_are_told_together_in_the_order_of_the_file(tmp_path):
    text = "zones: svc.local\nlisten: [x]\nttl: 9999\nproviders: [{type: consol}]\nforward: {upstreams: [y], zone: {}}\nttl: 5\nfoo: !x y\n"
    problems = found(text, tmp_path, flags={"workers": 0, "upstream": ["z"]}, environ={"SERVICE_DISCOVERY_PROVIDER": "consl"})
    assert [(line, path) for line, _, path, _ in problems] == [
        (1, "zones"),
        (2, "listen[0]"),
        (3, "ttl"),
        (4, "providers[0].type"),
        (5, "forward.upstreams[0]"),
        (5, "forward.zone"),
        (6, "ttl"),
        (7, "foo"),
        (7, "foo"),
        (0, "--upstream"),
        (0, "--workers"),
        (0, "SERVICE_DISCOVERY_PROVIDER"),
    ]


@pytest.mark.parametrize(
    ("flags", "path", "message"),
    [
        ({"listen": ["localhost:53"]}, "--listen", "a name cannot be used here"),
        ({"listen": []}, "--listen", "at least one"),
        ({"zone": ["a..b"]}, "--zone", "expected a DNS name"),
        ({"upstream": ["x"]}, "--upstream", "expected an upstream"),
        ({"workers": 0}, "--workers", "from 1 to 256"),
        ({"http": "x"}, "--http", "expected an address"),
        ({"state_dir": "~/x"}, "--state-dir", "HOME is not set"),
        ({"services": "~/x"}, "--services", "HOME is not set"),
        ({"provider": ["consl"]}, "--provider", "there is no provider 'consl'; did you mean consul?"),
        ({"provider": ["env,"]}, "--provider", "found an empty one"),
        ({"provider": ["env", "env"]}, "--provider", "env is given twice"),
        ({"http": "127.0.0.1:53"}, "--http", "listened on for DNS already"),
    ],
)
def test_a_fault_of_a_flag_names_the_flag(flags, path, message, tmp_path):
    [(line, column, where, said)] = found("listen: [127.0.0.1:53]", tmp_path, flags=flags)
    assert (line, column, where) == (0, 0, path)
    assert message in said


def test_an_unknown_type_is_a_plug_in_where_nobody_knows_the_types(tmp_path):
    (tmp_path / "f.yaml").write_text("providers: [{type: zookeeper, hosts: [a, b], nested: {x: 1}}]")
    settings = inspect(Given(str(tmp_path / "f.yaml")), known_types=()).settings
    assert settings is not None
    assert settings.providers[0]["hosts"] == ["a", "b"]
    assert settings.providers[0]["nested"] == {"x": 1}


def test_config_error_holds_every_problem():
    from dnsdisco.config.sources import resolve

    with pytest.raises(ConfigError) as caught:
        resolve(Given("/nowhere/dnsdisco.yaml", {"workers": 0}))
    assert [str(problem) for problem in caught.value.problems] == [
        "/nowhere/dnsdisco.yaml: no such file",
        "--workers: expected a whole number from 1 to 256, found 0",
    ]


@pytest.mark.parametrize(
    "text", ["a: *{}", "a: &x [*{}]", "a: !{} b", "? {}\n: x", "? [{}]\n: x", "ttl: {}", "forward: {{? {} : 1}}", "forward: {{zones: {{? {} : x}}}}", "zones: [{}]"]
)  # fmt: skip
def test_a_fault_is_short_however_long_what_it_repeats_is(text, tmp_path):
    faults = found(text.format("y" * 50_000), tmp_path)
    assert faults
    for _, _, path, message in faults:
        assert len(path) + len(message) < 600
