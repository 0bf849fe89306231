"""`dnsdisco register`."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from dnsdisco.cli import options


def _pairs(ctx: click.Context, param: click.Parameter, written: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in written:
        key, separator, value = text.partition("=")
        if not key or not separator:
            raise click.BadParameter(f"expected KEY=VALUE, found {text!r}", ctx, param)
        pairs[key] = value
    return pairs


@click.command("register", short_help="Add an instance of a service.")
@click.argument("name")
@click.option("--address", required=True, metavar="A", help="Its IP address or host name.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), metavar="P", help="Its port.")
@click.option(
    "--id",
    metavar="ID",
    help="Its id; registering again under it replaces the instance. Default: made of name, address and port.",
)
@click.option("--tag", "tags", multiple=True, metavar="T", help="A tag; several times for several.")
@click.option("--meta", multiple=True, metavar="K=V", callback=_pairs, help="A key and its value; several times for several.")
@click.option("--weight", type=click.IntRange(0, 65535), metavar="N", help="Its share among the instances (RFC 2782).")
@click.option("--check-http", metavar="URL", help="It is healthy while this URL answers with success.")
@click.option("--check-tcp", type=options.CHECKED, metavar="A:P", help="It is healthy while a TCP connection here succeeds.")
@click.option("--interval", type=options.INTERVAL, help="Between two checks. Default: 10s.")
@options.source_options
def command(
    name: str,
    config: str | None,
    provider: tuple[str, ...],
    services: str | None,
    *,
    check_http: str | None,
    check_tcp: str | None,
    interval: str | None,
    **fields: Any,
) -> int:
    """Add an instance of the service NAME to the first provider that can be written to, and print the instance's id."""
    data = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items() if value not in (None, (), {})}
    data |= _check(check_http, check_tcp, interval)
    from dnsdisco.cli import compose  # noqa: PLC0415  --help and wrong usage need no schema

    with contextlib.closing(compose.chain(config, provider=provider, services=services)) as chain:
        try:
            click.echo(chain.register_service(name, data))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    return 0


def _check(http: str | None, tcp: str | None, interval: str | None) -> dict[str, Any]:
    """The `check` of the service data, if one is wanted. Raises UsageError for options that contradict each other."""
    if http and tcp:
        raise click.UsageError("--check-http and --check-tcp: one check is enough")
    if not http and not tcp:
        if interval:
            raise click.UsageError("--interval is the interval of a check; add --check-http or --check-tcp")
        return {}
    return {"check": ({"http": http} if http else {"tcp": tcp}) | {"interval": interval or "10s"}}
