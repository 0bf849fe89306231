"""`dnsdisco status`: how the running server does, on one screen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.screen import BAD, coloured, columns, GOOD, POOR, printable, Screen
from dnsdisco.errors import ConfigError, ServerError

WELL, LACKING, UNREACHED = 0, 1, 2
AGAIN_S = 1.0  # the server has new figures as often
_COLOURS = {"well": GOOD, "up": GOOD, "starting": POOR, "stale": POOR, "silent": POOR, "behind": POOR}


@click.command("status", short_help="Show how the running server does.")
@click.option("--json", "is_json", is_flag=True, help="Print it as JSON; with -w an object a line.")
@click.option("-w", "--watch", "is_followed", is_flag=True, help="Show it again when it changes, until it is interrupted.")
@options.server_options
def command(*, is_json: bool, is_followed: bool, **where: str | None) -> int:
    """Show how the running server does: what it lacks and since when, where it listens, its providers, workers and upstreams.

    Exit status: 0 well, 1 degraded or starting, 2 when no server is reached. Instances that are unhealthy, and entries that were left
    out, are no lack of the server's.
    """
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server

    screen = Screen(is_json=is_json)
    while True:
        try:
            path = server_client.path(**where)
            plain = server_client.ask(path, "GET", "/v1/status")
        except (ServerError, ConfigError) as error:
            report.fault(error)
            code = LACKING if isinstance(error, server_client.ServerRefused) and error.status >= 500 else UNREACHED
        else:
            code = WELL if plain["state"] == "well" else LACKING
            text = json.dumps(plain, indent=None if is_followed else 2) if is_json else "\n".join(_lines(plain, path))
            screen.show(text, (plain["state"], plain["problems"], [each["state"] for each in plain["providers"]]))
        if not is_followed:
            return code
        time.sleep(AGAIN_S)


def _lines(plain: Mapping[str, Any], path: str) -> list[str]:
    lines = [f"dnsdisco is {coloured(plain['state'], _COLOURS.get(plain['state'], BAD))}"]
    lines += [f"  {_problem(each)}" for each in plain["problems"]]
    config = plain["config"]
    file = config["file"] or "none"
    facts = [
        ("control", path),
        ("config", f"{file} (found)" if config["file"] and config["found"] else file),
        ("listening", " ".join(plain["listen"])),
        *(
            ("zone", f"{each['name']}: {_count(each['services'], 'service')}, {_count(each['instances'], 'instance')}, serial {each['serial']}")
            for each in plain["zones"]
        ),
    ]  # fmt: skip
    lines += ["", *columns((name, printable(value)) for name, value in facts)]
    lines += _table("provider", map(_provider, plain["providers"]))
    lines += _table("worker", map(_worker, plain["workers"]))
    return lines + _table("upstream", map(_upstream, plain["upstreams"]))


def _table(title: str, rows: Iterable[Sequence[str]]) -> list[str]:
    rows = [(title, *row) for row in rows]
    return ["", *columns(rows)] if rows else []


def _problem(each: Mapping[str, str]) -> str:
    return printable(f"{each['code']} {each['subject']}: {each['text']} (since {each['since'][:19]}Z)")


def _provider(each: Mapping[str, Any]) -> tuple[str, ...]:
    rejected = f", {_count(each['rejected'], 'rejected entry', 'rejected entries')}" if each["rejected"] else ""
    had = f"{_count(each['services'], 'service')}, {_count(each['instances'], 'instance')}{rejected}"
    age = each["age_s"]
    contact = "" if age == 0 else "never in contact" if age is None else f"last contact {_ago(age)} ago"
    return printable(each["name"]), _state(each), had, contact


def _worker(each: Mapping[str, Any]) -> tuple[str, ...]:
    pid = "" if each["pid"] is None else f"pid {each['pid']}"
    return str(each["number"]), _state(each), pid, _count(each["queries"], "query", "queries"), f"serial {each['serial']}"


def _upstream(each: Mapping[str, Any]) -> tuple[str, ...]:
    rtt = "" if each["rtt_ms"] is None else f"{each['rtt_ms']:.1f} ms"
    zone = "" if each["zone"] == "." else f"for {each['zone']}"
    failed = f", {each['failed']} failed" if each["failed"] else ""
    return printable(each["address"]), _state(each), rtt, f"{each['asked']} asked{failed}", printable(zone)


def _state(each: Mapping[str, Any]) -> str:
    return coloured(each["state"], _COLOURS.get(each["state"], BAD))


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
