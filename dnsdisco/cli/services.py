"""`dnsdisco services`: what the running server answers with, or what the providers know without one."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.cli.screen import Screen
from dnsdisco.written.units import did_you_mean

FORMS = ("table", "wide", "json", "yaml")
Services = Mapping[str, Mapping[str, Any]]


@click.command("services", short_help="List services, with the health that DNS acts on.")
@click.argument("name", required=False, shell_complete=options.service_names)
@click.option("-w", "--watch", "is_followed", is_flag=True, help="Show them again after every change, until it is interrupted.")
@click.option("-o", "--output", "form", type=click.Choice(FORMS), default="table", help="How to print them. Default: table.")
@click.option("--json", "is_json", is_flag=True, help='Print {"version": 1, "services": {NAME: …}}, as get_services() gives it.')
@click.option(
    "--offline", "is_offline", is_flag=True, help="Ask the providers themselves, as the source options do, and no server."
)
@options.source_options
@options.control_option
def command(name: str | None, *, is_followed: bool, form: str, is_json: bool, is_offline: bool, **where: Any) -> int:
    """List every service and instance, or those of the service NAME.

    The running server is asked, where there is one: with the health that DNS acts on and its reason, and the DNS name of each instance;
    stderr names it. With --offline or a source option, and where no server runs, the providers are asked what they know now.

    Exit status: 1 when NAME is unknown, or a provider cannot be asked.
    """
    control = where.pop("control")
    if control and (is_offline or any(where.values())):
        raise click.UsageError("--control names a server; --offline, --config, --provider and --services ask none")
    form = "json" if is_json else form
    screen = Screen(is_json=form == "json")
    path = None if is_offline or any(where.values()) else _server(control)
    states = _offline(where, is_followed=is_followed) if path is None else _of_server(path, is_followed=is_followed)
    with contextlib.closing(states):
        for services in states:
            chosen = _called(name, services) if name else services
            if name and not chosen and not is_followed:
                hint = did_you_mean(name, services)
                report.complain(f"there is no service {name!r}{hint}")
                return 1
            text = _text(chosen, form, is_compact=is_followed)
            if not chosen and form in ("table", "wide"):
                report.note("the server has no service" if path else "no provider knows a service")
            if text:
                screen.show(text, _news(chosen))
    return 0


def _server(control: str | None) -> str | None:
    """The control socket of the running server; None: none can be asked here. Raises ServerError for one that was named."""
    from dnsdisco.cli import server_client  # noqa: PLC0415  --help needs no server
    from dnsdisco.errors import ServerError  # noqa: PLC0415

    path = server_client.path(None, None, control)
    try:
        server_client.ask(path, "GET", "/health")
    except server_client.ServerAbsent:
        if control:
            raise
        return None
    except ServerError as error:
        if control:
            raise
        report.note(f"{error}; the providers are asked")
        return None
    report.note(f"as the server at {path} has it")
    return path


def _of_server(path: str, *, is_followed: bool) -> Generator[Services, None, None]:
    from dnsdisco.cli import following, server_client  # noqa: PLC0415  likewise

    pages = following.follow(path, "/v1/services") if is_followed else iter([server_client.ask(path, "GET", "/v1/services")])
    for page in pages:
        zone = server_client.ask(path, "GET", "/v1/status")["zones"][0]["name"]
        for name, service in page["services"].items():
            for instance in service["instances"]:
                instance["name"] = f"{instance['label']}.{name}.{zone}" if instance["label"] else f"{name}.{zone}"
        yield page["services"]


def _offline(where: Mapping[str, Any], *, is_followed: bool) -> Generator[Services, None, None]:
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema
    from dnsdisco.discovery import drawn  # noqa: PLC0415
    from dnsdisco.watching import WatchedServices  # noqa: PLC0415

    with contextlib.closing(compose.chain(**where)) as chain:
        if is_followed:
            yield from WatchedServices(chain, None, drawn, lambda: None)
        else:
            yield _in_one_form(chain.get_services())


def _in_one_form(services: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services in the library's form, whatever form a plug-in uses; services that cannot be used are reported and left out."""
    from dnsdisco.model.service_data import fault_text, service_from_data, service_to_dict  # noqa: PLC0415  --help needs no model

    usable: dict[str, dict[str, Any]] = {}
    for name, data in services.items():
        service, faults = service_from_data(name, data)
        for path, message, _ in faults:
            report.complain(f"{name}: {fault_text(path, message)}")
        if service is not None:
            usable.setdefault(service.called, service_to_dict(service))
    return usable


def _called(name: str, services: Services) -> Services:
    """The service that is found as *name*, in any case, with or without its zone."""
    wanted = name.lower().removesuffix(".")
    for key, service in services.items():
        names = [key.lower(), *service.get("names", ())]
        if any(wanted == each or _is_below(wanted, each, service) for each in names):
            return {key: service}
    return {}


def _is_below(wanted: str, name: str, service: Mapping[str, Any]) -> bool:
    """*wanted* is *name* with the zone that the server has given to its instances' names."""
    whole = next((each["name"] for each in service["instances"] if "name" in each), "").partition(".")[2]
    return bool(whole) and wanted == whole.lower() and whole.lower().startswith(f"{name}.")


def _news(services: Services) -> Any:
    return {name: {key: value for key, value in service.items() if key != "provenance"} for name, service in services.items()}


def _text(services: Services, form: str, *, is_compact: bool) -> str:
    if form == "json":
        return json.dumps({"version": 1, "services": services}, indent=None if is_compact else 2, default=str)
    if form == "yaml":
        import yaml  # noqa: PLC0415  for this form alone

        return str(yaml.safe_dump({"version": 1, "services": services}, sort_keys=False, allow_unicode=True, width=120)).rstrip()
    if not services:
        return ""
    from dnsdisco.cli import services_table  # noqa: PLC0415  likewise

    columns = services_table.columns(services, is_wide=form == "wide")
    if report.wants_colour(sys.stdout):
        return services_table.for_people(columns, services)
    rows: Iterable[Iterable[str]] = [[column.title for column in columns], *services_table.rows(columns, services)]
    return "\n".join("\t".join(row) for row in rows)
