"""The options of the kubernetes provider, and their checks. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dnsdisco.settings import kinds
from dnsdisco.settings.lists import ListOf
from dnsdisco.settings.options import read_options
from dnsdisco.settings.setting import Setting
from dnsdisco.written import names
from dnsdisco.written.units import shown

KUBECONFIG_VARIABLE = "KUBECONFIG"
NAMESPACE_VARIABLE = "KUBERNETES_NAMESPACE"
DEFAULT_NAMESPACE = "default"
POLICIES = ("empty", "fail_open")
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # what every pod has, unless its owner forbids it
SELECTOR_OCTETS_MAX = 4096  # it goes into a URL

WATCH_S = 300.0  # of one watch request: a new one uses the newest credentials, and client-go takes 5 to 10 minutes
WATCH_S_MAX = 600.0
RELIST_S = 1800.0  # between whole lists that nothing asked for: what a watch lost in silence comes back then
RELIST_S_MIN = 1.0
ANSWER_S = 10.0  # until the first octet of an answer that is due, and between two: a hang is noticed after so long
PULSE_S = 15.0  # a server that has been silent for so long is asked whether it is there; client-go pings after 30

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # of a namespace or a Service (RFC 1123 §2.1)


def _namespace(value: object) -> str:
    name = names.dns_name(value)
    if not NAME.fullmatch(name):
        raise ValueError(f"expected a namespace (1 to 63 of a to z, 0 to 9 and -), found {shown(value)}")
    return name


ADDRESSES = kinds.Word("auto", "cluster_ip", "endpoints", "load_balancer", "node_port")
NAMESPACE = kinds.Written(_namespace, "a name")


@dataclass(frozen=True, slots=True)
class Options:
    """One cluster, and what is wanted of it."""

    kubeconfig: Annotated[
        str | None,
        Setting(
            kinds.OrNull(kinds.Path()),  # for a program also several, with `:` between them
            "The kubeconfig file with the address of the cluster.",
            default="`KUBECONFIG`, else the pod's own account, else `~/.kube/config`",
        ),
    ] = None
    context: Annotated[
        str | None, Setting(kinds.OrNull(kinds.Text()), "The context of that file.", values="a name; `null`: its current one")
    ] = None
    namespaces: Annotated[
        tuple[str, ...],
        Setting(
            ListOf(NAMESPACE, "[shop]"),
            "Only these namespaces.",
            values="names",
            default="`[]`: all that may be listed; where that is forbidden, the default one",
        ),
    ] = ()
    default_namespace: Annotated[
        str,
        Setting(
            NAMESPACE,
            "The namespace that `SERVICE.ZONE` means; every service is at `SERVICE.NAMESPACE.ZONE`, too.",
            default="`KUBERNETES_NAMESPACE`, else `default`",
        ),
    ] = DEFAULT_NAMESPACE
    labels: Annotated[
        str,
        Setting(
            kinds.Text(SELECTOR_OCTETS_MAX),
            "A label selector: only Services that match.",
            values="as in `kubectl get -l`",
            default='`""`: all',
        ),
    ] = ""
    addresses: Annotated[
        str,
        Setting(
            ADDRESSES,
            "The addresses that answer for a Service. `cluster_ip`; `endpoints` that are ready; `load_balancer` ingress addresses; "
            "`node_port`: the internal addresses of ready nodes. `auto`: the cluster IP inside the cluster; outside, the load balancer where "
            "there is one, else endpoints.",
        ),
    ] = "auto"
    # For a program alone
    service_account: Path = Path(SERVICE_ACCOUNT)
    environ: Mapping[str, str] | None = None  # where KUBERNETES_SERVICE_HOST and _PORT are looked up; None: this process's
    watch_s: float = WATCH_S
    relist_s: float = RELIST_S
    answer_s: float = ANSWER_S
    pulse_s: float = PULSE_S

    def __post_init__(self) -> None:
        """Raises ValueError or TypeError naming the option."""
        read_options(self)
        if not 0 < self.watch_s <= WATCH_S_MAX:
            raise ValueError(f"watch_s: expected at most {WATCH_S_MAX:g} seconds, found {self.watch_s!r}")
        if not self.relist_s >= RELIST_S_MIN:
            raise ValueError(f"relist_s: expected at least {RELIST_S_MIN:g} seconds, found {self.relist_s!r}")
        if not (self.answer_s > 0 and self.pulse_s > 0):
            raise ValueError(f"answer_s, pulse_s: expected seconds, found {self.answer_s!r} and {self.pulse_s!r}")


def names_of(value: Any, option: str) -> tuple[str, ...]:
    """Each name once, in the order given; None is none."""
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(dict.fromkeys(value))
    raise ValueError(f"{option}: expected a list of names, found {value!r}")


def completed(settings: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """*settings*, and the environment for what they leave open."""
    values = dict(settings)
    namespace = environ.get(NAMESPACE_VARIABLE, "").strip()
    if namespace and values.get("namespace") is None:
        try:
            namespace = _namespace(namespace)
        except ValueError as error:
            if "namespaces" not in values or "default_namespace" not in values:
                raise ValueError(f"{NAMESPACE_VARIABLE}: {error}") from None
        values.setdefault("namespaces", (namespace,))
        values.setdefault("default_namespace", namespace)
    kubeconfig = environ.get(KUBECONFIG_VARIABLE, "").strip()
    if kubeconfig and values.get("kubeconfig") is None:
        values["kubeconfig"] = kubeconfig
    return values
