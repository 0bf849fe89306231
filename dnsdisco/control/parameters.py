"""What the control process is started with: by the supervisor, by a test, by `dnsdisco.testing`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dnsdisco.control.status import Say
from dnsdisco.providers.base import ServiceDiscovery

Create = Callable[[Mapping[str, Any], Mapping[str, str]], ServiceDiscovery]
Resolve = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the supervisor says at the start. `restarts`, `kept`: of the control processes before this one."""

    links: Sequence[socket.socket]
    say: Say
    settings: dict[str, Any]
    environ: Mapping[str, str]
    create: Create
    resolve: Resolve  # the configuration read anew; raises DnsdiscoError
    restarts: int = 0
    kept: Mapping[str, Any] = field(default_factory=dict)
