"""`dnsdisco reload`: SIGHUP with an answer."""

from __future__ import annotations

import sys

import click

from dnsdisco.cli import options, report
from dnsdisco.errors import Problem

REFUSED = 422


@click.command("reload", short_help="Make the running server read its configuration anew.")
@options.server_options
def command(**where: str | None) -> int:
    """Make the running server read its configuration anew, and say which settings are other ones now.

    A configuration with faults is not used; they are printed as `dnsdisco check` prints them.

    Exit status: 0 when it is used, else 1.
    """
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server

    path = server_client.path(**where)
    try:
        done = server_client.ask(path, "POST", "/v1/reload", seconds=server_client.RELOAD_S)
    except server_client.ServerRefused as refusal:
        if refusal.status != REFUSED:
            raise
        report.show((Problem.from_plain(each) for each in refusal.reply["problems"]), sys.stdout)
        report.complain(f"{refusal}; the server goes on with the one before")
        return 1
    changed = ", ".join(done["changed"])
    report.note(f"reloaded; {f'other settings now: {changed}' if changed else 'the settings are the same'}")
    return 0
