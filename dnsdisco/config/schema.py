"""Every key of the configuration: its form, its range and its default. docs/configuration.md explains each.

Values are canonical once read, and canonical values read again unchanged: `Settings.from_plain(settings.plain()) == settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    field_validator,
    model_validator,
    PlainValidator,
    Tag,
    ValidationInfo,
)

from dnsdisco.config import values as v
from dnsdisco.written import units
from dnsdisco.written.addresses import PRIVATE_NETWORKS

TTL_S_MAX = 3600  # an address that may change any second is not to be kept longer than an hour
KEPT_S_MAX = 7 * 86400  # RFC 8767 §4: longer TTLs are capped at a week
WAIT_S_MAX = 3600  # of a start, or before an answer is called stale
WORKERS_MAX = 256  # one a core; a larger number is a slip of the pen
RESPONSES_A_SECOND_MAX = 1_000_000  # more than a machine sends
CACHE_ENTRIES_MAX = 10_000_000  # some 5 GB of answers


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Provider(_Section):
    """One entry of `providers:`. These options are common to all types; the classes below add those of one type."""

    type: v.Text
    optional: v.Truth = False
    include: tuple[v.Text, ...] = ()
    exclude: tuple[v.Text, ...] = ()
    max_stale: Annotated[float | None, v.or_null(v.seconds(0, units.DURATION_S_MAX))] = None
    when_all_unhealthy: Annotated[Literal["fail_open", "empty"] | None, v.or_null(v.word("fail_open", "empty"))] = None
    poll_interval: Annotated[float | None, v.or_null(v.seconds(0.1, WAIT_S_MAX))] = None

    def plain(self) -> dict[str, Any]:
        """The common options whole, and those of its own that were given: its environment variables fill the others."""
        values = self.model_dump(mode="json")
        return {key: value for key, value in values.items() if key in COMMON_OPTIONS or key in self.model_fields_set}


COMMON_OPTIONS = frozenset(Provider.model_fields)


class EnvProvider(Provider):
    """The process's own environment; nothing to set."""


class StaticProvider(Provider):
    path: v.Path = ""


class ConsulProvider(Provider):
    address: Annotated[str, PlainValidator(v.http_address)] = ""
    token: v.Secret = ""
    token_file: v.Path = ""
    http_auth: v.Secret = ""
    datacenter: v.Text = ""
    namespace: v.Text = ""
    partition: v.Text = ""
    ca_file: v.Path = ""
    ca_path: v.Path = ""
    client_cert: v.Path = ""
    client_key: v.Path = ""
    verify: v.Truth = True
    tls_server_name: v.Text = ""
    stale: v.Truth = False
    wait: Annotated[float, v.seconds(1, 60)] = 30.0
    watch_limit: Annotated[int, v.whole(0, 10_000)] = 128
    tags: tuple[v.Text, ...] = ()
    proxies: v.Truth = False
    allow_filtered: v.Truth = False

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.token and self.token_file:
            raise ValueError("token and token_file: one of them is enough")
        if self.client_key and not self.client_cert:
            raise ValueError("client_key: there is no client_cert beside it")
        return self


class KubernetesProvider(Provider):
    kubeconfig: v.PathOrNull = None
    context: Annotated[str | None, v.or_null(PlainValidator(v.text))] = None
    namespaces: tuple[v.Label, ...] = ()
    default_namespace: v.Label = "default"
    labels: Annotated[str, PlainValidator(lambda value: v.text(value, v.PATH_OCTETS_MAX))] = ""
    addresses: Annotated[str, v.word("auto", "cluster_ip", "endpoints", "load_balancer", "node_port")] = "auto"


