"""Part of `dnsdisco check`: services that are not found because one of another provider has their name in DNS.

Only of what lies at hand: the services file and the variables. What Consul and Kubernetes take from it, the log of the server tells.
"""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dnsdisco.control.views import Reader
from dnsdisco.errors import Problem
from dnsdisco.model.chain import Policy, Source
from dnsdisco.model.merge import merge
from dnsdisco.providers import env, services_file, services_text, static

if TYPE_CHECKING:
    from dnsdisco.config.schema import Provider
    from dnsdisco.model.service import Snapshot

AT_HAND = frozenset({"static", "env"})


def lost_to_others(entries: Sequence[Provider], files: Sequence[str]) -> list[Problem]:
    """A warning for each. *files*: the services file of each entry, "" for none. What cannot be read has been told elsewhere."""
    numbers = itertools.count()
    sources, views, names = [], [], {}
    for entry, file in zip(entries, files, strict=True):
        if entry.type in AT_HAND and (view := _view(entry.type, file)) is not None:
            source = Source(f"{next(numbers)}", tuple(entry.include), tuple(entry.exclude))
            sources.append(source)
            views.append(view)
            names[source.name] = entry.type, file
    problems = []
    for lost in merge(sources, Policy(), views).collisions():
        if lost.path and lost.provider != lost.winner_provider:  # else the file's own check has told it
            _, file = names[lost.provider]
            line, column = static.places_of(file, {lost.service}).get(lost.service, (0, 0)) if file else (0, 0)
            message = (
                f"is not found as {'.'.join(lost.path)}: that name belongs to {lost.winner} of {names[lost.winner_provider][0]}"
            )
            problems.append(Problem(file, line, column, lost.service, message, is_warning=True))
    return problems


def _view(kind: str, file: str) -> Snapshot | None:
    """Read as the providers do, without a word to the log."""
    if kind == "env":
        return Reader().read(env.services_from(os.environ)[0])
    try:
        return services_file.read(pathlib.Path(file).expanduser(), file).snapshot if file else None
    except (services_text.Unreadable, OSError):
        return None
