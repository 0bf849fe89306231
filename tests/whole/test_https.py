"""DNS over HTTPS of `dnsdisco serve`, asked by clients that know nothing of it: curl, kdig, httpx."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import httpx
import pytest

from dnsdisco.cli import query_server
from tests.certificates import Made, make
from tests.whole.server import EXAMPLE, ROOT, Server

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
needs_kdig = pytest.mark.skipif(shutil.which("kdig") is None, reason="no kdig on this machine (knot-dnsutils)")
QUERY = dns.message.make_query("web.svc.local.", "A", id=0)
ASKED = base64.urlsafe_b64encode(QUERY.to_wire()).rstrip(b"=").decode()


def configured(folder: Path, made: Made, **more: str) -> None:
    lines = {
        "listen": '[127.0.0.1:0, tls://127.0.0.1:0, "https://127.0.0.1:0/dns-query"]',
        "tls": f"{{certificate: {made.certificate.name}, key: {made.key.name}}}",
        "providers": f"[{{type: static, path: {EXAMPLE}}}]",
        "forward": "{upstreams: []}",
        "http": "off",
        "state_dir": "off",
        **more,
    }
    (folder / "dnsdisco.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))


def url_of(server: Server) -> str:
    pattern = r"ready: listening on udp\+tcp \S+, tls://127\.0\.0\.1:\d+, https://(127\.0\.0\.1:\d+/dns-query), zones"
    return f"https://{server.wait_for(pattern)[1]}"


@needs_curl
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl(tmp_path: Path, version: str) -> None:
    made = make(tmp_path)
    configured(tmp_path, made)
    (tmp_path / "query").write_bytes(QUERY.to_wire())
    with Server(cwd=tmp_path, listen=None) as server:
        url = url_of(server)

        def curl(*words: str) -> tuple[int, bytes]:
            command = ["curl", "-sS", version, "--cacert", str(made.certificate), "-w", "%{stderr}%{http_code}", *words]
            done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
            return int(done.stderr), done.stdout

        status, body = curl(f"{url}?dns={ASKED}")
        assert status == 200
        assert dns.message.from_wire(body).answer
        status, body = curl(url, "--data-binary", "@query", "-H", "content-type: application/dns-message")
        assert status == 200
        assert dns.message.from_wire(body).id == 0
        assert curl(url, "--data-binary", "@query")[0] == 415
        assert curl("--path-as-is", url.replace("dns-query", "dns-query/../../../etc/passwd"))[0] == 404
        assert curl(f"{url}?dns={ASKED}", "-H", "host: evil.example")[0] == 200


@needs_kdig
@pytest.mark.parametrize("how", ["+https", "+https-get"])
def test_kdig(tmp_path: Path, how: str) -> None:
    made = make(tmp_path)
    configured(tmp_path, made)
    with Server(cwd=tmp_path, listen=None) as server:
        port = url_of(server).split(":")[2].split("/")[0]
        command = ["kdig", "@127.0.0.1", "-p", port, how, f"+tls-ca={made.certificate}", "+tls-hostname=localhost", "+padding",
                   "+keepopen", "web.svc.local", "SRV", "nosuch.svc.local", "A"]  # fmt: skip
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"; status: (\w+)", out) == ["NOERROR", "NXDOMAIN"]
        assert "(status: 200)" in out
        assert re.findall(r"Received (\d+) B", out) == ["468", "468"]


def test_clients_over_reloads_a_renewal_and_a_killed_worker(tmp_path: Path) -> None:
    made = make(tmp_path)
    configured(tmp_path, made, acl="{allow: [127.0.0.0/8]}")
    with Server(cwd=tmp_path, listen=None) as server:
        url = url_of(server)
        with httpx.Client(verify=made.client(("h2", "http/1.1")), http2=True) as client:

            def ask() -> dns.message.Message:
                return dns.message.from_wire(client.get(f"{url}?dns={ASKED}").raise_for_status().content)

            assert ask().answer
            assert client.get(f"{url}?dns={ASKED}").http_version == "HTTP/2"
            assert client.get(f"{url}?dns={ASKED}").headers["cache-control"] == "max-age=10"
            configured(tmp_path, made, acl="{allow: [192.0.2.0/24]}")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("reloaded")
            refused = ask()
            assert refused.rcode() == dns.rcode.REFUSED
            assert client.get(f"{url}?dns={ASKED}").headers["cache-control"] == "max-age=0"

            configured(tmp_path, made)
            fresh = make(tmp_path, "fresh")
            for name in ("certificate", "key"):
                getattr(fresh, name).replace(getattr(made, name))
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("has been read anew")
            assert ask().answer  # on the connection that there was
            with httpx.Client(verify=made.client(("http/1.1",))) as other:
                assert (
                    other.post(url, content=QUERY.to_wire(), headers={"content-type": "application/dns-message"}).status_code == 200
                )

            (worker,) = server.children()["server"]
            os.kill(worker, signal.SIGKILL)
            with suppress(httpx.TransportError):  # its connection may be found to be closed in time
                ask()
        with httpx.Client(verify=made.client(("h2",)), http2=True) as client:
            assert ask().answer
            assert server.stop() == 0
        assert "Traceback" not in server.stderr
        assert "internal error" not in server.stderr


@pytest.mark.parametrize(
    ("name", "rtype"),
    [("web.svc.local.", "SRV"), ("auth.svc.local.", "A"), ("all.web.svc.local.", "ANY"), ("nosuch.svc.local.", "A"), ("web.svc.local.", "MX"),
     ("svc.local.", "SOA"), ("www.example.com.", "A"), ("version.bind.", "TXT"), ("localhost.", "AAAA")],
)  # fmt: skip
def test_the_same_is_said_over_every_transport(everywhere: tuple[Server, Made, str], name: str, rtype: str) -> None:
    server, made, url = everywhere
    tls_port = int(server.wait_for(r"tls://127\.0\.0\.1:(\d+)")[1])
    rclass = "CH" if name == "version.bind." else "IN"
    query = dns.message.make_query(name, rtype, rclass, use_edns=0)
    told = [
        dns.query.tcp(query, "127.0.0.1", 5, server.port),
        dns.query.tls(query, "127.0.0.1", 5, tls_port, server_hostname="localhost", ssl_context=made.client(("dot",))),
    ]
    for version in ("HTTP/1.1", "HTTP/2"):
        with httpx.Client(verify=made.client(), http2=version == "HTTP/2") as client:
            posted = client.post(url, content=query.to_wire(), headers={"content-type": "application/dns-message"})
            assert posted.http_version == version
            told.append(dns.message.from_wire(posted.content))
    for reply in told[1:]:
        assert reply == told[0]  # header, rcode and sections, whatever their order
        assert reply.ednsflags == told[0].ednsflags
        assert [option.to_text() for option in reply.options] == [option.to_text() for option in told[0].options]


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Made, str]]:
    folder = tmp_path_factory.mktemp("everywhere")
    made = make(folder)
    configured(folder, made)
    with Server(cwd=folder, listen=None) as server:
        yield server, made, url_of(server)


def test_what_http_takes_is_loaded_only_where_it_is_spoken() -> None:
    """A worker starts with neither, and with TLS alone without HTTP."""
    code = "import sys, dnsdisco.server.run, dnsdisco.server.encrypted; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {"h2", "h11", "hpack", "dnsdisco.server.https_connection"} & set(done.stdout.split())
    assert ssl.HAS_ALPN


@pytest.mark.parametrize("listen", ["tls://127.0.0.1:0", "https://127.0.0.1:0/dns-query"])
def test_the_images_health_check_where_nothing_else_is_listened_on(tmp_path: Path, listen: str) -> None:
    """`dnsdisco query localhost.` finds the running server, and fails when that is stopped."""
    configured(tmp_path, make(tmp_path), listen=f'["{listen}"]', control="control.sock")
    command = [sys.executable, "-m", "dnsdisco.cli", "query", "localhost."]

    def healthy() -> bool:
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})
        return ran.returncode == 0 and "127.0.0.1" in ran.stdout

    with Server(cwd=tmp_path, listen=None, wait=False) as server:
        server.wait_for("event=.control socket")
        server.wait_for("ready: ")
        assert healthy()
    assert not healthy()


@pytest.mark.parametrize("listen", ["tls://0.0.0.0:853", "https://0.0.0.0:443/q"])
def test_where_to_ask_is_in_the_configuration_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    configured(tmp_path, make(tmp_path), listen=f'["{listen}"]', control="off")
    monkeypatch.chdir(tmp_path)
    where, zone = query_server.found(None)
    assert (str(where).replace(":853", "").replace(":443", ""), zone) == (
        listen.replace("0.0.0.0", "127.0.0.1").replace(":853", "").replace(":443", ""),
        "svc.local",
    )
    configured(tmp_path, make(tmp_path), listen=f'["{listen}", "127.0.0.2:5300"]', control="off")
    assert str(query_server.found(None)[0]) == "127.0.0.2:5300"  # plain DNS, where there is any
