"""The leaves of a provider's options as pydantic types, made of the kinds of values that every setting is read by.

Relative paths start at the validation context's `folder`; `~` is HOME in its `environ`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import PlainValidator, ValidationInfo

from dnsdisco.settings import kinds
from dnsdisco.written import names, units

PATH_OCTETS_MAX = kinds.PATH_OCTETS_MAX


def machine(folder: str, environ: Mapping[str, str]) -> kinds.Machine:
    """Where relative paths start at *folder* (with its slash), itself from the working directory."""
    return kinds.Machine(lambda written: absolute(written, folder, environ), lambda module: find_spec(module) is not None)


def absolute(written: str, folder: str, environ: Mapping[str, str]) -> str:
    """The path from *folder* (itself from the working directory), `~` meaning HOME. Raises ValueError where HOME is not known."""
    if written == "~" or written.startswith("~/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            raise ValueError(f"{units.shown(written)} begins with ~, and HOME is not set; write the whole path")
        written = home + written[1:]
    return str(pathlib.Path.cwd() / folder / written)  # `..` stays: behind a symbolic link it is not what it seems


def of(kind: kinds.ValueKind) -> PlainValidator:
    def read(value: object, info: ValidationInfo) -> Any:
        context = info.context or {}
        return kind.read(value, machine(context.get("folder", ""), context.get("environ", os.environ)))

    return PlainValidator(read)


def whole(low: int, high: int) -> PlainValidator:
    return of(kinds.Whole(low, high))


def seconds(low: float, high: float) -> PlainValidator:
    return of(kinds.Seconds(low, high))


def word(*words: str) -> PlainValidator:
    return of(kinds.Word(*words))


def or_null(validator: PlainValidator) -> PlainValidator:
    """*validator*, or None for null."""
    read: Any = validator.func
    return PlainValidator(lambda value, info: None if value is None else read(value, info))


def text(value: object, octets_max: int = kinds.TEXT_OCTETS_MAX) -> str:
    return kinds.Text(octets_max).read(value, _NOWHERE)


def secret(value: object) -> str:
    """As a text, but a wrong one is not shown."""
    try:
        return text(value)
    except ValueError:
        raise ValueError(
            f"expected a text of at most {kinds.TEXT_OCTETS_MAX} printable octets, found something else; put it in quotes"
        ) from None


def label(value: object) -> str:
    name = names.dns_name(value)
    if "." in name:
        raise ValueError(f"expected one name without dots, found {units.shown(value)}")
    return name


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


_NOWHERE = machine("", {})
Text = Annotated[str, of(kinds.Text())]
Secret = Annotated[str, PlainValidator(secret)]
Label = Annotated[str, PlainValidator(label)]
Truth = Annotated[bool, of(kinds.Truth())]
Path = Annotated[str, of(kinds.Path())]
PathOrNull = Annotated[str | None, of(kinds.Path("null"))]
