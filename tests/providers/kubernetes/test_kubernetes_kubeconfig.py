"""A kubeconfig is read as kubectl reads it: client-go's rules, one case each."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

import pytest
import yaml

from dnsdisco.errors import ProviderError
from dnsdisco.providers.kubernetes import exec_plugin, KubernetesServiceDiscovery
from dnsdisco.providers.kubernetes.kubeconfig import choose, KubeconfigEntry, KubeconfigUnusable
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.objects import headless
from tests.providers.kubernetes.real import find
from tests.providers.kubernetes.tls import Tls

V1 = "client.authentication.k8s.io/v1"


def config(folder, fake, *, user=None, cluster=None, name="kubeconfig", **more):
    """A kubeconfig of one context; *user* and *cluster* are what is said of them."""
    said = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{fake.port}", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": "good"} if user is None else user}],
        **more,
    }
    path = folder / name
    path.write_text(yaml.safe_dump({key: value for key, value in said.items() if value is not ...}))
    return path


def names(path, **options):
    return set(KubernetesServiceDiscovery(kubeconfig=path, environ={}, **options).get_services())


def refused(path, **options):
    """The reason, and that it is one for a person."""
    with pytest.raises(ProviderError) as caught:
        names(path, **options)
    assert caught.value.is_denied
    return caught.value.reason


@pytest.fixture(autouse=True)
def _one_service(fake):
    fake.put(headless("web"))


def plugin(folder, prints="", *, status=0, says="", name="plugin"):
    """A program that prints this, or `status` as an ExecCredential's."""
    if isinstance(prints, dict):
        prints = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": prints})
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport os, sys\nopen({str(folder / 'runs')!r}, 'a').write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n')\n"
        f"sys.stdout.write({prints!r})\nsys.stderr.write({says!r})\nsys.exit({status})\n"
    )
    path.chmod(0o755)
    return {"exec": {"apiVersion": V1, "command": str(path), "interactiveMode": "Never"}}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"status": 1, "says": "no session: run `cloud login`\nmore"}, "failed with status 1: no session: run `cloud login` more"),
        ({"prints": "no JSON"}, "printed output that is not JSON"),
        ({"prints": "[]"}, "printed no ExecCredential"),
        ({"prints": json.dumps({"apiVersion": f"{V1}beta1", "kind": "ExecCredential", "status": {"token": "good"}})}, f"of {V1}"),
        ({"prints": {}}, "neither a token nor a certificate"),
        ({"prints": {"token": ""}}, "neither a token nor a certificate"),
        ({"prints": {"token": 5}}, "token: expected a text"),
        ({"prints": {"clientCertificateData": "x"}}, "neither a token nor a certificate"),
        ({"prints": {"token": "good", "expirationTimestamp": "tomorrow"}}, "expirationTimestamp"),
    ],
)
def test_a_plug_in_that_fails_is_an_error_with_its_name_and_no_request(fake, tmp_path, options, why):
    path = config(tmp_path, fake, user=plugin(tmp_path, **options))
    reason = refused(path)
    assert f"the exec plug-in {tmp_path}/plugin" in reason
    assert why in reason
    assert fake.requests == []


def test_a_plug_in_that_cannot_be_run(fake, tmp_path, monkeypatch):
    def user(**said):
        return {"exec": {"apiVersion": V1, "command": "no-such-plug-in", **said}}

    assert "no-such-plug-in is not there: get it" in refused(config(tmp_path, fake, user=user(installHint="get\nit")))
    assert "needs a terminal" in refused(config(tmp_path, fake, user=user(interactiveMode="Always")))
    assert "v1alpha1" in refused(config(tmp_path, fake, user=user(apiVersion="client.authentication.k8s.io/v1alpha1")))
    assert "no `command`" in refused(config(tmp_path, fake, user=user(command=None)))
    assert "args" in refused(config(tmp_path, fake, user=user(args=[5])))
    assert "cannot be run" in refused(config(tmp_path, fake, user=user(command=str(tmp_path))))
    monkeypatch.setattr(exec_plugin, "RUN_S", 0.2)
    (tmp_path / "slow").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "slow").chmod(0o755)
    assert "has not ended after 0.2 s" in refused(config(tmp_path, fake, user=user(command="./slow")))
    assert fake.requests == []


