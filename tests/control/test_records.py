"""`records:` on their way to what is published: what can be answered, and what is left out with which reason."""

from __future__ import annotations

from typing import Any

import pytest

from dnsdisco.control.records import Compiler
from dnsdisco.model.service import Instance, Record, Service

ADDRESS = (Instance("web-1", "10.0.0.1"),)


def compiled(*records: Record, instances: tuple[Instance, ...] = ADDRESS) -> tuple[list[tuple[Any, ...]], list[str]]:
    compiler = Compiler()
    extras = compiler(Service("web", instances=instances, records=records))
    return [(extra.owner, extra.rtype, extra.ttl, extra.rdata) for extra in extras], [reason for _, reason in compiler.faults]


def test_records_of_a_service_are_compiled() -> None:
    records = [
        Record("TXT", "v=1"),
        Record("txt", ("a", "b"), "_acme-challenge", 60),
        Record("MX", "10 mail.example.com.", "@"),
        Record("CNAME", "other.example.com", "Www"),
        Record("TYPE65280", "\\# 2 beef", "a.b"),
    ]
    extras, faults = compiled(*records)
    assert faults == []
    assert extras == [
        ((), 16, None, b"\x03v=1"),
        (("_acme-challenge",), 16, 60, b"\x01a\x01b"),
        ((), 15, None, b"\x00\x0a\x04mail\x07example\x03com\x00"),
        (("www",), 5, None, b"\x05other\x07example\x03com\x00"),
        (("a", "b"), 65280, None, b"\xbe\xef"),
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("NOPE", "x"), "'NOPE' is not a record type"),
        (Record("A", "10.0.0.256"), "is not the data of A"),
        (Record("ANY", "x"), "not a type that data can have"),
        (Record("TYPE41", "\\# 0"), "not a type that data can have"),
        (Record("TYPE0", "\\# 0"), "not a type that data can have"),
        (Record("SOA", "a. b. 1 2 3 4 5"), "the zone's own are made here"),
        (Record("NS", "ns.example.com.", "sub"), "delegations are not served"),
        (Record("CNAME", "x.example.com."), "beside the addresses of the service itself"),
        (Record("TXT", "x", "a..b"), "is not a name below the service"),
        (Record("TXT", "x", "a b"), "is not a name below the service"),
        (Record("TXT", "x", "é"), "is not a name below the service"),
        (Record("TXT", "x", "x" * 64), "is not a name below the service"),
        (Record("TXT", "x", ".".join(["x" * 63] * 3)), "too long"),
        (Record("TXT", "x", "", -1), "a TTL of -1 s"),
    ],
)
def test_a_bad_record_is_left_out_alone_with_the_reason(record: Record, reason: str) -> None:
    extras, faults = compiled(record, Record("TXT", "good"))
    assert [extra[3] for extra in extras] == [b"\x04good"]
    assert len(faults) == 1
    assert faults[0].startswith(f"records[0] ({record.type}) is left out: ")
    assert reason in faults[0]


def test_a_cname_stands_alone() -> None:
    extras, faults = compiled(
        Record("TXT", "x", "www"), Record("CNAME", "a.", "www"), Record("CNAME", "a.", "w2"), Record("CNAME", "b.", "w2")
    )
    assert [extra[:2] for extra in extras] == [(("www",), 16), (("w2",), 5)]
    assert len(faults) == 2
    assert compiled(Record("CNAME", "x.example.com."), instances=())[1] == []


def test_the_same_record_twice_is_one() -> None:
    assert len(compiled(Record("TXT", "x"), Record("TXT", ("x",)))[0]) == 1


def test_half_a_character_in_a_record_or_in_its_name_is_a_fault_of_that_record_alone():
    compiler = Compiler()
    records = (Record("TXT", "\ud800"), Record("TXT", "a", "x\ud800"), Record("TXT", "b"))
    assert len(compiler(Service("web", records=records))) == 1
    assert [reason.partition(":")[0] for _, reason in compiler.faults] == [
        "records[0] (TXT) is left out",
        "records[1] (TXT) is left out",
    ]
