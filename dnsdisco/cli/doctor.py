"""`dnsdisco doctor`: what stands between this machine's programs and the names."""

from __future__ import annotations

import json
from typing import Any, TYPE_CHECKING

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.screen import BAD, coloured, GOOD, POOR, printable
from dnsdisco.errors import DnsdiscoError

if TYPE_CHECKING:
    from dnsdisco.doctor.finding import Finding
    from dnsdisco.doctor.known import Known

ASK_S = 2.0  # of a server on this machine
GATHER_S = 3.0  # a file may be on a file system that hangs
PAGE = "docs/doctor.md"
_COLOURS = {"ok": GOOD, "note": GOOD, "warning": POOR, "error": BAD}


@click.command("doctor", short_help="Find what stands between this machine's programs and the names.")
@click.option(
    "--json",
    "is_json",
    is_flag=True,
    help='Print {"version": 1, "ok": …, "findings": [{"code", "level", "subject", "text", "fix"}]}.',
)
@options.server_options
def command(*, is_json: bool, **where: str | None) -> int:
    """Find what stands between this machine's programs and the names: who is asked for them, what is in the way, what the server lacks.

    It only reads, and ends within a few seconds. It asks the resolvers that this machine is configured with, and the server. Each finding
    has a code with a section in docs/doctor.md, and a fix; the worst comes last.

    Exit status: 0 without an error (warnings and notes do not count), else 1.
    """
    from dnsdisco.doctor import run  # noqa: PLC0415  --help needs no check

    found = run.findings(_known(**where))
    is_ok = run.is_ok(found)
    if is_json:
        click.echo(json.dumps({"version": 1, "ok": is_ok, "findings": [each.plain() for each in found]}, indent=2))
    else:
        for each in found:
            _show(each)
        errors = sum(each.level == "error" for each in found)
        report.note(
            "nothing is in the way" if is_ok else f"{errors} error{'s' if errors != 1 else ''}; {PAGE} says more of each code"
        )
    return 0 if is_ok else 1


def _show(finding: Finding) -> None:
    """A line, and below it the fix. A backend's text is among it."""
    level = coloured(f"{finding.level:<7}", _COLOURS[finding.level])
    click.echo(f"{level} {finding.code} {printable(finding.subject)}: {printable(finding.text)}")
    if finding.fix:
        click.echo(f"        fix: {printable(finding.fix)}")


def _known(config: str | None, state_dir: str | None, control: str | None) -> Known:
    """The facts that only this command can collect for the checks: the configuration, and the server's own reports."""
    from dnsdisco.cli import check, compose, server_client  # noqa: PLC0415  likewise
    from dnsdisco.doctor.known import Known  # noqa: PLC0415  likewise
    from dnsdisco.doctor.machine import MachineFiles  # noqa: PLC0415  likewise
    from dnsdisco.doctor.probe import ResolverProbe  # noqa: PLC0415  likewise
    from dnsdisco.doctor.run import within  # noqa: PLC0415  likewise
    from dnsdisco.settings.forms import to_plain  # noqa: PLC0415  likewise

    def settings() -> dict[str, Any]:
        inspection = compose.inspection(compose.source(config, state_dir=state_dir))
        decided = inspection.settings or inspection.remains
        return {} if decided is None else to_plain(decided)

    def ask(target: str) -> Any:
        return server_client.ask(server_client.path(config, state_dir, control), "GET", target, seconds=ASK_S)

    def said() -> tuple[Any, Any, str]:
        try:
            return ask("/v1/status"), ask("/v1/config")["settings"], ""
        except DnsdiscoError as error:
            return None, None, str(error)

    nothing: dict[str, Any] = {}
    written = within(settings, GATHER_S, nothing)
    status, used, silence = within(said, GATHER_S, (None, None, "what was written for the server cannot be read in time"))
    return Known(MachineFiles(), ResolverProbe(), status, silence, used or written, lambda: check.inspected(config, None)[1], ask)
