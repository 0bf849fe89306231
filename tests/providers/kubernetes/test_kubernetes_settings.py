"""What can be set, where it may come from, and that no secret leaves by another way than the header."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import pytest
import yaml

from dnsdisco.control.contact import Contact
from dnsdisco.control.provider_set import Member
from dnsdisco.control.watcher import Watcher
from dnsdisco.errors import ProviderError
from dnsdisco.providers.env import EnvServiceDiscovery
from dnsdisco.providers.kubernetes import KubernetesServiceDiscovery
from dnsdisco.providers.registry import create
from tests.providers.kubernetes.follow import Follow
from tests.providers.kubernetes.objects import endpoint, headless, service, slice_of


def edit(path, change):
    """A kubeconfig, in place."""
    file = Path(path)
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config))


def options(settings=None, **environ):
    return KubernetesServiceDiscovery.from_settings(settings or {}, environ).options


def test_defaults():
    given = options()
    assert (given.namespaces, given.default_namespace, given.addresses, given.labels) == ((), "default", "auto", "")
    assert given.kubeconfig is None


def test_the_namespace_is_the_one_to_serve_and_the_default_one():
    given = KubernetesServiceDiscovery("shop").options
    assert (given.namespaces, given.default_namespace) == (("shop",), "shop")
    given = KubernetesServiceDiscovery(namespace="shop", namespaces=["a", "b"], default_namespace="a").options
    assert (given.namespaces, given.default_namespace) == (("a", "b"), "a")


def test_the_environment_fills_what_the_settings_leave_out():
    given = options(KUBERNETES_NAMESPACE="shop", KUBECONFIG="/a:/b")
    assert (given.namespaces, given.default_namespace, given.kubeconfig) == (("shop",), "shop", "/a:/b")
    given = options({"namespaces": [], "kubeconfig": "/c"}, KUBERNETES_NAMESPACE="shop", KUBECONFIG="/a")
    assert (given.namespaces, given.default_namespace, given.kubeconfig) == ((), "shop", "/c")
    given = options({"namespaces": ["x"], "default_namespace": "x"}, KUBERNETES_NAMESPACE="shop")
    assert (given.namespaces, given.default_namespace) == (("x",), "x")
    assert options({"kubeconfig": None}, KUBECONFIG="/a").kubeconfig == "/a"
    assert options(KUBERNETES_NAMESPACE=" ", KUBECONFIG="").kubeconfig is None


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"namespaces": "shop"}, "namespaces"),
        ({"namespaces": ["Shop!"]}, "namespaces"),
        ({"namespaces": ["../x"]}, "namespaces"),
        ({"default_namespace": ""}, "default_namespace"),
        ({"addresses": "nodeport"}, "addresses"),
        ({"labels": 7}, "labels"),
        ({"labels": "a=b\n"}, "labels"),
        ({"context": 7}, "context"),
        ({"watch_s": 0}, "watch_s"),
        ({"watch_s": 3600}, "watch_s"),
        ({"when_all_unhealthy": "x"}, "when_all_unhealthy"),
    ],
)
def test_what_cannot_be_used_is_named(settings, names):
    with pytest.raises(ValueError, match=names):
        options(settings)


def test_a_bad_variable_is_named():
    with pytest.raises(ValueError, match="KUBERNETES_NAMESPACE"):
        options(KUBERNETES_NAMESPACE="Not One")


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="colour"):
        options({"colour": "red"})


def test_the_registry_builds_it():
    made = create({"type": "kubernetes", "default_namespace": "shop", "optional": True}, {"KUBECONFIG": "/a"})
    assert isinstance(made, KubernetesServiceDiscovery)
    assert (made.options.default_namespace, made.options.kubeconfig) == ("shop", "/a")
    assert made.when_all_unhealthy == "empty"  # its own default, which wins over the configuration's


def test_the_entry_s_rule_replaces_the_provider_s_own(fake, tmp_path):
    fake.put(headless("web"), slice_of("web", [endpoint("10.0.0.1", ready=False)]))
    entry = {"type": "kubernetes", "kubeconfig": fake.kubeconfig(tmp_path), "when_all_unhealthy": None}
    assert create(entry, {}).get_service("web")["address"] is None
    assert create({**entry, "when_all_unhealthy": "fail_open"}, {}).get_service("web")["address"] == "10.0.0.1"


def test_the_constructor_reads_nothing():
    made = KubernetesServiceDiscovery(kubeconfig="/nowhere")
    made.close()


def test_another_rule_needs_another_provider():
    """On a reload: its services carry the rule."""
    entry = {"type": "kubernetes", "kubeconfig": "/a", "when_all_unhealthy": "fail_open", "optional": True}
    for made, options in (
        (create(entry, {}), {"type", "kubeconfig", "when_all_unhealthy"}),
        (EnvServiceDiscovery({}), {"type", "kubeconfig"}),
    ):
        member = Member("k", entry, Watcher("k", made, lambda _: None), Contact(stale_after_s=30))
        assert set(member.own_options) == options


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no kubeconfig"),
        ("", "configuration cannot be used"),
        ("{", "configuration cannot be used"),
        ("[]", "configuration cannot be used"),
        ("apiVersion: v1\nkind: Config", "configuration cannot be used"),
        ("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: []", "configuration cannot be used"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path, text, why, capfd):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    provider = KubernetesServiceDiscovery(kubeconfig=path)
    with pytest.raises(ProviderError, match=why) as caught:
        provider.get_services()
    assert caught.value.is_denied  # only a person can mend it
    with Follow(provider) as follow:
        follow.until_lost()
    assert capfd.readouterr().out == ""


def test_a_context_is_chosen(fake, tmp_path):
    fake.put(headless("web"))
    path = fake.kubeconfig(tmp_path)
    edit(path, lambda config: config.update({"current-context": "gone"}))
    assert set(KubernetesServiceDiscovery(kubeconfig=path, context="fake").get_services()) == {"web"}
    with pytest.raises(ProviderError, match="other"):
        KubernetesServiceDiscovery(kubeconfig=path, context="other").get_services()


def test_a_list_of_kubeconfigs_is_merged(fake, tmp_path):
    fake.put(headless("web"))
    path = fake.kubeconfig(tmp_path)
    assert set(KubernetesServiceDiscovery(kubeconfig=f"{tmp_path}/none{os.pathsep}{path}").get_services()) == {"web"}


def test_tokens_that_expire_are_read_again(fake, tmp_path):
    """Each of these happens without a word: the file changes, then the server refuses the old token."""
    fake.put(headless("web"))
    token = tmp_path / "token"
    token.write_text("first")
    path = fake.kubeconfig(tmp_path)
    edit(path, lambda config: config["users"][0].update(user={"tokenFile": str(token)}))
    fake.tokens = {"first"}
    with Follow(KubernetesServiceDiscovery(kubeconfig=path)) as follow:
        follow.until(lambda it: it.names() == {"web"})
        fake.wait_for_watches(2)
        token.write_text("second")
        fake.tokens = {"second"}
        fake.end_watches()
        fake.put(headless("late"))
        follow.until(lambda it: "late" in it.names())
        follow.until(lambda it: any(each.token == "second" for each in fake.requests))
        assert follow.losses == []
        token.write_text("third")
        fake.tokens = {"fourth"}
        fake.end_watches()
        loss = follow.until_lost()
        assert loss.is_denied
        assert "401" in loss.reason
        token.write_text("fourth")
        follow.until(lambda it: any(each.token == "fourth" for each in fake.requests))
        follow.until(lambda it: it.names() == {"web", "late"})


def test_a_kubeconfig_that_changes_is_read_again(fake, tmp_path):
    fake.put(headless("web"))
    path = fake.kubeconfig(tmp_path, token="old")
    fake.tokens = {"old", "new"}
    provider = KubernetesServiceDiscovery(kubeconfig=path)
    provider.get_services()
    fake.kubeconfig(tmp_path, token="newer"[:3])
    provider.get_services()
    assert [each.token for each in fake.requests][-1] == "new"


def test_a_plugin_gives_the_token(fake, tmp_path):
    fake.put(headless("web"))
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f'#!{sys.executable}\nprint(\'\'\'{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        '"status": {"token": "good"}}\'\'\')\n'
    )
    plugin.chmod(0o755)
    path = fake.kubeconfig(tmp_path)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    edit(path, lambda config: config["users"][0].update(user={"exec": command}))
    assert set(KubernetesServiceDiscovery(kubeconfig=path).get_services()) == {"web"}


SECRET = "s3cr3t-t0k3n"


@pytest.mark.parametrize("how", ["refused", "wrong", "500", "html", "cut", "line end", "control"])
def test_no_token_is_ever_shown(fake, tmp_path, how, caplog, capfd):
    token = {"line end": SECRET + "\n", "control": SECRET + "\x01x\r\ny: z"}.get(how, SECRET)
    fake.tokens = {SECRET} if how == "line end" else set()
    path = fake.kubeconfig(tmp_path, token=token)
    if how == "refused":
        fake.stop()
    fake.lie = {
        "500": lambda request: request.refuse(500, "x"),
        "html": lambda request: request.answer(200, b"<html>"),
        "cut": lambda request: (
            request.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{") and request.handler.connection.shutdown(2)
        ),
    }.get(how, lambda request: None)
    provider = KubernetesServiceDiscovery(kubeconfig=path)
    with caplog.at_level(logging.DEBUG):
        if how == "line end":
            assert provider.get_services() == {}
        else:
            with pytest.raises(ProviderError) as caught:
                provider.get_services()
            shown = [str(caught.value), repr(caught.value), str(caught.value.__cause__), str(caught.value.__context__)]
            assert not [text for text in shown if SECRET in text]
    printed = capfd.readouterr()
    assert SECRET not in caplog.text + printed.out + printed.err + repr(provider) + repr(vars(provider))
    assert not [request.path for request in fake.requests if SECRET in request.handler.path]


@pytest.fixture
def pod(fake, tmp_path, tls):
    """What a pod has: an account, and where the API server is. TLS is not optional there."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("good\n")
    (folder / "ca.crt").write_bytes(tls.authority)
    host, port = tls.wrap(fake)
    return {"service_account": folder, "environ": {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}}


