"""`dnsdisco check`: every fault of everything that was written, with its place."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TYPE_CHECKING

import click

from dnsdisco.cli import options, report
from dnsdisco.config.load import Document, SEARCHED
from dnsdisco.errors import ConfigError, Problem, ZoneFileError

if TYPE_CHECKING:
    from dnsdisco.model.service import Service
    from dnsdisco.providers.local_source import LocalSource

NOTHING_READ = (
    f"no file was read: there is no {' and no '.join(SEARCHED)}, and no services file; name yours with --config or --services"
)


@click.command("check", short_help="Look for faults in everything that was written.")
@options.config_option
@options.services_option
@click.option(
    "--json", "is_json", is_flag=True, help='Print {"ok": …, "problems": [{"file", "line", "column", "path", "message"}]}.'
)
def command(config: str | None, services: str | None, *, is_json: bool) -> int:
    """Look for faults in the configuration, in the static provider's services file and in the zone files; variables of the env
    provider that make no sense are warnings.

    Each one is printed as file:line:column, the path of the key, what was expected and what was found.

    Exit status: 0 without faults (warnings alone do not count), else 1.
    """
    files, problems = inspected(config, services)
    is_ok = all(problem.is_warning for problem in problems)
    if is_json:
        click.echo(json.dumps({"version": 1, "ok": is_ok, "problems": [problem.plain() for problem in problems]}, indent=2))
    else:
        report.show(problems, sys.stdout)
        faults = sum(not problem.is_warning for problem in problems)
        if files:
            report.note(f"read {', '.join(files)}")
        report.note("no fault" if is_ok else f"{faults} fault{'s' if faults != 1 else ''}")
    return 0 if is_ok else 1


def inspected(config: str | None, services: str | None) -> tuple[list[str], list[Problem]]:
    """The files that were read, and what is wrong in them. A warning when there was none: this may be the wrong folder."""
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema

    inspection = compose.inspection(compose.source(config, services=services))
    problems = list(inspection.problems)
    files = [inspection.document.file]
    settings = inspection.settings or inspection.remains
    if settings is not None:
        sources = [_source_of(entry, inspection.document, problems) for entry in settings.providers]
        files += [source.file for source in sources if source is not None]
        problems += _lost_to_others(settings.providers, sources)
        for at, pattern in enumerate(settings.zone_files):
            files += _matching(pattern)
            problems += _zone_file_problems(pattern, settings.zones, inspection.document, at)
    there = list(dict.fromkeys(_as_named(file) for file in files if file and pathlib.Path(file).expanduser().exists()))
    if not there and not problems:
        problems.append(Problem("", 0, 0, "", NOTHING_READ, is_warning=True))
    return there, [problem._replace(file=_as_named(problem.file)) for problem in problems]


def _source_of(entry: Mapping[str, Any], document: Document, problems: list[Problem]) -> LocalSource | None:
    """The sources of a provider on this machine, if it can be built (its package is installed, a plug-in takes its options). Faults are added
    to *problems*."""
    from dnsdisco.providers import registry  # noqa: PLC0415  likewise

    try:
        provider = registry.create(entry, os.environ)
    except ConfigError as error:
        problems += [_entry_problem(entry["type"], document, problem.message) for problem in error.problems]
        return None
    source = provider.local_source()
    provider.close()
    if source is not None:
        problems += source.faults(_record_faults)
    return source


def _lost_to_others(entries: Sequence[Mapping[str, Any]], sources: Sequence[LocalSource | None]) -> list[Problem]:
    from dnsdisco.cli import check_names  # noqa: PLC0415  likewise

    return check_names.lost_to_others(entries, sources)


def _record_faults(service: Service) -> list[tuple[str, str]]:
    """Its `records:` that the server would leave out: whether a value makes sense for its type, control's compiler knows."""
    from dnsdisco.control.records import Compiler  # noqa: PLC0415  likewise

    compiler = Compiler()
    compiler(service)
    told = [reason.partition(" ") for _, reason in compiler.faults]  # `records[0] (MX) is left out: …`
    return [(key, message) for key, _, message in told]


def _entry_problem(kind: str, document: Document, message: str) -> Problem:
    """A problem with the provider *kind*, placed at its entry in the file, if it has one there."""
    for at, written in enumerate(document.values.get("providers") or ()):
        if kind == (written if isinstance(written, str) else written.get("type")):
            return document.problem(("providers", at), message)
    return Problem("", 0, 0, kind, message)


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  an absolute pattern, which pathlib refuses


def _zone_file_problems(pattern: str, zones: tuple[str, ...], document: Document, at: int) -> list[Problem]:
    from dnsdisco.control import zonefiles  # noqa: PLC0415  likewise
    from dnsdisco.zone import master  # noqa: PLC0415  likewise

    paths = _matching(pattern)
    if not paths:
        is_pattern = glob.has_magic(pattern)
        missing = document.problem(("zone_files", at), f"no file is called {_as_named(pattern)}")
        return [missing._replace(is_warning=is_pattern)]  # a folder may well be empty yet; a file that was named may not be missing
    problems = []
    for path in paths:
        try:
            problems += master.check(zonefiles.read(path)[1], path, zones)
        except ZoneFileError as error:
            problems.append(Problem(path, error.line, 0, "", error.reason))
    return problems


def _as_named(path: str) -> str:
    """Below the working directory, a path as a person there would name it."""
    here = os.path.join(pathlib.Path.cwd(), "")  # noqa: PTH118  with the slash at its end
    return path.removeprefix(here)