def test_what_a_plug_in_is_told(fake, tmp_path):
    (tmp_path / "below").mkdir()
    said = plugin(tmp_path / "below", {"token": "good"})["exec"]
    said |= {"command": "./below/plugin", "provideClusterInfo": True, "env": [{"name": "A", "value": "b"}], "args": ["x"]}
    assert names(config(tmp_path, fake, user={"exec": said})) == {"web"}  # relative to the kubeconfig
    [told] = [json.loads(line) for line in (tmp_path / "below" / "runs").read_text().splitlines()]
    assert (told["apiVersion"], told["spec"]["interactive"]) == (V1, False)
    assert told["spec"]["cluster"]["server"] == f"http://127.0.0.1:{fake.port}"


def test_a_plug_in_s_token_is_renewed_when_its_time_is_over(fake, tmp_path):
    over = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    path = config(tmp_path, fake, user=plugin(tmp_path, {"token": "good", "expirationTimestamp": over}))
    provider = KubernetesServiceDiscovery(kubeconfig=path, environ={})
    provider.get_services()
    before = len((tmp_path / "runs").read_text().splitlines())
    provider.get_services()
    assert len((tmp_path / "runs").read_text().splitlines()) > before
    late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    plugin(tmp_path, {"token": "good", "expirationTimestamp": late})
    provider.get_services()
    before = (tmp_path / "runs").read_text()
    provider.get_services()
    assert (tmp_path / "runs").read_text() == before


def test_a_token_beats_a_plug_in(fake, tmp_path):
    assert names(config(tmp_path, fake, user={"token": "good", **plugin(tmp_path, status=1)})) == {"web"}
    assert not (tmp_path / "runs").exists()


def test_an_auth_provider_that_gives_nothing(fake, tmp_path):
    for name in ("azure", "oidc", "nonsense"):
        path = config(tmp_path, fake, user={"auth-provider": {"name": name, "config": {"id-token": "no.JWT"}}})
        assert f"auth-provider {name}" in refused(path)
    for provider in ({"name": "gcp"}, {"name": "gcp", "config": None}, {"name": "gcp", "config": 5}, {"name": "azure"}, {}, 7):
        assert "auth-provider" in refused(config(tmp_path, fake, user={"auth-provider": provider}))
    assert fake.requests == []


@pytest.mark.parametrize("key", ["exec", "auth-provider"])
@pytest.mark.parametrize("said", [{}, [], "", 0, 7, {"name": "", "command": ""}])
def test_a_way_to_sign_in_that_says_nothing_is_not_no_way(fake, tmp_path, key, said):
    """kubectl refuses it, too; asked without credentials, a server that trusts everybody would answer as another."""
    refused(config(tmp_path, fake, user={key: said}))
    assert fake.requests == []


