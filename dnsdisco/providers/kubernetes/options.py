"""What can be set, checked; nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnsdisco.providers.kubernetes.traits import KUBECONFIG_VARIABLE, SERVICE_ACCOUNT

NAMESPACE_VARIABLE = "KUBERNETES_NAMESPACE"
DEFAULT_NAMESPACE = "default"
ADDRESSES = ("auto", "cluster_ip", "endpoints", "load_balancer", "node_port")
POLICIES = ("empty", "fail_open")
SELECTOR_CHARACTERS_MAX = 4096  # it goes into a URL

WATCH_S = 300.0  # of one watch request: a new one uses the newest credentials, and client-go takes 5 to 10 minutes
WATCH_S_MAX = 600.0
RELIST_S = 1800.0  # between whole lists that nothing asked for: what a watch lost in silence comes back then
RELIST_S_MIN = 1.0
ANSWER_S = 10.0  # until the first octet of an answer that is due, and between two: a hang is noticed after so long
PULSE_S = 15.0  # a server that has been silent for so long is asked whether it is there; client-go pings after 30

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # of a namespace or a Service (RFC 1123 §2.1)


@dataclass(frozen=True, slots=True)
class Options:
    """One cluster, and what is wanted of it. `namespaces` == (): all that may be listed."""

    kubeconfig: str | None = None  # a path, several with `:` between them; None: the pod's own account, else ~/.kube/config
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    default_namespace: str = DEFAULT_NAMESPACE
    labels: str = ""
    addresses: str = "auto"
    service_account: Path = Path(SERVICE_ACCOUNT)
    environ: Mapping[str, str] | None = None  # where KUBERNETES_SERVICE_HOST and _PORT are looked up; None: this process's
    watch_s: float = WATCH_S
    relist_s: float = RELIST_S
    answer_s: float = ANSWER_S
    pulse_s: float = PULSE_S

    def __post_init__(self) -> None:
        """Raises ValueError or TypeError naming the option."""
        for namespace in self.namespaces:
            _check_namespace("namespaces", namespace)
        _check_namespace("default_namespace", self.default_namespace)
        for key, value in (("kubeconfig", self.kubeconfig), ("context", self.context)):
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"{key}: expected a text or nothing, found {value!r}")
        if not isinstance(self.labels, str) or len(self.labels) > SELECTOR_CHARACTERS_MAX or not self.labels.isprintable():
            raise ValueError(f"labels: expected a label selector such as app=web,tier!=test, found {self.labels!r:.80}")
        if self.addresses not in ADDRESSES:
            raise ValueError(f"addresses: expected one of {', '.join(ADDRESSES)}, found {self.addresses!r}")
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
            _check_namespace(NAMESPACE_VARIABLE, namespace)
        except ValueError:
            if "namespaces" not in values or "default_namespace" not in values:
                raise
        values.setdefault("namespaces", (namespace,))
        values.setdefault("default_namespace", namespace)
    kubeconfig = environ.get(KUBECONFIG_VARIABLE, "").strip()
    if kubeconfig and values.get("kubeconfig") is None:
        values["kubeconfig"] = kubeconfig
    return values


def _check_namespace(option: str, value: Any) -> None:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{option}: expected a namespace (1 to 63 of a to z, 0 to 9 and -), found {value!r}")
