"""`records:` and zone files on their way to what is published: what can be answered, and what is left out with which reason."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import zonefiles
from dnsdisco.control.records import Compiler
from dnsdisco.control.zonefiles import ZoneFiles
from dnsdisco.model.delta import ZoneRecord
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


# ------------------------------------------------------------------------------------------------------------ zone files


class Told:
    def __init__(self) -> None:
        self.records: list[list[ZoneRecord]] = []
        self.warnings: list[str] = []

    def names(self) -> list[str]:
        return [".".join(record.owner) for _, record in self.records[-1]]


def until(condition: Any) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < 3
        time.sleep(0.005)
    return time.monotonic() - started


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(zonefiles, "LOOK_EVERY_S", 0.02)
    return Told()


def watch(told: Told, *patterns: Path | str) -> ZoneFiles:
    files = ZoneFiles([str(pattern) for pattern in patterns], ["svc.local"], told.records.append, told.warnings.append)
    files.start()
    return files


def write(path: Path, *lines: str) -> Path:
    """As editors do: beside it, then renamed over it."""
    path.with_suffix(".new").write_text("".join(f"{line}\n" for line in lines))
    return path.with_suffix(".new").rename(path)


def test_files_are_read_at_the_start_and_again_after_a_change(told: Told, tmp_path: Path) -> None:
    write(tmp_path / "a.zone", "www 60 IN A 10.0.0.1")
    files = watch(told, tmp_path / "*.zone")
    assert told.names() == ["www"]
    assert told.records[0][0][0] == (b"svc", b"local")
    write(tmp_path / "b.zone", "mail 60 IN A 10.0.0.2")
    until(lambda: told.names() == ["www", "mail"])
    with (tmp_path / "a.zone").open("a") as file:
        file.write("ftp 60 IN A 10.0.0.3\n")
    until(lambda: told.names() == ["www", "ftp", "mail"])
    (tmp_path / "b.zone").unlink()
    until(lambda: told.names() == ["www", "ftp"])
    os.utime(tmp_path / "a.zone")  # touched, and nothing in it has changed
    count = len(told.records)
    time.sleep(0.1)
    assert len(told.records) == count
    assert told.warnings == []
    files.stop()


def test_a_broken_file_keeps_its_old_records_and_says_where_once(told: Told, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zone", "www 60 IN A 10.0.0.1")
    write(tmp_path / "b.zone", "x IN A nonsense")
    files = watch(told, tmp_path / "*.zone")
    assert told.names() == ["www"]
    assert len(told.warnings) == 1
    assert f"{tmp_path}/b.zone:1:" in told.warnings[0]
    assert told.warnings[0].endswith("; nothing of the file is used")
    write(path, "www 60 IN A 10.0.0.9", "broken IN")
    until(lambda: len(told.warnings) == 2)
    assert f"{path}:2:" in told.warnings[1]
    assert told.warnings[1].endswith("; its old records stay")
    time.sleep(0.1)
    assert len(told.warnings) == 2
    assert len(told.records) == 1
    write(path, "www 60 IN A 10.0.0.9")
    until(lambda: len(told.records) == 2)
    assert told.records[-1][0][1].rdata == b"\x0a\0\0\x09"
    files.stop()


def test_at_the_start_a_fault_costs_its_own_record_alone(told: Told, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zone", "www 60 A 10.0.0.1", "x A nonsense", "x.example.com. A 10.0.0.1", "mail A 10.0.0.2")
    files = watch(told, path)
    assert told.names() == ["www", "mail"]
    assert [warning.split(":")[1] for warning in told.warnings] == ["2", "3"]
    assert all(warning.endswith("; this record is left out") for warning in told.warnings)
    write(path, "www 60 A 10.0.0.1", "x A 10.0.0.3", "x.example.com. A 10.0.0.1", "mail A 10.0.0.2")  # mended one after the other
    until(lambda: told.names() == ["www", "x", "mail"])
    write(path, "www 60 A 10.0.0.1", "x A 10.0.0.3")
    until(lambda: told.names() == ["www", "x"])
    write(path, "www 60 A 10.0.0.1", "x A nonsense")  # now there is something better than a part
    until(lambda: told.warnings[-1].endswith("; its old records stay"))
    assert told.names() == ["www", "x"]
    files.stop()


def test_many_faults_are_a_few_lines(told: Told, tmp_path: Path) -> None:
    watch(told, write(tmp_path / "a.zone", "ok A 10.0.0.1", *(f"x{n} A nonsense" for n in range(100)))).stop()
    assert len(told.warnings) == zonefiles.WARNED_MAX + 1
    assert "80 more; `dnsdisco check` shows them all" in told.warnings[-1]


def test_a_swapped_symbolic_link_above_the_file_is_seen(told: Told, tmp_path: Path) -> None:
    """As Kubernetes replaces a ConfigMap."""
    for name, address in (("v1", "10.0.0.1"), ("v2", "10.0.0.2")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.zone", f"www 60 IN A {address}")
    (tmp_path / "data").symlink_to("v1")
    files = watch(told, tmp_path / "data" / "a.zone")
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "data")
    until(lambda: told.records[-1][0][1].rdata == b"\x0a\0\0\x02")
    files.stop()


@pytest.mark.parametrize(("content", "reason"), [(b"\xff\n", ":1: not UTF-8"), (b"\n\n\xff", ":3: not UTF-8")])
def test_what_is_no_text_is_a_broken_file(told: Told, tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.zone").write_bytes(content)
    watch(told, tmp_path / "a.zone").stop()
    assert reason in told.warnings[0]
    assert told.records == []


def test_a_named_file_that_is_not_there_is_told_once_and_may_come_later(told: Told, tmp_path: Path) -> None:
    (tmp_path / "folder.zone").mkdir()
    files = watch(told, tmp_path / "a.zone")
    time.sleep(0.1)
    assert told.warnings == [f"{tmp_path}/a.zone: there is no such zone file"]
    write(tmp_path / "a.zone", "www 60 IN A 10.0.0.1")
    until(lambda: told.records)
    files.stop()


def test_no_zone_files_no_thread(told: Told) -> None:
    files = watch(told)
    assert (files.records(), told.records, told.warnings) == ([], [], [])
