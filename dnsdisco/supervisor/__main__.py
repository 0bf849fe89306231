"""`python -m dnsdisco.supervisor FD`: the parent process. It reads its parameters as a JSON document from the inherited descriptor FD.

{"source": {"config": path|null, "flags": {…}}, "settings": {…}, "worker_settings": {…}, "listen": [{"host": …}]}
as `dnsdisco serve` writes it; the entries of `listen` are those of sockets.ListenPlace
"""

from __future__ import annotations

import json
import os
import sys

from dnsdisco.errors import ListenError
from dnsdisco.log.lines import Lines
from dnsdisco.supervisor import activation
from dnsdisco.supervisor.family import Commands, Supervisor
from dnsdisco.supervisor.notify import Notifier
from dnsdisco.supervisor.sockets import bind_all, ListenPlace


def main(fd: int, commands: Commands | None = None) -> int:
    with os.fdopen(fd, "rb") as document:
        parameters = json.load(document)
    settings = parameters["settings"]
    lines = Lines(settings)
    notifier = Notifier(os.environ)
    listen = [ListenPlace(**{**entry, "sockets": tuple(entry["sockets"])}) for entry in parameters["listen"]]
    listening, unusable = activation.given(os.environ, os.getpid(), listen)
    for reason in unusable:
        lines.event("warning", "a given socket is not used", reason=reason)
    for address in activation.left_out(listen, listening) if listening else ():
        lines.event("warning", "not listened on: it is not among the sockets that were given", address=address)
    try:
        if not listening:
            listening, left_out = bind_all(listen, settings["workers"])
            for address in left_out:
                lines.event("info", "not listened on: this machine has no IPv6", address=address)
    except ListenError as error:
        lines.contract("error", f"dnsdisco: {error}", str(error))
        return 1
    return Supervisor(parameters, listening, notifier, lines, commands).run()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m dnsdisco.supervisor FD (dnsdisco serve runs it)")
    sys.exit(main(int(sys.argv[1])))
