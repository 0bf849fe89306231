"""Facts of this machine that reading values needs: whole paths, `~`, which packages are installed."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from importlib.util import find_spec

from dnsdisco.settings import kinds
from dnsdisco.written import units


def machine(folder: str, environ: Mapping[str, str]) -> kinds.Machine:
    """A Machine whose relative paths start at *folder* (with its slash), itself relative to the working directory."""
    return kinds.Machine(lambda written: absolute(written, folder, environ), lambda module: find_spec(module) is not None)


def absolute(written: str, folder: str, environ: Mapping[str, str]) -> str:
    """The path from *folder* (itself from the working directory), `~` meaning HOME. Raises ValueError where HOME is not known."""
    if written == "~" or written.startswith("~/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            raise ValueError(f"{units.shown(written)} begins with ~, and HOME is not set; write the whole path")
        written = home + written[1:]
    return str(pathlib.Path.cwd() / folder / written)  # `..` stays: behind a symbolic link it is not what it seems
