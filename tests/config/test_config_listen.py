"""Entries of `listen`, and what encrypted ones need: a port, a certificate, a key (dnsdisco/written/endpoints.py, config/encrypted.py)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.config import encrypted, load
from dnsdisco.config.client_defaults import glance
from dnsdisco.config.sources import Given
from dnsdisco.written.endpoints import listener
from tests.certificates import make
from tests.config.known import inspect, resolve
from tests.config.reread import reread


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", ("dnsdisco.yaml",))
    return tmp_path


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("127.0.0.1", "127.0.0.1:53"),
        ("tls://127.0.0.1", "tls://127.0.0.1:853"),
        ("TLS://[::1]:8853/", "tls://[::1]:8853"),
        ("tls://0:0:0:0:0:0:0:1", "tls://[::1]:853"),
        ("https://127.0.0.1", "https://127.0.0.1:443/dns-query"),
        ("https://127.0.0.1/", "https://127.0.0.1:443/dns-query"),
        ("https://127.0.0.1:8443/dns-query{?dns}", "https://127.0.0.1:8443/dns-query"),
        ("https://[::1]:0/a/b-c", "https://[::1]:0/a/b-c"),
    ],
)
def test_canonical_forms(written, canonical):
    assert str(listener(written)) == canonical
    assert str(listener(canonical)) == canonical


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("tls://localhost", "expected tls://127.0.0.1:853, found 'tls://localhost': a name cannot be used here"),
        ("tls://127.0.0.1:99999", "expected a port from 0 to 65535"),
        ("tls://127.0.0.1:853/x", "expected tls://127.0.0.1:853"),
        ("https://", "expected https://127.0.0.1:443/dns-query"),
        ("https://127.0.0.1/a/../b", "expected a path such as /dns-query"),
        ("https://127.0.0.1/a?b=c", "without a query"),
        ("https://127.0.0.1/a b", "expected a path"),
        ("https://127.0.0.1/" + "x" * 300, "expected a path"),
        ("http://127.0.0.1/dns-query", "DNS over HTTP needs TLS"),
        ("udp://127.0.0.1", "leave udp:// out"),
        ("quic://127.0.0.1", "expected 127.0.0.1:53, tls://127.0.0.1:853 or https://"),
        (7, "expected an address"),
    ],
)
def test_what_cannot_be_listened_on(written, told):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        listener(written)
    assert told in str(caught.value)


@given(st.text(max_size=40) | st.text(max_size=40).map("https://127.0.0.1/".__add__) | st.integers() | st.none())
def test_any_value_is_read_or_refused_and_what_was_read_is_read_again(value):
    try:
        canonical = str(listener(value))
    except ValueError:
        return
    assert str(listener(canonical)) == canonical


def faults(text, **flags):
    with open("dnsdisco.yaml", "w") as file:  # noqa: PTH123
        file.write(text)
    inspection = inspect(Given(environ={}, flags=flags), is_to_serve=True)
    assert (inspection.settings is None) == any(not problem.is_warning for problem in inspection.problems)
    return [(problem.line, problem.column, problem.path, problem.message) for problem in inspection.problems]


def test_a_listener_without_a_certificate_is_told_how_to_make_one():
    ((line, column, path, message),) = faults("listen:\n  - 127.0.0.1:53\n  - tls://127.0.0.1\n")
    assert (line, column, path) == (3, 5, "listen[1]")
    assert message.startswith("tls://127.0.0.1:853 needs a certificate: tls: {certificate: PATH, key: PATH}")
    assert "openssl req -x509 " in message
    ((line, _, path, message),) = faults("ttl: 5\n", listen=["tls://127.0.0.1"])
    assert (line, path) == (0, "--listen")


def test_a_sound_pair_relative_to_the_file(folder):
    make(folder)
    text = "listen: [tls://127.0.0.1]\ntls: {certificate: one.pem, key: one.key}\n"
    assert faults(text) == []
    settings = resolve(Given(environ={}), is_to_serve=True)
    assert settings.tls._asdict() == {"certificate": str(folder / "one.pem"), "key": str(folder / "one.key")}
    assert reread(settings) == settings
    (folder / "both.pem").write_bytes((folder / "one.key").read_bytes() + (folder / "one.pem").read_bytes())
    assert faults("listen: [tls://127.0.0.1]\ntls: {certificate: both.pem}\n") == []


@pytest.mark.parametrize(
    ("section", "path", "told"),
    [
        ("{certificate: nosuch.pem, key: one.key}", "tls.certificate", "cannot be read: no such file"),
        ("{certificate: one.pem, key: nosuch.key}", "tls.key", "cannot be read: no such file"),
        ("{certificate: one.key, key: one.key}", "tls.certificate", "there is no certificate in it"),
        ("{certificate: one.pem, key: other.key}", "tls.key", "the key is not that of the certificate"),
        ("{certificate: one.pem, key: one.pem}", "tls.key", "there is no private key in it"),
        ("{certificate: one.pem, key: ., }", "tls.key", "is a directory"),
        ("{certificate: one.pem, key: text}", "tls.key", "this is not a PEM file"),
        ("{certificate: old.pem, key: old.key}", "tls.certificate", "has expired on"),
        ("{certificate: young.pem, key: young.key}", "tls.certificate", "not valid before"),
        ("{certificate: hidden.pem, key: hidden.key}", "tls.key", "the key has a passphrase"),
        ("{key: one.key}", "tls", "there is no certificate beside it"),
        ("{certificat: one.pem}", "tls.certificat", "did you mean certificate?"),
        ("one.pem", "tls", "expected a mapping"),
    ],
)
def test_a_pair_that_cannot_be_used_has_its_place(folder, section, path, told):
    make(folder)
    make(folder, "other")
    make(folder, "old", begins=timedelta(days=-9), ends=timedelta(days=-1))
    make(folder, "young", begins=timedelta(days=1))
    make(folder, "hidden", passphrase="x")
    (folder / "text").write_text("hello")
    ((line, column, found, message),) = faults(f"listen: [tls://127.0.0.1]\ntls: {section}\n")
    assert (line, found) == (2, path)
    assert column > 1
    assert told in message, message


def test_a_certificate_that_ends_soon_is_a_warning(folder):
    make(folder, ends=timedelta(days=3))
    inspection_faults = faults("listen: [tls://127.0.0.1]\ntls: {certificate: one.pem, key: one.key}\n")
    assert "it expires on" in inspection_faults[0][3]
    assert resolve(Given(environ={}), is_to_serve=True).tls.certificate


def test_only_who_serves_needs_to_read_the_key(folder):
    (folder / "dnsdisco.yaml").write_text("listen: [tls://127.0.0.1]\ntls: {certificate: nosuch.pem, key: nosuch.key}\n")
    assert resolve(Given(environ={})).tls.key


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("listen: [127.0.0.1:53, tls://127.0.0.1:53]", "listen[1]", "tls://127.0.0.1:53 and 127.0.0.1:53 want the same TCP port"),
        ("listen: [https://127.0.0.1:443/a, https://127.0.0.1:443/b]", "listen[1]", "want the same TCP port"),
        ("listen: [tls://127.0.0.1:8053]", "http", "127.0.0.1:8053 is listened on for DNS already"),
    ],
)
def test_one_port_for_two(folder, text, path, told):
    make(folder)
    found = faults(f"{text}\nhttp: 127.0.0.1:8053\ntls: {{certificate: one.pem, key: one.key}}\n")
    assert (found[0][2], told in found[0][3]) == (path, True), found


def test_the_package_for_https_is_named(folder, monkeypatch):
    make(folder)
    monkeypatch.setattr(encrypted, "find_spec", lambda name: None)
    tail = "tls: {certificate: one.pem, key: one.key}\n"
    assert faults(f"listen: [tls://127.0.0.1]\n{tail}") == []
    ((line, _, path, message),) = faults(f"listen: [https://127.0.0.1]\n{tail}")
    assert (line, path) == (1, "listen[0]")
    assert message.endswith("needs the package h2: pip install 'dnsdisco[doh]'")


def test_a_client_asks_the_first_plain_one_or_what_there_is(folder):
    (folder / "dnsdisco.yaml").write_text("listen: [tls://127.0.0.1, 127.0.0.2:54, 127.0.0.3]")
    assert glance().servers == ("127.0.0.2:54", "127.0.0.3:53")
    (folder / "dnsdisco.yaml").write_text("listen: [tls://127.0.0.1]")
    assert glance().servers == ("tls://127.0.0.1:853",)
    (folder / "dnsdisco.yaml").write_text("listen: [nonsense:nonsense]")
    assert glance().servers == ("127.0.0.1:53",)
