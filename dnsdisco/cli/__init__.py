"""The command line: one command a file, each loaded when it is called.

    __main__.py      `python -m dnsdisco.cli`
    serve.py         `dnsdisco serve`
    check.py         `dnsdisco check`
    check_names.py   its part about services whose name in DNS belongs to another service
    query.py         `dnsdisco query`
    services.py      `dnsdisco services`
    services_table.py  its table
    url.py           `dnsdisco url`
    register.py      `dnsdisco register`
    deregister.py    `dnsdisco deregister`
    cache.py         `dnsdisco cache`
    status.py        `dnsdisco status`
    explain.py       `dnsdisco explain`
    log.py           `dnsdisco log`
    reload.py        `dnsdisco reload`
    watch.py         `dnsdisco watch`
    following.py     a page of the running server, followed through its restarts
    doctor.py        `dnsdisco doctor`
    config.py        `dnsdisco config`
    setup.py         `dnsdisco setup`
    version.py       `dnsdisco version`
    options.py       the options that several commands share
    compose.py       settings and providers for several commands
    server_client.py  asks the running server over its control socket
    query_server.py  whom it asks
    stub.py          asks a DNS server
    stub_encrypted.py  … over TLS or HTTPS
    reply_lines.py   a reply as lines for a person
    report.py        what goes to stderr, and colours
    screen.py        tables, and what is shown again and again

Rules of the room: a composition root; it wires the other rooms and decides nothing about DNS. Answers go to stdout, everything else to
stderr; output is coloured only on a terminal. Nothing a user does shows a traceback. Exit codes are in docs/command-line.md.
Read first: this file, then `serve.py`.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from dnsdisco.cli import report
from dnsdisco.errors import DnsdiscoError
from dnsdisco.written.units import did_you_mean

INTERRUPTED = 130  # 128 + SIGINT, as shells count
HOMELESS = "the working folder has been deleted: change to one that is there"
UNWRITTEN = "what was to be printed cannot be written: {}"
BROKEN = 70  # EX_SOFTWARE: our fault, not the user's

COMMANDS = {  # in the order in which a new user needs them; written here so that --help loads none of them
    "serve": "Answer DNS queries for the services that the providers know.",
    "check": "Look for faults in the configuration, the services file and the zone files.",
    "query": "Ask a DNS server, like dig.",
    "services": "List services: as the running server has them, else what the providers know now.",
    "url": "Print the URL of one healthy instance of a service.",
    "register": "Add an instance of a service, and print its id.",
    "deregister": "Remove instances of a service.",
    "status": "Show how the running server does, and what it lacks.",
    "log": "Show queries as the running server answers them.",
    "explain": "Show why the running server answers a name as it does.",
    "watch": "Follow one service, and run a command after each change.",
    "reload": "Make the running server read its configuration anew.",
    "config": "Show the settings in use and where each comes from, the file, or the schema.",
    "cache": "Show or flush what a running server has cached of other names.",
    "doctor": "Find what stands between this machine's programs and the names.",
    "setup": "Point this machine's programs at the server, or show how.",
    "version": "Print the version.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"dnsdisco.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS) or f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001  click's signature
    if is_asked:
        ctx.invoke(importlib.import_module("dnsdisco.cli.version").command)
        ctx.exit()


@click.group(
    "dnsdisco",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every command has its own --help. The first thing to try: dnsdisco serve --services services.yaml --listen 127.0.0.1:5300",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit."
)
def _dnsdisco() -> None:
    """Let unmodified programs find services by ordinary name resolution."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _open_streams()
    return _written_out(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        code: Any = _dnsdisco.main(args=args, prog_name="dnsdisco", standalone_mode=False, color=report.wants_colour(sys.stdout))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # the reader went away: `dnsdisco services | head`
        return 1
    except DnsdiscoError as error:
        report.fault(error)
        if _is_homeless():
            report.complain(HOMELESS)
        return 1
    except OSError as error:
        report.complain(_reason(error))
        return 1
    except Exception as error:
        if os.environ.get("DNSDISCO_TRACEBACK"):
            raise
        report.complain(f"internal error: {type(error).__name__}: {error}; DNSDISCO_TRACEBACK=1 shows where. Please report it")
        return BROKEN
    return code if isinstance(code, int) else 0


def _is_homeless() -> bool:
    """True if no relative path can be found, because the working folder is gone."""
    try:
        os.getcwd()  # noqa: PTH109  pathlib's says no more
    except FileNotFoundError:
        return True
    return False


def _reason(error: OSError) -> str:
    if _is_homeless():
        return HOMELESS
    if error.errno == errno.ENOSPC and not error.filename:
        return UNWRITTEN.format(error.strerror)
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def _written_out(code: int) -> int:
    """*code*, once all that was printed is where it should be; else 1, and a line with the reason."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    except OSError as error:
        with suppress(OSError):
            report.complain(UNWRITTEN.format(error.strerror or error))
        code = code or 1
    else:
        return code
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered must not complain at exit
    return code


def _open_streams() -> None:
    """A standard stream that was closed before us leads nowhere: else the next socket gets its number, and a child closes that."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))
