"""The kinds of values that a setting can have. Each reads one written value into its canonical form, which is read again unchanged.

`read` raises ValueError whose text has the expected form and the value that was found. `values`: the words of the documentation for the
values that may be written; `schema`: the same as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from dnsdisco.written import addresses, endpoints, units

TEXT_OCTETS_MAX = 255  # one character-string of a TXT record (RFC 1035 §3.3.14)
PATH_OCTETS_MAX = 4096  # PATH_MAX
SECRET_OCTETS_MAX = 4096  # a token with claims in it (JWT); servers take heads of 8 KB
HTTPS_PACKAGES = ("httpx", "h2")  # what an https upstream needs

T = TypeVar("T")

_OFF = {"off", "none", "false"}


class Machine(NamedTuple):
    """The facts that reading a value needs. `absolute`: the whole path of a relative one. `is_installed`: True if a package is installed."""

    absolute: Callable[[str], str]
    is_installed: Callable[[str], bool]


class ValueKind(Protocol):
    @property
    def values(self) -> str: ...
    @property
    def schema(self) -> dict[str, Any]: ...
    def read(self, value: object, machine: Machine) -> Any: ...


class Whole(NamedTuple):
    """A whole number. `zero`: what 0 means, if that is something else than a number."""

    least: int
    most: int
    zero: str = ""

    @property
    def values(self) -> str:
        return f"{self.least} to {self.most}{self.zero and f'; 0: {self.zero}'}"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def read(self, value: object, machine: Machine) -> int:
        return units.number(value, self.least, self.most)


class WholeOrOff(NamedTuple):
    """A whole number, or 0 for `off`."""

    least: int
    most: int

    @property
    def values(self) -> str:
        return f"{self.least} to {self.most}, or `off`"

    @property
    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.least, "maximum": self.most}, {"enum": [0, False, "off"]}]}

    def read(self, value: object, machine: Machine) -> int:
        if value is False or value == "off" or (value == 0 and type(value) is int):
            return 0
        return _or_off(lambda: units.number(value, self.least, self.most))


class Seconds(NamedTuple):
    """A duration, as a number of seconds or a text such as 1m30s. `is_whole`: a TTL. `zero`: what 0 means."""

    least: float
    most: float
    zero: str = ""
    is_whole: bool = False

    @property
    def values(self) -> str:
        return f"{self.least:g} to {self.most:g} seconds{self.zero and f'; 0: {self.zero}'}"

    @property
    def schema(self) -> dict[str, Any]:
        number = {"type": "integer" if self.is_whole else "number", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string"}]}

    def read(self, value: object, machine: Machine) -> float:
        if self.is_whole:
            return units.whole_seconds(value, int(self.least), int(self.most))
        return units.duration_s(value, self.least, self.most)


class Word(tuple[str, ...]):
    """One of these words."""

    __slots__ = ()

    def __new__(cls, *words: str) -> Self:
        return super().__new__(cls, words)

    @property
    def values(self) -> str:
        return ", ".join(f"`{word}`" for word in self)

    @property
    def schema(self) -> dict[str, Any]:
        return {"enum": list(self)}

    def read(self, value: object, machine: Machine) -> str:
        if isinstance(value, str) and value in self:
            return value
        hint = units.did_you_mean(value, self) if isinstance(value, str) else ""
        raise ValueError(f"expected {' or '.join(self)}, found {units.shown(value)}{hint}")


class Truth(NamedTuple):
    @property
    def values(self) -> str:
        return "`true`, `false`"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def read(self, value: object, machine: Machine) -> bool:
        if value is True or value is False:
            return value
        raise units.unexpected("true or false", value)


class Text(NamedTuple):
    octets_max: int = TEXT_OCTETS_MAX

    @property
    def values(self) -> str:
        return f"at most {self.octets_max} octets"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.octets_max}

    def read(self, value: object, machine: Machine) -> str:
        is_text = isinstance(value, str)
        if isinstance(value, str) and value.isprintable() and len(value.encode()) <= self.octets_max:
            return value
        expected = f"a text of at most {self.octets_max} printable octets" if is_text else "a text"
        hint = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise ValueError(f"expected {expected}, found {units.shown(value)}{hint}")


class Secret(NamedTuple):
    """A text, of which a wrong one is not shown. `reads`: what it has to be besides."""

    values: str = "a text"
    reads: Callable[[str], str] = str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": SECRET_OCTETS_MAX}

    def read(self, value: object, machine: Machine) -> str:
        if not isinstance(value, str) or not value.isprintable() or len(value.encode()) > SECRET_OCTETS_MAX:
            raise ValueError(
                f"expected a text of at most {SECRET_OCTETS_MAX} printable octets, found something else; put it in quotes"
            )
        return self.reads(value)


class OrNull(NamedTuple):
    """Another kind, or null."""

    kind: ValueKind

    @property
    def values(self) -> str:
        return f"{self.kind.values}; `null`"

    @property
    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema, {"type": "null"}]}

    def read(self, value: object, machine: Machine) -> Any:
        return None if value is None else self.kind.read(value, machine)


class Path(NamedTuple):
    """A path, made absolute. `empty`: "null" or "off", the word that stands for None."""

    empty: str = ""

    @property
    def values(self) -> str:
        return f"a path, or `{self.empty}`" if self.empty else "a path"

    @property
    def schema(self) -> dict[str, Any]:
        path = {"type": "string", "minLength": 1, "maxLength": PATH_OCTETS_MAX}
        return {"anyOf": [path, {"enum": [None] if self.empty == "null" else ["off", False]}]} if self.empty else path

    def read(self, value: object, machine: Machine) -> str | None:
        if self.empty == "off":
            return None if _is_off(value) else _or_off(lambda: _path(value, machine))
        return None if self.empty == "null" and value is None else _path(value, machine)


class AddressOrOff(NamedTuple):
    @property
    def values(self) -> str:
        return "an address with a port, or `off`"

    @property
    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"enum": ["off", False]}]}

    def read(self, value: object, machine: Machine) -> str | None:
        return None if _is_off(value) else _or_off(lambda: addresses.address(value, lowest_port=0))


class Written(NamedTuple):
    """A text that one of the readers of `written` reads."""

    reads: Callable[[object], str]
    values: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, value: object, machine: Machine) -> str:
        return self.reads(value)


class UpstreamText(NamedTuple):
    """A resolver, or a file that names some, such as /etc/resolv.conf."""

    @property
    def values(self) -> str:
        return "see below"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, value: object, machine: Machine) -> str:
        canonical = endpoints.upstream_or_path(value)
        if canonical.startswith("https:") and not all(map(machine.is_installed, HTTPS_PACKAGES)):
            raise ValueError(f"{units.shown(value)} needs HTTP/2; pip install 'dnsdisco[doh]'")
        return _path(canonical, machine) if endpoints.is_path(canonical) else canonical


def _path(value: object, machine: Machine) -> str:
    written = Text(PATH_OCTETS_MAX).read(value, machine)
    if not written:
        raise ValueError("expected a path, found an empty text")
    return machine.absolute(written)


def _is_off(value: object) -> bool:
    """YAML takes `off` for false."""
    return value is False or (isinstance(value, str) and value.strip().lower() in _OFF)


def _or_off(read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        raise ValueError(f"{error} (or off)") from None