def headers_of(fake):
    return fake.requests[-1].handler.headers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"as": "jane"}, {"Impersonate-User": ["jane"]}),
        ({"as": "jane", "as-uid": "7", "as-groups": ["a", "b"]}, {"Impersonate-Uid": ["7"], "Impersonate-Group": ["a", "b"]}),
        (
            {"as": "jane", "as-user-extra": {"Acme.com/Project": ["x", "y"], "s": ["z"]}},
            {"Impersonate-Extra-acme.com%2Fproject": ["x", "y"], "Impersonate-Extra-s": ["z"]},
        ),
    ],
)
def test_as_is_impersonation(fake, tmp_path, said, expected):
    assert names(config(tmp_path, fake, user={"token": "good", **said})) == {"web"}
    for request in fake.requests:
        for name, values in expected.items():
            assert request.handler.headers.get_all(name) == values
        assert request.token == "good"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"as-groups": ["a"]}, "need `as`"),
        ({"as-uid": "7"}, "need `as`"),
        ({"as-user-extra": {"a": ["b"]}}, "need `as`"),
        ({"as": ["jane"]}, "as: expected a text"),
        ({"as": "jane", "as-groups": "a"}, "as-groups: expected a list"),
        ({"as": "jane", "as-user-extra": {"a": "b"}}, r"as-user-extra.a: expected a list"),
        ({"as": "jane", "as-user-extra": 5}, "as-user-extra: expected a mapping"),
        ({"as": "jane\r\nX: y"}, "characters that no HTTP header can carry"),
    ],
)
def test_an_impersonation_that_is_not_said_in_full_is_refused(fake, tmp_path, said, why):
    assert why in refused(config(tmp_path, fake, user={"token": "good", **said}))
    assert fake.requests == []


@pytest.mark.parametrize("user", [{}, None])
def test_a_user_without_data_is_anonymous(fake, tmp_path, user):
    path = config(tmp_path, fake, users=[{"name": "u", "user": user}] if user is not None else [{"name": "u"}])
    fake.tokens = {""}
    assert names(path) == {"web"}
    assert "authorization" not in headers_of(fake)


def test_a_user_by_name_and_password_and_none_at_all(fake, tmp_path):
    with pytest.raises(ProviderError, match="401"):
        names(config(tmp_path, fake, user={"username": "me", "password": "päss"}))
    assert headers_of(fake)["authorization"] == "Basic " + base64.b64encode("me:päss".encode()).decode()
    with pytest.raises(ProviderError, match="401"):
        names(config(tmp_path, fake, contexts=[{"name": "here", "context": {"cluster": "c"}}], users=...))
    assert "authorization" not in headers_of(fake)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"users": []}, "there is no user 'u'"),
        ({"users": ...}, "there is no user 'u'"),
        ({"clusters": None}, "there is no cluster 'c'"),
        ({"contexts": None}, "there is no context 'here'"),
        ({"current-context": ...}, "no `current-context` is set"),
        ({"current-context": ""}, "no `current-context` is set"),
        ({"current-context": 5}, "current-context: expected a text"),
        ({"clusters": [{"name": "c", "cluster": {}}]}, "no `server`"),
        ({"clusters": [{"name": "c", "cluster": {"server": "ftp://x"}}]}, "server: expected a URL"),
        ({"clusters": [{"name": "c", "cluster": {"server": "host:1/path"}}]}, "server: expected a URL"),
        ({"users": [{"name": "u", "user": {"token": 5}}]}, "token: expected a text, found int"),
        ({"users": [{"name": "u", "user": {}}, {"name": "u", "user": {}}]}, "there twice"),
        ({"users": {"u": {}}}, "users: expected a list"),
        ({"users": [5]}, "expected entries"),
    ],
)
def test_what_is_not_there_is_an_error_never_somebody_else(fake, tmp_path, said, why):
    assert why in refused(config(tmp_path, fake, **said))
    assert fake.requests == []


def test_parts_of_kubeconfig(fake, tmp_path):
    """Empty parts, files that are not there, and empty files say nothing; the first that says something wins."""
    (tmp_path / "empty").write_text("")
    (tmp_path / "comment").write_text("# nothing\n---\n")
    (tmp_path / "sub").mkdir()
    first = config(tmp_path / "sub", fake, users=[{"name": "u", "user": {"tokenFile": "token"}}], clusters=None)
    (tmp_path / "sub" / "token").write_text("good\n")
    second = config(tmp_path, fake, user={"token": "wrong"}, **{"current-context": "gone"})
    parts = ["", str(tmp_path / "none"), str(tmp_path / "empty"), str(tmp_path / "comment"), str(first), "", str(second), ""]
    assert names(os.pathsep.join(parts)) == {"web"}
    environ = {"KUBECONFIG": os.pathsep.join(parts)}
    assert set(KubernetesServiceDiscovery(environ=environ).get_services()) == {"web"}
    assert "there is no context 'gone'" in refused(os.pathsep.join([str(second), str(first)]))
    assert "no `current-context`" in refused(tmp_path / "empty")


