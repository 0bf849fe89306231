"""Decides whether a file that was only found, not named, may be used: not if another user could have put it there, or can change it."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping

ROOT = 0


def distrusted(found: Iterable[tuple[int, int, int]], user: int, group: int, environ: Mapping[str, str]) -> str:
    """Why the file is not to be used by *user* and *group*; "": it may be.

    *found*: owner, group and mode of the file, and of a symbolic link that leads to it. Who became root by sudo is still trusted: that
    user may do anything here.
    """
    users, groups = {user, ROOT}, {group, ROOT}
    if user == ROOT:
        users |= _number(environ.get("SUDO_UID", ""))
        groups |= _number(environ.get("SUDO_GID", ""))
    for owner, its_group, mode in found:
        if owner not in users:
            return "it belongs to another user"
        if stat.S_ISLNK(mode):
            continue  # a link's own mode means nothing
        if mode & stat.S_IWOTH:
            return "everybody may write it"
        if mode & stat.S_IWGRP and its_group not in groups:
            return "another group may write it"
    return ""


def _number(text: str) -> set[int]:
    return {int(text)} if text.isascii() and text.isdigit() and len(text) <= 10 else set()
