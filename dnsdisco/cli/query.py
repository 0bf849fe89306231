"""`dnsdisco query`: one question to a DNS server, and its whole reply. Starts without the configuration's schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from dnsdisco.cli import options, query_server, report
from dnsdisco.cli.reply_lines import rcode_word, reason_lines, record_lines, styled
from dnsdisco.cli.stub import exchange, NoReply, question, StubExchange
from dnsdisco.config.client_defaults import Glance
from dnsdisco.errors import WireError
from dnsdisco.presentation.message import decode, QueryResult
from dnsdisco.presentation.question import owner_of, type_of
from dnsdisco.wire import name as wire_name
from dnsdisco.wire.constants import type_to_text, TYPES
from dnsdisco.written.addresses import is_ip
from dnsdisco.written.endpoints import UpstreamAddress
from dnsdisco.written.units import did_you_mean

NEGATIVE = 1  # NXDOMAIN, NODATA, or an error: a server answered
SILENT = 2  # no server did


def _completions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes a line: a name first, then a type."""
    complete = options.record_types if ctx.params.get("words") else options.service_names
    return complete(ctx, param, incomplete)


@click.command("query", short_help="Ask a DNS server, like dig.")
@click.argument("words", nargs=-1, metavar="[@SERVER] NAME [TYPE] [+short]", shell_complete=_completions)
@click.option(
    "--server",
    metavar="ADDR:PORT",
    help="The server to ask; also tls://ADDR#NAME or https://HOST/PATH. Default: the server that runs here, else the first listen address of "
    "the configuration that this machine has, else 127.0.0.1:53.",
)
@click.option("-x", "reverse", metavar="ADDR", help="Ask for the PTR record of this address, in place of NAME.")
@click.option("--tcp", is_flag=True, help="Ask over TCP at once, not only after a truncated reply.")
@click.option("--json", "is_json", is_flag=True, help="Print the reply as JSON.")
@options.config_option
def command(
    words: tuple[str, ...], server: str | None, reverse: str | None, config: str | None, *, tcp: bool, is_json: bool
) -> int:
    """Ask for NAME, by default for its A records, and print the whole reply; with +short only the data of its answer.

    A NAME without a dot is looked up in the first zone: `dnsdisco query web` asks for web.svc.local. An address asks for its PTR
    record. TYPE is a mnemonic such as SRV, or TYPEnnn. @SERVER is --server, as with dig.

    Exit status: 0 with an answer, 1 for a negative answer or an error, 2 when no server answered.
    """
    asked_for = _read(words, server, reverse)
    found = None if asked_for.server and "." in asked_for.name else query_server.found(config)
    owner, number = _question(asked_for.name, asked_for.rtype, found[1] if found else Glance().zone)
    where = query_server.named(asked_for.server) if asked_for.server or found is None else found[0]
    if tcp and where.transport != "udp":
        raise click.UsageError(f"--tcp: {where.transport}:// is asked over TCP alone")
    told = str(where)
    try:
        got = _exchange(where, question(owner, number), is_tcp=tcp)
        answer = decode(got.reply)
    except NoReply as error:
        report.complain(str(error))
        return SILENT
    except WireError as error:
        report.complain(f"the reply of {told} cannot be read: {error}")
        return SILENT
    asked = (wire_name.to_text(owner), type_to_text(number))
    if is_json:
        click.echo(json.dumps(_plain(answer, asked, got, told), indent=2))
    elif asked_for.is_short:
        for record in answer.answer:
            click.echo(record.data)
    else:
        click.echo(_text(answer, asked, got, told))
    return 0 if answer.is_positive else NEGATIVE


class _Words(NamedTuple):
    name: str
    rtype: str
    server: str
    is_short: bool


def _read(words: Sequence[str], server: str | None, reverse: str | None) -> _Words:
    """What stands on the line, in any order, as with dig. Raises UsageError."""
    servers = [word[1:] for word in words if word.startswith("@")] + ([server] if server is not None else [])
    wishes = [word for word in words if word.startswith("+")]
    rest = [word for word in words if word[:1] not in ("@", "+")]
    if unknown := set(wishes) - {"+short"}:
        raise click.UsageError(
            f"{min(unknown)} is not known here: there is +short{'; --tcp asks over TCP' if '+tcp' in unknown else ''}"
        )
    if len(servers) > 1:
        raise click.UsageError(f"one server is asked, and not {' and '.join(servers)}")
    if reverse is not None:
        if not is_ip(reverse):
            raise click.UsageError(f"-x: expected an IP address, found {reverse!r}")
        rest.insert(0, reverse)
    if not rest:
        raise click.UsageError("Missing argument 'NAME'.")
    if len(rest) > 2:
        raise click.UsageError(f"Got unexpected extra argument ({' '.join(rest[2:])}): there is a NAME and a TYPE")
    return _Words(rest[0], rest[1] if len(rest) > 1 else "", servers[0] if servers else "", bool(wishes))


def _exchange(where: UpstreamAddress, query: bytes, *, is_tcp: bool) -> StubExchange:
    if where.transport == "udp":
        return exchange((where.host, where.port), query, is_tcp=is_tcp)
    from dnsdisco.cli import stub_encrypted  # noqa: PLC0415  ssl, for few questions

    return stub_encrypted.exchange(where, query)


def _question(written: str, rtype: str, zone: str) -> tuple[bytes, int]:
    """The owner in wire form and the type's number. Raises UsageError."""
    try:
        number = type_of(rtype, written)
    except WireError:
        raise click.UsageError(f"{rtype!r} is not a record type{did_you_mean(rtype.upper(), TYPES)}") from None
    try:
        return owner_of(written, zone), number
    except WireError as error:
        raise click.UsageError(str(error)) from None


def _plain(answer: QueryResult, asked: tuple[str, str], got: StubExchange, where: str) -> dict[str, Any]:
    return {
        "version": 1,
        "rcode": answer.rcode,
        "flags": list(answer.flags),
        "question": {"name": asked[0], "type": asked[1], "class": "IN"},
        "answer": [record.plain() for record in answer.answer],
        "authority": [record.plain() for record in answer.authority],
        "additional": [record.plain() for record in answer.additional],
        "ede": [{"code": code, "text": text} for code, text in answer.ede],
        "server": where,
        "transport": got.transport,
        "time_ms": round(got.time_ms, 3),
    }


def _text(answer: QueryResult, asked: tuple[str, str], got: StubExchange, where: str) -> str:
    rcode = rcode_word(answer.rcode, is_positive=answer.is_positive)
    empty = " (the name exists, without such a record)" if answer.rcode == "NOERROR" and not answer.answer else ""
    lines = [styled(f";; {asked[0]} {asked[1]}: ", dim=True) + rcode + styled(f"{empty}, flags {' '.join(answer.flags)}", dim=True)]
    lines += record_lines({"": answer.answer, "authority": answer.authority, "additional": answer.additional})
    lines += reason_lines(answer.ede)
    how = f"over {got.transport.upper()}{', after a truncated reply over UDP' if got.is_retried else ''}"
    how += "" if got.is_verified else ", its certificate not verified: no name was given"
    lines.append(styled(f";; {got.time_ms:.1f} ms from {where} {how}, {len(got.reply)} octets", dim=True))
    return "\n".join(lines)
