"""The options of an entry of `providers`, by its type: the form, the range and the default of each. docs/configuration.md explains them.

Values are canonical once read, and canonical values are read again unchanged.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    field_validator,
    model_validator,
    PlainValidator,
    Tag,
    ValidationInfo,
)

from dnsdisco.config import values as v
from dnsdisco.settings.kinds import Text
from dnsdisco.written import units

WAIT_S_MAX = 3600  # between two polls


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
    context: Annotated[str | None, v.or_null(v.of(Text()))] = None
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
