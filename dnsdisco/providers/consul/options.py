"""What may be set about a Consul agent: the constructor's arguments, an entry of `providers:`, and the CONSUL_* variables below both.

Nothing here does I/O; every fault is a ValueError that names the setting or the variable, and never shows a token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from dnsdisco.providers.http import Endpoint
from dnsdisco.written.addresses import is_ip, port, unescaped_scope
from dnsdisco.written.units import did_you_mean, duration_s, number, shown

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8500
WAIT_S_MAX = 60.0  # a query whose index has become too high, for the agent lost its data, is blind for so long
WATCH_LIMIT = (
    128  # an agent refuses the 201st connection of an address (limits.http_max_conns_per_client), and others need some, too
)
WATCH_LIMIT_MAX = 10_000

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")  # of every path, where a gateway has one

_TRUE, _FALSE = frozenset({"1", "t", "true", "yes", "on"}), frozenset({"0", "f", "false", "no", "off"})


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Options:
    """`address`: `http://host:port/prefix`, `https://…`, `host:port`, `host` or `unix:///path`; it wins over host, port and scheme."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = field(default=None, repr=False)
    scheme: str = "http"
    address: str | None = None
    token_file: str | None = None  # read again when it changes
    http_auth: str | None = field(default=None, repr=False)  # `name:password` for a gateway before the agent
    ca_file: str | None = None  # PEM; without one the system's authorities
    ca_path: str | None = None  # a folder of such files; ca_file wins
    client_cert: str | None = None  # PEM, also with the key in it
    client_key: str | None = None
    verify: bool = True  # false: any certificate will do
    tls_server_name: str | None = None  # whom the certificate must name, where that is not the host
    datacenter: str | None = None  # None: the agent's own
    namespace: str | None = None  # of Consul Enterprise, as is the partition; another agent refuses both
    partition: str | None = None
    stale: bool = False  # any server may answer, not only the leader
    wait: float | str = 30.0  # seconds that a query may block
    watch_limit: int = WATCH_LIMIT  # services with a blocking query of their own
    tags: tuple[str, ...] = ()  # only instances that carry all of these
    proxies: bool = False  # sidecar proxies and gateways, too
    allow_filtered: bool = False  # the token may see a part of the catalog, and the rest does not exist for us

    def __post_init__(self) -> None:
        def put(key: str, value: object) -> None:
            object.__setattr__(self, key, value)  # frozen

        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or (each.type == "str | None" and value == ""):
                put(each.name, each.default)
            elif each.type in {"str", "str | None"} and not isinstance(value, str):
                # A token that YAML took for a number must not be shown either.
                raise ValueError(f"{each.name}: expected a text, found {type(value).__name__}")
            elif each.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{each.name}: expected true or false, found {shown(value)}")
        put("port", _named("port", port, self.port))
        put("wait", _named("wait", lambda value: duration_s(value, 1.0, WAIT_S_MAX), self.wait))
        put("watch_limit", _named("watch_limit", lambda value: number(value, 0, WATCH_LIMIT_MAX), self.watch_limit))
        given: Any = self.tags
        tags = (given,) if isinstance(given, str) else tuple(given)
        if not all(isinstance(tag, str) and tag for tag in tags):
            raise ValueError("tags: expected a list of texts")
        put("tags", tags)
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file: one of them is enough")
        if self.token is not None:
            put("token", _named("token", usable_token, self.token))
        if self.http_auth is not None:
            put("http_auth", _named("http_auth", _usable_auth, self.http_auth))
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key: there is no client_cert beside it")
        self.endpoint  # noqa: B018  its faults now, not at the first query

    @property
    def wait_s(self) -> float:
        return float(self.wait)

    @property
    def endpoint(self) -> Endpoint:
        """Raises ValueError for an address that is none."""
        if self.address is not None:
            return _named("address", endpoint_from, self.address)
        if self.scheme not in {"http", "https"}:
            raise ValueError(f"scheme: expected http or https, found {shown(self.scheme)}")
        host = self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host
        if "://" in host:  # the whole address where only the host was asked for
            return _named("host", endpoint_from, host)
        return Endpoint(_named("host", _host, host), self.port, self.scheme)


KEYS = frozenset(each.name for each in fields(Options))
_VARIABLES = {
    "http_auth": "CONSUL_HTTP_AUTH", "tls_server_name": "CONSUL_TLS_SERVER_NAME", "namespace": "CONSUL_NAMESPACE",
    "partition": "CONSUL_PARTITION",
}  # fmt: skip


