"""Files that people write: services, the configuration, resolv.conf, a kubeconfig."""

from __future__ import annotations

import atexit
import ipaddress
import shutil
import tempfile
from functools import cache
from pathlib import Path

from dnsdisco.config.sources import Given
from dnsdisco.errors import Problem
from dnsdisco.forward.resolv_conf import parse_resolv_conf
from dnsdisco.providers.kubernetes.identity import impersonation
from dnsdisco.providers.kubernetes.kubeconfig import choose, KubeconfigUnusable
from dnsdisco.providers.static.content import collisions, content_of
from dnsdisco.providers.static.text import text_of
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain, to_plain
from dnsdisco.written.syntax import Unreadable
from tests.config.known import inspect
from tests.config.reread import reread
from tests.fuzz.published import is_publishable
from tests.fuzz.reader import Reader
from tests.kit import SERVICES

LINE_MAX = 4000  # characters of a fault with its place, whatever was written
STATE = (0, 0, 0)


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="dnsdisco-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _is_told(problem: Problem, file: str, lines: int) -> None:
    assert "\n" not in str(problem)
    assert len(str(problem)) <= LINE_MAX
    assert problem.file == file
    assert problem.line <= lines
    assert problem.line >= 1 or "UTF-8" in problem.message or "larger" in problem.message, str(problem)


def services_hold(octets: bytes, file: str) -> None:
    """Every fault has its place, what is left can be published, and read again it is the same snapshot."""
    lines = (
        octets.count(b"\n") + octets.count(b"\r") + octets.count(b"\x85") + octets.count(b"\xe2\x80") + 2
    )  # libyaml ends behind the last
    try:
        text = text_of(octets, file)
        content = content_of(text, file, STATE)  # type: ignore[arg-type]
    except Unreadable as unreadable:
        _is_told(unreadable.problem, file, lines)
        return
    for problem in content.problems(file):
        _is_told(problem, file, lines)
    for problem in collisions(content, text, file):
        assert problem.is_warning
        _is_told(problem, file, lines)
    again = content_of(text, file, STATE, content)  # type: ignore[arg-type]
    assert again.snapshot is content.snapshot
    assert again.faults == content.faults
    is_publishable(content.snapshot.services)


def configuration_holds(octets: bytes) -> None:
    """Settings, or faults with their places, never both; and what a worker gets of the settings is the settings."""
    file = _folder() / "dnsdisco.yaml"
    file.write_bytes(octets)
    file.chmod(0o600)
    inspection = inspect(Given(config=str(file), environ={"HOME": str(_folder())}), is_to_serve=True)
    faults = [problem for problem in inspection.problems if not problem.is_warning]
    assert (inspection.settings is None) == bool(faults)
    lines = len(octets.decode("utf-8", "replace").splitlines()) + 1
    for problem in inspection.problems:
        _is_told(problem, str(file), lines)
    if inspection.settings is not None:
        assert from_plain(Settings, to_plain(inspection.settings)) == inspection.settings == reread(inspection.settings)


def _resolv_conf(octets: bytes) -> None:
    """Addresses, each once, that are read again from what they are written as."""
    found = parse_resolv_conf(octets.decode("utf-8", "replace"))
    for address in found:
        ipaddress.ip_address(address.host.partition("%")[0])
        assert address.port == 53
    assert len(set(found)) == len(found)
    assert parse_resolv_conf("".join(f"nameserver {address.host}\n" for address in found)) == found


def _kubeconfig(octets: bytes) -> None:
    """A cluster and a user, or Unusable in one line; so are what they say of who we are and of certificates."""
    file = _folder() / "kubeconfig"
    file.write_bytes(octets)
    for context in (None, "one"):
        try:
            chosen = choose([file], context)
            for key in ("server", "tls-server-name", "proxy-url"):
                chosen.cluster.text(key)
            chosen.cluster.flag("insecure-skip-tls-verify")
            chosen.cluster.octets("certificate-authority")
            chosen.user.text("token")
            chosen.user.octets("client-certificate")
            chosen.user.octets("client-key")
            for named in chosen.files():
                assert named.is_absolute()
            for name, value in impersonation(chosen.user):
                assert isinstance(name, str)
                assert isinstance(value, str)
        except KubeconfigUnusable as error:
            assert str(error)
        except OSError:
            pass


