"""One health check against a real socket: what counts as a good answer, and what never happens on the way to one."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import probing
from dnsdisco.control.probing import ProbeClient
from dnsdisco.model.probe_target import Probe
from dnsdisco.model.service import Health
from tests.control.checked import BAD, OK, Target


def ask(
    port: int,
    *,
    scheme: str = "http",
    address: str = "127.0.0.1",
    path: str = "/health",
    timeout_s: float = 1.0,
    verify: bool = True,
) -> str:
    probe = Probe(scheme, address, port, path, verify, 10.0, timeout_s, 1, 1, Health.PASSING)

    async def whole() -> str:
        with ThreadPoolExecutor(1) as resolving:
            result = await ProbeClient(resolving).ask(probe)
            await asyncio.sleep(0)
            return result

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (OK, ""),
        (b"HTTP/1.0 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200\r\n", ""),
        (b"HTTP/1.1 299 \n", ""),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", ""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n", ""),
        (BAD, "HTTP 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP 404"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP 101"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\n", "HTTP 500"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "interim answers without end"),
        (b"HTTP/1.1 103 x\r\n" + b"a: b\r\n" * 5, "closed without an answer"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK", "closed without an answer"),
        (b"HTTP/1.1 20 OK\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n", "the answer is not HTTP"),
        (b"HTTP/2 200 OK\r\n", "the answer is not HTTP"),
        (b"<html>200 OK</html>\r\n", "the answer is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b"\x16\x03\x01\x00\n" * 9, "the answer is not HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 100_000, "a line of more than 4096 octets"),
    ],
)
def test_the_status_line_decides(says: bytes, reason: str) -> None:
    with Target(says) as target:
        assert ask(target.port) == reason


def test_the_request_is_what_it_should_be() -> None:
    with Target() as target:
        assert ask(target.port, path="/health?full=1") == ""
        assert ask(target.port, address="localhost") == ""
        assert target.requests == [
            f"GET {path} HTTP/1.1\r\nHost: {host}:{target.port}\r\nUser-Agent: dnsdisco\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
            for path, host in (("/health?full=1", "127.0.0.1"), ("/health", "localhost"))
        ]


def test_ipv6() -> None:
    with Target(host="::1") as target:
        assert ask(target.port, address="::1") == ""
        assert f"Host: [::1]:{target.port}".encode() in target.requests[0]


def test_no_redirect_is_followed() -> None:
    with Target() as other:
        for status in (301, 302, 303, 307, 308):
            says = (
                f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{other.port}/health\r\nContent-Length: 0\r\n\r\n".encode()
            )
            with Target(says) as target:
                assert ask(target.port) == f"HTTP {status}, and redirects are not followed"
        assert other.asked == []


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with Target() as target, Target(BAD) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert ask(target.port) == ""
        assert proxy.asked == []


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_a_body_without_end_is_not_read(head: bytes) -> None:
    sent = 0
    over: list[str] = []

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(head)
        try:
            while sent < 64 * 1024 * 1024:
                sent += connection.send(b"x" * 65536)
        except OSError as error:
            over.append(type(error).__name__)
            raise

    with Target(endless) as target:
        started = time.monotonic()
        assert ask(target.port) == ""
        assert time.monotonic() - started < 0.5
        while target.open:
            time.sleep(0.01)
    assert over  # the connection was cut
    assert sent < 16 * 1024 * 1024  # what the kernel's buffers took


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 103 x\r\n", b"a: b\r\n"])
def test_who_answers_drop_by_drop_has_no_more_than_the_timeout(drip: bytes) -> None:
    def slow(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 x\r\n" if drip == b"a: b\r\n" else b"")
        while True:
            connection.sendall(drip)
            time.sleep(0.05)

    with Target(slow) as target:
        started = time.monotonic()
        assert ask(target.port, timeout_s=0.3) == "no answer within 0.3 s"
        assert 0.29 < time.monotonic() - started < 0.6


def test_who_says_nothing_and_who_is_not_there() -> None:
    with Target(lambda connection: time.sleep(1)) as target:
        assert ask(target.port, timeout_s=0.2) == "no answer within 0.2 s"
        port = target.port
    assert ask(port) == "connection refused"
    assert ask(port, scheme="tcp") == "connection refused"
    assert ask(80, address="240.0.0.1", timeout_s=0.2)


def test_tcp_connects_and_says_nothing() -> None:
    with Target() as target:
        assert ask(target.port, scheme="tcp") == ""
        while not target.asked:
            time.sleep(0.01)
        assert target.requests == [b""]


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0"])
def test_a_name_that_leads_to_a_refused_address_is_not_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))])
    monkeypatch.setattr(asyncio, "open_connection", lambda *given, **_: connected.append(given))
    assert "never asked" in ask(80, address="rebound.example")
    assert connected == []


def test_a_name_that_does_not_resolve_and_one_whose_resolver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(80, address="nosuch.invalid", timeout_s=5.0).startswith(("its name:", "no answer within"))
    monkeypatch.setattr(probing, "_resolved", lambda *_: time.sleep(0.6) or [])
    started = time.monotonic()
    assert ask(80, address="hung.example", timeout_s=0.2) == "no answer within 0.2 s"
    assert time.monotonic() - started < 2


def test_a_second_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with Target() as target:
        monkeypatch.setattr(probing, "_resolved", lambda *_: ["127.0.0.2", "169.254.1.1", "127.0.0.1"])
        assert ask(target.port, address="two.example") == ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, which is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    # fmt: off
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )
    # fmt: on
    return folder


def test_https_is_verified_unless_it_is_told_not_to(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with Target(tls=tls) as target, Target(host="127.0.0.1") as plain:
        assert ask(target.port, scheme="https").startswith("certificate: ")
        assert ask(target.port, scheme="https", verify=False) == ""
        assert ask(plain.port, scheme="https", verify=False).startswith("TLS: ")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        assert ask(target.port, scheme="https") == ""
        assert ask(target.port, scheme="https", address="localhost").startswith("certificate: ")  # it is for 127.0.0.1
    with Target(lambda connection: time.sleep(1)) as silent:
        assert ask(silent.port, scheme="https", timeout_s=0.2) == "no answer within 0.2 s"
