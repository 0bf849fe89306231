"""`dnsdisco cache`: what a running server knows of other names, and how to make it forget."""

from __future__ import annotations

import json
from typing import Any

import click

from dnsdisco.cache.statistics import CacheStatistics
from dnsdisco.cli import options, report


@click.command("cache", short_help="Show or flush the cache of a running server.")
@click.argument("action", type=click.Choice(["show", "flush"]), default="show")
@click.argument("name", required=False)
@click.option("--tree", "is_tree", is_flag=True, help="With flush NAME: also every name below it.")
@click.option("--json", "is_json", is_flag=True, help="Print the figures as JSON.")
@options.server_options
def command(action: str, name: str | None, *, is_tree: bool, is_json: bool, **where: str | None) -> int:
    """Show what a running server has cached of other names, or make it forget.

    `flush NAME` forgets every type of that name, `flush NAME --tree` also the names below it, `flush` everything. Upstreams are asked
    again for what is forgotten. Names of the server's own zones are never cached.

    Exit status: 1 when no server can be asked, or a worker did not report that it is done.
    """
    if action == "show" and (name or is_tree):
        raise click.UsageError("a NAME and --tree go with `flush`")
    if is_tree and not name:
        raise click.UsageError("--tree needs a NAME; without one, `flush` forgets everything")
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server

    path = server_client.path(**where)
    if action == "show":
        return _show(server_client.ask(path, "GET", "/v1/cache"), is_json=is_json)
    reply = server_client.ask(path, "POST", "/v1/cache/flush", {"name": name, "tree": is_tree})
    return _flushed(reply, name, is_tree=is_tree, is_json=is_json)


def _show(reply: dict[str, Any], *, is_json: bool) -> int:
    counters = reply["counters"]
    if is_json:
        click.echo(json.dumps({"version": 1, "workers": reply["workers"], **counters}))
        return 0
    shown = CacheStatistics.declared()
    width = max(len(f"{counters.get(each.key, 0):,}") for each in shown)
    for each in shown:
        click.echo(f"{counters.get(each.key, 0):>{width},}  {each.help_text}")
    asked = counters.get("hits", 0) + counters.get("misses", 0)
    if asked:
        click.echo(f"{counters['hits'] / asked:>{width}.1%}  of the questions were answered from the cache")
    return 0


def _flushed(reply: dict[str, Any], name: str | None, *, is_tree: bool, is_json: bool) -> int:
    dropped: list[int | None] = reply["workers"]
    silent = [number for number, count in enumerate(dropped) if count is None]
    total = reply["dropped"]
    if is_json:
        click.echo(json.dumps(reply))
    else:
        what = "everything" if name is None else f"{name} and what is below it" if is_tree else name
        workers = f"{len(dropped)} worker{'s' if len(dropped) != 1 else ''}"
        click.echo(f"flushed {what}: {total} answer{'s' if total != 1 else ''} dropped in {workers}")
    for number in silent:
        report.complain(f"worker {number} did not say that it is done; if it is being restarted, its cache is empty anyway")
    return 1 if silent else 0
