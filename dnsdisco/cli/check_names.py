"""Part of `dnsdisco check`: services that are not found because a service of another provider has their name in DNS, and what stands below
a service and is not found because a service in a namespace of that name has its name (model/readings.py).

Only for what is read on this machine: the services file, the variables, a plug-in's own source. The log of the server names the services that lose their name to Consul or Kubernetes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TYPE_CHECKING

from dnsdisco.control.reading import Reader
from dnsdisco.errors import Problem
from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.merge import merge

if TYPE_CHECKING:
    from dnsdisco.providers.local_source import LocalSource


def lost_to_others(entries: Sequence[Mapping[str, Any]], at_hand: Sequence[LocalSource | None]) -> list[Problem]:
    """A warning for each. *at_hand*: what each entry reads here. What cannot be read has been reported elsewhere."""
    numbers = itertools.count()
    sources, views, names = [], [], {}
    for entry, local in zip(entries, at_hand, strict=True):
        if local is not None and (services := local.services()) is not None:
            source = ChainSource(f"{next(numbers)}", tuple(entry["include"]), tuple(entry["exclude"]))
            sources.append(source)
            views.append(Reader().read(services))
            names[source.name] = entry["type"], local
    problems = []
    for lost in merge(sources, ChainPolicy(), views).collisions():
        if lost.path and (lost.what or lost.provider != lost.winner_provider):  # else the file's own check has reported it
            _, local = names[lost.provider]
            line, column = local.places({lost.service}).get(lost.service, (0, 0))
            who = f"{lost.what} " if lost.what else ""
            message = f"{who}is not found as {'.'.join(lost.path)}: that name belongs to {lost.winner} of {names[lost.winner_provider][0]}"
            problems.append(Problem(local.file, line, column, lost.service, message, is_warning=True))
    return problems
