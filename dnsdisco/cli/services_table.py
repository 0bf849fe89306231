"""Services as a table: one row an instance, and one for a service without any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dnsdisco.cli.screen import BAD, GOOD, POOR, printable

Services = Mapping[str, Mapping[str, Any]]
_COLOURS = {"passing": GOOD, "warning": POOR, "critical": BAD}


class ServiceColumn(NamedTuple):
    """*cell*: given the service's name, the service, and the instance, which may be empty."""

    title: str
    cell: Callable[[str, Mapping[str, Any], Mapping[str, Any]], Any]


def _of(key: str) -> ServiceColumn:
    return ServiceColumn(key, lambda _, _service, instance: instance.get(key))


_TABLE = (
    ServiceColumn("service", lambda name, _service, _instance: name),
    ServiceColumn("instance", lambda _, _service, instance: instance.get("id")),
    _of("address"),
    ServiceColumn("port", lambda _, _service, instance: instance.get("port") or ""),
    _of("health"),
    ServiceColumn("tags", lambda _, _service, instance: ",".join(instance.get("tags") or ())),
)
_OF_SERVER = (_of("name"), _of("reason"))
_WIDE = (
    ServiceColumn("weight", lambda _, _service, instance: instance.get("weight", 1) if instance else ""),
    ServiceColumn("priority", lambda _, _service, instance: instance.get("priority", 0) if instance else ""),
    _of("node"),
)
_WIDE_OF_SERVER = (
    ServiceColumn("provider", lambda _, service, _instance: service["provenance"]["provider"]),
    ServiceColumn("names", lambda _, service, _instance: ",".join(service["names"][1:])),
)


def columns(services: Services, *, is_wide: bool) -> tuple[ServiceColumn, ...]:
    is_of_server = any("provenance" in service for service in services.values())
    wide = (*_WIDE, *(_WIDE_OF_SERVER if is_of_server else ()))
    return (*_TABLE, *(_OF_SERVER if is_of_server else ()), *(wide if is_wide else ()))


def rows(columns: Sequence[ServiceColumn], services: Services) -> Iterator[tuple[str, ...]]:
    for name, service in sorted(services.items()):
        for instance in service.get("instances") or [{}]:
            yield tuple(printable(column.cell(name, service, instance)) for column in columns)


def for_people(columns: Sequence[ServiceColumn], services: Services) -> str:
    """With colours, for a terminal; the name of a service stands at its first instance."""
    from rich.console import Console  # noqa: PLC0415  only at a terminal: it costs 50 ms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415  names are shown as they are, never read as rich's markup

    titles = [column.title for column in columns]
    table = Table(*titles, box=None, header_style="bold", pad_edge=False)
    last = ""
    for name, *rest in rows(columns, services):
        cells = [
            Text(field, style=_COLOURS.get(field, "") if title == "health" else "")
            for title, field in zip(titles[1:], rest, strict=True)
        ]
        table.add_row(Text(name if name != last else "", style="bold"), *cells)
        last = name
    console = Console(force_terminal=True)
    with console.capture() as shown:
        console.print(table)
    return shown.get().rstrip("\n")
