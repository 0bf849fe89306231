"""`dnsdisco log`: the queries as the running server answers them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.screen import BAD, coloured, GOOD, POOR, printable

LINES = 20  # without -f
_COLOURS = {"NOERROR": GOOD, "NXDOMAIN": POOR}


@click.command("log", short_help="Show queries as the running server answers them.")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on until it is interrupted.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=1), metavar="N", help=f"End after so many queries. Default: {LINES}; with -f none."
)
@click.option("--name", metavar="GLOB", help="Only of names like it, in any case: '*.svc.local'.")
@click.option("--client", metavar="NET", help="Only of clients in this network: 10.0.0.0/8.")
@click.option("--rcode", metavar="R", help="Only with this rcode: NXDOMAIN.")
@click.option("--source", metavar="S", help="Only from there: table, catalog, cache, stale, upstream, special, refused.")
@click.option("--json", "is_json", is_flag=True, help="Print an object a line.")
@options.server_options
def command(
    name: str | None,
    client: str | None,
    rcode: str | None,
    source: str | None,
    lines: int | None,
    *,
    is_followed: bool,
    is_json: bool,
    **where: str | None,
) -> int:
    """Show queries as the running server answers them, from now on: nothing is recorded while nobody looks.

    Under much load not every query is looked at; how many were not stands on stderr.

    Exit status: 1 when no server can be asked, or it ends.
    """
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server

    left = None if is_followed and lines is None else lines or LINES
    query = {"name": name, "client": client, "rcode": rcode, "source": source}
    try:
        for event in server_client.events(server_client.path(**where), "/v1/queries", query):
            if event.kind == "dropped":
                report.note(f"{event.data['dropped']} more queries were not looked at")
            elif event.kind == "query":
                click.echo(json.dumps(event.data) if is_json else _line(event.data))
                sys.stdout.flush()
                if left is not None and (left := left - 1) == 0:
                    return 0
    except server_client.ServerRefused as error:
        if error.status == 400:
            raise click.UsageError(str(error)) from None
        raise
    report.complain("the server has ended")
    return 1


def _line(each: Mapping[str, Any]) -> str:
    rcode = coloured(f"{each['rcode']:<8}", _COLOURS.get(each["rcode"], BAD))
    question = f"{printable(each['name'])} {each['type']}"
    reasons = "".join(f"  ({printable(reason['text'] or reason['code'])})" for reason in each["ede"])
    return f"{each['time'][11:]}  {each['client']:<15} {each['transport']:<5}  {rcode}  {each['source']:<8} {each['ms']:>9.3f} ms  {question}{reasons}"
