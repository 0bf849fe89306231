"""One connection, against agents that answer in every wrong way."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from dnsdisco.providers.consul.session import AgentSession
from dnsdisco.providers.endpoint import Endpoint
from dnsdisco.providers.http import NoAnswer, Patience
from tests.providers.consul import fake

BODY = b'{"a": []}'


def connection(consul: fake.FakeConsul, **more) -> AgentSession:
    made = AgentSession(Endpoint("127.0.0.1", consul.port), **more)
    made.patience = Patience(head_s=0.4, body_s=0.4)
    return made


def ask(made: AgentSession, path: str = "/v1/status/leader"):
    return made.get(f"http://127.0.0.1{path}")


@pytest.fixture
def consul():
    with fake.FakeConsul() as server:
        yield server


def failure(consul, lie, **more) -> NoAnswer:
    consul.lie("/v1/", lie)
    with pytest.raises(NoAnswer) as caught:
        ask(connection(consul, **more))
    return caught.value


def test_one_connection_serves_many_questions(consul):
    made = connection(consul)
    for _ in range(5):
        assert ask(made).text == '"127.0.0.1:8300"'
    assert consul.accepted == 1
    made.close()
    ask(made)
    assert consul.accepted == 2


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (fake.hang(), "timeout"),
        (fake.hang(0.9), "timeout"),
        (fake.trickle(0.02), "timeout"),
        (fake.cut(0.9), "malformed"),
        (fake.octets(b""), "reset"),
        (fake.reset, "reset"),
        (fake.octets(b"\0\1\2 garbage\r\n\r\n"), "malformed"),
        (fake.octets(b"SSH-2.0-OpenSSH\r\n"), "malformed"),
        (fake.octets(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + b"X: y\r\n" * 200), "malformed"),
        (fake.octets(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000), "malformed"),
        (fake.octets(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "malformed"),
        (fake.octets(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "malformed"),
        (fake.octets(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + BODY), "malformed"),
        (fake.status(301, more="Location: http://192.0.2.1/\r\n"), "malformed"),
        (fake.status(307, more="Location: /v1/kv/x\r\n"), "malformed"),
    ],
)  # fmt: skip
def test_every_way_not_to_answer(consul, lie, kind):
    began_at = time.monotonic()
    assert failure(consul, lie).kind == kind
    assert time.monotonic() - began_at < 1.2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfa0\r\n" + b"x" * 4000 + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 4000,
    ],
)
def test_bodies_are_bounded(consul, raw):
    consul.lie("/v1/", fake.octets(raw))
    assert len(ask(connection(consul)).content) == 4000
    assert failure(consul, fake.octets(raw), body_octets_max=3999).kind == "large"


def test_statuses_are_the_caller_s_business(consul):
    consul.lie("/v1/", fake.status(500, "No cluster leader"))
    answer = ask(connection(consul))
    assert (answer.status_code, answer.text, answer.headers.get("x-consul-index")) == (500, "No cluster leader", "1")


def test_a_connection_that_died_unused_is_no_failure(consul):
    made = connection(consul)
    ask(made)
    consul.lie("/v1/", fake.octets(b""), times=1)
    assert ask(made).status_code == 200
    assert consul.accepted == 2
    made.is_repeatable = False  # as for a query that blocks: what its index means may have changed
    consul.lie("/v1/", fake.octets(b""), times=1)
    with pytest.raises(NoAnswer, match="reset"):
        ask(made)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoAnswer) as caught:
        AgentSession(Endpoint("127.0.0.1", port)).get("http://x/v1/x")
    assert (caught.value.kind, caught.value.reason) == ("refused", "connection refused")


def test_a_name_that_does_not_resolve():
    with pytest.raises(NoAnswer, match="does not resolve") as caught:
        AgentSession(Endpoint("consul.invalid", 1)).get("http://x/v1/x")
    assert caught.value.kind == "refused"


def test_abort_ends_a_question_at_once_and_refuses_the_next(consul):
    consul.lie("/v1/", fake.hang())
    made = connection(consul)
    made.patience = Patience(head_s=30)
    ended: list[tuple[float, NoAnswer]] = []

    def run() -> None:
        try:
            ask(made)
        except NoAnswer as error:
            ended.append((time.monotonic(), error))

    thread = threading.Thread(target=run)
    thread.start()
    while not consul.requests:
        time.sleep(0.005)
    began_at = time.monotonic()
    made.abort()
    thread.join(5)
    (at, error) = ended[0]
    assert error.kind == "aborted"
    assert at - began_at < 0.5
    with pytest.raises(NoAnswer, match="closed"):
        ask(made)


def test_a_unix_socket(tmp_path, consul):
    path = str(tmp_path / "agent.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        sock, _ = server.accept()
        with sock:
            sock.recv(4096)
            sock.sendall(fake.answer(200, BODY))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    made = AgentSession(Endpoint("localhost", 8500, path=path))
    assert made.get("http://localhost:8500/v1/x").content == BODY
    made.close()
    thread.join(5)
    server.close()


def test_no_proxy_and_no_netrc_gets_in_between(consul, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(connection(consul)).status_code == 200
