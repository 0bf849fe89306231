"""`dnsdisco query`: one question to a DNS server, and its whole reply. Starts without the configuration's schema."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.reply_lines import rcode_word, reason_lines, record_lines, styled
from dnsdisco.cli.stub import exchange, NoReply, question, Server, StubExchange
from dnsdisco.config.client_defaults import Glance, glance
from dnsdisco.errors import WireError
from dnsdisco.presentation.message import decode, QueryResult
from dnsdisco.presentation.question import owner_of, type_of
from dnsdisco.sockaddr import is_here, REACHED_AT
from dnsdisco.wire import name as wire_name
from dnsdisco.wire.constants import type_to_text, TYPES
from dnsdisco.written.addresses import address, join_port, split_address
from dnsdisco.written.addresses import port as port_from
from dnsdisco.written.names import dns_name
from dnsdisco.written.transports import DNS_PORT
from dnsdisco.written.units import did_you_mean

NEGATIVE = 1  # NXDOMAIN, NODATA, or an error: a server answered
SILENT = 2  # no server did


@click.command("query", short_help="Ask a DNS server, like dig.")
@click.argument("name")
@click.argument("rtype", metavar="[TYPE]", default="", shell_complete=options.record_types)
@click.option(
    "--server",
    metavar="ADDR:PORT",
    help="The server to ask. Default:  the first listen address of the configuration that this machine has, else 127.0.0.1:53.",
)
@click.option("--tcp", is_flag=True, help="Ask over TCP at once, not only after a truncated reply.")
@click.option("--json", "is_json", is_flag=True, help="Print the reply as JSON.")
@options.config_option
def command(name: str, rtype: str, server: str | None, config: str | None, *, tcp: bool, is_json: bool) -> int:
    """Ask for NAME, by default for its A records, and print the whole reply.

    A NAME without a dot is looked up in the first zone: `dnsdisco query web` asks for web.svc.local. An address asks for its PTR
    record. TYPE is a mnemonic such as SRV, or TYPEnnn.

    Exit status: 0 with an answer, 1 for a negative answer or an error, 2 when no server answered.
    """
    seen = glance(config) if server is None or "." not in name else Glance()
    owner, number = _question(name, rtype, seen.zone)
    where = _server(server or _reachable(seen.servers))
    try:
        got = exchange(where, question(owner, number), is_tcp=tcp)
        answer = decode(got.reply)
    except NoReply as error:
        report.complain(str(error))
        return SILENT
    except WireError as error:
        report.complain(f"the reply of {join_port(*where)} cannot be read: {error}")
        return SILENT
    asked = (wire_name.to_text(owner), type_to_text(number))
    click.echo(json.dumps(_plain(answer, asked, got, where), indent=2) if is_json else _text(answer, asked, got, where))
    return 0 if answer.is_positive else NEGATIVE


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


def _server(written: str) -> Server:
    """The address of the server to ask, from an address or a host name that the system resolves. Raises UsageError."""
    try:
        return split_address(address(written, DNS_PORT))
    except ValueError as error:
        host, _, port = written.partition(":")
        try:
            number = port_from(port or DNS_PORT)
            found = socket.getaddrinfo(host, number, type=socket.SOCK_DGRAM) if dns_name(host) else []
        except (OSError, ValueError):
            raise click.UsageError(f"--server: {error}") from None
        return str(found[0][4][0]), number


def _reachable(servers: Sequence[str]) -> str:
    """The first that this machine has, else the first; an address of this machine, where the server listens on all of them."""
    host, port = next((each for each in map(split_address, servers) if is_here(each[0])), split_address(servers[0]))
    return join_port(REACHED_AT.get(host, host), port)


def _plain(answer: QueryResult, asked: tuple[str, str], got: StubExchange, where: Server) -> dict[str, Any]:
    return {
        "version": 1,
        "rcode": answer.rcode,
        "flags": list(answer.flags),
        "question": {"name": asked[0], "type": asked[1], "class": "IN"},
        "answer": [record.plain() for record in answer.answer],
        "authority": [record.plain() for record in answer.authority],
        "additional": [record.plain() for record in answer.additional],
        "ede": [{"code": code, "text": text} for code, text in answer.ede],
        "server": join_port(*where),
        "transport": got.transport,
        "time_ms": round(got.time_ms, 3),
    }


def _text(answer: QueryResult, asked: tuple[str, str], got: StubExchange, where: Server) -> str:
    rcode = rcode_word(answer.rcode, is_positive=answer.is_positive)
    empty = " (the name exists, without such a record)" if answer.rcode == "NOERROR" and not answer.answer else ""
    lines = [styled(f";; {asked[0]} {asked[1]}: ", dim=True) + rcode + styled(f"{empty}, flags {' '.join(answer.flags)}", dim=True)]
    lines += record_lines({"": answer.answer, "authority": answer.authority, "additional": answer.additional})
    lines += reason_lines(answer.ede)
    how = f"over {got.transport.upper()}{', after a truncated reply over UDP' if got.is_retried else ''}"
    lines.append(styled(f";; {got.time_ms:.1f} ms from {join_port(*where)} {how}, {len(got.reply)} octets", dim=True))
    return "\n".join(lines)
