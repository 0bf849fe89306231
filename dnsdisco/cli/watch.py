"""`dnsdisco watch`: what becomes of one service, and a command that is run after each change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import quote

import click

from dnsdisco.cli import options, report

END_S = 5.0  # for a running CMD to end by itself


class _Ended(BaseException):
    """SIGINT or SIGTERM."""


@click.command("watch", short_help="Follow one service, and run a command after each change.")
@click.argument("name", shell_complete=options.service_names)
@click.option(
    "--exec", "run", metavar="CMD", help="Run this after each change, by the shell, with the service as JSON on its stdin."
)
@options.server_options
def command(name: str, run: str | None, **where: str | None) -> int:
    """Follow the service NAME in the running server: print it now and after every change, a line of JSON each.

    With --exec nothing is printed; CMD is run after each change, one at a time, with that line on its stdin and NAME in DNSDISCO_NAME.
    Changes that follow each other fast, or while CMD runs, are one. A server that is not there, or goes and comes back, is looked for each
    second. SIGINT and SIGTERM end it.

    Exit status: 0 when it is ended.
    """
    from dnsdisco.cli import following, server_client  # noqa: PLC0415  --help needs no server

    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, _end)
    with contextlib.suppress(_Ended):
        path = server_client.path(**where)
        last: Any = following  # no state of a service
        for page in following.follow(path, f"/v1/services/{quote(name, safe='')}"):
            state = _state(page)
            if state == last:
                continue
            line = json.dumps({"version": 1, "name": page["name"] if page else name, "service": page and page["service"]})
            if run is None:
                click.echo(line)
                sys.stdout.flush()
            elif last is not following:
                _run(run, line, name)
            last = state
    return 0


def _end(*_: object) -> NoReturn:
    raise _Ended


def _state(page: Mapping[str, Any] | None) -> Any:
    """What a change is a change of: not of how long, and by whose word, it is known, nor of the words of a check."""
    if page is None:
        return None
    instances = [{**each, "reason": ""} for each in page["service"]["instances"]]
    return {**page["service"], "provenance": None, "instances": instances}


def _run(line: str, data: str, name: str) -> None:
    """Its failure is reported, and the next change runs it again."""
    process = subprocess.Popen(line, shell=True, stdin=subprocess.PIPE, text=True, env={**os.environ, "DNSDISCO_NAME": name})  # noqa: S602  it is a person's
    try:
        process.communicate(f"{data}\n")
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()
        raise
    if process.returncode:
        report.complain(f"the command ended with status {process.returncode}: {line}")