@pytest.mark.parametrize("server", ["127.0.0.1:{}", "HTTP://127.0.0.1:{}/", "127.0.0.1:{}/"])
def test_a_server_without_a_scheme(fake, tmp_path, server):
    assert names(config(tmp_path, fake, cluster={"server": server.format(fake.port)})) == {"web"}


@pytest.fixture
def secure(tmp_path, tls):
    with Fake() as server:
        server.put(headless("web"))
        tls.wrap(server)
        yield server


def data(octets):
    return base64.b64encode(octets).decode()


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls_by_data_by_file_and_without(secure, tmp_path, tls):
    """A server without a scheme is an https one where there is something about TLS."""
    at = f"127.0.0.1:{secure.port}"
    (tmp_path / "ca.crt").write_bytes(tls.authority)
    (tmp_path / "other.crt").write_bytes(tls.stranger)
    good = data(tls.authority)
    for cluster in (
        {"server": f"https://{at}", "certificate-authority-data": good},
        {"server": at, "certificate-authority-data": good},
        {"server": at, "certificate-authority": "ca.crt"},
        {"server": at, "certificate-authority-data": good, "certificate-authority": "other.crt"},
        {"server": at, "certificate-authority-data": "", "certificate-authority": "ca.crt"},
        {"server": at, "insecure-skip-tls-verify": True},
        {"server": f"https://localhost:{secure.port}", "certificate-authority-data": good, "tls-server-name": "127.0.0.1"},
    ):
        assert names(config(tmp_path, secure, cluster=cluster)) == {"web"}, cluster
    for cluster, why in (
        ({"server": f"https://{at}"}, "not trusted"),
        ({"server": at, "certificate-authority": "other.crt"}, "not trusted"),
        ({"server": at, "certificate-authority-data": good, "tls-server-name": "other"}, "not trusted"),
        ({"server": at, "certificate-authority-data": good, "insecure-skip-tls-verify": True}, "expected one of them"),
        ({"server": at, "certificate-authority-data": "%"}, "expected base64"),
        ({"server": at, "certificate-authority-data": data(b"x")}, "expected certificates in PEM"),
        ({"server": at, "certificate-authority": "gone.crt"}, "No such file"),
        ({"server": at, "insecure-skip-tls-verify": "yes"}, "expected true or false"),
    ):
        assert why in refused(config(tmp_path, secure, cluster=cluster)), cluster


