"""A real API server with its etcd, and CoreDNS beside it, on loopback.

Found by KUBE_APISERVER_BIN, ETCD_BIN and COREDNS_BIN, in the cache of `.ci/servers`, or in PATH. No controller runs: what is in the
cluster, the test has put there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError

import dns.exception
import dns.message
import dns.query
import yaml

START_S = 60.0
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


def find(name: str) -> str | None:
    """The path of a server's program; None: it is not on this machine."""
    given = os.environ.get(f"{name.upper().replace('-', '_')}_BIN")
    if given:
        return given
    cache = Path(os.environ.get("DNSDISCO_SERVERS") or Path.home() / ".cache/dnsdisco/servers")
    cached = cache / "bin" / name
    return str(cached) if os.access(cached, os.X_OK) else shutil.which(name)


def missing(*names: str) -> str:
    """Those that are not here, for the reason of a skip; "": all are."""
    return ", ".join(name for name in names if find(name) is None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One server; ended by its own pid."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.name = name
        program = find(name)
        assert program
        environ = {key: value for key, value in os.environ.items() if not key.endswith("_BIN")}
        with (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, env=environ)

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Cluster:
    """etcd and kube-apiserver. `token` "admin-token" may do everything, "reader-token" what the test allows the group `readers`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client, self.peer, self.port = free_port(), free_port(), free_port()
        subprocess.run(["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text("admin-token,admin,1,system:masters\nreader-token,reader,2,readers\n")
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority = folder / "certs" / "apiserver.crt"
        self.start_etcd()
        self.start_api()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.stop()
        self.etcd.stop()

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.client}", f"http://127.0.0.1:{self.peer}"
        self.etcd = Program(
            self.folder, "etcd", "--name", "test", "--data-dir", str(self.folder / "etcd"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"test={peer}", "--unsafe-no-fsync", "--log-level", "warn",
        )  # fmt: skip
        self._wait(lambda: urllib.request.urlopen(f"{client}/health", timeout=2).status == 200, self.etcd)

    def start_api(self) -> None:
        key = str(self.folder / "sa.key")
        self.api = Program(
            self.folder, "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.client}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}", f"--cert-dir={self.folder / 'certs'}",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--authorization-mode=RBAC", f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112", "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        self._wait(lambda: self.ask("GET", "/readyz") is not None, self.api)
        self._wait(lambda: self.ask("GET", "/api/v1/namespaces/default") is not None, self.api)

    def forget(self) -> None:
        """Compact away every version up to now."""
        revision = self._etcd("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd("/v3/kv/compaction", {"revision": revision, "physical": True})

    def lose_everything(self) -> None:
        """As if etcd had come back without its disk."""
        self.api.stop(signal.SIGKILL)
        self.etcd.stop(signal.SIGKILL)
        shutil.rmtree(self.folder / "etcd")
        self.start_etcd()
        self.start_api()

    def ask(
        self, method: str, path: str, body: object = None, token: str = "admin-token", *, media: str = "application/json"
    ) -> Any:
        """What it answers; None for 404."""
        context = ssl.create_default_context(cafile=str(self.authority))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": media}
        octets = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, octets, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as response:
                text = response.read()
        except HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text.startswith(b"{") else text

    def put(self, item: dict[str, Any], *, namespace: str | None = None, query: str = "") -> dict[str, Any]:
        """Create it, or replace what has its name."""
        namespace = item["metadata"].get("namespace") or namespace or "default"
        path = PATHS[item["kind"]].format(namespace)
        name = item["metadata"]["name"]
        known = self.ask("GET", f"{path}/{name}")
        if known is None:
            return self.ask("POST", path + query, item)
        kept = {"resourceVersion": known["metadata"]["resourceVersion"]}
        item = {**item, "metadata": {**item["metadata"], **kept}}
        if item["kind"] == "Service" and known["spec"].get("clusterIP") and "clusterIP" not in item["spec"]:
            item["spec"] = {**item["spec"], "clusterIP": known["spec"]["clusterIP"], "clusterIPs": known["spec"]["clusterIPs"]}
        return self.ask("PUT", f"{path}/{name}{query}", item)

    def apply(self, item: dict[str, Any], *, namespace: str = "", query: str = "") -> dict[str, Any]:
        """As `kubectl apply --server-side`, every field checked. *namespace*: that of the command line, for what names none."""
        metadata = item["metadata"]
        path = PATHS[item["kind"]].format(metadata.get("namespace") or namespace or "default")
        settings = f"?fieldManager=test&fieldValidation=Strict{query}"
        return self.ask("PATCH", f"{path}/{metadata['name']}{settings}", item, media="application/apply-patch+yaml")

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        self.ask("DELETE", f"{PATHS[kind].format(namespace)}/{name}")

    def clear(self) -> None:
        """Everything that tests put there."""
        for namespace in self.ask("GET", "/api/v1/namespaces")["items"]:
            name = namespace["metadata"]["name"]
            for kind in ("EndpointSlice", "Service", "Role", "RoleBinding"):
                for each in self.ask("GET", PATHS[kind].format(name))["items"]:
                    if each["metadata"]["name"] != "kubernetes" and not name.startswith("kube-"):
                        self.delete(kind, each["metadata"]["name"], name)
        for kind in ("ClusterRole", "ClusterRoleBinding"):
            self.delete(kind, "dnsdisco")
            self.delete(kind, "readers")

    def allow_readers(self, *resources: str) -> None:
        """The group `readers` may list and watch these, everywhere."""
        rules = [{"apiGroups": ["", "discovery.k8s.io"], "resources": list(resources), "verbs": ["get", "list", "watch"]}]
        group = "rbac.authorization.k8s.io"
        self.put({"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "readers"}, "rules": rules})
        binding = {
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "readers"},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": "readers"}],
        }
        self.put({"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "readers"}, **binding})

    def kubeconfig(self, token: str = "admin-token") -> str:
        path = self.folder / f"kubeconfig-{token}"
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "user", "user": {"token": token}}],
                }
            )
        )
        return str(path)

    def account(self, namespace: str = "dnsdisco", name: str = "dnsdisco") -> dict[str, Any]:
        """What a pod with that service account has, as arguments of the provider."""
        spec = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        made = self.ask("POST", f"{PATHS['ServiceAccount'].format(namespace)}/{name}/token", spec)
        folder = self.folder / f"account-{namespace}-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(made["status"]["token"])
        (folder / "ca.crt").write_bytes(self.authority.read_bytes())
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}
        return {"service_account": folder, "environ": environ}

    def _etcd(self, path: str, body: object) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.client}{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    def _wait(self, is_up: Any, program: Program) -> None:
        until = time.monotonic() + START_S
        while True:
            assert program.process.poll() is None, f"{program.name} has ended; see {self.folder}"
            with suppress(OSError, URLError, AssertionError):
                if is_up():
                    return
            assert time.monotonic() < until, f"{program.name} is not up after {START_S} s; see {self.folder}"
            time.sleep(0.05)


class CoreDns:
    """CoreDNS with its kubernetes plugin, for cluster.local and reverse names, as the user reader."""

    def __init__(self, cluster: Cluster) -> None:
        self.port, ready = free_port(), free_port()
        corefile = cluster.folder / "Corefile"
        corefile.write_text(
            f"""cluster.local:{self.port} in-addr.arpa:{self.port} ip6.arpa:{self.port} {{
                bind 127.0.0.1
                errors
                ready 127.0.0.1:{ready}
                kubernetes cluster.local in-addr.arpa ip6.arpa {{
                    kubeconfig {cluster.kubeconfig("reader-token")} test
                    endpoint_pod_names
                }}
            }}
            """
        )
        self.program = Program(cluster.folder, "coredns", "-conf", str(corefile))
        cluster._wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{ready}/ready", timeout=2).status == 200, self.program)
        cluster._wait(self._answers, self.program)  # it may be ready before it listens

    def ask(self, name: str, rtype: str, within_s: float = 5.0) -> dns.message.Message:
        question = dns.message.make_query(name, rtype, use_edns=0, payload=4096)
        return dns.query.udp(question, "127.0.0.1", port=self.port, timeout=within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop()

    def _answers(self) -> bool:
        with suppress(dns.exception.Timeout):
            return bool(self.ask("cluster.local", "SOA", 0.2).answer)
        return False
