"""What the fake agent knows: nodes, instances and checks, with Consul's indexes (one for each service, one for the list)."""

# ruff: noqa: A001, A002  `id` is what Consul calls it

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any


class FakeCatalog:
    """Thread-safe. `changed` is notified after every change."""

    def __init__(self, *, has_consul: bool = True) -> None:
        self.changed = threading.Condition()
        self.index = 10
        self.list_index = 10
        self.checks_index = 10
        self.indexes: dict[str, int] = {}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}  # service: (node, id): entry
        self.node_checks: dict[str, dict[str, str]] = {}
        self._bodies: dict[str, tuple[int, bytes]] = {}
        self._on: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}  # node: (service, id): entry
        if has_consul:
            self.put("consul", port=8300, id="consul", address="")

    def put(
        self, name: str, *, id: str = "", node: str = "n1", status: str | None = None, moves_list: bool = True, **service: Any
    ) -> None:
        """Register or replace. *status*: of its check; None: it has none. Other arguments: fields of the service, in lower case."""
        with self.changed:
            self.index += 1
            self._node(node)
            body: dict[str, Any] = {
                "ID": id or name, "Service": name, "Address": "10.0.0.1", "Port": 8080, "Tags": [], "Meta": {},
                "Weights": {"Passing": 1, "Warning": 1}, "Kind": "",
            } | {key.capitalize(): value for key, value in service.items()}  # fmt: skip
            body["ModifyIndex"] = self.index
            entry = {"service": body, "checks": {} if status is None else {f"service:{body['ID']}": status}}
            self.instances.setdefault(name, {})[node, body["ID"]] = entry
            self._on.setdefault(node, {})[name, body["ID"]] = entry
            self._moved(name, is_list=moves_list, are_checks=status is not None)

    def remove(self, name: str, id: str = "", node: str = "n1") -> bool:
        with self.changed:
            entries = self.instances.get(name, {})
            if (node, id or name) not in entries:
                return False
            self.index += 1
            has_checks = bool(entries.pop((node, id or name))["checks"])
            del self._on[node][name, id or name]
            if not entries:
                del self.instances[name]
            self._moved(name, is_list=True, are_checks=has_checks)
            return True

    def check(self, name: str, status: str, id: str = "", node: str = "n1", check: str = "") -> None:
        with self.changed:
            self.index += 1
            self.instances[name][node, id or name]["checks"][check or f"service:{id or name}"] = status
            self._moved(name, are_checks=True)

    def node_check(self, node: str, status: str, check: str = "serfHealth") -> None:
        with self.changed:
            self.index += 1
            self.node_checks.setdefault(node, {})[check] = status
            for name, entries in self.instances.items():
                if any(on == node for on, _ in entries):
                    self.indexes[name] = self.index
            self.checks_index = self.index
            self.changed.notify_all()

    def wipe(self, *, index: int = 5) -> None:
        """As after a restart without data: only `consul`, and small indexes."""
        with self.changed:
            self.index = self.list_index = self.checks_index = index
            self.indexes, self.instances, self.node_checks, self._bodies, self._on = {}, {}, {}, {}, {}
        self.put("consul", port=8300, id="consul", address="")

    def fill(self, services: int, instances: int, nodes: int) -> None:
        """`svc-0` and so on, spread over the nodes."""
        number = 0
        for at in range(services):
            for each in range(instances):
                number += 1
                address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                self.put(
                    f"svc-{at}", id=f"svc-{at}-{each}", node=f"node-{number % nodes}", status="passing", address=address,
                    port=8000 + each, tags=["v1", f"zone-{each}"], meta={"team": "shop"},
                )  # fmt: skip

    def wait(self, index_of: Callable[[], int], index: int, wait_s: float) -> bool:
        """Block as a query does: until the index is no longer *index* or above it, or *wait_s*. Whether it moved."""
        with self.changed:
            return self.changed.wait_for(lambda: index_of() > index, timeout=wait_s)

    def service_index(self, name: str) -> int:
        return self.indexes.get(name, self.list_index)

    def list_body(self) -> bytes:
        with self.changed:
            names = {
                name: sorted({tag for entry in entries.values() for tag in entry["service"]["Tags"] or []})
                for name, entries in self.instances.items()
            }
        return json.dumps(names).encode()

    def health_body(self, name: str) -> bytes:
        with self.changed:
            known = self._bodies.get(name)
            index = self.indexes.get(name, 0)
            if known is None or known[0] != index:
                entries = [self._entry(node, entry) for (node, _), entry in self.instances.get(name, {}).items()]
                known = index, json.dumps(entries).encode()
                self._bodies[name] = known
            return known[1]

    def failing_body(self) -> bytes:
        with self.changed:
            failing = [
                {"Node": node, "CheckID": check, "Status": status, "ServiceID": id, "ServiceName": name}
                for name, entries in self.instances.items()
                for (node, id), entry in entries.items()
                for check, status in entry["checks"].items()
                if status != "passing"
            ]
            failing += [
                {"Node": node, "CheckID": check, "Status": status, "ServiceID": "", "ServiceName": ""}
                for node, checks in self.node_checks.items()
                for check, status in checks.items()
                if status != "passing"
            ]
        return json.dumps(failing).encode()

    def node_body(self, node: str) -> bytes:
        with self.changed:
            services = [entry["service"] for entry in self._on.get(node, {}).values()]
            return json.dumps({"Node": self.nodes[node], "Services": services} if node in self.nodes else None).encode()

    def nodes_body(self) -> bytes:
        with self.changed:
            return json.dumps(list(self.nodes.values())).encode()

    def of_node(self, node: str) -> dict[str, dict[str, Any]]:
        with self.changed:
            return {id: entry for (_, id), entry in self._on.get(node, {}).items()}

    def _entry(self, node: str, entry: dict[str, Any]) -> dict[str, Any]:
        service = entry["service"]
        checks = [
            {"Node": node, "CheckID": check, "Status": status, "ServiceID": "", "ServiceName": ""}
            for check, status in {"serfHealth": "passing", **self.node_checks.get(node, {})}.items()
        ]
        checks += [
            {"Node": node, "CheckID": check, "Status": status, "ServiceID": service["ID"], "ServiceName": service["Service"]}
            for check, status in entry["checks"].items()
        ]
        return {"Node": self.nodes[node], "Service": service, "Checks": checks}

    def _node(self, node: str) -> None:
        if node not in self.nodes:
            address = f"192.0.2.{len(self.nodes) % 250 + 1}"
            self.nodes[node] = {"Node": node, "Address": address, "Datacenter": "dc1", "Meta": {}, "ModifyIndex": self.index}

    def _moved(self, name: str, *, is_list: bool = False, are_checks: bool = False) -> None:
        self.indexes[name] = self.index
        if is_list:
            self.list_index = self.index
        if are_checks:
            self.checks_index = self.index
        self.changed.notify_all()
