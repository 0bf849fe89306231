"""`dnsdisco version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click


@click.command("version")
def command() -> None:
    """Print the version, and that of the Python that runs it."""
    try:
        version = metadata.version("dnsdisco")
    except metadata.PackageNotFoundError:  # a source tree that was not installed
        version = "not installed"
    click.echo(f"dnsdisco {version} (Python {platform.python_version()}, {platform.system()})")