_CONFIGURATION = """zones: [svc.local, svc.internal]
listen: ["127.0.0.1:5353", "[::1]:5353"]
workers: 2
ttl: 5
providers:
  - {type: static, path: services.yaml, optional: true}
  - {type: consul, address: "http://127.0.0.1:8500", token_file: /run/token, max_stale: 1h}
  - env
forward:
  upstreams: [9.9.9.9, "tls://1.1.1.1#cloudflare-dns.com"]
  zones: {corp.example: [10.0.0.53]}
http: 127.0.0.1:8053
log_level: info
"""
_KUBECONFIG = """apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u, namespace: shop}}
- {name: two, context: {cluster: c}}
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: "LS0tLS1CRUdJTg==", insecure-skip-tls-verify: false}}
users:
- name: u
  user: {token: abc, as: someone, as-groups: [a, b], as-user-extra: {k: [v]}, client-certificate-data: QUJD}
"""
_RESOLV = "# made by hand\nsearch example.com\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53 # x\noptions edns0\n"
_YAML_WORDS = (
    b": ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"<<: *a", b"|\n", b">\n", b"\n", b"  ", b"\t", b"'", b'"', b"#", b"? ", b"!!int ", b"!!timestamp ", b"!!python/object:os.system ", b"!x ",
    b"%YAML 1.3\n", b"---\n", b"...\n", b"\\x", b"\x00", b"\xef\xbb\xbf", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"~", b".inf", b".nan", b"0o17", b"1_000", b"2026-13-45", b"2026-11-30", b"9" * 5000,
    b"1e309", b"fe80::1%eth0", b"[::1%eth0]:53", b"tls://", b"https://[", b"10.0.0.0/-1", b"a..b", b"-1", b"65536", b"1w", b"\r\n", b"\xf0\x9f\x92\xa9", b"=", b"yes",
)  # fmt: skip
_FIELDS = tuple(f"{word}: ".encode() for word in ("url", "address", "port", "ports", "scheme", "ttl", "tags", "meta", "check", "records", "instances", "health", "weight", "id", "when_all_unhealthy", "type", "value", "http", "interval"))  # fmt: skip
_KEYS = tuple(f"{key}: ".encode() for key in sorted(Settings._fields))
_JSON_SEED = b'{"web": {"scheme": "http", "instances": [{"id": "a", "address": "10.0.0.1", "port": 80, "meta": {"a": 1.10}, "check": {"tcp": "{address}:{port}", "interval": "5s"}}]}, "b": {"url": "http://b.example:1/"}}'

READERS = {
    "services": Reader(
        (*(f"{part}\n".encode() for part in SERVICES.strip().split("\n\n")), b".d: &a {port: 80}\nweb: {<<: *a, address: 10.0.0.1}\n", b"auth:\n  address: 10.0.0.11\n  check: {http: 'http://{address}:{port}/', interval: 5s}\n  records:\n  - {type: MX, value: 10 mail.example.com}\n"),
        (*_YAML_WORDS, *_FIELDS), lambda octets: services_hold(octets, "services.yaml"),
    ),
    "services in JSON": Reader((_JSON_SEED,), (*_FIELDS, b'"', b",", b"{", b"[", b"NaN", b"1e999", b"\\ud800"), lambda octets: services_hold(octets, "services.json"), is_tree=True),
    "configuration": Reader((_CONFIGURATION.encode(), b"zones: svc.local\nforward: {upstreams: none}\n", b"{}", b""), (*_YAML_WORDS, *_KEYS), configuration_holds, case_s=2.0),
    "resolv.conf": Reader((_RESOLV.encode(), b"nameserver 1.1.1.1\n" * 4), (b"nameserver ", b"\n", b" ", b"%", b"::", b"\t", b"#", b"\0", b"\xff", b"\x0b", b"1.2.3.4", b"01.2.3.4", b"1.2.3"), _resolv_conf),
    "kubeconfig": Reader((_KUBECONFIG.encode(), b"{}"), (*_YAML_WORDS, b"name: ", b"user: ", b"cluster: ", b"context: ", b"token: ", b"certificate-authority: ", b"client-key-data: ", b"as: ", b"as-user-extra: "), _kubeconfig),
}  # fmt: skip