def test_inside_a_pod(fake, pod):
    fake.put(service("web"), slice_of("web", ["10.0.0.1"]))
    provider = KubernetesServiceDiscovery(**pod)
    assert provider.get_service("web")["address"] == "10.96.0.10"  # auto: the cluster IP
    with Follow(provider) as follow:
        follow.until(lambda it: it.addresses("web") == ["10.96.0.10"])
        fake.wait_for_watches(2)
        fake.put(service("new"))
        follow.until(lambda it: "new" in it.names())
        began_at = time.monotonic()
    assert time.monotonic() - began_at < 1


def test_a_kubeconfig_beats_the_pod_s_account(fake, pod, tmp_path):
    fake.put(service("web"), slice_of("web", ["10.0.0.1"]))
    pod["environ"]["KUBECONFIG"] = str(tmp_path / "other")
    with pytest.raises(ProviderError, match="there is no kubeconfig"):
        KubernetesServiceDiscovery(**pod).get_services()


def test_an_authority_that_is_not_trusted(fake, pod, tls):
    (pod["service_account"] / "ca.crt").write_bytes(tls.stranger)
    provider = KubernetesServiceDiscovery(**pod)
    with pytest.raises(ProviderError, match="not trusted") as caught:
        provider.get_services()
    assert caught.value.is_denied
    (pod["service_account"] / "ca.crt").write_bytes(tls.authority)  # rotated
    assert provider.get_services() == {}


def test_neither_a_pod_nor_a_kubeconfig(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ProviderError, match=r"there is no kubeconfig at ~/\.kube/config, and this is no pod"):
        KubernetesServiceDiscovery(service_account=tmp_path).get_services()


def test_proxies_of_the_environment_are_not_for_loopback(fake, connect, monkeypatch):
    fake.put(headless("web"))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert set(connect().get_services()) == {"web"}


def test_without_the_client_library_it_says_what_to_install(fake, connect, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(ProviderError, match=r"dnsdisco\[kubernetes\]"):
        connect().get_services()
