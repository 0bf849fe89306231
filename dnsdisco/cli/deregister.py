"""`dnsdisco deregister`."""

from __future__ import annotations

import contextlib

import click

from dnsdisco.cli import options, report


@click.command("deregister", short_help="Remove instances of a service.")
@click.argument("name")
@click.option("--id", "instance_id", metavar="ID", help="Only this instance. Default: every instance of NAME that we may remove.")
@options.source_options
def command(name: str, instance_id: str | None, config: str | None, **flags: object) -> int:
    """Remove instances of the service NAME from the provider that holds them.

    Exit status: 1 when there was nothing to remove.
    """
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema

    with contextlib.closing(compose.chain(config, **flags)) as chain:
        was_there = chain.deregister_service(name, instance_id)
    if not was_there:
        report.complain(f"there is no instance {instance_id!r} of {name!r}" if instance_id else f"there is no instance of {name!r}")
    return 0 if was_there else 1
