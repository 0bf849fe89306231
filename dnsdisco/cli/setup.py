"""`dnsdisco setup`: points this machine's programs at the server, or shows how."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import click

from dnsdisco.cli import options, report
from dnsdisco.errors import DnsdiscoError

if TYPE_CHECKING:
    from dnsdisco.setup.plan import SetupPlan
    from dnsdisco.setup.values import SetupValues

NAMES = ("resolved", "resolv.conf", "networkmanager", "dnsmasq", "unbound", "coredns", "docker", "macos", "systemd")


@click.command("setup", short_help="Point this machine's programs at the server.")
@click.argument("target", type=click.Choice(NAMES))
@click.option("--apply", "is_applied", is_flag=True, help="Write it, with a record of what was there before.")
@click.option("--undo", "is_undone", is_flag=True, help="Make the files again what they were before --apply.")
@options.server_options
def command(target: str, *, is_applied: bool, is_undone: bool, **where: str | None) -> int:
    """Point this machine's programs at the server: print what TARGET needs and where, or write it.

    Zones and addresses are those of the running server, else those of the configuration. What belongs to another program, or could not
    work, is refused with the reason and the way. Services are never restarted: the commands for that are printed.

    Exit status: 1 when it is refused or cannot be written.
    """
    if is_applied and is_undone:
        raise click.UsageError("--apply and --undo contradict each other")
    from dnsdisco.doctor.machine import MachineFiles  # noqa: PLC0415  --help needs none
    from dnsdisco.setup import machines, plan, targets, writing  # noqa: PLC0415  likewise

    machine = MachineFiles()
    if is_undone:
        for path in writing.undo(target, machine):
            click.echo(f"restored {path}")
        return 0
    wanted = targets.TARGETS[target](_values(**where), machine)
    for note in wanted.notes:
        report.note(note)
    if not is_applied:
        _show(wanted)
        return 0
    plan.refuse_links(wanted, machine)
    if target == "macos":
        machines.refuse_elsewhere()
    written = writing.apply(target, wanted, machine)
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        report.note("all of it is so already")
    for each in wanted.then:
        click.echo(f"then: {each}")
    return 0


def _show(wanted: SetupPlan) -> None:
    """As a shell's reader would put it down: each file behind its path, then what to run."""
    for file in wanted.files:
        click.echo(f"# {file.path}\n{file.text}")
    for each in wanted.then:
        click.echo(f"# then: {each}")


def _values(config: str | None, state_dir: str | None, control: str | None) -> SetupValues:
    """Of the running server, else of the configuration. Raises ConfigError where that has faults."""
    from dnsdisco.cli import compose, server_client  # noqa: PLC0415  --help needs no schema
    from dnsdisco.setup.values import SetupValues  # noqa: PLC0415  likewise

    try:
        path = server_client.path(config, state_dir, control)
        status: Any = server_client.ask(path, "GET", "/v1/status")
        used: Any = server_client.ask(path, "GET", "/v1/config")["settings"]
    except DnsdiscoError:
        settings = compose.settings(compose.source(config, state_dir=state_dir))
        return SetupValues.of(settings.zones, settings.listen, settings.forward.upstreams)
    return SetupValues.of([zone["name"] for zone in status["zones"]], status["listen"], used["forward"]["upstreams"])
