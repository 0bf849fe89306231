"""Counters that are declared once, where they are counted: a name, a help text, and a plain int that one thread writes.

    class CacheStatistics(Counted, names="cache.", metrics="cache_"):
        hits: Annotated[int, "Answers from the cache."] = 0
        octets: Annotated[int, Level("Size of the answers that are kept.", metric="cache_size_bytes")] = 0

Counting costs what `+= 1` costs. What shows counters (the metrics, `dnsdisco cache`) walks `declared()`, in the order of the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, get_type_hints, NamedTuple


class Level(NamedTuple):
    """The help text of a figure that falls, too. Its *metric* has a name of its own, for its unit; "": there is none."""

    help_text: str
    metric: str


class Labelled(NamedTuple):
    """A family of counters whose names are known only when they are counted: one metric, with the rest of the name as its label."""

    name: str
    metric: str
    label: str
    help_text: str

    def named(self, counts: Mapping[str, int]) -> dict[str, int]:
        """*counts* by the names of the statistics, in place of their labels."""
        return {f"{self.name}.{rest}": count for rest, count in counts.items()}


class Declared(NamedTuple):
    name: str  # of the statistic
    metric: str  # without the prefix that all metrics have
    help_text: str
    is_level: bool
    key: str  # of the attribute


class Counted:
    """Base of what counts. *names* and *metrics* are what the statistics and the metrics of a class begin with."""

    _names: ClassVar[str]
    _metrics: ClassVar[str]
    _keys: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, names: str | None = None, metrics: str = "") -> None:
        """A class without *names* declares nothing: it counts what its base declares."""
        if names is not None:
            cls._names, cls._metrics, cls._keys = names, metrics, tuple(cls.__annotations__)

    def as_dict(self) -> dict[str, int]:
        """All counters, by the names of the attributes."""
        return {key: getattr(self, key) for key in self._keys}

    def figures(self) -> dict[str, int]:
        """All counters, by the names of the statistics."""
        return self.named(self.as_dict())

    @classmethod
    def named(cls, figures: Mapping[str, int]) -> dict[str, int]:
        """*figures* by the names of the statistics, in place of those of the attributes."""
        return {f"{cls._names}{key}": count for key, count in figures.items()}

    @classmethod
    def sums(cls, counted: Sequence[Counted]) -> dict[str, int]:
        """The sums over several of this class, by the names of the statistics."""
        return cls.named({key: sum(getattr(each, key) for each in counted) for key in cls._keys})

    @classmethod
    def declared(cls) -> list[Declared]:
        hints = get_type_hints(cls, include_extras=True)
        return [cls._declared(key, hints[key].__metadata__[0]) for key in cls._keys]

    @classmethod
    def _declared(cls, key: str, help_text: str | Level) -> Declared:
        if isinstance(help_text, Level):
            return Declared(f"{cls._names}{key}", help_text.metric, help_text.help_text, True, key)
        return Declared(f"{cls._names}{key}", f"{cls._metrics}{key}_total", help_text, False, key)
