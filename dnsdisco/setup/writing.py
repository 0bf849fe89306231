"""Writing the files of a plan, and undoing it: a record beside the configuration has what each file was before, to the octet.

Copies beside the files themselves would be read by dnsmasq and by macOS, which take every file of a folder.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup.plan import PlannedFile, SetupPlan
from dnsdisco.setup.values import SetupRefused

RECORDS = "/etc/dnsdisco/setup"  # TARGET.json
FILE_MODE = 0o644  # of a file that was not there: other programs read it
RECORD_MODE = 0o600  # it has whole files of others


def apply(target: str, plan: SetupPlan, machine: MachineFiles) -> list[str]:
    """The paths that were written; [] where all is so already. Raises OSError, after which everything is as it was."""
    record = _record_of(target, machine)
    before = {entry["path"]: entry for entry in record}
    wanted = [file for file in plan.files if _octets(machine.at(file.path)) != file.text.encode()]
    if not wanted:
        return []
    entries = [_entry(file, machine, before.get(file.path)) for file in plan.files]
    gone = [entry for path, entry in before.items() if path not in {file.path for file in plan.files}]
    _write(_path_of(target, machine), json.dumps({"version": 1, "files": [*entries, *gone]}, indent=2).encode(), RECORD_MODE)
    done: list[tuple[Path, bytes | None, int]] = []
    try:
        for file in wanted:
            path = machine.at(file.path)
            was, mode = _octets(path), _mode(path)
            _write(path, file.text.encode(), mode)
            done.append((path, was, mode))
    except OSError:
        for path, was, mode in done:
            path.unlink() if was is None else _write(path, was, mode)
        _keep(target, record, machine)
        raise
    return [file.path for file in wanted]


def undo(target: str, machine: MachineFiles) -> list[str]:
    """The paths that are again as they were. Raises SetupRefused where nothing was applied, or a file has been changed since."""
    record = _record_of(target, machine)
    if not record:
        raise SetupRefused(f"`dnsdisco setup {target} --apply` was not used here, or is undone already")
    for entry in record:
        octets = _octets(machine.at(entry["path"]))
        if octets is None or _digest(octets) != entry["written"]:
            raise SetupRefused(
                f"{entry['path']} has been {'removed' if octets is None else 'changed'} since: mend it by hand. What it was before is in "
                f"{RECORDS}/{target}.json, as base64"
            )
    for entry in record:
        path = machine.at(entry["path"])
        if entry["octets"] is None:
            path.unlink()
            for folder in entry["folders"]:
                _remove_empty(machine.at(folder))
        else:
            _write(path, base64.b64decode(entry["octets"]), entry["mode"])
            os.chown(path, entry["uid"], entry["gid"])
            os.utime(path, ns=(entry["modified_ns"], entry["modified_ns"]))
    _keep(target, [], machine)
    return [entry["path"] for entry in record]


def _entry(file: PlannedFile, machine: MachineFiles, earlier: dict[str, Any] | None) -> dict[str, Any]:
    """What the file was before the first time that it was written."""
    written = _digest(file.text.encode())
    if earlier is not None:
        return {**earlier, "written": written}
    path = machine.at(file.path)
    octets = _octets(path)
    if octets is None:
        parents = [os.path.join("/", *Path(file.path).parts[1:at]) for at in range(len(Path(file.path).parts) - 1, 1, -1)]  # noqa: PTH118
        return {
            "path": file.path,
            "octets": None,
            "written": written,
            "folders": [each for each in parents if not machine.has(each)],
        }
    status = path.stat()
    return {
        "path": file.path,
        "octets": base64.b64encode(octets).decode(),
        "written": written,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "modified_ns": status.st_mtime_ns,
    }


def _path_of(target: str, machine: MachineFiles) -> Path:
    return machine.at(f"{RECORDS}/{target}.json")


def _record_of(target: str, machine: MachineFiles) -> list[dict[str, Any]]:
    octets = _octets(_path_of(target, machine))
    if octets is None:
        return []
    files: list[dict[str, Any]] = json.loads(octets)["files"]
    return files


def _keep(target: str, record: list[dict[str, Any]], machine: MachineFiles) -> None:
    path = _path_of(target, machine)
    if record:
        _write(path, json.dumps({"version": 1, "files": record}, indent=2).encode(), RECORD_MODE)
    else:
        path.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent):
            _remove_empty(folder)


def _octets(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return FILE_MODE


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def _write(path: Path, octets: bytes, mode: int) -> None:
    """At once, so that no reader sees half of it; the owner stays. A mount point (a container's resolv.conf) cannot be replaced: it is written over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=".dnsdisco-")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(fd)
        os.chmod(name, mode)  # noqa: PTH101
        if path.exists():
            status = path.stat()
            os.chown(name, status.st_uid, status.st_gid)
        os.replace(name, path)  # noqa: PTH105
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        if error.errno != errno.EBUSY:
            raise
        path.write_bytes(octets)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
