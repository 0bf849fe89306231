"""A class written exactly as the discovery module's README says works everywhere: library, chain, command line, server."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import dnsdisco
from dnsdisco import NotSupported, ProviderError, set_discovery_provider
from dnsdisco.base import ServiceDiscovery
from dnsdisco.control.reading import Reader
from dnsdisco.model.library_dict import service_to_dict
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.providers.consul.agent import AgentError
from dnsdisco.providers.kubernetes.connection import ApiError

pytestmark = pytest.mark.slow

SOURCE = """
from dnsdisco.base import ServiceDiscovery

class MyServiceDiscovery(ServiceDiscovery):
    def __init__(self, config_param=None):
        self.config_param = config_param
        self.services = {
            "auth": {"url": "http://auth-service:5001", "address": "10.0.0.1", "port": 5001},
            "web": {"address": "10.0.0.2", "port": 80, "state": "its own key"},
        }

    def get_service_url(self, service_name, default=None):
        service = self.get_service(service_name)
        if not service:
            return default
        if service_name == "web":
            return "http://proxy:9/web"
        return service.get("url") or f"http://{service['address']}:{service['port']}"

    def get_service(self, service_name, default=None):
        return self.services.get(service_name, default)

    def get_services(self):
        return self.services

    def register_service(self, service_name, service_data):
        self.services[service_name] = service_data

    def deregister_service(self, service_name):
        self.services.pop(service_name, None)
