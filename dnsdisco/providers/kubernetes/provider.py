"""The kubernetes provider as others see it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.model.service import Service, Snapshot
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.kubernetes.cluster import ClusterView
from dnsdisco.providers.kubernetes.compose import Rules
from dnsdisco.providers.kubernetes.connection import ApiConnection
from dnsdisco.providers.kubernetes.credentials import is_inside
from dnsdisco.providers.kubernetes.endpoints import SERVICE_LABEL
from dnsdisco.providers.kubernetes.options import (
    ANSWER_S,
    completed,
    DEFAULT_NAMESPACE,
    KUBECONFIG_VARIABLE,
    NAME,
    names_of,
    Options,
    POLICIES,
    PULSE_S,
    RELIST_S,
    SERVICE_ACCOUNT,
    WATCH_S,
)
from dnsdisco.providers.kubernetes.registration import Registry
from dnsdisco.providers.kubernetes.rejected import Faults
from dnsdisco.providers.kubernetes.resources import list_whole, NODES, SERVICES, SLICES
from dnsdisco.providers.kubernetes.session import Session, SessionFacts, unless_stopped
from dnsdisco.providers.kubernetes.traits import Traits
from dnsdisco.providers.kubernetes.watch_plan import Plan, settle, WatchedList


class KubernetesServiceDiscovery(Traits, ServiceDiscovery):
    """Services of one cluster. In the library's dicts a Service of another namespace than the default one is `name.namespace`."""

    def __init__(  # noqa: PLR0913  each is something that can be set
        self,
        namespace: str | None = None,
        *,
        kubeconfig: str | os.PathLike[str] | None = None,
        context: str | None = None,
        namespaces: Any = None,
        default_namespace: str | None = None,
        labels: str = "",
        addresses: str = "auto",
        when_all_unhealthy: str = "empty",
        service_account: str | os.PathLike[str] = SERVICE_ACCOUNT,
        environ: Mapping[str, str] | None = None,
        watch_s: float = WATCH_S,
        relist_s: float = RELIST_S,
        answer_s: float = ANSWER_S,
        pulse_s: float = PULSE_S,
    ) -> None:
        """*namespace*: the one to serve, and the default one; *namespaces* and *default_namespace* win over it.

        *kubeconfig*: a path, several with `:` between them; without one KUBECONFIG, else the pod's own service account, else
        ~/.kube/config. *labels*: a selector for Services. *when_all_unhealthy*: for Services without one of their own.
        Seconds: *watch_s*, that one watch request may take; *relist_s*, between two whole lists of what is watched; *answer_s*, that an
        answer may be late; *pulse_s*, of silence until the server is asked whether it is there.

        Raises ValueError naming the option that cannot be used. Reads no file and sends no request.
        """
        if when_all_unhealthy not in POLICIES:
            raise ValueError(f"when_all_unhealthy: expected {' or '.join(POLICIES)}, found {when_all_unhealthy!r}")
        given = (os.environ if environ is None else environ).get(KUBECONFIG_VARIABLE, "").strip()
        served = names_of(namespaces, "namespaces")
        self.options = Options(
            kubeconfig=os.fspath(kubeconfig) if kubeconfig else given or None,
            context=context,
            namespaces=served if namespaces is not None or namespace is None else (namespace,),
            default_namespace=default_namespace if default_namespace is not None else namespace or DEFAULT_NAMESPACE,
            labels=labels,
            addresses=addresses,
            service_account=Path(service_account),
            environ=environ,
            watch_s=watch_s,
            relist_s=relist_s,
            answer_s=answer_s,
            pulse_s=pulse_s,
        )
        self.when_all_unhealthy = when_all_unhealthy  # read at each use: the registry may set it
        self.faults = Faults()
        self._connection = ApiConnection(self.options)
        self._lock = Lock()  # around _plan and _known
        self._plan: Plan | None = None
        self._known: SessionFacts | None = None  # of a watch that was lost; the next watch takes it

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        """KUBERNETES_NAMESPACE (the namespace to serve, and the default one) and KUBECONFIG fill what *settings* leave out."""
        return cls(**completed(settings, environ), environ=environ)

    def get_services(self) -> dict[str, dict[str, Any]]:
        view = self._listed({})
        services = sorted(view.snapshot().services.values(), key=lambda each: (not each.is_default_namespace, each.key))
        return {service.called: service_to_dict(service) for service in services}

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The service, by a question for it alone. `name.namespace` finds those of the default namespace, too."""
        name, _, namespace = service_name.lower().partition(".")
        key = namespace or self.options.default_namespace, name
        is_name = all(NAME.fullmatch(part) for part in key)
        service = self._listed_one(key) if is_name else None
        return service_to_dict(service) if service else default

    def names(self) -> tuple[()]:
        """No further names: its names are labels in lower case, and get_service() finds them by any spelling of DNS clients."""
        return ()

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        """A headless Service without a selector, and an EndpointSlice for this instance, both labelled as ours.

        Raises ValueError for what Kubernetes cannot hold, NotSupported for a `check` and where the Service is not ours.
        """
        return self._registry().register(service_name, service_data)

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        """Removes slices of ours, and our Service with the last of them. Raises NotSupported if the Service is not ours."""
        return self._registry().deregister(service_name, instance_id)

    def watch(self, stop: threading.Event) -> Iterator[Snapshot]:
        """Ends within a second of *stop*. After a loss the next watch() goes on from what is known, where that is safe."""
        plan = unless_stopped(self._settled, stop)
        if plan is None:
            return
        known = self._take_known(plan)
        session = Session(self._connection, self.options, known, self.faults)
        is_lost = False
        try:
            for snapshot in session.snapshots(stop):
                self.index, self.rejected = session.index, known.view.rejected
                yield snapshot
        except Exception:
            is_lost = True
            raise
        finally:
            session.close()
            if is_lost:  # a watch that was ended may have a successor already, which is to ask anew
                with self._lock:
                    self._known = session.known

    def close(self) -> None:
        self._connection.close()

    def _rules(self) -> Rules:
        return Rules(self.options.addresses, is_inside(self.options), self.options.default_namespace, self.when_all_unhealthy)

    def _settled(self) -> Plan:
        with self._lock:
            known = self._plan
        plan = settle(self._connection, self.options, known, needs_nodes=self._rules().needs_nodes)
        with self._lock:
            self._plan = plan
        return plan

    def _take_known(self, plan: Plan) -> SessionFacts:
        with self._lock:
            known, self._known = self._known, None
        rules = self._rules()
        if known is None or known.plan != plan or known.view.rules != rules:
            return SessionFacts(plan, ClusterView(rules))
        return known

    def _listed(self, selectors: Mapping[str, str]) -> ClusterView:
        view = ClusterView(self._rules())
        for source in self._settled().sources():
            self._list_into(view, source, selectors)
        return view

    def _listed_one(self, key: tuple[str, str]) -> Service | None:
        namespace, name = key
        plan = self._plan or self._settled()
        is_served = None in plan.namespaces or namespace in plan.namespaces
        if not is_served or (plan.wanted is not None and namespace not in plan.wanted):
            return None
        view = ClusterView(self._rules())
        by_name = {"fieldSelector": f"metadata.name={name}"}
        self._list_into(view, WatchedList(SERVICES, namespace), by_name)
        if not view.size:
            return None
        by_owner = {"labelSelector": f"{SERVICE_LABEL}={name}"} if plan.endpoints is SLICES else by_name
        self._list_into(view, WatchedList(plan.endpoints, namespace), by_owner)
        if plan.needs_nodes:
            self._list_into(view, WatchedList(NODES, None), {})
        return view.snapshot().services.get(key)

    def _list_into(self, view: ClusterView, source: WatchedList, selectors: Mapping[str, str]) -> None:
        every = {**source.selectors(self.options.labels), **selectors}
        listing = list_whole(self._connection, source.resource, source.namespace, every, self.faults)
        wanted = {key: fact for key, fact in listing.objects.items() if source.wants(key[0])}
        view.replace(source.resource, source.namespace, wanted, ())

    def _registry(self) -> Registry:
        return Registry(self._connection, self.options)
