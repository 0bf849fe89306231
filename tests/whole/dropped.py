"""A firewall that drops what belongs to a connection, and says nothing. Runs in a network namespace of its own (test_dropped.py).
Prints {transport: what went wrong, or ""}.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import tempfile
import time
import traceback

from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import RD
from tests.forward.https_upstream import HttpsUpstream
from tests.forward.upstream import address_in, question, ScriptedUpstream, truncated


def drop(port: int) -> None:
    """Lose every packet of the client's connection from *port*."""
    for side in ("--sport", "--dport"):
        subprocess.run(["iptables", "-w", "-I", "INPUT", "-p", "tcp", side, str(port), "-j", "DROP"], check=True)


def survives(address: str, ports) -> None:
    """One question makes a connection, which is then cut; the next ones, all at once, are answered in time."""

    async def main() -> None:
        forwarder = Forwarder(ForwardSettings(upstreams=(address,)))
        await forwarder.start()
        try:
            await forwarder.exchange(question("first.test."), flags=RD, dnssec_ok=False)
            for port in set(ports()):
                await asyncio.to_thread(drop, port)
            began = time.monotonic()
            got = await asyncio.gather(
                *(forwarder.exchange(question(f"n{n}.test."), flags=RD, dnssec_ok=False) for n in range(10)), return_exceptions=True
            )
            assert [address_in(reply) for reply in got] == ["192.0.2.1"] * 10, got
            assert time.monotonic() - began < 1.9
            assert not forwarder.statistics.died
        finally:
            await forwarder.close()

    asyncio.run(main())


def tcp() -> None:
    with ScriptedUpstream() as upstream:
        upstream.on("*", truncated, transport="udp")
        survives(upstream.address, lambda: [asked.peer[1] for asked in upstream.queries if asked.transport == "tcp"])


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain("cert.pem", "key.pem")
    made.set_alpn_protocols(["h2"])
    return made


def tls() -> None:
    with ScriptedUpstream(tls=context()) as upstream:
        survives(f"tls://{upstream.address}#dns.example", lambda: [asked.peer[1] for asked in upstream.queries])


def https() -> None:
    with HttpsUpstream(context()) as upstream:
        survives(f"https://{upstream.address}/q#dns.example", lambda: [request.peer[1] for request in upstream.requests])


CASES = {"tcp": tcp, "tls": tls, "https": https}


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
             "-out", "cert.pem", "-subj", "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example"],
            check=True, capture_output=True,
        )  # fmt: skip
        os.environ["SSL_CERT_FILE"] = f"{folder}/cert.pem"
        main()
