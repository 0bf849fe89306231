"""The options of the consul provider, for the constructor's arguments and for an entry of `providers:` alike.

Nothing here does I/O; every fault is a ValueError that names the setting, and never shows a token.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from dnsdisco.providers.consul.address import DEFAULT_HOST, DEFAULT_PORT, endpoint_from, host_from, named
from dnsdisco.providers.endpoint import Endpoint
from dnsdisco.settings import kinds
from dnsdisco.settings.lists import ListOf
from dnsdisco.settings.options import AS_GIVEN, read_options
from dnsdisco.settings.setting import Setting
from dnsdisco.written.addresses import port
from dnsdisco.written.units import shown

WAIT_S_MAX = 60.0  # a query whose index has become too high, for the agent lost its data, is blind for so long
WATCH_LIMIT = (
    128  # an agent refuses the 201st connection of an address (limits.http_max_conns_per_client), and others need some, too
)
WATCH_LIMIT_MAX = 10_000


def _http_address(value: object) -> str:
    """The address as it was written, once it is known to be valid."""
    written = kinds.Text().read(value, AS_GIVEN)
    endpoint_from(written)
    return written


def _usable_auth(text: str) -> str:
    if not text.partition(":")[0]:
        raise ValueError("expected a name and a password with a colon between them")
    return text


def usable_token(text: str) -> str:
    """The token without the space around it. Raises ValueError, which does not show it, for what cannot stand in a header."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("expected an ACL token, found a text that is empty or has characters that no token has")
    return token


_PEM = "a PEM file"


@dataclass(frozen=True, slots=True)
class Options:
    """`address` wins over host, port and scheme, which are for a program alone."""

    address: Annotated[
        str | None,
        Setting(
            kinds.Written(_http_address, "`http://HOST:PORT`, `https://HOST:PORT/PATH`, `HOST:PORT` or `unix:///SOCKET`"),
            "The agent. A path stands before every other, for an agent behind a gateway.",
            default=f"the CONSUL variables, else `http://{DEFAULT_HOST}:{DEFAULT_PORT}`",
        ),
    ] = None
    token: Annotated[
        str | None,
        Setting(
            kinds.Secret(reads=usable_token),
            "The ACL token. `token_file` is better: more people read the configuration.",
            default="the CONSUL variables",
        ),
    ] = field(default=None, repr=False)
    token_file: Annotated[
        str | None,
        Setting(kinds.Path(), "A file that holds the ACL token; it is read again when it changes.", default="the CONSUL variables"),
    ] = None
    http_auth: Annotated[
        str | None,
        Setting(
            kinds.Secret("`NAME:PASSWORD`", _usable_auth),
            "Name and password for a gateway before the agent (HTTP Basic).",
            default="`CONSUL_HTTP_AUTH`",
        ),
    ] = field(default=None, repr=False)
    datacenter: Annotated[str | None, Setting(kinds.Text(), "Whose services.", values="a name", default="the agent's own")] = None
    namespace: Annotated[
        str | None,
        Setting(
            kinds.Text(),
            "The namespace of Consul Enterprise; other agents refuse this.",
            values="a name",
            default="`CONSUL_NAMESPACE`",
        ),
    ] = None
    partition: Annotated[
        str | None,
        Setting(
            kinds.Text(),
            "The admin partition of Consul Enterprise; other agents refuse this.",
            values="a name",
            default="`CONSUL_PARTITION`",
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Setting(
            kinds.Path(),
            "The authorities to trust, if the agent uses TLS.",
            values=_PEM,
            default="`CONSUL_CACERT`, else the system's authorities",
        ),
    ] = None
    ca_path: Annotated[
        str | None,
        Setting(kinds.Path(), "The same from all files of a folder; `ca_file` wins.", values="a folder", default="`CONSUL_CAPATH`"),
    ] = None
    client_cert: Annotated[
        str | None,
        Setting(kinds.Path(), "Who we are.", values="a PEM file, with the key in it or beside it", default="`CONSUL_CLIENT_CERT`"),
    ] = None
    client_key: Annotated[str | None, Setting(kinds.Path(), "The key to it.", values=_PEM, default="`CONSUL_CLIENT_KEY`")] = None
    verify: Annotated[
        bool,
        Setting(kinds.Truth(), "`false`: any certificate is accepted.", default="`CONSUL_HTTP_SSL_VERIFY`, else `true`"),
    ] = True
    tls_server_name: Annotated[
        str | None,
        Setting(
            kinds.Text(),
            "The name that the certificate must have, if it is not the host of `address`.",
            values="a name",
            default="`CONSUL_TLS_SERVER_NAME`, else the host",
        ),
    ] = None
    stale: Annotated[
        bool,
        Setting(kinds.Truth(), "Any server may answer, not only the leader: survives the loss of a leader, and may be late."),
    ] = False
    wait: Annotated[float, Setting(kinds.Seconds(1, WAIT_S_MAX), "How long a query may block.")] = 30.0
    watch_limit: Annotated[
        int,
        Setting(
            kinds.Whole(0, WATCH_LIMIT_MAX),
            "How many services have a query, and so a connection, of their own ([consul.md](consul.md)).",
        ),
    ] = WATCH_LIMIT
    tags: Annotated[
        tuple[str, ...],
        Setting(ListOf(kinds.Text(), "[v1]"), "Only instances that carry all of these.", values="texts"),
    ] = ()
    proxies: Annotated[bool, Setting(kinds.Truth(), "Sidecar proxies and gateways of the service mesh, too.")] = False
    allow_filtered: Annotated[
        bool,
        Setting(
            kinds.Truth(),
            "Accept a token that may see only a part of the catalog; the rest does not exist for dnsdisco.",
            default="`false`: that is an error",
        ),
    ] = False
    # For a program alone
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    scheme: str = "http"

    def __post_init__(self) -> None:
        """Raises ValueError naming the option. None and an empty text stand for the default."""
        for each in fields(self):
            if getattr(self, each.name) in (None, ""):
                object.__setattr__(self, each.name, each.default)  # frozen
        token: Any = self.token
        if isinstance(token, str):
            object.__setattr__(self, "token", token.strip() or token)  # a program may have it from a file, with a line end
        tags: Any = self.tags
        if isinstance(tags, str):
            object.__setattr__(self, "tags", (tags,))
        read_options(self)
        for key in ("host", "scheme"):
            named(key, lambda value: kinds.Text().read(value, AS_GIVEN), getattr(self, key))
        object.__setattr__(self, "port", named("port", port, self.port))
        if not all(self.tags):
            raise ValueError("tags: expected a list of texts")
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file: one of them is enough")
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key: there is no client_cert beside it")
        self.endpoint  # noqa: B018  its faults now, not at the first query

    @property
    def endpoint(self) -> Endpoint:
        """Raises ValueError for an address that is none."""
        if self.address is not None:
            return named("address", endpoint_from, self.address)
        if self.scheme not in {"http", "https"}:
            raise ValueError(f"scheme: expected http or https, found {shown(self.scheme)}")
        host = self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host
        if "://" in host:  # the whole address where only the host was asked for
            return named("host", endpoint_from, host)
        return Endpoint(named("host", host_from, host), self.port, self.scheme)


KEYS = frozenset(each.name for each in fields(Options))
