"""The kubernetes provider: Services and EndpointSlices of one cluster, listed once and then watched (docs/kubernetes.md).

    provider.py       the class that other rooms see
    traits.py         its declarations: its needs, its detection
    options.py        its options
    connection.py     one API server: requests, and the meaning of their failures
    credentials.py    its address and our identity: a pod's account, or a kubeconfig
    kubeconfig.py     kubeconfig files read as kubectl reads them
    identity.py       the user of a kubeconfig, as headers
    exec_plugin.py    a program that prints our credentials
    tls.py            the certificates of a kubeconfig
    watch_plan.py     which lists make up the whole view
    resources.py      the resources, and the paged list of each
    reflector.py      one resource followed: list, then watch, again and again
    session.py        one watch(): its threads, their events, its end
    objects.py        raw JSON of Services and Nodes → small facts
    endpoints.py      raw JSON of EndpointSlices → instances
    rejected.py       objects that cannot be used, logged once and counted
    compose.py        the facts of one Service → a model Service
    cluster.py        the facts of one cluster → a Snapshot
    registration.py   Services and EndpointSlices that we make

Of the official `kubernetes` package only a pod's account, `auth-provider` and the making of connections are used. Its models refuse a
whole list for one bad object, its watch hangs on a silent server, and its informer spins while the server is away.
Read first: `provider.py`.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from dnsdisco.providers.kubernetes.traits import Traits

if TYPE_CHECKING:
    from dnsdisco.providers.kubernetes.provider import KubernetesServiceDiscovery

__all__ = ["KubernetesServiceDiscovery", "Traits"]


def __getattr__(name: str) -> Any:
    """The class comes with what it needs to work, such as http.client, when somebody asks for it."""
    if name == "KubernetesServiceDiscovery":
        from dnsdisco.providers.kubernetes.provider import KubernetesServiceDiscovery  # noqa: PLC0415

        return KubernetesServiceDiscovery
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
