"""deploy/kubernetes on a real API server: it is applied at once, holds its own Pod Security level, and gives the least rights."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from dnsdisco.config.reading import checked, ReadingContext
from dnsdisco.errors import ProviderError
from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from tests.config.known import Known
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import headless, slice_of
from tests.providers.kubernetes.real import Cluster, find, missing, PATHS
from tests.whole.server import Server

DEPLOY = Path(__file__).parents[3] / "deploy"
SERVER, NODE = DEPLOY / "kubernetes", DEPLOY / "kubernetes-node"
MISSING = missing("kube-apiserver", "etcd")
needs_kubectl = pytest.mark.skipif(bool(missing("kubectl")), reason="no kubectl here; .ci/servers builds it")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(MISSING), reason=f"no {MISSING} here; .ci/servers builds them"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running):
    running.clear()
    return running


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def resources(folder=SERVER):
    """What the kustomization names, in its order."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    return [item for name in kustomization["resources"] for item in documents(folder / name)]


def kubectl(cluster, *arguments):
    command = [find("kubectl"), "--kubeconfig", cluster.kubeconfig(), "--cache-dir", str(cluster.folder / "kubectl"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def may(cluster, account, verb, resource, namespace, group=""):
    """Whether the account may, in the API server's own words."""
    attributes = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    spec = {"user": f"system:serviceaccount:{account}", "groups": ["system:serviceaccounts"], "resourceAttributes": attributes}
    made = cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {**review, "spec": spec})
    return made["status"]["allowed"]


READS = [("services", ""), ("endpointslices", "discovery.k8s.io")]
NOT_FOR_A_SERVER = [
    (verb, resource, group)
    for resource, group in [*READS, ("secrets", ""), ("pods", ""), ("configmaps", ""), ("nodes", ""), ("roles", "rbac.authorization.k8s.io")]
    for verb in ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
    if not ((resource, group) in READS and verb in ("get", "list", "watch"))
]  # fmt: skip


def pod_of(item):
    """A pod that the controller of *item* would make."""
    template = item["spec"]["template"]
    metadata = {"name": "one", "namespace": item["metadata"]["namespace"], "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def admitted(cluster, pod):
    """An error where the namespace's Pod Security level, which is enforced, does not let it in."""
    cluster.ask("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods?dryRun=All", pod)


def test_every_object_is_taken_in_the_order_of_the_kustomization(cluster):
    for item in resources():
        assert cluster.apply(item)["metadata"]["uid"]
    for item in resources():  # and again
        cluster.apply(item)
    labels = cluster.ask("GET", "/api/v1/namespaces/dnsdisco")["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}
    ports = {each["name"]: each for each in cluster.ask("GET", "/api/v1/namespaces/dnsdisco/services/dnsdisco")["spec"]["ports"]}
    assert ports["metrics"]["port"] == 8053
    (deployment,) = (item for item in resources() if item["kind"] == "Deployment")
    admitted(cluster, pod_of(deployment))
    worse = pod_of(deployment)
    worse["spec"] = {**worse["spec"], "hostNetwork": True}
    with pytest.raises(AssertionError, match=r"violates PodSecurity .*restricted.*hostNetwork"):
        admitted(cluster, worse)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    scraped = deployment["spec"]["template"]["metadata"]["annotations"]
    assert scraped["prometheus.io/port"] == str(
        next(port["containerPort"] for port in container["ports"] if port["name"] == "http")
    )


@needs_kubectl
def test_kubectl_applies_both_into_an_empty_cluster(tmp_path):
    with Cluster(tmp_path) as fresh:
        for folder in (SERVER, NODE):
            said = kubectl(fresh, "apply", "-k", str(folder)).stdout
            assert "unchanged" not in said
            assert "unchanged" in kubectl(fresh, "apply", "-k", str(folder)).stdout
        (daemons,) = fresh.ask("GET", "/apis/apps/v1/daemonsets")["items"]
        assert daemons["metadata"]["namespace"] == "dnsdisco-node"
        pod = {**pod_of(daemons), "spec": {**daemons["spec"]["template"]["spec"], "priorityClassName": None}}
        admitted(fresh, pod)
        mounted = next(each for each in pod["spec"]["volumes"] if each["name"] == "config")["configMap"]["name"]
        assert fresh.ask("GET", f"{PATHS['ConfigMap'].format('dnsdisco-node')}/{mounted}")
        assert not fresh.ask("GET", "/apis/apps/v1/namespaces/dnsdisco-node/deployments")["items"]
        for account in ("dnsdisco:dnsdisco", "dnsdisco-node:dnsdisco-node"):
            assert all(
                may(fresh, account, verb, what, "default", group) for what, group in READS for verb in ("get", "list", "watch")
            )
            for verb, what, group in NOT_FOR_A_SERVER:
                for namespace in ("default", "dnsdisco", "kube-system"):
                    assert not may(fresh, account, verb, what, namespace, group), (account, verb, what, namespace)


def test_its_account_reads_everything_and_may_write_nothing_until_it_is_allowed_to(cluster):
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.0.0.1"]))
    for item in resources():
        if item["kind"] in ("Namespace", "ServiceAccount"):
            cluster.apply(item)
    inside = KubernetesServiceDiscovery(**cluster.account())
    with pytest.raises(ProviderError, match="forbidden") as caught:
        inside.get_services()
    assert caught.value.is_denied
    for item in resources():
        cluster.apply(item)
    with Follow(inside) as follow:
        follow.until(lambda it: "web" in it.names())
        fixed = follow.last.services["default", "kubernetes"]
        assert [each.address for each in fixed.instances] == ["10.96.0.1"]  # auto, inside: the cluster IP
    for namespace in ("default", "dnsdisco"):
        with pytest.raises(ProviderError, match="cannot create"):
            inside.register_service(f"new.{namespace}", {"address": "10.0.0.1"})
        assert not any(may(cluster, "dnsdisco:dnsdisco", verb, what, namespace, group) for verb, what, group in NOT_FOR_A_SERVER)


def test_one_namespace_is_all_it_sees_by_the_optional_role(cluster):
    for item in resources():
        if item["kind"] in ("Namespace", "ServiceAccount"):
            cluster.apply(item)
    cluster.put(headless("mine", "dnsdisco"))
    for item in documents(SERVER / "optional" / "one-namespace.yaml"):
        cluster.apply(item, namespace="dnsdisco")
    with Follow(KubernetesServiceDiscovery("dnsdisco", **cluster.account())) as follow:
        follow.until(lambda it: it.names() == {"mine"})
    assert not may(cluster, "dnsdisco:dnsdisco", "list", "services", "default")


def test_it_registers_in_the_one_namespace_that_the_optional_role_is_in(cluster):
    for item in resources():
        cluster.apply(item)
    for item in documents(SERVER / "optional" / "register.yaml"):
        cluster.apply(item, namespace="dnsdisco")
    inside = KubernetesServiceDiscovery(**cluster.account())
    with Follow(inside) as follow:  # until the API server's own watch of its roles has come round
        follow.until(lambda _: may(cluster, "dnsdisco:dnsdisco", "create", "services", "dnsdisco"))
    for at in range(3):
        inside.register_service("new.dnsdisco", {"address": f"10.0.0.{at + 1}", "id": "one" if at < 2 else "two"})
    assert len(inside.get_service("new.dnsdisco")["instances"]) == 2
    assert inside.deregister_service("new.dnsdisco") is True
    with pytest.raises(ProviderError, match="cannot create"):
        inside.register_service("new.default", {"address": "10.0.0.1"})
    for verb in ("patch", "deletecollection"):
        assert not may(cluster, "dnsdisco:dnsdisco", verb, "services", "dnsdisco")


def test_the_configuration_is_good_and_serves_the_names_of_its_own_service():
    (config,) = documents(SERVER / "config.yaml")
    written = yaml.safe_load(config["data"]["dnsdisco.yaml"])
    settings = checked(written, ReadingContext("/", {}, Known({"kubernetes"})))
    assert [each["type"] for each in settings.providers] == ["kubernetes"]
    service = next(item for item in resources() if item["kind"] == "Service")["metadata"]
    name, namespace = service["name"], service["namespace"]
    assert settings.http_hosts == (name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")


def test_the_server_runs_with_it_and_is_asked_under_its_service_s_name(cluster, tmp_path):
    cluster.put(headless("web"))
    cluster.put(slice_of("web", ["10.0.0.1"]))
    (config,) = documents(SERVER / "config.yaml")
    (tmp_path / "dnsdisco.yaml").write_text(config["data"]["dnsdisco.yaml"])
    flags = ["--config", "dnsdisco.yaml", "--http", "127.0.0.1:0", "--state-dir", "off", "--upstream", "none"]
    with Server(*flags, cwd=tmp_path, env={"KUBECONFIG": cluster.kubeconfig()}) as server:
        server.until("web.svc.local", {"10.0.0.1"}, 5)
        url = server.wait_for(r"address=(http://127\.0\.0\.1:\d+)")[1]
        for host, status in (
            ("dnsdisco.dnsdisco.svc:8053", 200),
            ("dnsdisco", 200),
            ("10.96.0.53:8053", 200),
            ("dnsdisco.evil.example", 421),
        ):
            reply = httpx.get(f"{url}/ready", headers={"Host": host}, trust_env=False)
            assert (host, reply.status_code) == (host, status)


def test_every_manifest_is_applied_by_a_kustomization_or_is_optional():
    for folder in (SERVER, NODE):
        (kustomization,) = documents(folder / "kustomization.yaml")
        listed = {name for name in kustomization["resources"] if name.endswith(".yaml")}
        assert listed | {"kustomization.yaml"} == {path.name for path in folder.glob("*.yaml")}
    assert all(
        item["metadata"].get("namespace") == "dnsdisco"
        for item in resources()
        if not item["kind"].startswith(("Cluster", "Namespace"))
    )
    assert resources()[0]["kind"] == "Namespace"
    assert json.dumps(resources()).count('"create"') == 0
