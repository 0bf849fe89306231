"""The leaves of the schema as pydantic types: each reads one written value by `units` and gives its canonical form.

Relative paths start at the validation context's `folder`; `~` is HOME in its `environ`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainValidator, ValidationInfo

from dnsdisco.written import addresses, endpoints, names, units

TEXT_OCTETS_MAX = 255  # one character-string of a TXT record (RFC 1035 §3.3.14)
PATH_OCTETS_MAX = 4096  # PATH_MAX


def whole(low: int, high: int) -> PlainValidator:
    return PlainValidator(lambda value: units.number(value, low, high))


def seconds(low: float, high: float) -> PlainValidator:
    return PlainValidator(lambda value: units.duration_s(value, low, high))


def ttl(low: int, high: int) -> PlainValidator:
    return PlainValidator(lambda value: units.whole_seconds(value, low, high))


def word(*words: str) -> PlainValidator:
    def read(value: object) -> object:
        if value in words:
            return value
        hint = units.did_you_mean(value, words) if isinstance(value, str) else ""
        raise ValueError(f"expected {' or '.join(words)}, found {units.shown(value)}{hint}")

    return PlainValidator(read)


def text(value: object, octets_max: int = TEXT_OCTETS_MAX) -> str:
    is_text = isinstance(value, str)
    if isinstance(value, str) and value.isprintable() and len(value.encode()) <= octets_max:
        return value
    expected = f"a text of at most {octets_max} printable octets" if is_text else "a text"
    hint = "; put it in quotes" if isinstance(value, (int, float)) else ""
    raise ValueError(f"expected {expected}, found {units.shown(value)}{hint}")


def secret(value: object) -> str:
    """As text(), but a wrong one is not shown."""
    try:
        return text(value)
    except ValueError:
        raise ValueError(
            f"expected a text of at most {TEXT_OCTETS_MAX} printable octets, found something else; put it in quotes"
        ) from None


def label(value: object) -> str:
    name = names.dns_name(value)
    if "." in name:
        raise ValueError(f"expected one name without dots, found {units.shown(value)}")
    return name


def truth(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"expected true or false, found {units.shown(value)}")


def path(value: object, info: ValidationInfo) -> str:
    written = text(value, PATH_OCTETS_MAX)
    if not written:
        raise ValueError("expected a path, found an empty text")
    context = info.context or {}
    return absolute(written, context.get("folder", ""), context.get("environ", os.environ))


def absolute(written: str, folder: str, environ: Mapping[str, str]) -> str:
    """The path from *folder* (itself from the working directory), `~` meaning HOME. Raises ValueError where HOME is not known."""
    if written == "~" or written.startswith("~/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            raise ValueError(f"{units.shown(written)} begins with ~, and HOME is not set; write the whole path")
        written = home + written[1:]
    return str(pathlib.Path.cwd() / folder / written)  # `..` stays: behind a symbolic link it is not what it seems


def upstream(value: object, info: ValidationInfo) -> str:
    canonical = endpoints.upstream_or_path(value)
    if canonical.startswith("https:") and not all(map(find_spec, ("httpx", "h2"))):
        raise ValueError(f"{units.shown(value)} needs HTTP/2; pip install 'dnsdisco[doh]'")
    return path(canonical, info) if endpoints.is_path(canonical) else canonical


def network(value: object) -> str:
    """A network, or the word `private` still as a word."""
    first, *more = addresses.networks(value)
    return "private" if more else first


def http_address(value: object) -> str:
    """`http://host:port/prefix` or `https://…`, `host:port` or `unix:///path`, as Consul's own tools take it."""
    written = text(value)
    if written.startswith("unix:///"):
        return written
    parts = urlsplit(written if "://" in written else f"http://{written}")
    try:
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.username
    except ValueError:  # a port that is no port
        is_usable = False
    has_stray_path = "://" not in written and parts.path.strip("/")
    if not is_usable or has_stray_path or parts.query or parts.fragment:
        raise ValueError(f"expected an address such as http://127.0.0.1:8500, found {units.shown(value)}")
    return written


def or_off(read: Callable[[object, ValidationInfo], str]) -> PlainValidator:
    """*read*, or None for `off`, which YAML takes for false."""

    def value_or_none(value: object, info: ValidationInfo) -> str | None:
        if value is False or (isinstance(value, str) and value.strip().lower() in {"off", "none", "false"}):
            return None
        try:
            return read(value, info)
        except ValueError as error:
            raise ValueError(f"{error} (or off)") from None

    return PlainValidator(value_or_none)


def number_or_off(low: int, high: int) -> PlainValidator:
    """A whole number from *low* to *high*, or 0 for `off`."""

    def value_or_zero(value: object) -> int:
        if value is False or value == "off" or (value == 0 and type(value) is int):
            return 0
        try:
            return units.number(value, low, high)
        except ValueError as error:
            raise ValueError(f"{error} (or off)") from None

    return PlainValidator(value_or_zero)


def or_null(validator: PlainValidator) -> PlainValidator:
    """*validator*, or None for null."""
    read: Any = validator.func
    return PlainValidator(lambda value: None if value is None else read(value))


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((value for at, value in enumerate(values) if value in values[:at]), None)
    if twice is not None:
        raise ValueError(f"{twice} is given twice")
    return values


def _at_least_one(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("expected at least one value, found an empty list; remove the key for the default")
    return values


def _expanded(allow: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(network for written in allow for network in addresses.networks(written)))


Text = Annotated[str, PlainValidator(text)]
Secret = Annotated[str, PlainValidator(secret)]
Label = Annotated[str, PlainValidator(label)]
Truth = Annotated[bool, PlainValidator(truth)]
Path = Annotated[str, PlainValidator(path)]
PathOrNull = Annotated[str | None, PlainValidator(lambda value, info: None if value is None else path(value, info))]
PathOrOff = Annotated[str | None, or_off(path)]
AddressOrOff = Annotated[str | None, or_off(lambda value, _: addresses.address(value, lowest_port=0))]
Domain = Annotated[str, PlainValidator(names.dns_name)]
Domains = Annotated[tuple[Domain, ...], AfterValidator(_each_once)]
Zone = Annotated[str, PlainValidator(names.zone)]
Zones = Annotated[tuple[Zone, ...], AfterValidator(_each_once), AfterValidator(_at_least_one)]
Listen = Annotated[
    tuple[Annotated[str, PlainValidator(lambda value: str(endpoints.listener(value)))], ...],
    AfterValidator(_each_once),
    AfterValidator(_at_least_one),
]
Upstreams = Annotated[tuple[Annotated[str, PlainValidator(upstream)], ...], AfterValidator(_each_once)]
Networks = Annotated[tuple[Annotated[str, PlainValidator(network)], ...], AfterValidator(_expanded)]
Unhealthy = Annotated[Literal["fail_open", "empty"], word("fail_open", "empty")]
