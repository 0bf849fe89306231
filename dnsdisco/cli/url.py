"""`dnsdisco url`."""

from __future__ import annotations

import contextlib

import click

from dnsdisco.cli import options, report
from dnsdisco.written.units import did_you_mean


@click.command("url", short_help="Print the URL of a service.")
@click.argument("name")
@options.source_options
def command(name: str, config: str | None, **flags: object) -> int:
    """Print the URL of one healthy instance of the service NAME, as get_service_url(NAME) gives it to a program.

    Exit status: 1 when there is no such service, or a provider cannot be asked.
    """
    from dnsdisco.cli import compose  # noqa: PLC0415  --help needs no schema
    from dnsdisco.discovery import Discovery  # noqa: PLC0415

    with contextlib.closing(compose.chain(config, **flags)) as chain:
        discovery = Discovery()
        discovery.set(chain)
        url = discovery.get_service_url(name)
        if url is None:
            known = chain.get_services()
            hint = did_you_mean(name, known) if name not in known else "; it has no instance"
            report.complain(f"there is no URL for {name!r}{hint}")
            return 1
    click.echo(url)
    return 0
