"""What stands around a reply's records, whoever put the records together."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsdisco.wire.constants import AA, BADCOOKIE, QR, RA
from dnsdisco.wire.envelope import counts_of, Ede, flags_for, opt_for
from dnsdisco.wire.query import slice_query
from dnsdisco.wire.relay import reply_of
from dnsdisco.wire.reply import assemble, cut_reply, fault_reply

BODY = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
EDE = (Ede(3, "no upstream answers"), Ede(0, "web has only IPv6 addresses"))


def query(**more):
    return slice_query(dns.message.make_query("www.example.", "A", **{"use_edns": 0, **more}).to_wire())


def assembled(of, rcode, limit, ede=()):
    return assemble(of, flags_for(of, AA | RA), rcode, ([BODY], [], []), ede=ede, limit=limit)


def relayed(of, rcode, limit, ede=()):
    return reply_of(of, AA | RA, rcode, counts_of(1, 0), BODY, limit=limit, ede=ede)


MAKERS = pytest.mark.parametrize("make", [assembled, relayed])


@MAKERS
@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.BADCOOKIE])
@pytest.mark.parametrize("asked", [0, dns.flags.RD, dns.flags.RD | dns.flags.CD | dns.flags.AD])
@pytest.mark.parametrize("want_dnssec", [False, True])
def test_flags_rcode_and_do(make, rcode, asked, want_dnssec):
    of = query(flags=asked, want_dnssec=want_dnssec)
    reply = dns.message.from_wire(make(of, rcode, 1232))
    assert reply.id == of.id
    assert reply.rcode() == rcode
    assert reply.flags & 0x87F0 == dns.flags.QR | dns.flags.AA | dns.flags.RA | asked & (dns.flags.RD | dns.flags.CD)
    assert bool(reply.ednsflags & dns.flags.DO) == want_dnssec
    assert [len(section) for section in reply.sections] == [1, 1, 0, 0]


@MAKERS
def test_the_texts_go_first_then_the_codes_and_no_record_for_them(make):
    of = query()
    whole = len(make(of, 0, 1232, EDE))
    without = len(make(of, 0, 1232))
    for limit in range(without, whole + 1):
        octets = make(of, 0, limit, EDE)
        reply = dns.message.from_wire(octets)
        told = [(option.code, option.text) for option in reply.options if isinstance(option, dns.edns.EDEOption)]
        assert len(octets) <= limit
        assert len(reply.answer) == 1
        assert not reply.flags & dns.flags.TC
        if limit == whole:
            assert told == [(error.code, error.text) for error in EDE]
        else:
            assert told == ([(error.code, None) for error in EDE] if limit >= without + 12 else [])


@MAKERS
def test_a_record_that_does_not_fit_is_cut_whole_and_the_opt_record_stays(make):
    of = query()
    whole = len(make(of, 0, 1232))
    reply = dns.message.from_wire(make(of, 0, whole - 1))
    assert (bool(reply.flags & dns.flags.TC), reply.answer, reply.edns) == (True, [], 0)


def test_without_edns_there_is_no_opt_record():
    of = query(use_edns=False)
    assert opt_for(of, b"\0\3\0\1x", EDE, BADCOOKIE) == b""
    for octets in (assembled(of, 0, 512, EDE), relayed(of, 0, 512, EDE), cut_reply(of), fault_reply(of)):
        assert dns.message.from_wire(octets).edns == -1


@pytest.mark.parametrize("edns", [False, 0])
def test_replies_without_records(edns):
    of = query(use_edns=edns)
    assert dns.message.from_wire(cut_reply(of, recursion=True)).flags & 0x8280 == QR | 0x0200 | RA
    of.fault = dns.rcode.FORMERR
    reply = dns.message.from_wire(fault_reply(of))
    assert (reply.rcode(), reply.edns) == (dns.rcode.FORMERR, edns - 1 if edns is False else 0)


def test_another_opcode_gets_a_header_alone():
    of = query(flags=dns.flags.RD | 2 << 11)
    assert fault_reply(of, recursion=True) == of.id.to_bytes(2, "big") + b"\x90\x04" + bytes(8)
