"""A worker process before upstreams that others wrote, and beside resolvers that others wrote: the same answer to the same question."""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
import time

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.wire.constants import TYPES
from tests.forward.upstream import reply, ScriptedUpstream, silence
from tests.kit import errors, section
from tests.server.peers import ask, dnsmasq, path_of, says, unbound
from tests.server.test_run import entry, worker
from tests.wire.test_rdata_forms import IMPOSSIBLE, number_of, POSSIBLE, STRANGE

pytestmark = pytest.mark.servers


def told(reply):
    return dns.rcode.to_text(reply.rcode()), section(reply.answer), section(reply.authority)


def forwarding(port, **zones):
    upstreams = {zone.replace("_", "."): [f"127.0.0.1:{at}"] for zone, at in zones.items()}
    return {"upstreams": [f"127.0.0.1:{port}"], "zones": upstreams}


def test_a_name_with_an_address_that_dnsmasq_denies_for_other_types(tmp_path):
    """Its denials come without SOA: they hold for the type that was asked for, and for no moment longer."""
    options = ("--address=/lua.lan/10.0.0.3", "--local=/lan/", "--host-record=six.lan,fd00::6", "--txt-record=txt.lan,hello")
    with (
        dnsmasq(tmp_path, *options) as upstream,
        unbound(tmp_path, {".": upstream}) as peer,
        worker(forward=forwarding(upstream)) as ours,
    ):
        for name in ("lua.lan", "x.lua.lan", "six.lan", "txt.lan", "nothere.lan"):
            for rtype in ("AAAA", "TXT", "A", "AAAA", "TXT", "A", "HTTPS"):
                query = f"{name} {rtype}"
                mine, theirs = ours.ask(name, rtype), ask(peer, name, rtype)
                assert (query, *told(mine)[:2]) == (query, *told(theirs)[:2])
        assert section(ours.ask("lua.lan").answer) == {"lua.lan. A 10.0.0.3"}
        assert section(ours.ask("six.lan", "AAAA").answer) == {"six.lan. AAAA fd00::6"}


SAYS = {
    "address": ("alias.example.org. 60 IN CNAME app.corp.example.\napp.corp.example. 60 IN A 203.0.113.66", {}),
    "nxdomain": ("alias.example.org. 60 IN CNAME app.corp.example.", {"rcode": "NXDOMAIN"}),
    "nothing": ("alias.example.org. 60 IN CNAME app.corp.example.", {}),
    "denied": (
        "alias.example.org. 60 IN CNAME app.corp.example.",
        {"rcode": "NXDOMAIN", "authority": "example. 60 IN SOA ns.example. root.example. 1 2 3 4 60"},
    ),
}