"""
exec(SOURCE)
MyServiceDiscovery: Any = globals()["MyServiceDiscovery"]


@pytest.fixture(autouse=True)
def _from_scratch():
    yield
    set_discovery_provider(None)


@pytest.fixture(params=["alone", "in a chain", "behind another", "in a merging chain"])
def provider(request):
    mine = MyServiceDiscovery()

    class Other(ServiceDiscovery):
        def get_services(self):
            return {"other": {"address": "10.0.0.9"}}

    made = {
        "alone": lambda: mine,
        "in a chain": lambda: ChainServiceDiscovery([mine]),
        "behind another": lambda: ChainServiceDiscovery([Other(), mine]),
        "in a merging chain": lambda: ChainServiceDiscovery([mine, Other()], "merge"),
    }[request.param]()
    set_discovery_provider(made)
    return made


def test_its_own_url_is_everybody_s(provider):
    assert provider.get_service_url("web") == dnsdisco.get_service_url("web") == "http://proxy:9/web"
    assert dnsdisco.get_service("web")["url"] == "http://proxy:9/web"
    assert dnsdisco.get_services()["web"]["url"] == "http://proxy:9/web"
    assert dnsdisco.get_service("web")["address"] == "10.0.0.2"
    assert dnsdisco.get_service_url("auth") == dnsdisco.get_services()["auth"]["url"] == "http://auth-service:5001"
    assert dnsdisco.get_service_url("nobody") is None
    assert dnsdisco.get_service_url("nobody", "x") == provider.get_service_url("nobody", "x") == "x"
    assert dnsdisco.get_service("nobody") is None


def test_it_registers_and_deregisters(provider):
    data = {"address": "10.0.0.7", "port": 8080, "tags": ["a"]}
    assert dnsdisco.register_service("new", data) == "new-10.0.0.7-8080"
    assert dnsdisco.register_service("named", {**data, "id": "n-1"}) == "n-1"
    assert dnsdisco.get_service_url("new") == "http://10.0.0.7:8080"
    assert dnsdisco.deregister_service("new", "nobody") is False
    assert dnsdisco.deregister_service("new", "new-10.0.0.7-8080") is True
    assert dnsdisco.deregister_service("new") is False
    assert dnsdisco.deregister_service("named") is True
    assert dnsdisco.get_service("named") is None


def test_one_of_several_instances_cannot_be_removed_by_a_class_that_knows_none():
    mine = MyServiceDiscovery()
    mine.services["many"] = {"instances": [{"address": "10.0.0.1", "id": "a"}, {"address": "10.0.0.2", "id": "b"}]}
    with pytest.raises(NotSupported, match="not one of the 2 instances of many"):
        mine.deregister_service("many", "a")
    assert mine.deregister_service("many") is True


@pytest.mark.parametrize("returned", [None, "", True, {"ok": 1}])
def test_whatever_register_service_returns_the_caller_gets_an_id(returned):
    class Odd(ServiceDiscovery):
        def get_services(self):
            return {}

        def register_service(self, service_name, service_data):
            return returned

    assert Odd().register_service("a", {"address": "10.0.0.1"}) == "a-10.0.0.1"
    assert Odd().register_service("a", {"check": 1}) == "a"


@pytest.mark.parametrize("unknown", [None, {}, [], ""])
def test_what_stands_for_no_such_service(unknown):
    class Odd(ServiceDiscovery):
        def get_services(self):
            return {}

        def get_service(self, service_name, default=None):
            return unknown

    for provider in (Odd(), ChainServiceDiscovery([Odd()])):
        set_discovery_provider(provider)
        assert dnsdisco.get_service("a") is None
        assert dnsdisco.get_service_url("a", "x") == "x"
        assert dnsdisco.deregister_service("a") is False


def test_methods_of_a_mixin_and_of_a_class_between_are_of_the_seed_s_form_too():
    class Removes:
        services: dict[str, Any]

        def deregister_service(self, service_name):
            return self.services.pop(service_name, None) is not None

    class Mixed(Removes, ServiceDiscovery):
        def __init__(self):
            self.services = {"a": {"address": "10.0.0.1"}}

        def get_services(self):
            return self.services

    class Later(MyServiceDiscovery):
        def deregister_service(self, service_name):
            return super().deregister_service(service_name)

    class Keyword(Mixed):
        def deregister_service(self, service_name, instance_id=None):
            return instance_id == "x"

    mixed: Any = Mixed  # asked as the library asks, not as its own signature has it
    later: Any = Later
    assert mixed().deregister_service("a", "a-10.0.0.1") is True
    assert mixed().deregister_service("a", "b") is False
    assert Later().deregister_service("auth") is True
    assert later().deregister_service("nobody", None) is False
    assert Keyword().deregister_service("a", "x") is True


def test_a_url_that_its_instances_have_changes_nothing():
    """Such a class chooses among them, at each call another one: the service is as it was."""

    class Chooses(ServiceDiscovery):
        turn = 0

        def get_services(self):
            return {"a": {"instances": [{"address": "10.0.0.1", "port": 1}, {"address": "10.0.0.2", "port": 2}]}, "bad": 5}

        def get_service_url(self, service_name, default=None):
            self.turn += 1
            if service_name == "bad":
                raise RuntimeError("no")
            return ("http://10.0.0.1:1", "http://10.0.0.2:2", "no URL", None)[self.turn % 4]

    stop = threading.Event()
    provider, reader = Chooses(), Reader()
    provider.poll_interval = 0
    watch = provider.watch(stop)
    views = [reader.read(next(watch)).services for _ in range(5)]
    assert all(view == views[0] and set(view) == {("", "a")} for view in views)


def test_a_server_has_its_url():
    view = Reader().read(next(MyServiceDiscovery().watch(threading.Event())))
    assert service_to_dict(view.services["", "web"])["url"] == "http://proxy:9/web"
    assert [(each.address, each.ports[0].number) for each in view.services["", "web"].instances] == [("10.0.0.2", 80)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dnsdisco.providers]\nmyservice = mine:MyServiceDiscovery\n")
    (folder / "mine.py").write_text(SOURCE)
    return folder


def command(installed, folder, *arguments):
    environ = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "dnsdisco", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environ,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_on_the_command_line(installed, tmp_path):
    (tmp_path / "dnsdisco.yaml").write_text("providers: [{type: myservice, config_param: 5}]\n")
    assert command(installed, tmp_path, "url", "web")[:2] == (0, "http://proxy:9/web\n")
    assert command(installed, tmp_path, "url", "auth", "--provider", "myservice")[:2] == (0, "http://auth-service:5001\n")
    assert command(installed, tmp_path, "url", "nobody")[0] == 1
    assert "http://proxy:9/web" in command(installed, tmp_path, "services", "--json")[1]
    assert command(installed, tmp_path, "register", "new", "--address", "10.0.0.7", "--port", "1")[:2] == (0, "new-10.0.0.7-1\n")
    assert command(installed, tmp_path, "deregister", "auth")[0] == 0
    assert command(installed, tmp_path, "deregister", "auth", "--id", "nobody")[0] == 1
    assert command(installed, tmp_path, "deregister", "nobody")[0] == 1


def test_the_server_answers_with_it(installed, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    options = [
        "--listen",
        f"127.0.0.1:{port}",
        "--provider",
        "myservice",
        "--http",
        "off",
        "--state-dir",
        "off",
        "--upstream",
        "none",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "dnsdisco", "serve", *options], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environ
    )
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            if "ready" in line:
                break
        ends_at = time.monotonic() + 30
        for kind, wanted in (("A", "10.0.0.2"), ("TXT", "http://proxy:9/web")):
            asked = ("query", "web.svc.local", kind, "--server", f"127.0.0.1:{port}")
            while wanted not in (answer := command(installed, tmp_path, *asked)[1]):
                assert time.monotonic() < ends_at, (answer, said)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_a_reason_is_enough_for_who_raises_it():
    class Down(ServiceDiscovery):
        def get_services(self):
            raise ProviderError("the shelf is empty", is_denied=True)

        get_service_url = None  # type: ignore[assignment]

        def register_service(self, service_name, service_data):
            raise ProviderError("the shelf is full")

        def deregister_service(self, service_name):
            raise ProviderError("the shelf is closed")

    Down.get_service_url = ServiceDiscovery.get_service_url
    for provider in (Down(), ChainServiceDiscovery([Down()]), ChainServiceDiscovery([ChainServiceDiscovery([Down()])])):
        set_discovery_provider(provider)
        for call, words in (
            (dnsdisco.get_services, "empty"),
            (lambda: dnsdisco.get_service("a"), "empty"),
            (lambda: dnsdisco.get_service_url("a", "x"), "empty"),
            (lambda: dnsdisco.register_service("a", {"address": "10.0.0.1"}), "full"),
        ):
            with pytest.raises(ProviderError, match=f"^down: the shelf is {words}") as caught:
                call()
            assert (caught.value.provider, caught.value.reason) == ("down", f"the shelf is {words}")
        with pytest.raises(ProviderError, match=r"^down: the shelf is empty"):
            dnsdisco.deregister_service("a")  # whether it is there is asked first
    assert str(ProviderError("no")) == "no"
    assert str(ProviderError("consul", "no")) == "consul: no"


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("no"),
        ProviderError("consul", "no", retry_after_s=3.0, is_denied=True),
        AgentError("no", "status", status=500),
        ApiError("no", status=403, cause="Forbidden"),
    ],
)
def test_an_error_gets_from_one_process_to_another(error):
    """As multiprocessing and Celery send it."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))
