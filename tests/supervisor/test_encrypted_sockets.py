"""Encrypted listeners as the supervisor sees them: a TCP socket with a name for what is spoken on it."""

from __future__ import annotations

import os
import socket

import pytest

from dnsdisco.errors import ListenError
from dnsdisco.supervisor import activation
from dnsdisco.supervisor.announce import dig
from dnsdisco.supervisor.sockets import Listening
from tests.supervisor.harness import bind_texts, place


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:53", ("", "127.0.0.1", 53, "")),
        ("[::1]:53", ("", "::1", 53, "")),
        ("tls://[::1]:853", ("tls", "::1", 853, "")),
        ("https://127.0.0.1:443/dns-query", ("https", "127.0.0.1", 443, "/dns-query")),
        ("https://[fe80::1%eth0]:0/a/b", ("https", "fe80::1%eth0", 0, "/a/b")),
    ],
)
def test_an_entry_taken_apart_and_put_together(text: str, parts: tuple[str, str, int, str]) -> None:
    assert (place(text).scheme, place(text).host, place(text).port, place(text).path) == parts
    assert str(place(text)) == text


@pytest.mark.parametrize("workers", [1, 2])
def test_tcp_alone_is_bound_and_named_for_what_is_spoken(workers: int) -> None:
    listening, _ = bind_texts(["127.0.0.1:0", "tls://127.0.0.1:0", "https://127.0.0.1:0/q"], workers)
    plain, tls, https = listening
    try:
        assert [len(each.udp) for each in listening] == [workers, 0, 0]
        assert [len(each.tcp) for each in listening] == [workers] * 3
        assert [name for name, _ in tls.of_worker(workers - 1)] == ["tls"]
        assert [name for name, _ in https.of_worker(0)] == ["https"]
        port = tls.tcp[0].getsockname()[1]
        assert str(tls) == f"tls://127.0.0.1:{port}"
        assert str(https) == f"https://127.0.0.1:{https.tcp[0].getsockname()[1]}/q"
        assert str(plain).startswith("udp+tcp 127.0.0.1:")
        with pytest.raises(ListenError) as caught:
            bind_texts([f"tls://127.0.0.1:{port}"], workers)
        text = str(caught.value)
        assert text.startswith(f"cannot listen on tls://127.0.0.1:{port}: TCP port {port} is in use by pid {os.getpid()} (")
        assert "such as --listen tls://127.0.0.1:8853" in text
    finally:
        for each in listening:
            each.close()


def test_the_line_to_type_is_for_plain_dns_if_there_is_any() -> None:
    tls, https = Listening(place("tls://0.0.0.0:8853")), Listening(place("https://[::1]:443/dns-query"))
    assert dig([tls, Listening(place("127.0.0.1:53"))], "web", ["svc.local"]) == "dig @127.0.0.1 web.svc.local"
    assert dig([tls, https], "web", ["svc.local"]) == "kdig @127.0.0.1 -p 8853 +tls web.svc.local"
    assert dig([https], "web", ["svc.local"]) == "kdig @::1 +https=/dns-query web.svc.local"


def test_a_given_tcp_socket_speaks_what_listen_says_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    first = 900  # where nothing of ours is
    for at in range(2):
        with socket.create_server(("127.0.0.1", 0)) as made:
            os.dup2(made.fileno(), first + at)
    monkeypatch.setattr(activation, "FIRST_FD", first)
    with socket.socket(fileno=os.dup(first)) as looked_at:
        secure = f"tls://127.0.0.1:{looked_at.getsockname()[1]}"
    listen = [*map(place, ("127.0.0.1:53", secure, "https://127.0.0.1:1/dns-query"))]
    environ = {"LISTEN_FDS": "2", "LISTEN_PID": "7"}
    listening, unusable = activation.given(environ, 7, listen)
    try:
        assert unusable == []
        assert [(each.scheme, len(each.tcp)) for each in listening] == [("tls", 1), ("", 1)]
        assert listening[0].address == secure
        assert activation.left_out(listen, listening) == ["https://127.0.0.1:1/dns-query"]
    finally:
        for each in listening:
            each.close()
