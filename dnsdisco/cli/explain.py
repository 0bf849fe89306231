"""`dnsdisco explain`: why the running server answers a name as it does, one line a step, and that answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.reply_lines import rcode_word, reason_lines, record_lines
from dnsdisco.cli.screen import BAD, coloured, columns, POOR, printable
from dnsdisco.errors import ConfigError, ServerError
from dnsdisco.presentation.message import PrintedRecord

NEGATIVE, SILENT = 1, 2  # as `dnsdisco query`
_COLOURS = {"left-out": POOR, "shadowed": POOR, "rejected": POOR, "stale": POOR, "denied": BAD, "not-ready": BAD, "limit": BAD}


@click.command("explain", short_help="Show why the running server answers a name as it does.")
@click.argument("name", shell_complete=options.service_names)
@click.argument("rtype", metavar="[TYPE]", default="", shell_complete=options.record_types)
@click.option(
    "--client", metavar="ADDR", help="Explain what a client at that address gets. Default: a client on the server's machine."
)
@click.option("--json", "is_json", is_flag=True, help="Print the explanation as JSON.")
@options.server_options
def command(name: str, rtype: str, client: str | None, *, is_json: bool, **where: str | None) -> int:
    """Show why NAME gets the answer that it gets: how it was read, which provider has it, which instances are left out and why, which
    upstream said what. The running server answers it by its own code; it counts as no query.

    A NAME without a dot is looked up in the first zone. An address asks for its PTR record.

    Exit status: 0 with an answer, 1 for a negative answer or an error, 2 when no server is reached.
    """
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server

    try:
        query = {"name": name, "type": rtype or None, "client": client}
        plain = server_client.ask(server_client.path(**where), "GET", "/v1/explain", query)
    except server_client.ServerRefused as error:
        if error.status == 400:
            raise click.UsageError(str(error)) from None
        report.fault(error)
        return SILENT
    except (ServerError, ConfigError) as error:
        report.fault(error)
        return SILENT
    answer = plain["answer"]
    is_positive = answer["rcode"] == "NOERROR" and bool(answer["answer"])
    click.echo(json.dumps(plain, indent=2) if is_json else "\n".join(_lines(plain, is_positive=is_positive)))
    return 0 if is_positive else NEGATIVE


def _lines(plain: Mapping[str, Any], *, is_positive: bool) -> list[str]:
    question, answer = plain["question"], plain["answer"]
    lines = columns(
        (coloured(each["code"], _COLOURS.get(each["code"])), printable(each["subject"]), printable(each["text"]))
        for each in plain["steps"]
    )
    if meant := plain["did_you_mean"]:
        lines.append(f"did you mean {printable(' or '.join(meant))}?")
    empty = " (the name exists, without such a record)" if answer["rcode"] == "NOERROR" and not answer["answer"] else ""
    lines += ["", f"{question['name']} {question['type']}: {rcode_word(answer['rcode'], is_positive=is_positive)}{empty}"]
    lines += record_lines(
        {"": _records(answer["answer"]), "authority": _records(answer["authority"]), "additional": _records(answer["additional"])}
    )
    return lines + reason_lines((each["code"], printable(each["text"])) for each in answer["ede"])


def _records(plain: Sequence[Mapping[str, Any]]) -> list[PrintedRecord]:
    return [PrintedRecord(each["name"], each["type"], each["ttl"], each["data"]) for each in plain]
