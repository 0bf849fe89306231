"""RDATA as text, held against dnspython, BIND, Knot, NSD and ldns: what they print is read to the octets that they printed it from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from dnsdisco.errors import WireError
from dnsdisco.presentation import rdata
from dnsdisco.wire import presentation
from dnsdisco.wire.constants import type_from_text
from dnsdisco.wire.parse import RecordPlace
from dnsdisco.wire.tokens import lines, tokenize
from dnsdisco.zone.master import usable
from tests.conformance.page import RECORD_TYPES_PAGE, record_types_page
from tests.conformance.rdata_table import elsewhere, ROWS, TABLE
from tests.conformance.servers import Knotd
from tests.fuzz.text import is_known_elsewhere

SIG_KEY = "bWFueSBvY3RldHMgb2YgYSBzaWduYXR1cmU="
ZONE = "rr.test"
HEAD = f"$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 127.0.0.1\n"
NOT_SERVED = {"SOA", "NSEC3"}  # below an apex there is no SOA, and nobody answers a question for NSEC3


def octets_of(kind: str, text: str) -> bytes:
    return presentation.from_words(type_from_text(kind), tokenize(text), ())


def generic(kind: str, text: str) -> str:
    octets = octets_of(kind, text)
    return f"TYPE{type_from_text(kind)} \\# {len(octets)} {octets.hex()}"


def tool(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"no {name} on this machine")
    return path


def printed(text: str) -> Iterator[tuple[int, int, bytes | str]]:
    """Row, type and octets of each record of a table's name in *text*; a text that cannot be read as it is."""
    for line in _records(text):
        ((_, _, words),) = lines(line)
        rtype = type_from_text(words[3].text)
        yield int(words[0].text[1:].partition(".")[0]), rtype, presentation.from_words(rtype, words[4:], ())


def _records(text: str) -> Iterator[str]:
    """Each record whose owner is a row's, with the lines that it goes on in."""
    for found in re.finditer(r"^t\d+\.rr\.test\.[^\n]*(?:\n[ \t][^\n]*)*", text, re.MULTILINE):
        yield found[0]


def differences(program: str, text: str, rows: Iterable[int]) -> list[str]:
    read: dict[int, tuple[int, bytes | str]] = {}
    for line in _records(text):
        row = int(line[1:].partition(".")[0])
        try:
            read[row] = next((rtype, octets) for _, rtype, octets in printed(line))
        except Exception as error:  # noqa: BLE001  whichever: it is told with the row
            read[row] = 0, f"{line}: {error}"
    wrong = []
    for row in rows:
        kind, shown = ROWS[row]
        expected = type_from_text(kind), octets_of(kind, shown)
        if read.get(row) != expected and not elsewhere(program, kind, shown):
            wrong.append(f"{kind} {shown}: {read.get(row, 'nothing')}")
    return wrong


@pytest.mark.parametrize(("kind", "text"), ROWS, ids=[f"{kind} {text[:30]}" for kind, text in ROWS])
def test_dnspython_reads_the_same(kind, text):
    rtype = type_from_text(kind)
    if text.startswith("\\#") or not is_known_elsewhere(rtype):
        return  # what it does not know the others are asked for
    read = dns.rdata.from_text("IN", rtype, text, origin=dns.name.root, relativize=False)
    assert read.to_wire() == octets_of(kind, text)


@pytest.mark.parametrize(("kind", "text"), ROWS, ids=[f"{kind} {text[:30]}" for kind, text in ROWS])
def test_what_query_prints_is_read_back(kind, text):
    octets, rtype = octets_of(kind, text), type_from_text(kind)
    message = b"\7padding\0" + octets
    shown = rdata.text(message, RecordPlace(1, 0, rtype, 1, 0, 9, len(message)))
    assert octets_of(kind, shown) == octets
    assert (
        octets_of(kind, generic(kind, text).partition(" ")[2]) == octets
    )  # a known type in the form of an unknown one (RFC 3597 §5)


@pytest.mark.slow
def test_bind_reads_the_same():
    program, wrong = tool("named-rrchecker"), []
    for kind, text in ROWS:
        ran = subprocess.run([program, "-u"], input=f"IN {kind} {text}\n", capture_output=True, text=True, check=False)
        found = re.search(r"\\# (\d+) ?([0-9A-F ]*)", ran.stdout)
        octets = bytes.fromhex(found[2]) if found else None
        if octets != octets_of(kind, text) and not elsewhere("named", kind, text):
            wrong.append(f"{kind} {text}: {ran.stdout}{ran.stderr}")
    assert wrong == []


