"""Where the agent is and what its things are called, as Consul's own tools have it: gateways, folders of authorities, ids that are paths."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul import ConsulServiceDiscovery
from dnsdisco.providers.consul.options import Options
from dnsdisco.providers.consul.variables import settings_over_environment
from dnsdisco.testing import Watch
from tests.providers.consul import fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.gateway import Gateway
from tests.providers.consul.kit import sees
from tests.providers.consul.real import RealConsul
from tests.providers.kubernetes.tls import Tls

ODD_IDS = [
    "/ns/area/web",
    "a//b",
    "x/../y",
    "..x",
    "a%2Fb",
    "a b",
    "käse",
    "a?b=c#d",
    "/",
    ".",
    "..",
    "...",
    "%2e",
    "%2E%2E",
    "./..",
    "a/.",
    "../a",
]


def options(**environ):
    return Options(**settings_over_environment({}, environ))


@pytest.fixture(scope="module")
def consul(tmp_path_factory):
    with RealConsul(tmp_path_factory.mktemp("consul")) as agent:
        yield agent


@pytest.mark.servers
@pytest.mark.parametrize("id_", ODD_IDS)
def test_an_id_that_is_a_path(consul, id_):
    provider = ConsulServiceDiscovery(address=consul.address)
    assert provider.register_service("web", {"address": "10.0.0.1", "port": 80, "id": id_}) == id_
    assert provider.register_service("web", {"address": "10.0.0.2", "port": 80, "id": id_}) == id_  # replaced
    assert [each["address"] for each in provider.get_service("web")["instances"]] == ["10.0.0.2"]
    with pytest.raises(ValueError, match="is an instance of 'web'"):
        provider.register_service("other", {"address": "10.0.0.1", "id": id_})
    assert provider.deregister_service("web", id_) is True
    assert provider.get_service("web") is None
    assert provider.deregister_service("web", id_) is False
    provider.close()


@pytest.mark.servers
@pytest.mark.parametrize("name", ["/lead", "a//b", "a/../b", "p%41ct"])
def test_a_service_whose_name_is_a_path(consul, name):
    consul.register(name, "one")
    provider = ConsulServiceDiscovery(address=consul.address)
    try:
        assert provider.get_services()[name]["id"] == "one"
        with Watch(provider) as watch:
            assert sees(watch, {name: ["one"]})
    finally:
        consul.put("/v1/agent/service/deregister/one")
        provider.close()


def test_an_older_agent_cleans_paths_and_is_asked_in_its_own_way():
    """Before Consul 1.18 a slash that was quoted once was a slash of the path."""
    with FakeConsul() as agent:
        agent.lie("/v1/agent/service//ns", fake.status(301, more="Location: /v1/agent/service/ns/web\r\n"))
        agent.lie("/v1/agent/service/%2Fns%2Fweb", fake.status(200, '{"Service": "web"}'))
        provider = ConsulServiceDiscovery(address=agent.address)
        with pytest.raises(ValueError, match="is an instance of 'web'"):
            provider.register_service("other", {"address": "10.0.0.1", "id": "/ns/web"})
        assert [request.path for request in agent.requests] == ["/v1/agent/service//ns/web", "/v1/agent/service/%2Fns%2Fweb"]
        agent.be_honest()
        agent.lie("/v1/agent/service/", fake.status(301, more="Location: /v1/kv/x\r\n"))
        with pytest.raises(ProviderError, match="a redirect"):  # of another kind, and not followed
            provider.register_service("other", {"address": "10.0.0.1", "id": "/ns/web"})
        provider.close()


@pytest.mark.parametrize("dots", [".", ".."])
def test_an_older_agent_reads_dots_as_a_path_until_they_are_quoted_twice(dots):
    """Or never: then it is an error in words, and no other service is touched."""
    with FakeConsul() as agent:
        agent.lie(f"/v1/agent/service/{dots}", fake.status(301, more="Location: /v1/agent/service/\r\n"))
        agent.lie("/v1/agent/service/%2E", fake.status(200, '{"Service": "web"}'))
        provider = ConsulServiceDiscovery(address=agent.address)
        with pytest.raises(ValueError, match="is an instance of 'web'"):
            provider.register_service("other", {"address": "10.0.0.1", "id": dots})
        assert len(agent.requests) == 2
        agent.be_honest()
        agent.lie("/v1/agent/service/", fake.status(301, more="Location: /v1/agent/service/\r\n"))
        with pytest.raises(ProviderError, match="a redirect"):
            provider.register_service("other", {"address": "10.0.0.1", "id": dots})
        assert not agent.asked("/v1/agent/service/register")
        provider.close()


@pytest.mark.servers
@pytest.mark.parametrize("dots", [".", ".."])
def test_dots_of_another_tool_go_with_their_service_and_leave_the_others(consul, dots):
    consul.register("web", dots)
    consul.register("other", "o1")
    provider = ConsulServiceDiscovery(address=consul.address)
    try:
        assert provider.deregister_service("other", dots) is False
        assert provider.deregister_service("web") is True
        assert sorted(consul.get("/v1/agent/services")) == ["o1"]
    finally:
        consul.put("/v1/agent/service/deregister/o1")
        provider.close()


def test_through_a_gateway_with_a_path_and_a_password():
    with FakeConsul() as agent, Gateway(agent.port) as gateway:
        agent.catalog.put("web", address="10.0.0.1", port=80)
        made = options(CONSUL_HTTP_ADDR=gateway.address, CONSUL_HTTP_AUTH="me:pass:word")
        provider = ConsulServiceDiscovery(address=made.address, http_auth=made.http_auth)
        assert provider.get_service_url("web") == "http://10.0.0.1:80"
        with Watch(provider) as watch:
            assert sees(watch, {"web": ["web"]})
            agent.catalog.put("web", address="10.0.0.2", port=80)
            assert watch.wait(lambda: watch.yielded[-1].services["", "web"].instances[0].address == "10.0.0.2", 10)
        provider.close()
        assert all(path.startswith("/consul/v1/") for path in gateway.seen)
        for auth in ("me:wrong", "me", None):
            stranger = ConsulServiceDiscovery(address=gateway.address, http_auth=auth)
            with pytest.raises(ProviderError, match="401") as caught:
                stranger.get_services()
            assert caught.value.is_denied
            assert "wrong" not in f"{caught.value} {stranger!r} {Options(http_auth=auth)!r}"
            stranger.close()


@pytest.mark.servers
def test_a_real_agent_behind_a_gateway(consul):
    with Gateway(consul.http) as gateway:
        provider = ConsulServiceDiscovery(address=gateway.address, http_auth="me:pass:word")
        provider.register_service("web", {"address": "10.0.0.1", "port": 80, "id": "/ns/web"})
        assert provider.get_service("web")["id"] == "/ns/web"
        assert provider.deregister_service("web") is True
        provider.close()


@pytest.mark.servers
@pytest.mark.parametrize("variable", ["CONSUL_NAMESPACE", "CONSUL_PARTITION"])
def test_what_is_of_consul_enterprise_is_refused_by_another_agent(consul, variable):
    """As Consul's own tools are: never the services of another namespace."""
    made = options(**{variable: "team", "CONSUL_HTTP_ADDR": consul.address})
    provider = ConsulServiceDiscovery(address=made.address, namespace=made.namespace, partition=made.partition)
    with pytest.raises((ProviderError, ValueError), match=r"(?i)enterprise"):
        provider.get_services()
    provider.close()


