"""DNS over TLS of `dnsdisco serve`, asked by clients that know nothing of it, while certificates, workers and settings change."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.certificates import Made, make
from tests.whole.server import EXAMPLE, Server

needs_kdig = pytest.mark.skipif(shutil.which("kdig") is None, reason="no kdig on this machine (knot-dnsutils)")
PADDING = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(100))


def configured(folder: Path, made: Made, **more: str) -> None:
    lines = {
        "listen": "[127.0.0.1:0, tls://127.0.0.1:0]",
        "tls": f"{{certificate: {made.certificate.name}, key: {made.key.name}}}",
        "providers": f"[{{type: static, path: {EXAMPLE}}}]",
        "forward": "{upstreams: []}",
        "http": "off",
        "state_dir": "off",
        **more,
    }
    (folder / "dnsdisco.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))


class Asking:
    """One TLS connection that goes on being asked."""

    def __init__(self, server: Server, made: Made, port: int) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 5)
        self.sock = made.client(("dot",)).wrap_socket(plain, server_hostname="localhost")

    @property
    def serial(self) -> int:
        return int(self.sock.getpeercert()["serialNumber"], 16)  # type: ignore[index, arg-type]

    def ask(self, name: str = "web.svc.local.", **query: object) -> dns.message.Message:
        question = dns.message.make_query(name, "A", **{"use_edns": 0, **query})  # type: ignore[arg-type]
        return dns.query.tls(question, "", 5, sock=self.sock)

    def close(self) -> None:
        self.sock.close()


def port_of(server: Server) -> int:
    return int(server.wait_for(r"ready: listening on udp\+tcp 127\.0\.0\.1:\d+, tls://127\.0\.0\.1:(\d+), zones")[1])


def test_a_client_over_renewals_reloads_and_a_killed_worker(tmp_path: Path) -> None:
    made = make(tmp_path)
    configured(tmp_path, made)
    with Server(cwd=tmp_path, listen=None) as server:
        port = port_of(server)
        server.wait_for(rf"try: dig @127\.0\.0\.1 -p {server.port} ")
        old = made.serial
        first = Asking(server, made, port)
        assert first.sock.selected_alpn_protocol() == "dot"
        assert first.ask().answer
        assert first.serial == old

        plain_reply = first.ask()
        padded = first.ask(options=[PADDING])
        assert len(padded.to_wire()) % 468 == 0
        assert [option.otype for option in padded.options if option.otype == dns.edns.OptionType.PADDING]
        assert not [option for option in plain_reply.options if option.otype == dns.edns.OptionType.PADDING]
        kept = first.ask(options=[dns.edns.GenericOption(11, b"")])
        assert [option for option in kept.options if option.otype == 11]

        fresh = make(tmp_path, "fresh")
        for name in ("certificate", "key"):
            getattr(fresh, name).replace(getattr(made, name))
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("has been read anew")
        assert first.ask().answer  # who is connected stays
        second = Asking(server, made, port)
        assert second.serial == made.serial != old

        made.key.write_text("not a key")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(
            "the new configuration is not used.*there is no private key in it|the new configuration is not used.*not a PEM"
        )
        assert first.ask().answer
        third = Asking(server, Made(made.certificate, made.key), port)
        assert third.serial == second.serial
        third.close()

        (worker,) = server.children()["server"]
        os.kill(worker, signal.SIGKILL)
        with pytest.raises((EOFError, OSError)):
            first.ask()
        server.wait_for("encrypted listeners send their clients away until it can")  # the key is broken still
        assert server.answers("web.svc.local")  # plain DNS does not feel it
        good = make(tmp_path, "good")
        for name in ("certificate", "key"):
            getattr(good, name).replace(getattr(made, name))
        until = time.monotonic() + 10
        while True:
            try:
                fourth = Asking(server, made, port)
                break
            except (OSError, EOFError):
                assert time.monotonic() < until
                time.sleep(0.05)
        assert fourth.ask().answer
        assert server.stop() == 0
        with pytest.raises((EOFError, OSError)):
            fourth.ask()
        for asking in (first, second, fourth):
            asking.close()
        assert "Traceback" not in server.stderr
        assert "internal error" not in server.stderr


def test_whom_the_acl_does_not_admit_is_refused_over_tls_too(tmp_path: Path) -> None:
    made = make(tmp_path)
    configured(tmp_path, made, acl="{allow: [192.0.2.0/24]}")
    with Server(cwd=tmp_path, listen=None) as server:
        asking = Asking(server, made, port_of(server))
        reply = asking.ask(options=[PADDING])
        assert reply.rcode() == dns.rcode.REFUSED
        assert len(reply.to_wire()) % 468 == 0
        asking.close()


def test_a_missing_certificate_ends_the_start_and_names_the_way(tmp_path: Path) -> None:
    configured(tmp_path, Made(tmp_path / "nosuch.pem", tmp_path / "nosuch.key"))
    with Server(cwd=tmp_path, listen=None, wait=False) as server:
        assert server.process.wait(15) == 1
        server.wait_for(r"dnsdisco\.yaml:2:\d+: fault: tls\.certificate: \S+nosuch\.pem: cannot be read: no such file")
    (tmp_path / "dnsdisco.yaml").unlink()
    with Server("--services", str(EXAMPLE), cwd=tmp_path, listen="tls://127.0.0.1:0", wait=False) as server:
        assert server.process.wait(15) == 1
        server.wait_for(r"--listen: tls://127\.0\.0\.1:0 needs a certificate: .*openssl req -x509")


def test_a_flood_of_handshakes_does_not_keep_datagrams_waiting(tmp_path: Path) -> None:
    made = make(tmp_path)
    configured(tmp_path, made)
    with Server(cwd=tmp_path, listen=None) as server:
        port = port_of(server)
        is_over = threading.Event()
        done = [0]

        def shake() -> None:
            context = made.client()
            while not is_over.is_set():
                with socket.create_connection(("127.0.0.1", port), 5) as plain:
                    try:
                        context.wrap_socket(plain, server_hostname="localhost").close()
                        done[0] += 1
                    except (OSError, ssl.SSLError):
                        pass

        threads = [threading.Thread(target=shake) for _ in range(4)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        for _ in range(200):
            assert server.answers("web.svc.local")
        took = time.monotonic() - began
        is_over.set()
        for thread in threads:
            thread.join()
        assert done[0] > 10
        assert took < 20  # 100 ms each, on any machine; a datagram behind every handshake that waits would take longer


@needs_kdig
def test_kdig_verifies_and_is_answered(tmp_path: Path) -> None:
    made = make(tmp_path)
    configured(tmp_path, made)
    with Server(cwd=tmp_path, listen=None) as server:
        command = [
            "kdig", "@127.0.0.1", "-p", str(port_of(server)), f"+tls-ca={made.certificate}", "+tls-hostname=localhost", "+keepopen",
            "+padding", "web.svc.local", "SRV", "auth.svc.local", "A",
        ]  # fmt: skip
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert out.count("status: NOERROR") == 2
        assert "TLS session (TLS1.3)" in out
        assert re.findall(r"Received (\d+) B", out) == ["468", "468"]