@pytest.fixture
def asks_for_certificates(tmp_path):
    """A server that takes nobody without a client certificate of its own authority."""
    tls = Tls(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "server.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with Fake() as server:
        server.put(headless("web"))
        server.server.socket = context.wrap_socket(server.server.socket, server_side=True, do_handshake_on_connect=False)
        yield server, tls


def test_client_certificates_need_no_temporary_folder(asks_for_certificates, tmp_path, monkeypatch):
    """Not on a read-only system, and not after /tmp was cleaned: every connection has them."""
    server, tls = asks_for_certificates
    if not hasattr(os, "memfd_create"):
        pytest.skip("memfd_create: only where there are files in memory")

    def no_folder(*_, **__):
        raise FileNotFoundError("No usable temporary directory")

    for name in ("mkstemp", "NamedTemporaryFile", "mkdtemp", "gettempdir"):
        monkeypatch.setattr(tempfile, name, no_folder)
    key = (tmp_path / "server.key").read_bytes()
    cluster = {"server": f"127.0.0.1:{server.port}", "certificate-authority-data": data(tls.authority)}
    for user in (
        {"client-certificate-data": data(tls.authority), "client-key-data": data(key), "token": "good"},
        {"client-certificate": "server.crt", "client-key": "server.key", "token": "good"},
        {"client-certificate": str(tmp_path / "server.crt"), "client-key-data": data(key), "token": "good"},
    ):
        provider = KubernetesServiceDiscovery(kubeconfig=config(tmp_path, server, cluster=cluster, user=user), environ={})
        for _ in range(2):
            assert set(provider.get_services()) == {"web"}
            server.break_connections()
    printed = {"clientCertificateData": tls.authority.decode(), "clientKeyData": key.decode(), "token": "good"}
    assert names(config(tmp_path, server, cluster=cluster, user=plugin(tmp_path, printed))) == {"web"}
    half = {"client-certificate-data": data(tls.authority), "token": "good"}
    assert "one of them is missing" in refused(config(tmp_path, server, cluster=cluster, user=half))
    bad = {"client-certificate-data": data(b"x"), "client-key-data": data(b"y"), "token": "good"}
    assert "in PEM" in refused(config(tmp_path, server, cluster=cluster, user=bad))


def test_a_certificate_that_is_renewed_in_its_file_is_used(asks_for_certificates, tmp_path):
    server, tls = asks_for_certificates
    for kind in ("crt", "key"):
        (tmp_path / f"me.{kind}").write_bytes((tmp_path / f"stranger.{kind}").read_bytes())
    cluster = {"server": f"127.0.0.1:{server.port}", "certificate-authority-data": data(tls.authority)}
    path = config(tmp_path, server, cluster=cluster, user={"client-certificate": "me.crt", "client-key": "me.key", "token": "good"})
    provider = KubernetesServiceDiscovery(kubeconfig=path, environ={})
    with pytest.raises(ProviderError):
        provider.get_services()
    for kind in ("crt", "key"):
        (tmp_path / f"me.{kind}").write_bytes((tmp_path / f"server.{kind}").read_bytes())
    assert set(provider.get_services()) == {"web"}


def test_a_token_file_beats_a_token_and_is_read_again(fake, tmp_path):
    path = config(tmp_path, fake, user={"tokenFile": "token", "token": "good"})
    provider = KubernetesServiceDiscovery(kubeconfig=path, environ={})
    assert set(provider.get_services()) == {"web"}  # as long as the file is not there
    (tmp_path / "token").write_text("newer\n")
    fake.tokens = {"newer"}
    assert set(provider.get_services()) == {"web"}
    (tmp_path / "token").unlink()
    assert set(provider.get_services()) == {"web"}
    assert "No such file" in refused(config(tmp_path, fake, user={"tokenFile": "gone"}))


def test_a_proxy_of_the_kubeconfig(fake, tmp_path):
    """Plain HTTP through it: the proxy is asked for the whole URL."""
    path = config(tmp_path, fake, cluster={"server": "http://cluster.invalid", "proxy-url": f"http://127.0.0.1:{fake.port}"})
    names(path)
    assert fake.requests[-1].handler.path.startswith("http://cluster.invalid/api")


BESIDE = {
    "a token": {"user": {"token": "good"}},
    "a token file": {"user": {"tokenFile": "token-file"}},
    "a token file beats a token": {"user": {"token": "x", "tokenFile": "token-file"}},
    "a name and a password": {"user": {"username": "me", "password": "p:w"}},
    "as": {"user": {"token": "good", "as": "jane"}},
    "as in full": {
        "user": {
            "token": "good",
            "as": "jane",
            "as-uid": "7",
            "as-groups": ["a", "b"],
            "as-user-extra": {"Acme.com/P": ["x1", "x2"]},
        }
    },
    "groups without as": {"user": {"token": "good", "as-groups": ["a"]}},
    "a user that is not there": {"users": []},
    "a context that is not there": {"current-context": "gone"},
    "a cluster that is not there": {"clusters": []},
    "a plug-in": {"plugin": {"prints": {"token": "good"}}},
    "a plug-in that fails": {"plugin": {"status": 1}},
    "a plug-in that prints nothing": {"plugin": {"prints": {}}},
    "a plug-in of another version": {
        "plugin": {"prints": '{"apiVersion": "v1", "kind": "ExecCredential", "status": {"token": "x"}}'}
    },
    "a token beats a plug-in": {"user": {"token": "good"}, "plugin": {"status": 1}},
    "there twice": {"users": [{"name": "u", "user": {}}, {"name": "u", "user": {}}]},
}
BESIDE_IN_THE_CLEAR = {  # over TLS kubectl asks for a name and a password, on the terminal
    "no data": {"user": {}},
    "a user without a body": {"users": [{"name": "u"}]},
    "no user": {"contexts": [{"name": "here", "context": {"cluster": "c"}}]},
    "a server without a scheme": {"server": "127.0.0.1:{port}", "user": {}},
}  # fmt: skip


@pytest.mark.servers
@pytest.mark.parametrize("case", [*BESIDE, *BESIDE_IN_THE_CLEAR])
def test_beside_kubectl(fake, secure, tmp_path, tls, case):
    """The same headers, or no request, for the same kubeconfig. Over TLS, for kubectl says nothing of a user without."""
    kubectl = find("kubectl")
    if kubectl is None:
        pytest.skip('no kubectl: eval "$(.ci/servers kubectl)" gets one')
    server, chosen = (secure, BESIDE[case]) if case in BESIDE else (fake, BESIDE_IN_THE_CLEAR[case])
    assert isinstance(chosen, dict)
    said: dict[str, Any] = {**chosen}
    (tmp_path / "token-file").write_text("good\n")
    if "plugin" in said:
        said["user"] = {**said.get("user", {}), **plugin(tmp_path, **said.pop("plugin"))}
    if server is secure:
        said["cluster"] = {"server": f"https://127.0.0.1:{secure.port}", "certificate-authority-data": data(tls.authority)}
    elif "server" in said:
        said["cluster"] = {"server": said.pop("server").format(port=fake.port)}
    path = config(tmp_path, fake, **said)
    parts = f"{tmp_path}/none{os.pathsep}{os.pathsep}{path}{os.pathsep}"

    def seen(ask):
        server.requests.clear()
        ask()
        asked = [request.handler.headers.items() for request in server.requests]
        return (
            sorted((name.lower(), value) for name, value in asked[0] if name.lower().startswith(("auth", "imper")))
            if asked
            else None
        )

    def theirs():
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": parts}
        subprocess.run([kubectl, "get", "--raw", "/version"], env=environ, capture_output=True, timeout=60, check=False)

    def ours():
        with suppress(ProviderError):
            KubernetesServiceDiscovery(environ={"KUBECONFIG": parts}).get_services()

    assert seen(ours) == seen(theirs)


@pytest.mark.parametrize(
    "text",
    [
        "when: 2026-13-45",
        "n: " + "9" * 5000,
        "n: !!int abc",
        "n: !!float x",
        "t: !!timestamp 2026-02-30 25:00:00",
        "t: !!timestamp .inf",
        "b: !!bool x",
        "n: !!int ''",
        "[" * 3000,
        "{" * 8000,
        "\0",
    ],
    ids=lambda text: text[:12],
)
def test_a_scalar_that_is_none_is_no_yaml(tmp_path, text):
    """PyYAML makes dates and numbers, and raises what they raise; a tower of brackets takes it a second where libyaml refuses it."""
    file = tmp_path / "config"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(KubeconfigUnusable, match="is no YAML"):
        choose([file], None)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"client-certificate-data": "\u00e4\u00f6"}, "expected base64"),
        ({"client-certificate-data": "QUJ"}, "expected base64"),
        ({"client-certificate": "a\0b"}, "expected a path"),
        ({"client-certificate": "\0"}, "expected a path"),
    ],
)
def test_what_no_certificate_can_be_read_from(tmp_path, said, reason):
    with pytest.raises(KubeconfigUnusable, match=reason):
        KubeconfigEntry("user", "u", said, tmp_path).octets("client-certificate")