def test_nsd_reads_the_same_and_what_it_prints_is_read(tmp_path):
    program = tool("nsd-checkzone")
    rows = [row for row, (kind, _) in enumerate(ROWS) if kind != "SOA"]
    records = (
        f"t{row} IN {generic(kind, text) if elsewhere('nsd', kind, text) else f'{kind} {text}'}"
        for row, (kind, text) in ((row, ROWS[row]) for row in rows)
    )
    path = tmp_path / "native.zone"
    path.write_text(HEAD + "\n".join(records) + "\n")
    ran = subprocess.run([program, "-p", ZONE, str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    text = re.sub(r"^(t\d+)\t", rf"\1.{ZONE}.\t", ran.stdout, flags=re.MULTILINE)
    wrong = differences("nsd", text, rows)
    assert wrong == [], "\n".join(wrong)


WRONG = [
    ("A", "192.0.2.256"), ("A", "192.0.2.1 192.0.2.2"), ("A", '"192.0.2.1"'), ("A", "( 192.0.2.1"), ("A", "192.0.2.1 )"), ("AAAA", "fe80::1%eth0"),
    ("CNAME", "a..b."), ("CNAME", "a\\300b."), ("CNAME", "a\\1b."), ("CNAME", "é."), ("CNAME", f"{'a' * 64}."), ("CNAME", f"{'a.' * 128}"),
    ("MX", "-1 a."), ("MX", "65536 a."), ("MX", "+1 a."), ("MX", "1_0 a."), ("MX", "\u0661 a."), ("SRV", "1 2 65536 a."), ("SRV", "1 2 3 a. b."),
    ("TXT", f'"{"x" * 256}"'), ("TXT", "\\256"), ("TXT", "a\\9"),
    ("HTTPS", "1 . alpn=h2 alpn=h3"), ("HTTPS", "1 . port=1 port=1"), ("HTTPS", "0 . alpn=h2"), ("HTTPS", "1 . mandatory=port alpn=h2"),
    ("HTTPS", "1 . mandatory=mandatory alpn=h2"), ("HTTPS", "1 . mandatory=alpn,alpn alpn=h2"), ("HTTPS", "1 . no-default-alpn"),
    ("HTTPS", "1 . no-default-alpn=x alpn=h2"), ("HTTPS", "1 . port=65536"), ("HTTPS", "1 . port"), ("HTTPS", "1 . ipv4hint=2001:db8::1"),
    ("HTTPS", "1 . ipv4hint="), ("HTTPS", "1 . alpn="), ("HTTPS", "1 . alpn=,h2"), ("HTTPS", "1 . key65536=x"), ("HTTPS", "1 . key01=x"),
    ("HTTPS", "1 . nosuchkey=x"), ("HTTPS", '1 . alpn= "h2"'), ("HTTPS", "1 . ech=!"), ("SVCB", "65536 ."), ("SVCB", "1"),
    ("NAPTR", '1 1 "u" "x" "!a!b" .'), ("NAPTR", '1 1 "u" "x" "!a!b!x" .'), ("NAPTR", '1 1 "u" "x" "!a\\\\!b!" .'), ("NAPTR", '1 1 "u" "x" .'),
    ("CAA", "256 issue x"), ("CAA", '0 is_sue "x"'), ("CAA", '0 "" "x"'), ("CAA", "0 issue"),
    ("DS", "1 8 2 00"), ("DS", "1 8 2 zz"), ("DS", "1 8 1 0"), ("CDS", "0 0 0 1"), ("TLSA", "3 1 1 00"), ("TLSA", "256 1 0 00"), ("SSHFP", "1 1 0"),
    ("DNSKEY", "257 3 8 AwEAA"), ("DNSKEY", "257 3 8 Aw=EAA"), ("DNSKEY", "257 3 8 A!wEAA=="), ("OPENPGPKEY", "x"), ("DHCID", "AAAA="),
    ("LOC", "91 0 0 N 0 0 0 E 0m"), ("LOC", "0 60 0 N 0 0 0 E 0m"), ("LOC", "0 0 0 N 181 0 0 E 0m"), ("LOC", "0 0 0 X 0 0 0 E 0m"),
    ("APL", "1:192.0.2.0/33"), ("APL", "3:192.0.2.0/24"), ("APL", "1:2001:db8::/24"), ("EUI48", "00-00-5e-00-53"), ("NID", "10 1:2:3"),
    ("L64", "10 1:2:3:45678"), ("L32", "10 1.2.3"), ("NSEC", "a. NOSUCH"), ("NSEC3", "1 0 0 -"), ("RRSIG", f"A 8 3 60 20301301000000 20200101000000 1 a. {SIG_KEY}"),
    ("URI", '1 1 ""'), ("CERT", "PKIX 1 RSASHA256"), ("IPSECKEY", "10 4 2 . AAAA"), ("AMTRELAY", "10 0 4 ."), ("HIP", "2 xx AAAA"),
    ("OPT", "\\# 0"), ("ANY", "\\# 0"), ("TYPE0", "\\# 0"), ("TSIG", "\\# 0"), ("TYPE255", "\\# 0"), ("A", "\\# 3 010203"), ("A", "\\# 4 0102030"),
    ("MX", "\\# 4 0001c000"), ("HTTPS", "\\# 15 000100000300020050000100030268"), ("HTTPS", "\\# 7 0001000003000200"), ("NSEC", "\\# 3 000000"),
    ("TYPE999", "x"), ("TYPE999", "\\# 2 01"), ("TYPE999", "\\#"), ("TYPE65536", "\\# 0"), ("NOSUCH", "x"), ("NULL", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_what_cannot_be_right_is_a_fault_with_its_place_and_is_not_served(kind, text):
    records, problems = usable(f"ok A 192.0.2.1\nwrong {kind} {text}\n", "x.zone", ("svc.local",))
    assert [record.owner for _, record in records] in (
        [("ok",)],
        [],
    )  # of a text without its other quote or parenthesis nothing is used
    assert [(problem.line, problem.is_warning) for problem in problems] == [(2, False)]
    with pytest.raises(WireError):
        octets_of(kind, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('1 . alpn="h3,h2"', "00010000010006" + "026833" + "026832"),
        ("1 . port=8443 alpn=h2", "00010000010003026832" + "0003000220fb"),
        (
            "1 . ipv4hint=192.0.2.1 port=53 alpn=h2 mandatory=port,alpn",
            "0001000000000400010003" + "00010003026832" + "000300020035" + "00040004c0000201",
        ),
        ("1 . key1=\\002h2", "00010000010003026832"),
    ],
)
def test_parameters_are_sent_in_the_order_of_their_keys(text, expected):
    assert octets_of("HTTPS", text).hex() == expected


class Data:
    zone = ZONE

    def master(self, serial: int) -> str:
        records = (f"t{row} IN {generic(*each)}" for row, each in enumerate(ROWS) if each[0] not in NOT_SERVED)
        return HEAD + "\n".join(records) + "\n"


@pytest.fixture(scope="module")
def knotd(tmp_path_factory):
    tool("knotd")
    with Knotd(tmp_path_factory.mktemp("knotd"), Data()) as server:  # type: ignore[arg-type]
        yield server


SERVED = [row for row, (kind, _) in enumerate(ROWS) if kind not in NOT_SERVED]


@pytest.mark.parametrize(
    "words",
    [
        ["dig"],
        ["dig", "+multiline"],
        ["dig", "+unknownformat"],
        ["dig", "+split=3", "+ttlunits"],
        ["dig", "+nosplit"],
        ["kdig"],
        ["kdig", "+multiline"],
        ["kdig", "+generic"],
    ],
    ids=" ".join,
)
def test_what_they_print_is_read(knotd, words):
    program, *options = words
    questions = [word for row in SERVED for word in (f"t{row}.{ZONE}", f"TYPE{type_from_text(ROWS[row][0])}")]
    command = [tool(program), f"@{knotd.address}", "-p", str(knotd.port), "+noall", "+answer", "+authority", *options, *questions]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert differences(program, ran.stdout, SERVED) == []


@pytest.mark.slow
def test_what_drill_prints_is_read(knotd):
    program = tool("drill")
    said = ""
    for row in SERVED:
        command = [program, "-p", str(knotd.port), f"t{row}.{ZONE}", f"@{knotd.address}", f"TYPE{type_from_text(ROWS[row][0])}"]
        said += subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    assert differences("drill", said, SERVED) == []


def test_the_page_is_the_table():
    assert RECORD_TYPES_PAGE.read_text() == record_types_page(), "write it anew: python -m tests.conformance.page"


def test_every_type_that_is_known_by_name_is_in_the_table():
    from dnsdisco.wire.constants import OPT, TYPES
    from dnsdisco.wire.presentation import META_TYPES

    never_in_text = {"UINFO", "UID", "GID", "UNSPEC", "CLA", "IPN"}  # registered without a form of their own: `\# length hex`
    data = {kind for kind, number in TYPES.items() if number not in META_TYPES and number != OPT}
    assert data - set(TABLE) == never_in_text
