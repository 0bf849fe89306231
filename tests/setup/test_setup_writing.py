"""A plan is written, and undone to the octet, in a folder that stands for a machine."""

from __future__ import annotations

import os
import stat

import pytest

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup import plan as plans
from dnsdisco.setup import writing
from dnsdisco.setup.plan import one_file, PlannedFile, SetupPlan
from dnsdisco.setup.values import SetupRefused

PATH = "/etc/x/y.conf"
PLAN = one_file(PATH, "ours\n")


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "etc").mkdir()
    return MachineFiles(str(tmp_path))


def everything(machine: MachineFiles) -> dict[str, tuple]:
    root = machine.at("/")
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else None,
            stat.S_IMODE(path.lstat().st_mode),
            path.lstat().st_uid,
        )
        for path in root.rglob("*")
    }


def test_a_new_file_and_its_folder_go_away_again(machine):
    before = everything(machine)
    assert writing.apply("x", PLAN, machine) == [PATH]
    assert machine.text(PATH) == "ours\n"
    assert stat.S_IMODE(machine.at(PATH).stat().st_mode) == 0o644
    assert writing.undo("x", machine) == [PATH]
    assert everything(machine) == before


@pytest.mark.parametrize("octets", [b"", b"theirs\n", b"\xff\x00\r\nno end"])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_a_file_that_was_there_is_restored_exactly(machine, octets, mode):
    path = machine.at(PATH)
    path.parent.mkdir()
    path.write_bytes(octets)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    os.utime(path, ns=(10**18, 10**18))
    before = path.stat()
    writing.apply("x", PLAN, machine)
    during = path.stat()
    assert (during.st_mode, during.st_uid, during.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    writing.undo("x", machine)
    after = path.stat()
    assert path.read_bytes() == octets
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
        before.st_mtime_ns,
    )


def test_applied_twice_it_is_undone_to_the_first(machine):
    machine.at(PATH).parent.mkdir()
    machine.at(PATH).write_text("theirs\n")
    writing.apply("x", PLAN, machine)
    assert writing.apply("x", PLAN, machine) == []
    assert writing.apply("x", one_file(PATH, "ours, later\n"), machine) == [PATH]
    writing.undo("x", machine)
    assert machine.text(PATH) == "theirs\n"


def test_what_was_changed_since_is_not_touched(machine):
    writing.apply("x", PLAN, machine)
    machine.at(PATH).write_text("a person's\n")
    with pytest.raises(SetupRefused, match="has been changed since"):
        writing.undo("x", machine)
    assert machine.text(PATH) == "a person's\n"
    machine.at(PATH).unlink()
    with pytest.raises(SetupRefused, match="has been removed since"):
        writing.undo("x", machine)


def test_there_is_nothing_to_undo(machine):
    with pytest.raises(SetupRefused, match="was not used here"):
        writing.undo("x", machine)
    writing.apply("x", PLAN, machine)
    writing.undo("x", machine)
    with pytest.raises(SetupRefused, match="is undone already"):
        writing.undo("x", machine)


@pytest.mark.parametrize("fails", [2, 3, 4])
def test_of_several_files_all_are_written_or_none(machine, monkeypatch, fails):
    """The first that is put into its place is the record."""
    machine.at("/etc/a").write_text("theirs\n")
    before = everything(machine)
    replace, done = os.replace, []

    def full(source: str, target: str) -> None:
        done.append(target)
        if len(done) == fails:
            raise OSError(28, "No space left on device", target)
        replace(source, target)

    monkeypatch.setattr("dnsdisco.setup.writing.os.replace", full)
    several = SetupPlan(tuple(PlannedFile(f"/etc/{name}", "ours\n") for name in "abc"))
    with pytest.raises(OSError, match="No space left"):
        writing.apply("x", several, machine)
    assert everything(machine) == before


def test_a_link_is_refused(machine):
    machine.at(PATH).parent.mkdir()
    machine.at(PATH).symlink_to("/run/theirs")
    with pytest.raises(SetupRefused, match="is a link to /run/theirs"):
        plans.refuse_links(PLAN, machine)
    machine.at(PATH).unlink()
    plans.refuse_links(PLAN, machine)


def test_nobody_else_can_read_the_record(machine):
    writing.apply("x", PLAN, machine)
    record = machine.at(f"{writing.RECORDS}/x.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
