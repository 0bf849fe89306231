"""Extra records from master files: read at the start and again whenever a file, or which files there are, has changed.

Asked for their state ten times a second, as the services file is (ADR 0006). A file that is being written shows parts of itself, and one that is
moved away to be written anew is missing for a moment: so what adds or changes records is believed at once, and what takes a name's records
away when it has been so for a while.
"""

from __future__ import annotations

import glob
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from dnsdisco.control.facts import ProblemView
from dnsdisco.errors import Problem, system_reason, ZoneFileError
from dnsdisco.model.delta import ZoneRecord
from dnsdisco.providers.file_state import Changes, FileState, NoContent, octets_of, state_of
from dnsdisco.providers.open_writers import OpenWriters
from dnsdisco.zone.master import usable

LOOK_EVERY_S = 0.1  # a change shows within half a second; ten stats a second of a few files cost nothing
LOSS_S = 2.0  # a version without some of the names, or with a fault, is believed after so long: a slow writer is not there yet
GONE_S = 5.0  # … and one without a record, or no file at all: an editor or a script is between two steps
WARNED_MAX = 20  # faults of one version of a file in the log
FILE_OCTETS_MAX = 64 * 1024 * 1024  # ten times what RECORDS_MAX of the parser needs


@dataclass(frozen=True, slots=True)
class _Version:
    """The content of a file when it was read."""

    records: list[ZoneRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return all(problem.is_warning for problem in self.problems)

    def lacks(self, other: _Version) -> bool:
        """Some name has no records of a type any more."""
        return bool(_rrsets(other.records) - _rrsets(self.records))


@dataclass(slots=True)
class _File:
    pattern: str  # that names it
    changes: Changes
    current: _Version = field(default_factory=_Version)
    read: _Version | None = None  # and not believed yet
    read_at: float = 0.0
    is_missing: bool = False
    fault: str = ""  # of the version that was read last; "": it is in use, whole

    def patience_s(self, version: _Version) -> float:
        if not self.current.records:
            return 0.0
        if not version.records:
            return GONE_S
        return LOSS_S if not version.is_whole or version.lacks(self.current) else 0.0


class ZoneFileRecords:
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

        def report(records: list[ZoneRecord]) -> None:
            self._call(self._take, files, records)

        files = self._files = ZoneFiles(patterns, zones, report, self._warn)
        files.start()
        report(files.records())  # also when no record is left

    def stop(self) -> None:
        if self._files is not None:
            self._files.stop()

    def problems(self) -> Sequence[ProblemView]:
        """The files that are missing or have faults."""
        return () if self._files is None else self._files.problems

    def _take(self, files: ZoneFiles, records: list[ZoneRecord]) -> None:
        if files is self._files:
            self._publish(records)


class ZoneFiles:
    """The files that *patterns* (absolute paths or globs) name. *report* gets all their records; *warn* a reason, once per change."""

    def __init__(
        self, patterns: Sequence[str], zones: Sequence[str], report: Callable[[list[ZoneRecord]], None], warn: Callable[[str], None]
    ) -> None:
        self.patterns, self.zones = tuple(patterns), tuple(zones)
        self.problems: tuple[ProblemView, ...] = ()  # replaced as a whole: it is read in another thread
        self._report, self._warn = report, warn
        self._files: dict[str, _File] = {}
        self._unmatched: frozenset[str] = frozenset()
        self._writers = OpenWriters()
        self._stop = threading.Event()

    def start(self) -> None:
        """Read them now, in the calling thread, then watch them in one of their own."""
        self._look()
        if self.patterns:
            threading.Thread(target=self._watch, name="zone-files", daemon=True).start()

    def records(self) -> list[ZoneRecord]:
        """The records of all files, as they were last accepted."""
        return [record for file in self._files.values() for record in file.current.records]

    def stop(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        with closing(self._writers):
            while not self._stop.wait(LOOK_EVERY_S):
                self._look()

    def _look(self) -> None:
        """Read what has changed and come to rest, and believe what has been so for long enough."""
        now, before = time.monotonic(), self.records()
        named = _paths(self.patterns)
        for path, pattern in named.items():
            if path not in self._files:
                self._files[path] = _File(pattern, Changes(_state(path)))
                self._read(path, self._files[path], now)
        self._files = {path: self._files[path] for path in (*named, *(self._files.keys() - named))}
        for path, file in list(self._files.items()):
            state = _state(path)
            if file.changes.is_due(state, now, GONE_S, is_held=self._writers.are_at(path, state)):
                self._read(path, file, now)
            if file.read is not None and state == file.changes.seen and now - file.read_at >= file.patience_s(file.read):
                self._believe(file, file.read)
            if path not in named and file.read is None and not file.current.records:
                del self._files[path]
                self._writers.forget(path)
        unmatched = frozenset(self.patterns) - {file.pattern for file in self._files.values()}
        for pattern in sorted(unmatched - self._unmatched):
            self._warn(f"{pattern}: there is no such zone file")
        self._unmatched = unmatched
        self.problems = tuple(self._faults(now))
        if (records := self.records()) != before and not self._stop.is_set():
            self._report(records)

    def _faults(self, now: float) -> Iterator[ProblemView]:
        """A file that is being replaced is missing for a moment, and a pattern may name none: neither is a fault."""
        for path, file in self._files.items():
            if file.fault:
                yield ProblemView("file", path, file.fault)
            elif file.is_missing and now - file.read_at >= LOSS_S:
                yield ProblemView("file", path, "there is no such zone file; its old records stay for now")
        for path in sorted(self._unmatched):
            if not glob.has_magic(path):
                yield ProblemView("file", path, "there is no such zone file")

    def _read(self, path: str, file: _File, now: float) -> None:
        file.read_at, file.is_missing = now, False
        try:
            file.changes.seen, text = read(path)
            file.read = _Version(*usable(text, path, self.zones))
        except FileNotFoundError:
            file.changes.seen, file.read, file.is_missing = None, _Version(), True
        except ZoneFileError as error:
            file.read = _Version(problems=[Problem(path, error.line, 0, "", error.reason)])

    def _believe(self, file: _File, version: _Version) -> None:
        """Accept what was read, unless it has faults and an earlier, whole version is there: a part is used only in place of nothing."""
        old, file.read = file.current, None
        keeps_old = not version.is_whole and old.is_whole and bool(old.records)
        file.fault = self._log_faults(version, keeps_old=keeps_old)
        if not keeps_old and (version.is_whole or version.records):
            file.current = version

    def _log_faults(self, version: _Version, *, keeps_old: bool) -> str:
        """Returns the first one, in words; "" for a version that is whole."""
        faults = [problem for problem in version.problems if not problem.is_warning]
        warnings = [problem for problem in version.problems if problem.is_warning]
        what = "its old records stay" if keeps_old else "this record is left out" if version.records else "the file is not used"
        for problem in faults[:WARNED_MAX]:
            self._warn(f"{problem.file}:{problem.line}: {problem.message}; {what}")
        if len(faults) > WARNED_MAX:
            self._warn(f"{faults[0].file}: {len(faults) - WARNED_MAX} more; `dnsdisco check` shows them all")
        if warnings:
            more = f"; {len(warnings) - 1} more of the kind" if len(warnings) > 1 else ""
            self._warn(f"{warnings[0].file}:{warnings[0].line}: {warnings[0].message}{more}")
        if not faults:
            return ""
        line = f"line {faults[0].line}: " if faults[0].line else ""
        return f"{line}{faults[0].message}; {what}"


def read(path: str) -> tuple[FileState, str]:
    """The state and the text of a zone file. Raises FileNotFoundError, and ZoneFileError with the reason."""
    try:
        state, octets = octets_of(Path(path), FILE_OCTETS_MAX)
        if len(octets) > FILE_OCTETS_MAX:
            raise ZoneFileError(path, 0, f"the file is larger than {FILE_OCTETS_MAX} octets")
        return state, octets.decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except NoContent as error:
        raise ZoneFileError(path, 0, str(error)) from None
    except OSError as error:
        raise ZoneFileError(path, 0, f"cannot be read: {system_reason(error)}") from None
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ZoneFileError(path, line, f"not UTF-8 text: octet 0x{octets[error.start]:02x}") from None


def _rrsets(records: Sequence[ZoneRecord]) -> set[tuple[tuple[bytes, ...], tuple[str, ...], int]]:
    return {(zone, record.owner, record.rtype) for zone, record in records}


def _paths(patterns: Sequence[str]) -> dict[str, str]:
    """The files there are, each once, in the order of the patterns, and the pattern that names each."""
    found: dict[str, str] = {}
    for pattern in patterns:
        matching = glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob() takes no absolute pattern
        is_named = not glob.has_magic(pattern)  # then it is a file that is meant, whatever is there
        for path in sorted(path for path in matching if is_named or not Path(path).is_dir()):
            found.setdefault(path, pattern)
    return found


def _state(path: str) -> FileState | None:
    """The state of the file; None if there is no file or its state cannot be read (reading the file then gives the reason)."""
    try:
        return state_of(Path(path))
    except OSError:
        return None
