"""`dnsdisco services`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from dnsdisco.cli import options, report

COLUMNS = ("service", "instance", "address", "port", "health", "tags")
_COLOURS = {"passing": "green", "warning": "yellow", "critical": "red"}


@click.command("services", short_help="List what the providers know.")
@options.source_options
@click.option("--json", "is_json", is_flag=True, help='Print {"version": 1, "services": {NAME: …}}, as get_services() gives it.')
def command(config: str | None, *, is_json: bool, **flags: object) -> int:
    """List every service and instance that the providers know now. No server is needed, and none is asked.

    Exit status: 1 when a provider cannot be asked.
    """
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema

    with contextlib.closing(compose.chain(config, **flags)) as chain:
        services = _in_one_form(chain.get_services())
    if is_json:
        click.echo(json.dumps({"version": 1, "services": services}, indent=2, default=str))
    elif not services:
        report.note("no provider knows a service")
    elif report.wants_colour(sys.stdout):
        _print_table(services)
    else:
        for row in [COLUMNS, *_rows(services)]:
            click.echo("\t".join(row))
    return 0


def _in_one_form(services: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """As the library gives them, whatever form a plug-in has them in; what cannot be used is reported and left out."""
    from dnsdisco.model.service_data import fault_text, service_from_data, service_to_dict  # noqa: PLC0415  --help needs no model

    usable = {}
    for name, data in services.items():
        service, faults = service_from_data(name, data)
        for path, message, _ in faults:
            report.complain(f"{name}: {fault_text(path, message)}")
        if service is not None:
            usable[name] = service_to_dict(service)
    return usable


def _rows(services: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """One row an instance, and one for a service without any."""
    rows = []
    for name, service in sorted(services.items()):
        for instance in service.get("instances") or [{}]:
            port = instance.get("port") or ""
            fields = (
                name,
                instance.get("id"),
                instance.get("address"),
                port,
                instance.get("health"),
                ",".join(instance.get("tags") or ()),
            )
            rows.append(tuple(_printable(field) for field in fields))
    return rows


def _printable(field: Any) -> str:
    """A backend's text, without what could steer a terminal or break a row."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(field or ""))


def _print_table(services: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415  only at a terminal: it costs 50 ms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415  names are shown as they are, never read as rich's markup

    table = Table(*COLUMNS, box=None, header_style="bold", pad_edge=False)
    last = ""
    for name, *rest in _rows(services):
        cells = [
            Text(field, style=_COLOURS.get(field, "") if column == "health" else "")
            for column, field in zip(COLUMNS[1:], rest, strict=True)
        ]
        table.add_row(Text(name if name != last else "", style="bold"), *cells)
        last = name
    Console().print(table)