def settings_over_environment(settings: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for Options. What the entry says of the address, the token or TLS replaces what the variables say of that."""
    for key in settings:
        if key not in KEYS:
            raise ValueError(f"{key}: the consul provider has no such option{did_you_mean(key, KEYS)}")
    said = {key: value for key, value in settings.items() if value not in (None, "", [], ())}
    given: dict[str, Any] = {}
    if not said.keys() & {"address", "host", "port", "scheme"}:
        given |= _address_from(environ)
    if not said.keys() & {"token", "token_file"}:
        given |= _token_from(environ)
    if "ca_file" not in said:
        given["ca_path"] = environ.get("CONSUL_CAPATH") or None
    if "ca_path" not in said:
        given["ca_file"] = environ.get("CONSUL_CACERT") or None
    for key, variable in _VARIABLES.items():
        given[key] = environ.get(variable) or None
    if "client_cert" not in said:
        given["client_cert"] = environ.get("CONSUL_CLIENT_CERT") or None
        given["client_key"] = environ.get("CONSUL_CLIENT_KEY") or None
    given["verify"] = _flag(environ, "CONSUL_HTTP_SSL_VERIFY", default=True)
    return {**given, **said}


def endpoint_from(text: str) -> Endpoint:
    """Where an address leads. A URL without a port has its scheme's, and a port without a host is this machine's, as Consul's own
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
    return Endpoint(_host(host), number_ or default, scheme, prefix=prefix)


def _usable_auth(text: str) -> str:
    if not text.isprintable() or not text.partition(":")[0]:
        raise ValueError("expected a name and a password with a colon between them")
    return text


def usable_token(text: str) -> str:
    """The token without the space around it. Raises ValueError, which does not show it, for what cannot stand in a header."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("expected an ACL token, found a text that is empty or has characters that no token has")
    return token


def _address_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """CONSUL_HOST and CONSUL_PORT, else CONSUL_HTTP_ADDR."""
    scheme = "https" if _flag(environ, "CONSUL_HTTP_SSL", default=False) else "http"
    host, port_text = environ.get("CONSUL_HOST", "").strip(), environ.get("CONSUL_PORT", "").strip()
    if "://" in port_text:  # Kubernetes and Docker set it, as tcp://10.0.0.1:8500, for a service that is called consul
        link = urlsplit(port_text)
        host, port_text = host or link.hostname or "", str(link.port or "")
    number_ = _named("CONSUL_PORT", port, port_text) if port_text else DEFAULT_PORT
    if "://" in host:
        return {"address": _variable("CONSUL_HOST", host)}
    if host.count(":") == 1 or "]:" in host:  # with a port of its own, as many write it
        endpoint = _named("CONSUL_HOST", endpoint_from, host)
        return {"host": endpoint.host, "port": endpoint.port, "scheme": scheme}
    if host:
        return {"host": _named("CONSUL_HOST", _host, host.strip("[]")), "port": number_, "scheme": scheme}
    address = environ.get("CONSUL_HTTP_ADDR", "").strip()
    if address:
        if scheme == "https" and address.startswith("http://"):
            address = f"https{address.removeprefix('http')}"
        elif scheme == "https" and "://" not in address:
            endpoint = _named("CONSUL_HTTP_ADDR", endpoint_from, address)
            return {"host": endpoint.host, "port": endpoint.port, "scheme": scheme}
        return {"address": _variable("CONSUL_HTTP_ADDR", address)}
    return {"port": number_, "scheme": scheme}


def _token_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """CONSUL_TOKEN, else the file, else CONSUL_HTTP_TOKEN: as with Consul's own tools the file wins over the variable."""
    if environ.get("CONSUL_TOKEN", "").strip():
        return {"token": _named("CONSUL_TOKEN", usable_token, environ["CONSUL_TOKEN"])}
    if environ.get("CONSUL_HTTP_TOKEN_FILE"):
        return {"token_file": environ["CONSUL_HTTP_TOKEN_FILE"]}
    if environ.get("CONSUL_HTTP_TOKEN", "").strip():
        return {"token": _named("CONSUL_HTTP_TOKEN", usable_token, environ["CONSUL_HTTP_TOKEN"])}
    return {}


def _variable(name: str, address: str) -> str:
    _named(name, endpoint_from, address)
    return address


def _host(text: str) -> str:
    if "%" in text and is_ip(text):  # with its scope
        return text
    if not text or not text.isascii() or not text.isprintable() or any(char in text for char in " /?#@%[]"):
        raise ValueError(f"expected a host name or an IP address, found {shown(text)}")
    return text


def _flag(environ: Mapping[str, str], variable: str, *, default: bool) -> bool:
    text = environ.get(variable, "").strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text:
        raise ValueError(f"{variable}: expected true or false, found {shown(text)}")
    return default


def _named(setting: str, read: Callable[[Any], Value], value: Any) -> Value:
    """*read*'s value; its ValueError says which setting it is about."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