class PluginProvider(Provider):
    """A type that is not ours. Its other options go to its own class as they are."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @field_validator("type")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("known_types")
        if known is not None and value not in known:
            raise ValueError(
                f"there is no provider {units.shown(value)}{units.did_you_mean(value, known) or '.'} Known here: {', '.join(sorted(known))}. "
                "A plug-in is found once its package is installed in this environment",
            )
        return value


BUILT_IN: dict[str, type[Provider]] = {
    "env": EnvProvider,
    "static": StaticProvider,
    "consul": ConsulProvider,
    "kubernetes": KubernetesProvider,
}


def _type_of(entry: Any) -> str | None:
    kind = entry.get("type") if isinstance(entry, dict) else getattr(entry, "type", None)
    if kind is None:
        return None
    return kind if isinstance(kind, str) and kind in BUILT_IN else "plug-in"


AnyProvider = Annotated[
    Annotated[EnvProvider, Tag("env")]
    | Annotated[StaticProvider, Tag("static")]
    | Annotated[ConsulProvider, Tag("consul")]
    | Annotated[KubernetesProvider, Tag("kubernetes")]
    | Annotated[PluginProvider, Tag("plug-in")],
    Discriminator(_type_of),
    BeforeValidator(lambda entry: {"type": entry} if isinstance(entry, str) else entry),  # `providers: [env]` for short
]


class ForwardSection(_Section):
    upstreams: v.Upstreams = ("/etc/resolv.conf",)
    zones: dict[v.Domain, v.Upstreams] = Field(default_factory=dict)
    policy: Annotated[str, v.word("order", "fastest")] = "order"
    trust_ad: v.Truth = False
    rebind_protection: v.Truth = False
    rebind_allowed: tuple[v.Domain, ...] = ()
    case_randomisation: v.Truth = False


class CacheSection(_Section):
    size: Annotated[int, v.whole(0, CACHE_ENTRIES_MAX)] = 10_000
    min_ttl: Annotated[int, v.ttl(0, TTL_S_MAX)] = 0
    max_ttl: Annotated[int, v.ttl(0, KEPT_S_MAX)] = 86_400
    negative_max_ttl: Annotated[int, v.ttl(0, KEPT_S_MAX)] = 300
    serve_stale: Annotated[int, v.ttl(0, KEPT_S_MAX)] = 86_400

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.min_ttl > self.max_ttl:
            raise ValueError(f"min_ttl ({self.min_ttl}) is larger than max_ttl ({self.max_ttl})")
        return self


class Acl(_Section):
    allow: v.Networks = ("127.0.0.0/8", "::1/128", *PRIVATE_NETWORKS)


class RateLimit(_Section):
    responses_per_second: Annotated[int, v.number_or_off(1, RESPONSES_A_SECOND_MAX)] = 200
    slip: Annotated[int, v.whole(0, 10)] = 2
    ipv4_prefix: Annotated[int, v.whole(8, 32)] = 24
    ipv6_prefix: Annotated[int, v.whole(16, 128)] = 56
    exempt: v.Networks = PRIVATE_NETWORKS


class Identity(_Section):
    version: v.Text = ""
    server_id: v.Text = ""


class TlsSection(_Section):
    certificate: v.PathOrNull = None
    key: v.PathOrNull = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("key: there is no certificate beside it")
        return self


class Settings(_Section):
    """The whole configuration. Where it came from a Source, nothing is left open: listen, providers, state_dir and control are decided."""

    zones: v.Zones = ("svc.local",)
    listen: v.Listen = ("127.0.0.1:53",)
    ttl: Annotated[int, v.ttl(0, TTL_S_MAX)] = 5
    negative_ttl: Annotated[int, v.ttl(0, TTL_S_MAX)] = 2
    chain: Annotated[Literal["first", "merge"], v.word("first", "merge")] = "first"
    when_all_unhealthy: v.Unhealthy = "fail_open"
    startup_timeout: Annotated[float, v.seconds(0, WAIT_S_MAX)] = 3.0
    stale_after: Annotated[float, v.seconds(0, KEPT_S_MAX)] = 30.0
    max_answers: Annotated[int, v.whole(0, 65_535)] = 0
    srv_weight_scale: Annotated[int, v.whole(1, 65_535)] = 1
    providers: tuple[AnyProvider, ...] = ()
    zone_files: tuple[v.Path, ...] = ()
    forward: ForwardSection = ForwardSection()
    cache: CacheSection = CacheSection()
    acl: Acl = Acl()
    rate_limit: RateLimit = RateLimit()
    identity: Identity = Identity()
    tls: TlsSection = TlsSection()
    workers: Annotated[int, v.whole(1, WORKERS_MAX)] = 1
    http: v.AddressOrOff = "127.0.0.1:8053"
    http_hosts: v.Domains = ()
    state_dir: v.PathOrOff = None
    control: v.PathOrOff = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], v.word("debug", "info", "warning", "error")] = "info"
    log_format: Annotated[Literal["text", "json"], v.word("text", "json")] = "text"

    def plain(self) -> dict[str, Any]:
        """As JSON, under the keys of the file: addresses with their port, absolute paths, seconds as numbers, None for off."""
        return self.model_dump(mode="json") | {"providers": [provider.plain() for provider in self.providers]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The Settings that plain() wrote. Raises ValueError for anything else."""
        off = {key: "off" for key in ("http", "state_dir", "control") if key in plain and plain[key] is None}
        return cls.model_validate({**plain, **off})


SECTIONS: dict[str, type[_Section]] = {
    "forward": ForwardSection,
    "cache": CacheSection,
    "acl": Acl,
    "rate_limit": RateLimit,
    "identity": Identity,
    "tls": TlsSection,
}
