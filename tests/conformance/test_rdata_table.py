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

from dnsdisco.cli import rdata
from dnsdisco.wire import presentation
from dnsdisco.wire.constants import type_from_text
from dnsdisco.wire.parse import Place
from dnsdisco.wire.tokens import lines, tokenize
from tests.conformance.page import RECORD_TYPES_PAGE, record_types_page
from tests.conformance.rdata_table import elsewhere, ROWS, TABLE
from tests.conformance.servers import Knotd

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
    if text.startswith("\\#") or dns.rdata.get_rdata_class(dns.rdataclass.IN, rtype, False) is None:
        return  # what it does not know the others are asked for
    read = dns.rdata.from_text("IN", rtype, text, origin=dns.name.root, relativize=False)
    assert read.to_wire() == octets_of(kind, text)


@pytest.mark.parametrize(("kind", "text"), ROWS, ids=[f"{kind} {text[:30]}" for kind, text in ROWS])
def test_what_query_prints_is_read_back(kind, text):
    octets, rtype = octets_of(kind, text), type_from_text(kind)
    message = b"\7padding\0" + octets
    shown = rdata.text(message, Place(1, 0, rtype, 1, 0, 9, len(message)))
    assert octets_of(kind, shown) == octets
    assert (
        octets_of(kind, generic(kind, text).partition(" ")[2]) == octets
    )  # a known type in the form of an unknown one (RFC 3597 §5)


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
