"""Link-local addresses, wherever an address is connected to or listened on. Runs in a network namespace of its own (test_scoped.py), where `ours`
and `theirs` are the two ends of one cable: fe80::1 is reached over `theirs`, fe80::2 over `ours`. Prints {case: what went wrong, or ""}.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import dns.message

from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.own_addresses import is_own
from dnsdisco.providers.consul.address import endpoint_from
from dnsdisco.providers.http import BackendConnection
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import RD
from tests.forward.https_upstream import HttpsUpstream
from tests.forward.upstream import address_in, answer, question, ScriptedUpstream, truncated
from tests.whole.server import EXAMPLE, Server

THEIRS = "fe80::2%theirs"  # where they listen
REACHED = "fe80::2%ours"  # and how we get there
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def ask(*upstreams: str, name: str = "www.test.", **more) -> str:
    async def main() -> bytes:
        forwarder = Forwarder(ForwardSettings(upstreams=upstreams), limits=ForwardLimits(watch_s=0.05), **more)
        await forwarder.start()
        try:
            return await forwarder.exchange(question(name), flags=RD, dnssec_ok=False)
        finally:
            await forwarder.close()

    return dns.message.from_wire(asyncio.run(main())).answer[0][0].address


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@case
def an_upstream_over_udp_and_tcp():
    with ScriptedUpstream(host=THEIRS) as upstream:
        assert ask(f"[{REACHED}]:{upstream.port}") == "192.0.2.1"
        upstream.on("*", truncated, transport="udp")
        upstream.on("*", answer("192.0.2.7"), transport="tcp")
        assert ask(f"[{REACHED}]:{upstream.port}") == "192.0.2.7"


@case
def the_interface_by_its_number():
    with ScriptedUpstream(host=THEIRS) as upstream:
        assert ask(f"[fe80::2%{socket.if_nametoindex('ours')}]:{upstream.port}") == "192.0.2.1"


@case
def a_resolv_conf():
    with ScriptedUpstream(host=THEIRS, port=53):
        Path("resolv.conf").write_text(f"nameserver {REACHED}\n")
        assert ask(str(Path("resolv.conf").absolute())) == "192.0.2.1"


@case
def over_tls():
    with ScriptedUpstream(host=THEIRS, tls=server_tls()) as upstream:
        for written in (f"tls://[{REACHED}]:{upstream.port}", f"tls://[fe80::2%25ours]:{upstream.port}"):
            assert ask(f"{written}#dns.example") == "192.0.2.1"
            assert ask(written) == "192.0.2.1"  # the certificate names fe80::2


@case
def over_https():
    with HttpsUpstream(server_tls(), host=THEIRS) as upstream:
        for written in (f"https://[{REACHED}]:{upstream.port}/q", f"https://[fe80::2%25ours]:{upstream.port}/q"):
            assert ask(f"{written}#dns.example") == "192.0.2.1"
            assert ask(written) == "192.0.2.1"
        assert {each.headers[":authority"] for each in upstream.requests} == {
            f"dns.example:{upstream.port}", f"[fe80::2]:{upstream.port}",
        }  # fmt: skip


@case
def an_interface_that_is_not_there_and_one_that_is_made_anew():
    with ScriptedUpstream(host=THEIRS) as there:

        async def main() -> None:
            forwarder = Forwarder(ForwardSettings(upstreams=("[fe80::9%later]:53", f"[{REACHED}]:{there.port}")))
            await forwarder.start()
            try:
                await forwarder.exchange(question("a.test."), flags=RD, dnssec_ok=False)
            finally:
                await forwarder.close()

        asyncio.run(main())

    def make() -> None:
        for words in (
            "link add name later type veth peer name end",
            "address add fe80::9/64 dev later nodad",
            "link set dev end up",
            "link set dev later up",
        ):
            subprocess.run(["ip", *words.split()], check=True)

    async def anew() -> None:
        forwarder = Forwarder(ForwardSettings(upstreams=("[fe80::9%later]:5353",)))
        await forwarder.start()
        try:
            for _ in range(2):  # the second one has another number
                await asyncio.to_thread(make)
                with ScriptedUpstream(host="fe80::9%later", port=5353):
                    got = await forwarder.exchange(question("b.test."), flags=RD, dnssec_ok=False)
                    assert address_in(got) == "192.0.2.1"
                await asyncio.to_thread(subprocess.run, ["ip", "link", "del", "dev", "later"], check=True)
        finally:
            await forwarder.close()

    asyncio.run(anew())


@case
def ourselves():
    number = socket.if_nametoindex("ours")
    assert is_own("fe80::1%ours", 53, [("fe80::1%ours", 53)])
    assert is_own(f"fe80::1%{number}", 53, [("fe80::1%ours", 53)])
    assert is_own("fe80::1%ours", 53, [("::", 53)])
    assert not is_own("fe80::1%theirs", 53, [("fe80::1%ours", 53)])
    assert not is_own("fe80::2%ours", 53, [("::", 53), ("fe80::1%ours", 53)])


@case
def serve_query_and_http():
    with (
        ScriptedUpstream(host=THEIRS) as upstream,
        Server(
            "--services", str(EXAMPLE), "--upstream", f"[{REACHED}]:{upstream.port}", "--http", "[fe80::1%ours]:8053", "--state-dir", "off",
            "--control", "off", cwd=Path.cwd(), listen="[fe80::1%ours]:53",
        ) as server,
    ):  # fmt: skip
        server.wait_for("ready: .*fe80::1%ours")
        for words in ([], ["--tcp"]):
            for name in ("web.svc.local", "www.example.test"):
                for where in ("fe80::1%theirs", "[fe80::1%theirs]:53"):
                    ran = subprocess.run(
                        [sys.executable, "-m", "dnsdisco.cli", "query", name, "--server", where, *words, "--json"],
                        capture_output=True, text=True, check=False,
                    )  # fmt: skip
                    assert ran.returncode == 0, ran.stdout + ran.stderr
                    assert json.loads(ran.stdout)["rcode"] == "NOERROR"
        connection = http.client.HTTPConnection("fe80::1%theirs", 8053, timeout=5)
        connection.request("GET", "/ready", headers={"Host": "[fe80::1]:8053"})
        assert connection.getresponse().status == 200
        connection.close()


@case
def serve_over_tls():
    Path("tls.yaml").write_text(f"tls: {{certificate: {Path.cwd()}/cert.pem, key: {Path.cwd()}/key.pem}}\n")
    with Server(
        "--services", str(EXAMPLE), "--listen", "tls://[fe80::1%ours]:853", "--upstream", "none", "--http", "off", "--state-dir", "off", "--control",
        "off", "--config", "tls.yaml", cwd=Path.cwd(), listen="[fe80::1%ours]:53",
    ) as server:  # fmt: skip
        server.wait_for("ready: ")
        assert ask("tls://[fe80::1%theirs]:853#dns.example", name="web.svc.local.")


@case
def consul():
    class Says(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(self.headers["Host"]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Agent(http.server.HTTPServer):
        address_family = socket.AF_INET6

    agent = Agent(("fe80::2", 0, 0, socket.if_nametoindex("theirs")), Says)
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    try:
        for written in (f"http://[{REACHED}]:{agent.server_port}", f"http://[fe80::2%25ours]:{agent.server_port}"):
            endpoint = endpoint_from(written)
            connection = BackendConnection(endpoint)
            got = connection.request("GET", "/v1/status/leader")
            assert got.body == f'"[fe80::2]:{agent.server_port}"'.encode(), got.body
            connection.close()
    finally:
        agent.shutdown()
        agent.server_close()


@contextlib.contextmanager
def daemon(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert process.poll() is None, command
            with contextlib.suppress(OSError), socket.create_connection((REACHED, 5300), timeout=1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@case
def dnsmasq_there():
    if shutil.which("dnsmasq"):
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=5300", "--interface=theirs", "--bind-interfaces",
                   "--no-resolv", "--no-hosts", f"--pid-file={Path.cwd()}/pid", "--user=", "--log-facility=/dev/null",
                   "--address=/www.test/192.0.2.8"]  # fmt: skip
        with daemon(*command):
            assert ask(f"[{REACHED}]:5300") == "192.0.2.8"


@case
def unbound_there():
    if shutil.which("unbound"):
        here = Path.cwd()
        Path("unbound.conf").write_text(f"""
server:
  interface: fe80::2%theirs
  port: 5300
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{here}"
  pidfile: "{here}/unbound.pid"
  use-syslog: no
  logfile: "{here}/unbound.log"
  num-threads: 1
  access-control: ::0/0 allow
  module-config: "iterator"
  local-zone: "test." static
  local-data: "www.test. 60 A 192.0.2.9"
remote-control:
  control-enable: no
""")
        with daemon("unbound", "-d", "-c", "unbound.conf"):
            assert ask(f"[{REACHED}]:5300") == "192.0.2.9"


def main() -> None:
    found = {}
    for name, function in CASES.items():
        try:
            function()
            found[name] = ""
        except BaseException:  # noqa: BLE001  # told to the test
            found[name] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", "key.pem",
             "-out", "cert.pem", "-subj", "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example,IP:fe80::2"],
            check=True, capture_output=True,
        )  # fmt: skip
        os.environ["SSL_CERT_FILE"] = f"{folder}/cert.pem"
        main()
