"""The parameters of the control process, from the supervisor, a test, or `dnsdisco.testing`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dnsdisco.control.facts import ProblemView, PublishedChange
from dnsdisco.control.log import Logger
from dnsdisco.control.status import Say
from dnsdisco.log.lines import Lines
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.settings.declared import Settings

Create = Callable[[Mapping[str, Any], Mapping[str, str]], ServiceDiscovery]
Resolve = Callable[[], Settings]


class HttpDoor(Protocol):
    """The admin room, as seen from here."""

    def apply(self, http: str | None, hosts: Collection[str], control: str | None) -> None:
        """Listen on the address *http*, which may be asked under the names *hosts* (in lower case), and on the socket *control* from now
        on; None: nowhere. Never waits, and never raises for what is wrong with an address."""

    def take(self, change: PublishedChange) -> None:
        """It has been published."""

    def problems(self) -> Sequence[ProblemView]:
        """The addresses that it should listen on and cannot."""

    def close(self) -> None: ...


class NoHttp:
    """A listener that serves nothing, whatever the settings say."""

    def apply(self, http: str | None, hosts: Collection[str], control: str | None) -> None: ...
    def take(self, change: PublishedChange) -> None: ...
    def problems(self) -> Sequence[ProblemView]:
        return ()

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ControlParameters:
    """The parameters that the supervisor sends at the start. `restarts`, `kept`: from the control processes before this one."""

    links: Sequence[socket.socket]
    say: Say
    settings: Settings
    environ: Mapping[str, str]
    create: Create
    resolve: Resolve  # the configuration read anew; raises DnsdiscoError
    restarts: int = 0
    kept: Mapping[str, Any] = field(default_factory=dict)
    http: Callable[[Any, Logger], HttpDoor] = lambda _control, _log: NoHttp()  # given the Control
    origins: Callable[[], Mapping[str, str]] = dict  # where each of the settings that were read last comes from, by its path
    config: str | None = None  # the file that the settings come from
    is_config_found: bool = False  # by a search: it was not named
    listening: Sequence[str] = ()  # the addresses, with their ports
    journal: Sequence[int] = ()  # two descriptors, for the last whole catalog; none: it is not kept
    lines: Lines | None = None  # where this process logs to; None: the caller has set it up
    on_ready: Callable[[], None] = lambda: None  # called once, just before that is said