@pytest.mark.parametrize("said", SAYS)
@pytest.mark.parametrize("exists", [True, False])
def test_an_alias_into_a_forward_zone(tmp_path, said, exists):
    soa = "corp.example. 60 IN SOA ns.corp.example. root.corp.example. 1 2 3 4 60"
    with (
        ScriptedUpstream() as general,
        ScriptedUpstream() as corp,
        unbound(tmp_path, {".": general.port, "corp.example.": corp.port}) as peer,
        worker(forward=forwarding(general.port, corp_example=corp.port)) as ours,
    ):
        answer, rest = SAYS[said]
        general.on("alias.example.org.", says("alias.example.org.", "A", answer, **rest))
        if exists:
            corp.on("app.corp.example.", says("app.corp.example.", "A", "app.corp.example. 60 IN A 10.9.0.1"))
        else:
            corp.on("app.corp.example.", says("app.corp.example.", "A", rcode="NXDOMAIN", authority=soa))
        mine, theirs = ours.ask("alias.example.org"), ask(peer, "alias.example.org")
        assert told(mine) == told(theirs)
        assert mine.rcode() == (dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
        assert section(mine.authority) == (set() if exists else {soa.replace(" 60 IN", "", 1)})


def test_a_chain_of_twelve_is_answered_as_dnsmasq_and_unbound_do(tmp_path):
    lines = [f"n{at}.example.org. 60 IN CNAME n{at + 1}.example.org." for at in range(12)]
    with (
        ScriptedUpstream() as upstream,
        dnsmasq(tmp_path, f"--server=127.0.0.1#{upstream.port}") as other,
        worker(forward=forwarding(upstream.port)) as ours,
    ):
        upstream.on("n0.example.org.", says("n0.example.org.", "A", "\n".join([*lines, "n12.example.org. 60 IN A 192.0.2.1"])))
        mine = ours.ask("n0.example.org")
        assert told(mine) == told(ask(other, "n0.example.org"))
        assert len(mine.answer) == 13


def test_a_resolver_that_names_servers_instead_of_data_says_that_there_is_none(tmp_path):
    with (
        ScriptedUpstream() as upstream,
        dnsmasq(tmp_path, f"--server=127.0.0.1#{upstream.port}") as other,
        worker(forward=forwarding(upstream.port)) as ours,
    ):
        upstream.on("www.example.org.", says("www.example.org.", "A", authority="example.org. 60 IN NS ns.example.org."))
        for reply in (ours.ask("www.example.org"), ask(other, "www.example.org")):
            assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


def test_what_dig_cannot_read_is_not_sent_on():
    """Service parameters, tags, places: a reply with one of these is an upstream's failure, the next one is asked, and dig reads what comes."""
    dig = path_of("dig", "bind9-dnsutils")

    def seen(port, name, rtype):
        command = [dig, "@127.0.0.1", "-p", str(port), name, rtype, "+noedns", "+tries=1", "+time=5"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return (
            "bad packet" in said.stdout + said.stderr or "malformed" in said.stdout,
            "status: NOERROR" in said.stdout and "ANSWER: 1" in said.stdout,
        )

    def saying(rtype, octets):
        record = b"\xc0\x0c" + TYPES[rtype].to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(octets).to_bytes(2, "big") + octets
        return lambda asked: reply(asked, records=(record,))

    cases = [(f"n{at}.test", *case, at < len(IMPOSSIBLE)) for at, case in enumerate([*IMPOSSIBLE, *POSSIBLE])]
    with ScriptedUpstream() as upstream, worker(forward=forwarding(upstream.port)) as ours:
        for name, rtype, octets, _ in cases:
            upstream.on(f"{name}.", saying(rtype, octets))
        for name, rtype, _, is_bad in cases:
            is_unreadable, _ = seen(upstream.port, name, rtype)
            assert (name, rtype, is_unreadable) == (name, rtype, is_bad)
            assert (name, rtype, *seen(ours.port, name, rtype)) == (name, rtype, False, not is_bad)


def test_what_only_its_own_program_can_judge_is_relayed_as_unbound_does(tmp_path):
    """Digests of another length, expressions, bitmaps, types that were experiments: octet by octet."""

    def answered(port, name, rtype):
        query = dns.message.make_query(name, "A", use_edns=False).to_wire()
        query = query[:-4] + rtype.to_bytes(2, "big") + b"\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(("127.0.0.1", port))
            sock.send(query)
            reply = sock.recv(4096)
        return reply[3] & 15, reply[6:8], reply[-len(octets) :] if octets else b""

    dig = path_of("dig", "bind9-dnsutils")
    with (
        ScriptedUpstream() as upstream,
        unbound(tmp_path, {".": upstream.port}) as peer,
        worker(forward=forwarding(upstream.port)) as ours,
    ):
        for at, (kind, octets) in enumerate(STRANGE):
            name, rtype = f"n{at}.test.", number_of(kind)
            record = b"\xc0\x0c" + rtype.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(octets).to_bytes(2, "big") + octets
            upstream.on(name, lambda asked, record=record: reply(asked, records=(record,)))
            command = [dig, "@127.0.0.1", "-p", str(upstream.port), name, f"TYPE{rtype}", "+noedns", "+tries=1"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            assert (name, kind, "bad packet" in said.stdout + said.stderr or "malformed" in said.stdout) == (name, kind, True)
            expected = (name, kind, 0, b"\0\1", octets)
            assert (name, kind, *answered(peer, name, rtype)) == expected
            assert (name, kind, *answered(ours.port, name, rtype)) == expected


@pytest.mark.parametrize("asks_cd", [True, False])
@pytest.mark.parametrize("do", [True, False])
def test_stale_answers_serve_with_do_and_without_and_what_was_checked_with_cd(tmp_path, do, asks_cd):
    """As Unbound with `serve-expired` gives what it fetched in the other way."""
    expired = ("serve-expired: yes", "serve-expired-client-timeout: 300", "ede: yes", "ede-serve-expired: yes")
    with (
        ScriptedUpstream() as upstream,
        unbound(tmp_path, {".": upstream.port}, *expired) as peer,
        worker(forward=forwarding(upstream.port)) as ours,
    ):
        upstream.on("www.example.org.", says("www.example.org.", "A", "www.example.org. 1 IN A 192.0.2.1"))
        for port in (ours.port, peer):
            assert ask(port, "www.example.org", want_dnssec=do).answer[0].ttl <= 1
        upstream.on("*", silence)
        time.sleep(1.1)  # the TTL is over
        for port in (ours.port, peer):
            reply = ask(port, "www.example.org", want_dnssec=not do, flags=dns.flags.RD | dns.flags.CD * asks_cd)
            assert (section(reply.answer), set(errors(reply))) == ({"www.example.org. A 192.0.2.1"}, {3})
            assert reply.answer[0].ttl == 30


def test_a_resolv_conf_that_is_empty_or_gone_for_a_while(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("a resolv.conf names no port, and 53 is for root")
    path = tmp_path / "resolv.conf"
    host = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    with ScriptedUpstream(host, 53) as upstream:
        full = f"nameserver {upstream.host}\n"
        path.write_text(full)
        with worker(entry("web"), forward={"upstreams": [str(path)]}) as made:
            assert made.ask("www.example.test").rcode() == dns.rcode.NOERROR
            for away in (lambda: path.write_text(""), path.unlink):
                away()
                comes(made, dns.rcode.REFUSED)
                kept = made.ask("www.example.test")
                assert (section(kept.answer), errors(kept)) == ({"www.example.test. A 192.0.2.1"}, {})
                assert kept.flags & dns.flags.RA
                path.write_text(full)
                comes(made, dns.rcode.NOERROR)


def comes(made, rcode):
    """Names that were never asked for before are answered with *rcode*, after a while, with RA where there is an answer."""
    until = time.monotonic() + 20
    for number in itertools.count():
        reply = made.ask(f"n{number}-{time.monotonic_ns()}.example.test")
        if reply.rcode() == rcode and bool(reply.flags & dns.flags.RA) is (rcode == dns.rcode.NOERROR):
            return
        assert time.monotonic() < until
        time.sleep(0.1)
