"""Zone files on their way to what is published: what is read when, what stays meanwhile, and what is left out with which reason."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.control import zonefiles
from dnsdisco.control.zonefiles import ZoneFiles
from dnsdisco.model.delta import ZoneRecord

pytestmark = pytest.mark.slow


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
    monkeypatch.setattr(zonefiles, "LOSS_S", 0.4)
    monkeypatch.setattr(zonefiles, "GONE_S", 0.8)
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
    assert told.warnings[0].endswith("; the file is not used")
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


NAMES = [f"n{number}" for number in range(20)]
LINES = [f"{name} 60 A 10.0.0.1" for name in NAMES]


def in_place_slowly(path: Path) -> None:
    with path.open("w") as file:
        for line in LINES:
            half = len(line) // 2
            file.write(line[:half])
            file.flush()
            time.sleep(0.03)
            file.write(f"{line[half:]}\n")
            file.flush()
            time.sleep(0.03)


def emptied_for_a_moment(path: Path) -> None:
    os.truncate(path, 0)
    time.sleep(0.5)
    path.write_text("\n".join(LINES) + "\n")


def only_blanks_for_a_moment(path: Path) -> None:
    path.write_text("; soon\n\n")
    time.sleep(0.5)
    path.write_text("\n".join(LINES) + "\n")


def moved_away_and_written_anew(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    time.sleep(0.4)
    in_place_slowly(path)


def removed_and_written_anew(path: Path) -> None:
    path.unlink()
    time.sleep(0.5)
    write(path, *LINES)


def a_folder_for_a_moment(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.mkdir()
    time.sleep(0.5)
    path.rmdir()
    path.with_suffix(".old").rename(path)


def its_folder_away_for_a_moment(path: Path) -> None:
    path.parent.rename(path.parent.with_suffix(".away"))
    time.sleep(0.5)
    path.parent.with_suffix(".away").rename(path.parent)


def half_of_it_for_a_moment(path: Path) -> None:
    write(path, *LINES[:10])
    time.sleep(0.2)
    write(path, *LINES)


@pytest.mark.parametrize("is_glob", [False, True], ids=["named", "glob"])
@pytest.mark.parametrize(
    "rewrite",
    [
        in_place_slowly,
        emptied_for_a_moment,
        only_blanks_for_a_moment,
        moved_away_and_written_anew,
        removed_and_written_anew,
        a_folder_for_a_moment,
        its_folder_away_for_a_moment,
        half_of_it_for_a_moment,
    ],
)
def test_no_name_is_ever_missing_while_the_file_is_written(
    told: Told, tmp_path: Path, rewrite: Callable[[Path], None], is_glob: bool
) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    path = write(folder / "a.zone", *LINES)
    files = watch(told, folder / ("*.zone" if is_glob else "a.zone"))
    rewrite(path)
    write(path, *LINES, "last 60 A 10.0.0.1")
    until(lambda: told.names() == [*NAMES, "last"])
    for records in told.records:
        assert {".".join(record.owner) for _, record in records} >= set(NAMES)
    assert told.warnings == []
    files.stop()


def test_what_is_taken_away_for_good_is_gone_after_a_while(told: Told, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zone", *LINES)
    files = watch(told, path)
    began = time.monotonic()
    write(path, *LINES[1:])
    until(lambda: told.names() == NAMES[1:])
    assert time.monotonic() - began >= zonefiles.LOSS_S
    write(path, "; nothing")
    until(lambda: told.records[-1] == [])
    write(path, *LINES)
    until(lambda: told.names() == NAMES)
    began = time.monotonic()
    path.unlink()
    until(lambda: told.records[-1] == [])
    assert time.monotonic() - began >= zonefiles.GONE_S
    until(lambda: told.warnings == [f"{path}: there is no such zone file"])
    files.stop()


def test_what_is_changed_or_added_is_there_at_once(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zonefiles, "LOSS_S", 60.0)
    path = write(tmp_path / "a.zone", *LINES)
    files = watch(told, path)
    write(path, *(line.replace("10.0.0.1", "10.0.0.2") for line in LINES), "new 60 TXT x")
    until(lambda: told.names() == [*NAMES, "new"])
    assert told.records[-1][0][1].rdata == bytes((10, 0, 0, 2))
    files.stop()


@pytest.mark.parametrize("why", ["may not be read", "is a folder"])
def test_what_cannot_be_read_keeps_its_records_and_says_so_once(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    path = write(tmp_path / "a.zone", *LINES)
    files = watch(told, path)
    if why == "is a folder":
        path.unlink()
        path.mkdir()
        expected = "this is not a regular file"
    else:  # root reads all the same

        def refused(*arguments: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(zonefiles, "octets_of", refused)
        path.chmod(0)
        expected = "cannot be read: permission denied"
    until(lambda: told.warnings)
    time.sleep(0.1)
    assert told.warnings == [f"{path}:0: {expected}; its old records stay"]
    assert told.names() == NAMES
    monkeypatch.undo()
    if path.is_dir():
        path.rmdir()
    write(path, *LINES, "new 60 TXT x")
    until(lambda: told.names() == [*NAMES, "new"])
    files.stop()


def test_records_without_an_effect_are_one_line(told: Told, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zone", "@ SOA ns h 1 2 3 4 5", "@ NS ns", "www A 10.0.0.1")
    watch(told, path).stop()
    (warning,) = told.warnings
    assert warning.startswith(f"{path}:1: SOA of the zone itself has no effect")
    assert warning.endswith("; 1 more of the kind")
    assert told.names() == ["www"]


def test_no_zone_files_no_thread(told: Told) -> None:
    files = watch(told)
    assert (files.records(), told.records, told.warnings) == ([], [], [])


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_a_zone_file_that_a_writer_has_open_is_read_when_it_is_closed(told: Told, tmp_path: Path) -> None:
    """For longer than a lost name's patience, and with what comes first in place of what was there."""
    path = write(tmp_path / "a.zone", "www 60 IN A 10.0.0.1", "ftp 60 IN A 10.0.0.2")
    files = watch(told, path)
    with path.open("w") as file:
        file.write("www 60 IN A 10.0.0.9\n")
        file.flush()
        time.sleep(1.5)
        assert told.names() == ["www", "ftp"]
        assert told.records[-1][0][1].rdata == b"\x0a\0\0\x01"
        file.write("ftp 60 IN A 10.0.0.2\n")
    until(lambda: told.records[-1][0][1].rdata == b"\x0a\0\0\x09")
    assert told.names() == ["www", "ftp"]
    files.stop()
