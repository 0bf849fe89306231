"""Extra records from master files: read at the start and again whenever a file, or which files there are, has changed.

Looked at twice a second by stat, which also sees what notifications miss: a rename over the file, a swapped symbolic link above it,
a network file system.
"""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dnsdisco.errors import Problem, ZoneFileError
from dnsdisco.model.delta import ZoneRecord
from dnsdisco.zone.master import usable

LOOK_EVERY_S = 0.5  # a change shows within a second; two stats a second of a few files cost nothing
WARNED_MAX = 20  # faults of one version of a file in the log
FILE_OCTETS_MAX = 64 * 1024 * 1024  # ten times what RECORDS_MAX of the parser needs

_Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class _File:
    stamp: _Stamp | None = None
    records: list[ZoneRecord] = field(default_factory=list)
    is_whole: bool = False  # they are all that a version without faults said


class ZoneRecords:
    """The records of the files that the configuration names now. *publish* gets them through *call*, which runs it in the loop."""

    def __init__(self, publish: Callable[[list[ZoneRecord]], None], call: Callable[..., None], warn: Callable[[str], None]) -> None:
        self._publish, self._call, self._warn = publish, call, warn
        self._files: ZoneFiles | None = None

    def apply(self, patterns: Sequence[str], zones: Sequence[str]) -> None:
        """Read and watch these from now on; what is watched already goes on undisturbed."""
        old = self._files
        if old is not None and (old.patterns, old.zones) == (tuple(patterns), tuple(zones)):
            return
        self.stop()

        def tell(records: list[ZoneRecord]) -> None:
            self._call(self._take, files, records)

        files = self._files = ZoneFiles(patterns, zones, tell, self._warn)
        files.start()
        tell(files.records())  # also that there are none any more

    def stop(self) -> None:
        if self._files is not None:
            self._files.stop()

    def _take(self, files: ZoneFiles, records: list[ZoneRecord]) -> None:
        if files is self._files:
            self._publish(records)


class ZoneFiles:
    """The files that *patterns* (absolute paths or globs) name. *tell* gets all their records; *warn* a reason, once per change."""

    def __init__(
        self, patterns: Sequence[str], zones: Sequence[str], tell: Callable[[list[ZoneRecord]], None], warn: Callable[[str], None]
    ) -> None:
        self.patterns, self.zones = tuple(patterns), tuple(zones)
        self._tell, self._warn = tell, warn
        self._files: dict[str, _File] = {}
        self._unmatched: frozenset[str] = frozenset()
        self._stop = threading.Event()

    def start(self) -> None:
        """Read them now, in the calling thread, then watch them in one of their own."""
        self._look()
        if self.patterns:
            threading.Thread(target=self._watch, name="zone-files", daemon=True).start()

    def records(self) -> list[ZoneRecord]:
        """As last read."""
        return [record for file in self._files.values() for record in file.records]

    def stop(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        """Read what has changed. A file that cannot be used keeps its old records; one that is gone takes them with it."""
        paths, unmatched = _paths(self.patterns)
        for pattern in sorted(unmatched - self._unmatched):
            self._warn(f"{pattern}: there is no such zone file")
        self._unmatched = unmatched
        is_changed = any(file.records for path, file in self._files.items() if path not in paths)
        self._files = {path: self._files.get(path) or _File() for path in paths}
        for path, file in self._files.items():
            stamp = _stamp(path)
            if stamp == file.stamp:
                continue
            file.stamp = stamp
            try:
                records, problems = self._read(path)
            except ZoneFileError as error:
                records, problems = [], [Problem(path, error.line, 0, "", error.reason)]
            keeps_old = bool(problems and file.is_whole and file.records)
            self._tell_of(problems, keeps_old=keeps_old, is_usable=bool(records))
            if keeps_old or (problems and not records):
                continue
            is_changed = is_changed or records != file.records
            file.records, file.is_whole = records, not problems
        if is_changed and not self._stop.is_set():
            self._tell(self.records())

    def _tell_of(self, problems: list[Problem], *, keeps_old: bool, is_usable: bool) -> None:
        """What was whole is better than a part of the new; a part is better than nothing."""
        what = "its old records stay" if keeps_old else "this record is left out" if is_usable else "nothing of the file is used"
        for problem in problems[:WARNED_MAX]:
            self._warn(f"{problem.file}:{problem.line}: {problem.message}; {what}")
        if len(problems) > WARNED_MAX:
            self._warn(f"{problems[0].file}: {len(problems) - WARNED_MAX} more; `dnsdisco check` shows them all")

    def _read(self, path: str) -> tuple[list[ZoneRecord], list[Problem]]:
        try:
            octets = Path(path).read_bytes()
            if len(octets) > FILE_OCTETS_MAX:
                raise ZoneFileError(path, 0, f"{len(octets)} octets; at most {FILE_OCTETS_MAX} are read")
            return usable(octets.decode("utf-8-sig"), path, self.zones)
        except OSError as error:
            raise ZoneFileError(path, 0, error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise ZoneFileError(path, octets.count(b"\n", 0, error.start) + 1, "not UTF-8 text") from error


def _paths(patterns: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """The files there are, each once, in the order of the patterns; and the patterns that name none."""
    found: dict[str, None] = {}
    unmatched = set()
    for pattern in patterns:
        matching = glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob() takes no absolute pattern
        paths = sorted(path for path in matching if not Path(path).is_dir())
        found.update(dict.fromkeys(paths))
        if not paths:
            unmatched.add(pattern)
    return list(found), frozenset(unmatched)


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116  what the name leads to now, links followed
    except OSError:
        return None
    return status.st_ino, status.st_dev, status.st_mtime_ns, status.st_size