def test_a_namespace_and_a_partition_go_with_every_question():
    with FakeConsul() as agent:
        provider = ConsulServiceDiscovery(address=agent.address, namespace="team", partition="part")
        provider.get_services()
        provider.register_service("web", {"address": "10.0.0.1", "port": 80})
        assert {(each.query.get("ns"), each.query.get("partition")) for each in agent.requests} == {("team", "part")}
        provider.close()


def test_authorities_in_a_folder(tmp_path):
    """Whatever the files are called; one file beats the folder, as with Consul's own tools."""
    tls = Tls(tmp_path)
    good, other, empty = (tmp_path / name for name in ("good", "other", "empty"))
    for folder in (good, other, empty):
        folder.mkdir()
    (good / "a.txt").write_bytes(tls.stranger)
    (good / "b").write_bytes(tls.authority)
    (other / "c.pem").write_bytes(tls.stranger)
    with FakeConsul() as agent, TlsBefore(agent.port, tmp_path) as port:
        address = f"https://127.0.0.1:{port}"

        def ask(**settings):
            provider = ConsulServiceDiscovery(address=address, **settings)
            try:
                return set(provider.get_services())
            finally:
                provider.close()

        assert options(CONSUL_CAPATH=str(good)).ca_path == str(good)
        assert ask(ca_path=str(good)) == {"consul"}
        assert ask(ca_path=str(other), ca_file=str(tmp_path / "server.crt")) == {"consul"}
        with pytest.raises(ProviderError, match="certificate is not accepted"):
            ask(ca_path=str(other))
        for folder in (empty, tmp_path / "gone"):
            with pytest.raises(ProviderError, match="there is no file in it"):
                ask(ca_path=str(folder))
        (other / "d").write_text("x")
        with pytest.raises(ProviderError, match="no PEM file"):
            ask(ca_path=str(other))
        shutil.copy(tmp_path / "server.crt", other / "d")
        assert ask(ca_path=str(other)) == {"consul"}


class TlsBefore:
    """TLS with the folder's certificate in front of a port."""

    def __init__(self, port, folder):
        self._to = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.crt", folder / "server.key")

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self._listener.getsockname()[1]

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            with (
                self._context.wrap_socket(plain, server_side=True) as outer,
                socket.create_connection(("127.0.0.1", self._to)) as inner,
            ):
                back = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
                back.start()
                _copy(outer, inner)
                inner.shutdown(socket.SHUT_WR)
                back.join(5)
        except OSError:
            return


def _copy(source, target):
    try:
        while octets := source.recv(65536):
            target.sendall(octets)
    except OSError:
        return


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CONSUL_HTTP_ADDR": "http://gw/consul"}, "http://gw:80/consul"),
        ({"CONSUL_HTTP_ADDR": "http://gw/consul", "CONSUL_HTTP_SSL": "true"}, "https://gw:443/consul"),
        ({"CONSUL_HTTP_ADDR": "https://gw:8443/a/b/"}, "https://gw:8443/a/b"),
        ({"CONSUL_HOST": "http://gw/consul"}, "http://gw:80/consul"),
    ],
)
def test_a_path_in_the_address(environ, expected):
    assert str(options(**environ).endpoint) == expected


@pytest.mark.parametrize("auth", [":x", "", "a\nb:c"])
def test_a_name_and_a_password(auth):
    if auth:
        with pytest.raises(ValueError, match="http_auth: expected a"):
            Options(http_auth=auth)
    else:
        assert options(CONSUL_HTTP_AUTH=auth).http_auth is None
