"""Two name servers in one resolv.conf, asked by the C library, by dnsmasq --strict-order and by us. Runs in namespaces of its own (test_ordered.py).

The first knows corp.test, and treats other names as each case says; the second knows everything but corp.test. Prints
{case: {resolver: the addresses that it found, in the order of the names}}.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.message
import dns.query

from tests.forward.upstream import answer, Asked, Make, rcode, Say, ScriptedUpstream
from tests.whole.server import Server

CORP, PUBLIC = "10.0.0.5", "192.0.2.2"
FIRST, SECOND = "127.0.0.11", "127.0.0.12"
US, THEM = "127.0.0.1", "127.0.0.2"

Others = Make | Say
CASES: dict[
    str, tuple[Others, float]
] = {  # what the first says to names that are not its own, and how long it takes with those that are
    "refused": (rcode(5), 0.0),
    "servfail": (rcode(2), 0.0),
    "notimp": (rcode(4), 0.0),
    "slow": (rcode(5), 0.45),
    "a-second": (rcode(5), 1.0),
}


def is_corp(asked: Asked) -> bool:
    return asked.qname.endswith("corp.test.")


NAMES = [*(f"n{n}.public.test" for n in range(6)), "app.corp.test", "n6.public.test", "db.corp.test"]


def over_dns(server: str) -> Callable[[str], str]:
    def ask(name: str) -> str:
        got = dns.query.udp(dns.message.make_query(name, "A"), server, timeout=8)
        return next((str(rdata) for rrset in got.answer for rdata in rrset if rdata.rdtype == 1), dns.rcode.to_text(got.rcode()))

    return ask


def by_c_library(name: str) -> str:  # not ahostsv4: it wants an IPv4 address beside the loopback
    ran = subprocess.run(["getent", "ahosts", name], capture_output=True, text=True, check=False, timeout=30)
    return ran.stdout.split()[0] if ran.stdout else "none"


@contextlib.contextmanager
def dnsmasq(folder: Path, resolv_conf: Path) -> Iterator[dict[str, Callable[[str], str]]]:
    if shutil.which("dnsmasq") is None:
        yield {}
        return
    process = subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--listen-address={THEM}", "--bind-interfaces", "--strict-order",
         f"--resolv-file={resolv_conf}", "--no-hosts", "--user=", f"--pid-file={folder}/pid", "--log-facility=/dev/null"],
    )  # fmt: skip
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection((THEM, 53)).close()
                break
            time.sleep(0.05)
        yield {"dnsmasq": over_dns(THEM)}
    finally:
        process.terminate()
        process.wait(10)


def main(folder: Path) -> None:
    resolv_conf = folder / "resolv.conf"
    found: dict[str, dict[str, list[str]]] = {}
    with (
        ScriptedUpstream(host=FIRST, port=53) as first,
        ScriptedUpstream(host=SECOND, port=53) as second,
        Server(
            "--upstream", str(resolv_conf), "--http", "off", "--state-dir", "off", "--control", "off", cwd=folder, listen=f"{US}:53"
        ),
        dnsmasq(folder, resolv_conf) as there,
        ThreadPoolExecutor() as pool,
    ):
        second.on("*", answer(PUBLIC))
        second.on(is_corp, rcode(3))
        asked = {"dnsdisco": over_dns(US), "the C library": by_c_library, **there}
        for case, (others, after_s) in CASES.items():
            first.forget()
            first.on("*", others)
            first.on(is_corp, Say(answer(CORP), after_s=after_s))
            names = [f"{case}-{name}" for name in NAMES]
            each = {who: pool.submit(lambda ask, names=names: [ask(name) for name in names], ask) for who, ask in asked.items()}
            found[case] = {who: addresses.result() for who, addresses in each.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))
