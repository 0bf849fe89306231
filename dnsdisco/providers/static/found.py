"""The services file that lies in the working directory, where none was named, and whether it may be used."""

from __future__ import annotations

import os
from pathlib import Path

from dnsdisco.written.trust import distrusted

DEFAULT_PATHS = ("services.yaml", "services.json", "zones/services.yaml")  # below the working directory; the first that exists


def found_distrusted(path: Path, called: str) -> str:
    """Why the file *path*, which is *called* so here, is not to be used unless it is named; "": it may be, or is not there."""
    try:
        statuses = (path.lstat(), path.stat())
    except OSError:
        return ""  # reading it gives the reason
    owned = [(each.st_uid, each.st_gid, each.st_mode) for each in statuses]
    reason = distrusted(owned, os.geteuid(), os.getegid(), os.environ)
    return f"{reason}, so it is not used because it lies here; if you trust it, name it: --services {called}" if reason else ""
