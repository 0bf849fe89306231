"""Where a server keeps its state and its control socket, when nobody says where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnsdisco.config import values

STATE_FOLDER = "~/.local/state/dnsdisco"
RUNTIME_FOLDER = "/run"  # of the system; a user's own is XDG_RUNTIME_DIR
CONTROL_SOCKET = "control.sock"


def places(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str | None]:
    """`state_dir` and `control`, where *given* does not have them. None: off, or no place."""
    state_dir = given["state_dir"] if "state_dir" in given else _state_folder(environ)
    control = given["control"] if "control" in given else _control_socket(state_dir, environ)
    return {"state_dir": state_dir, "control": control}


def _state_folder(environ: Mapping[str, str]) -> str | None:
    """Beside the user's other state; nowhere for an account without a home."""
    try:
        return values.absolute(STATE_FOLDER, "", environ)
    except ValueError:
        return None


def _control_socket(state_dir: str | None, environ: Mapping[str, str]) -> str:
    """In the server's own folder; without one, where sockets of running programs belong."""
    if state_dir is not None:
        return f"{state_dir}/{CONTROL_SOCKET}"
    folder = environ.get("XDG_RUNTIME_DIR", "")
    return f"{folder if folder.startswith('/') else RUNTIME_FOLDER}/dnsdisco/{CONTROL_SOCKET}"
