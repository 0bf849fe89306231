"""Which upstreams a name goes to: the longest zone that holds it, its apex included, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Route(NamedTuple, Generic[T]):
    """`upstreams`: those to ask, in the order written. `is_configured`: at least one was written, though perhaps none can be used."""

    zone: bytes  # lower-cased wire form; the root for the general upstreams
    upstreams: tuple[T, ...]
    is_configured: bool


class Routes(Generic[T]):
    """Immutable. A zone whose route has no upstreams is not forwarded at all: its names never leak to the general ones."""

    def __init__(self, general: Route[T], zones: Iterable[Route[T]]) -> None:
        self.general = general
        self._zones = {route.zone: route for route in zones}
        self.general = self._zones.pop(b"\0", general)  # `.` in `zones` means everything else

    def find(self, question: bytes) -> Route[T]:
        """The route of the name at the start of *question*. As many steps as it has labels; one when there are no zones."""
        zones = self._zones
        if zones:
            name = question[:-4].lower()
            at = 0
            while length := name[at]:
                route = zones.get(name[at:])
                if route is not None:
                    return route
                at += 1 + length
        return self.general

    def has_zone(self, question: bytes) -> bool:
        """A zone of its own was written for this name (which then is not special, whatever the RFCs make of it)."""
        return self.find(question) is not self.general

    def __iter__(self) -> Iterator[Route[T]]:
        yield self.general
        yield from self._zones.values()
