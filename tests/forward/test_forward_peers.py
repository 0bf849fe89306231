"""Upstreams with a flaw each, asked by us, by Unbound and by dnsmasq: what they get an answer from, so do we."""

from __future__ import annotations

from contextlib import contextmanager

import dns.message
import dns.rcode
import pytest

from tests.forward.forwarding import ask as ask_us
from tests.forward.forwarding import run
from tests.forward.upstream import a_record, answer, badvers, folding, Make, rcode, reply, ScriptedUpstream, silence, truncated
from tests.server import peers

pytestmark = pytest.mark.servers

ADDRESS = "192.0.2.7"


def without_edns(flaw: Make) -> Make:
    """*flaw* to what comes with an OPT record, and the address without."""
    return lambda asked: flaw(asked) if asked.opt else answer(ADDRESS)(asked)


def authority(asked):
    """It answers, and is no resolver: AA, and RA clear."""
    return reply(asked, flags=0x8400, records=(a_record(ADDRESS),) if asked.qtype == 1 else ())


# What it says, whether it has TCP, and which peers get the address from it. dnsmasq passes an upstream's errors on.
FLAWS = {
    "folds the name, no TCP": (folding(ADDRESS), False, ("unbound", "dnsmasq")),
    "folds the name": (folding(ADDRESS), True, ("unbound", "dnsmasq")),
    "NOTIMP to EDNS": (without_edns(rcode(4)), True, ("unbound",)),
    "FORMERR to EDNS": (without_edns(rcode(1)), True, ("unbound",)),
    "BADVERS to EDNS": (without_edns(badvers), True, ()),
    "loses EDNS": (without_edns(silence), False, ()),
    "authority": (authority, True, ("unbound", "dnsmasq")),
    "TC, then TCP": (lambda asked: truncated(asked) if asked.transport == "udp" else answer(ADDRESS)(asked), True, ("unbound",)),
}


@contextmanager
def flawed(name):
    says, has_tcp, _ = FLAWS[name]
    with ScriptedUpstream(has_tcp=has_tcp) as upstream:
        upstream.on("*", says)
        yield upstream


def answered_by(peer):
    return [name for name, (_, _, peers_that_can) in FLAWS.items() if peer in peers_that_can]


def address_in(message):
    return [rdata.address for rrset in message.answer for rdata in rrset]


@pytest.mark.parametrize("name", FLAWS)
def test_we_get_an_answer(name):
    async def work(forwarder):
        got = dns.message.from_wire(await ask_us(forwarder, "WWW.Flawed.Test."))
        assert (got.rcode(), address_in(got)) == (dns.rcode.NOERROR, [ADDRESS])
        assert str(got.question[0].name) == "WWW.Flawed.Test."

    with flawed(name) as upstream:
        run(work, upstream.address)


@pytest.mark.parametrize("name", answered_by("unbound"))
def test_unbound_gets_the_same(name, tmp_path):
    with flawed(name) as upstream, peers.unbound(tmp_path, {"flawed.test.": upstream.port}) as port:
        assert address_in(peers.ask(port, "WWW.Flawed.Test.")) == [ADDRESS]


@pytest.mark.parametrize("name", answered_by("dnsmasq"))
def test_dnsmasq_gets_the_same(name, tmp_path):
    with (
        flawed(name) as upstream,
        peers.dnsmasq(tmp_path, f"--server=127.0.0.1#{upstream.port}", "--local=/localhost/") as port,
    ):
        assert address_in(peers.ask(port, "WWW.Flawed.Test.")) == [ADDRESS]
