"""The running server's control socket: where it is, and one question to it (`control/console.py` has the other end)."""

from __future__ import annotations

import json
import socket
from typing import Any

from dnsdisco.cli import compose
from dnsdisco.control.console_socket import reachable
from dnsdisco.errors import ServerError

REPLY_S = 10.0  # the server answers within 3 s
REPLY_OCTETS_MAX = 64 * 1024


def path(config: str | None, state_dir: str | None, control: str | None) -> str:
    """The server's, by the flags and the configuration. Raises ConfigError, or ServerError where it has none."""
    if control is not None:
        return control
    found = compose.settings(compose.source(config, state_dir=state_dir)).control
    if found is None:
        raise ServerError("this configuration has `control: off`: the server cannot be talked to")
    return found


def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The server's reply. Raises ServerError with the way out."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, reachable(path) as address:
            sock.settimeout(REPLY_S)
            sock.connect(address)
            sock.sendall(json.dumps(request).encode() + b"\n")
            octets = b""
            while (more := sock.recv(REPLY_OCTETS_MAX)) and len(octets) <= REPLY_OCTETS_MAX:
                octets += more
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise ServerError(
            f"no server listens at {path}. A running one names its own in its first lines (`control socket`): "
            "give it with --control, or give the same --config or --state-dir as to `dnsdisco serve`"
        ) from None
    except PermissionError:
        raise ServerError(f"{path} may not be used by you: ask as the user that the server runs as, or as root") from None
    except TimeoutError:
        raise ServerError(f"the server at {path} does not answer") from None
    except OSError as error:
        raise ServerError(f"{path} cannot be used: {error.strerror or error}") from None
    try:
        reply: dict[str, Any] = json.loads(octets)
    except ValueError:
        raise ServerError(f"the server at {path} went away before it answered") from None
    if "error" in reply:
        raise ServerError(str(reply["error"]))
    return reply
