"""Reads the address of an agent, as it is written in options and in variables."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from dnsdisco.providers.endpoint import Endpoint
from dnsdisco.written.addresses import is_ip, unescaped_scope
from dnsdisco.written.units import shown

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8500

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")  # of every path, where a gateway has one

Value = TypeVar("Value")


def endpoint_from(text: str) -> Endpoint:
    """The endpoint of an address. A URL without a port has its scheme's, and a port without a host is this machine's, as Consul's own
    tools read it; a bare host has 8500."""
    expected = f"expected an address such as http://127.0.0.1:{DEFAULT_PORT}, found {shown(text.rpartition('@')[2])}"
    text = text.strip()
    if text.startswith("unix://"):
        path = unquote(text.removeprefix("unix://"))
        if not path.startswith("/") or not path.isprintable():
            raise ValueError(f"expected a socket such as unix:///var/run/consul.sock, found {shown(text)}")
        return Endpoint("localhost", DEFAULT_PORT, "http", path)
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, number_ = parts.hostname, parts.port
        if parts.netloc.startswith(":") and number_:
            host = DEFAULT_HOST
    except ValueError:
        raise ValueError(expected) from None
    scheme = parts.scheme or "http"
    prefix = parts.path.rstrip("/") if parts.scheme else parts.path.strip("/")
    if (
        scheme not in {"http", "https"}
        or not host
        or number_ == 0
        or not _PREFIX.fullmatch(prefix)
        or parts.query
        or parts.fragment
    ):
        raise ValueError(expected)
    if parts.username is not None or not text.isprintable() or " " in text:
        raise ValueError(f"{expected}: a user or a space in it")
    default = DEFAULT_PORT if not parts.scheme else 443 if scheme == "https" else 80
    host = unescaped_scope(f"[{host}]")[1:-1] if ":" in host else host
    return Endpoint(host_from(host), number_ or default, scheme, prefix=prefix)


def host_from(text: str) -> str:
    if "%" in text and is_ip(text):  # with its scope
        return text
    if not text or not text.isascii() or not text.isprintable() or any(char in text for char in " /?#@%[]"):
        raise ValueError(f"expected a host name or an IP address, found {shown(text)}")
    return text


def named(setting: str, read: Callable[[Any], Value], value: Any) -> Value:
    """The value of *read*; its ValueError names the setting that it is about."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
