"""dnsdisco beside the servers that others wrote, as Markdown: the lists, the odd input, the differences (docs/conformance.md)."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.rcode

from tests.conformance import questions, rich, standards
from tests.conformance.differential import compare, Outcome
from tests.conformance.exchange import send, Target
from tests.conformance.probes import probes
from tests.conformance.reasons import explain, REASONS
from tests.conformance.servers import CoreDns, Dnsdisco, Dnsdist, Dnsmasq, is_here, Knotd, Named, Nsd, PdnsRecursor, Server, Unbound
from tests.conformance.zonedata import make

SILENCE_S = 0.5
SILENCE, UNREADABLE = "-", "!"
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- made by: python -m tests.conformance --peers --write -->\n", "<!-- end -->\n"
SIGNED_BEGIN = "<!-- made by: python -m tests.conformance --signed --write -->\n"
REASONS_BEGIN, REASONS_END = "<!-- reasons -->\n", "<!-- end of reasons -->\n"

Say = Callable[[str], None]


class Column(NamedTuple):
    """One server in one role."""

    title: str
    server: Server
    is_recursive: bool


def run(count: int, seed: int, say: Say) -> str:
    """Start every server that is installed, ask them all, end them. The tables."""
    data = make(seed=seed)
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="dnsdisco-conformance-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        missing: list[str] = []

        def start(kind: type[Server], title: str, **rest) -> Server | None:
            if kind is not Dnsdisco and not is_here(kind):
                missing.append(f"{kind.program} (Debian: {kind.package})")
                return None
            say(f"starting {title}")
            return stack.enter_context(kind(folder / title.replace(" ", "-"), data, **rest))

        own = start(Dnsdisco, "dnsdisco")
        assert isinstance(own, Dnsdisco)
        serial = own.settled_serial()
        named = start(Named, "named", serial=serial)
        if named is None:
            raise SystemExit("named holds the zone that the others forward: apt-get install bind9")
        served = [("dnsdisco", own), ("named", named)]
        served += [(kind.name, start(kind, kind.name, serial=serial)) for kind in (Knotd, Nsd)]
        served.append(("dnsdist before named", start(Dnsdist, "dnsdist", upstream=named.target)))
        # What a forwarder asks is a resolver: with the authority itself its AA would be the forwarder's fault or merit.
        resolver = start(Unbound, "unbound as upstream", upstream=named.target)
        upstream = (resolver or named).target
        forwarding = [("dnsdisco, forwarding", start(Dnsdisco, "dnsdisco forwarding", upstream=upstream))]
        forwarding += [(kind.name, start(kind, kind.name, upstream=upstream)) for kind in (Unbound, Dnsmasq, PdnsRecursor)]
        columns = [Column(title, server, False) for title, server in served if server]
        columns += [Column(title, server, True) for title, server in forwarding if server]
        tables = [
            _heading(columns, missing),
            _lists(columns, data.zone, data.large, say),
            _matrix(columns, data.zone, say),
        ]
        others = [(column.title, column.server) for column in columns if column.title in ("named", "knotd")]
        outcomes = {
            title: _differ(own, server, questions.generate(data, seed, count, is_recursive=False), say) for title, server in others
        }
        direct = start(Dnsdisco, "dnsdisco forwarding to named", upstream=named.target)
        if resolver and direct:
            asked = questions.generate(data, seed, count, is_recursive=True)
            outcomes["unbound"] = _differ(direct, resolver, asked, say, since=min(direct.started_at, resolver.started_at))
        return "\n".join((*tables, _differences(outcomes, count, seed)))


def run_signed(count: int, seed: int, say: Say) -> str:
    """Forwarders of the signed zones beside dnsdisco, one after the other, the same questions cold and then cached. The table."""
    outcomes: dict[str, Outcome] = {}
    versions: list[str] = []
    data = rich.make(seed)
    if rich.missing():
        raise SystemExit(f"{rich.missing()} signs the zones: apt-get install bind9-utils")
    with (
        tempfile.TemporaryDirectory(prefix="dnsdisco-conformance-", ignore_cleanup_errors=True) as name,
        rich.Authority(Path(name) / "authority", data) as authority,
    ):
        folder = Path(name)
        for kind in (Unbound, Dnsmasq, CoreDns):
            if not is_here(kind):
                say(f"{kind.program} is not installed ({kind.package}), and left out")
                continue
            with (
                Dnsdisco(folder / f"own-{kind.name}", data, upstream=authority.target) as own,
                kind(folder / kind.name, data, upstream=authority.target) as peer,
            ):
                versions.append(f"{peer.name} {peer.version()}")
                since = min(own.started_at, peer.started_at)
                for state in ("cold", "cached"):
                    asked = questions.generate(data, seed, count, is_recursive=True)
                    outcomes[f"{kind.name}, {state}"] = _differ(own, peer, asked, say, since=since)
        versions.append(f"named {authority.version()} as the authority")
    return f"Taken on {dt.datetime.now(dt.UTC):%Y-%m-%d}: {', '.join(versions)}. {_differences(outcomes, count, seed)}"


def put(tables: str) -> None:
    """Into the page, in place of those that are there."""
    _replace(BEGIN, END, tables)


def put_signed(table: str) -> None:
    """Likewise."""
    _replace(SIGNED_BEGIN, END, table)


def put_reasons() -> None:
    _replace(REASONS_BEGIN, REASONS_END, reasons_table())


def _replace(begin: str, end: str, text: str) -> None:
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")


def reasons_table() -> str:
    """Why a difference is none of ours to mend."""
    rows = (
        f"| {', '.join(reason.servers)} | {reason.title} | {reason.they} | {reason.we} | {reason.why} |\n" for reason in REASONS
    )
    return "| beside | what | they | dnsdisco | why |\n|---|---|---|---|---|\n" + "".join(rows)


def _heading(columns: list[Column], missing: list[str]) -> str:
    versions = dict.fromkeys(f"{column.server.name} {column.server.version()}" for column in columns)
    text = f"Taken on {dt.datetime.now(dt.UTC):%Y-%m-%d}, over loopback: {', '.join(versions)}.\n"
    return text + (f"Not installed, and left out: {', '.join(missing)}.\n" if missing else "")


def _lists(columns: list[Column], zone: str, large: str, say: Say) -> str:
    text = "| server | RFC 8906, UDP | TCP | EDNS, UDP | TCP | what is wrong |\n|---|---|---|---|---|---|\n"
    for column in columns:
        say(f"asking {column.title} the lists")
        cells, wrong = [], {}
        for title in standards.LISTS:
            for is_tcp in (False, True):
                outcome = standards.run(
                    title, column.server.target, zone, large=large, is_recursive=column.is_recursive, is_tcp=is_tcp
                )
                cells.append(str(outcome))
                for name, faults in outcome.wrong.items():
                    wrong.setdefault((name, " ".join(faults)), []).append("TCP" if is_tcp else "UDP")
        told = "; ".join(f"{name}: {faults} ({' and '.join(ways)})" for (name, faults), ways in wrong.items())
        text += f"| {column.title} | {' | '.join(cells)} | {told or SILENCE} |\n"
    return text


def _matrix(columns: list[Column], zone: str, say: Say) -> str:
    rows: list[list[str]] = [[probe.title] for probe in probes(zone)]
    for column in columns:
        say(f"asking {column.title} what is odd")
        for row, probe in zip(rows, probes(zone), strict=True):
            udp, tcp = (outcome_of(column.server.target, probe.message, is_tcp=is_tcp) for is_tcp in (False, True))
            row.append(udp if udp == tcp else f"{udp} / {tcp}")
    head = ["sent", *(column.title for column in columns)]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def outcome_of(target: Target, message: bytes, *, is_tcp: bool) -> str:
    reply = send(target, message, is_tcp=is_tcp, timeout_s=SILENCE_S)
    if reply is None:
        return SILENCE
    try:
        return dns.rcode.to_text(dns.message.from_wire(reply, keyring=False, ignore_trailing=False).rcode())
    except dns.exception.DNSException:
        return f"{dns.rcode.to_text(dns.rcode.Rcode(reply[3] & 15))}{UNREADABLE}" if len(reply) > 3 else UNREADABLE


def _differ(own: Server, other: Server, asked: Iterable[questions.Asked], say: Say, since: float | None = None) -> Outcome:
    say(f"asking dnsdisco and {other.name} the same questions")
    return compare(asked, own.target, other.target, explain(other.name), cached_since=since)


def _differences(outcomes: dict[str, Outcome], count: int, seed: int) -> str:
    text = f"{count:,} questions each, seed {seed}:\n\n| beside | equal in everything | explained | not explained |\n|---|---|---|---|\n"
    for title, outcome in outcomes.items():
        explained = "; ".join(f"{reason}: {number}" for reason, number in outcome.explained.most_common())
        text += f"| {title} | {outcome.equal:,} | {explained or 0} | {len(outcome.unexplained)} |\n"
    for title, outcome in outcomes.items():
        if outcome.unexplained:
            text += f"\nNot explained, beside {title}:\n\n" + "".join(
                f"    {line}\n" for each in outcome.unexplained for line in each.split("\n")
            )
    return text
