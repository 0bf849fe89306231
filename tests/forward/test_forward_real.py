"""The same against resolvers that others wrote: Unbound and dnsmasq, where they are installed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import AAAA, RD, TXT
from tests.forward.upstream import free_port, question, ScriptedUpstream

pytestmark = pytest.mark.servers
MANY = 120  # addresses of one name: more than 1,232 octets


def unbound(folder, port, beyond):
    path = folder / "unbound.conf"
    records = "".join(f'local-data: "many.example.test. 60 A 192.0.2.{n}"\n' for n in range(MANY))
    path.write_text(f"""
server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: "{folder}/unbound.log"
  num-threads: 1
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "example.test." static
  local-data: "example.test. 60 SOA ns.example.test. root.example.test. 1 2 3 4 60"
  local-data: "www.example.test. 60 A 192.0.2.1"
  {records.replace("local-data", "  local-data").strip()}
  local-zone: "beyond.test." nodefault
  local-zone: "test." nodefault
forward-zone:
  name: "beyond.test."
  forward-addr: 127.0.0.1@{beyond.port}
remote-control:
  control-enable: no
""")
    return ["unbound", "-d", "-c", str(path)]


def dnsmasq(folder, port, beyond):
    records = [f"--host-record=many.example.test,192.0.2.{n}" for n in range(MANY)]
    return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces",
            "--no-resolv", "--no-hosts", f"--pid-file={folder}/pid", "--user=", "--log-facility=/dev/null", "--local=/example.test/",
            "--host-record=www.example.test,192.0.2.1", "--edns-packet-max=4096", f"--server=/beyond.test/127.0.0.1#{beyond.port}",
            *records]  # fmt: skip


@pytest.fixture(scope="module", params=[unbound, dnsmasq], ids=lambda server: server.__name__)
def server(request, tmp_path_factory):
    name = request.param.__name__
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    with ScriptedUpstream() as beyond:
        port = free_port()
        process = subprocess.Popen(
            request.param(tmp_path_factory.mktemp(name), port, beyond), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            for _ in range(100):
                assert process.poll() is None, process.stderr.read()
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=10)


def ask(server, *questions, dnssec_ok=False):
    async def main():
        forwarder = Forwarder(ForwardSettings(upstreams=(server,)))
        await forwarder.start()
        try:
            replies = await asyncio.gather(
                *(forwarder.exchange(asked, flags=RD, dnssec_ok=dnssec_ok) for asked in questions), return_exceptions=True
            )
        finally:
            await forwarder.close()
        return replies, forwarder.statistics

    replies, statistics = asyncio.run(main())
    return [reply if isinstance(reply, UpstreamError) else dns.message.from_wire(reply) for reply in replies], statistics


def test_answers_and_denials(server):
    replies, statistics = ask(
        server,
        question("wWw.eXample.test."),
        question("www.example.test.", AAAA),
        question("none.example.test."),
        question("www.example.test.", TXT),
    )
    found, no_data, no_name, no_text = replies
    assert [rdata.address for rdata in found.answer[0]] == ["192.0.2.1"]
    assert str(found.question[0].name) == "wWw.eXample.test."
    assert (no_data.rcode(), no_data.answer) == (dns.rcode.NOERROR, [])
    assert no_name.rcode() == dns.rcode.NXDOMAIN
    assert (no_text.rcode(), no_text.answer) == (dns.rcode.NOERROR, [])
    assert statistics.sent_udp == 4
    assert statistics.wrong_replies + statistics.near_misses + statistics.doubtful == 0


def test_what_does_not_fit_comes_whole_over_tcp(server):
    (reply,), statistics = ask(server, question("many.example.test."))
    assert len(reply.answer[0]) == MANY
    assert not reply.flags & dns.flags.TC
    assert statistics.truncated == 1


def test_spellings_of_one_name_are_one_question(server):
    spellings = ["".join(char.upper() if n >> at & 1 else char for at, char in enumerate("many")) for n in range(16)]
    replies, statistics = ask(server, *(question(f"{spelling}.example.test.") for spelling in spellings))
    assert {len(reply.answer[0]) for reply in replies} == {MANY}
    assert (statistics.questions, statistics.connections) == (1, 1)


def test_through_it_to_another(server):
    replies, _ = ask(server, *(question(f"n{n}.beyond.test.") for n in range(100)))
    assert {rdata.address for reply in replies for rdata in reply.answer[0]} == {"192.0.2.1"}


def test_do_and_its_opt_record(server):
    (reply,), _ = ask(server, question("www.example.test."), dnssec_ok=True)
    assert reply.edns == 0
