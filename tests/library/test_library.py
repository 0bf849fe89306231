"""The seed's functions, with the seed's names and behaviour, from `dnsdisco`."""

import importlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

import dnsdisco
from dnsdisco import (
    ConfigError,
    deregister_service,
    get_discovery_provider,
    get_service,
    get_service_url,
    get_services,
    NotSupported,
    ProviderError,
    register_service,
    ServiceDiscovery,
    set_discovery_provider,
)
from dnsdisco.env import EnvServiceDiscovery
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.static import StaticServiceDiscovery

SEED = """{
  "auth": {"url": "http://auth-service:5001", "address": "auth-service", "port": 5001},
  "backend": {"url": "http://backend-service:5000", "address": "backend-service", "port": 5000}
}"""


@pytest.fixture(autouse=True)
def _from_scratch(tmp_path, monkeypatch):
    for key in list(os.environ):
        if key.startswith(("SERVICE_", "CONSUL_", "KUBERNETES_")):
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)
    set_discovery_provider(None)
    yield
    set_discovery_provider(None)


class Backend(ServiceDiscovery):
    type = "backend"

    def __init__(self, services=None):
        self.services, self.asked, self.error, self.is_closed = services or {}, Counter(), None, False

    def _answer(self, what):
        self.asked[what] += 1
        if self.error:
            raise self.error

    def get_services(self):
        self._answer("all")
        return self.services

    def get_service(self, service_name, default=None):
        self._answer(service_name)
        return self.services.get(service_name, default)

    def register_service(self, service_name, service_data):
        self.services[service_name] = service_data
        return "id"

    def deregister_service(self, service_name, instance_id=None):
        return self.services.pop(service_name, None) is not None

    def close(self):
        self.is_closed = True


@pytest.fixture
def backend():
    backend = Backend(
        {"auth": {"url": "http://auth:1"}, "web": {"instances": [{"address": f"10.0.0.{n}", "port": n} for n in (1, 2)]}}
    )
    set_discovery_provider(backend)
    return backend


def test_the_seed_s_readme(tmp_path, monkeypatch):
    (tmp_path / "services.json").write_text(SEED)
    monkeypatch.setenv("SERVICE_EXTRA_URL", "http://extra:1")
    assert get_service_url("auth") == "http://auth-service:5001"
    assert get_service_url("backend") == "http://backend-service:5000"
    auth = get_service("auth")
    assert (auth["url"], auth["port"]) == ("http://auth-service:5001", 5001)
    assert {name: service.get("url") for name, service in get_services().items()} == {
        "auth": "http://auth-service:5001",
        "backend": "http://backend-service:5000",
        "extra": "http://extra:1",
    }
    instance = register_service(
        "my-service",
        {
            "address": "localhost",
            "port": 8080,
            "tags": ["http", "api"],
            "check": {"http": "http://localhost:8080/health", "interval": "10s"},
        },
    )
    assert isinstance(instance, str)
    service = get_service("my-service")
    assert (service["url"], service["tags"]) == ("http://localhost:8080", ["http", "api"])
    assert service["check"]["http"] == "http://localhost:8080/health"
    assert deregister_service("my-service") is True
    assert get_service("my-service") is None
    assert deregister_service("my-service") is False


def test_a_provider_that_says_no_more_than_it_must():
    """One method is all that is needed, not even a name."""

    class LaptopServiceDiscovery(ServiceDiscovery):
        def get_services(self):
            return {"auth": {"address": "10.0.0.1", "port": 80}}

    class Laptop(LaptopServiceDiscovery):
        type = "tablet"

    assert (LaptopServiceDiscovery.type, Laptop.type) == ("laptop", "tablet")
    set_discovery_provider(LaptopServiceDiscovery())
    assert get_service_url("auth") == "http://10.0.0.1:80"
    with pytest.raises(NotSupported, match="the laptop provider is read-only"):
        register_service("auth", {"address": "10.0.0.2"})
    with pytest.raises(NotSupported, match="the laptop provider is read-only"):
        deregister_service("auth")
    assert deregister_service("auth", "another") is False
    assert deregister_service("nobody") is False


def test_a_provider_with_a_url_of_its_own_is_asked_for_it():
    class Proxy(ServiceDiscovery):
        asked = 0
        is_down = False

        def get_services(self):
            return {}

        def get_service_url(self, service_name, default=None):
            self.asked += 1
            if self.is_down:
                raise ConnectionRefusedError("no")
            return f"http://proxy/{service_name}" if service_name != "nobody" else default

    proxy = Proxy()
    set_discovery_provider(proxy)
    assert [get_service_url("auth") for _ in range(3)] == ["http://proxy/auth"] * 3
    assert proxy.asked == 1
    assert get_service_url("nobody", "http://fallback") == "http://fallback"
    proxy.is_down = True
    with pytest.raises(ProviderError, match="ConnectionRefusedError"):
        get_service_url("new", "http://fallback")
    with pytest.raises(TypeError):
        get_service_url(None)


def test_a_change_that_is_refused_leaves_the_cache_alone(backend):
    assert get_service_url("auth") == "http://auth:1"
    backend.error = NotSupported("read-only")
    backend.register_service = lambda *_: backend._answer("register")
    with pytest.raises(NotSupported):
        register_service("auth", {"address": "10.0.0.1"})
    backend.error = ProviderError("backend", "down")
    assert get_service_url("auth") == "http://auth:1"


@pytest.mark.parametrize("data", [None, 5, "10.0.0.1", [("address", "10.0.0.1")]])
def test_data_that_are_no_mapping(data, backend):
    with pytest.raises(TypeError, match="expected a mapping"):
        register_service("auth", data)
    with pytest.raises(TypeError, match="expected the type of a provider"):
        get_discovery_provider(5)


@pytest.mark.parametrize("name", ["env", "static", "consul", "kubernetes"])
def test_short_paths(name):
    pytest.importorskip(name if name in ("consul", "kubernetes") else "dnsdisco")
    short, long = importlib.import_module(f"dnsdisco.{name}"), importlib.import_module(f"dnsdisco.providers.{name}")
    assert [getattr(short, each) for each in short.__all__] == [getattr(long, each) for each in short.__all__]
    assert short.__all__ == [f"{name.capitalize()}ServiceDiscovery"]


def test_environment_variables_of_the_seed(monkeypatch):
    monkeypatch.setenv("SERVICE_AUTH_URL", "http://auth-service:5001")
    monkeypatch.setenv("SERVICE_BACKEND_HOST", "backend-service")
    monkeypatch.setenv("SERVICE_BACKEND_PORT", "5000")
    assert isinstance(get_discovery_provider(), EnvServiceDiscovery)
    assert get_service_url("auth") == "http://auth-service:5001"
    assert get_service_url("backend") == "http://backend-service:5000"
    assert get_service_url("AUTH") == "http://auth-service:5001"
    with pytest.raises(NotSupported):
        register_service("a", {"address": "10.0.0.1"})


def test_a_default_means_that_the_service_is_unknown(backend):
    assert get_service_url("nobody") is None
    assert get_service_url("nobody", "http://x") == "http://x"
    assert get_service("nobody") is None
    assert get_service("nobody", {"a": 1}) == {"a": 1}
    backend.error = ProviderError("backend", "down")
    set_discovery_provider(backend)
    for ask in (lambda: get_service_url("auth", "http://x"), lambda: get_service("auth", {}), get_services):
        with pytest.raises(ProviderError, match="down"):
            ask()
    backend.error = TimeoutError("slow")
    with pytest.raises(ProviderError, match="backend: TimeoutError: slow"):
        get_services()


def test_a_service_without_anybody_to_go_to(backend):
    backend.services["empty"] = {"instances": []}
    backend.services["sick"] = {"instances": [{"address": "10.0.0.1", "health": "critical"}], "when_all_unhealthy": "empty"}
    assert get_service_url("empty") is None
    assert get_service_url("empty", "http://x") == "http://x"
    assert get_service_url("sick", "http://x") == "http://x"
    assert get_service("empty")["instances"] == []


def test_instances_are_taken_by_weight(backend):
    backend.services["w"] = {
        "instances": [
            {"address": "10.0.0.1", "weight": 30},
            {"address": "10.0.0.2", "weight": 10},
            {"address": "10.0.0.3", "weight": 60, "health": "critical"},
            {"address": "10.0.0.4", "weight": 100, "warning_weight": 10, "health": "warning"},
            {"address": "10.0.0.5", "weight": 0},
        ],
    }
    counts = Counter(get_service_url("w") for _ in range(2000))
    assert set(counts) == {"http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.4", "http://10.0.0.5"}
    assert counts["http://10.0.0.5"] < 50  # its weight is 0: seldom, and not never
    assert 1050 < counts["http://10.0.0.1"] < 1350
    assert Counter(get_service("w")["address"] for _ in range(200)).keys() >= {"10.0.0.1", "10.0.0.2"}
    backend.services["z"] = {"instances": [{"address": f"10.0.0.{n}", "weight": 0} for n in (1, 2)]}
    assert len({get_service_url("z") for _ in range(100)}) == 2


def test_answers_are_cached_and_the_caller_s_own(backend):
    for _ in range(3):
        get_service("auth")["tags"].append("mine")
        assert get_service_url("nobody") is None
    assert get_service("auth")["tags"] == []
    assert backend.asked == {"auth": 1, "nobody": 1, "all": 1}  # what the others are called
    get_services()["auth"].clear()
    assert get_services()["auth"]["url"] == "http://auth:1"
    assert get_service_url("web").startswith("http://10.0.0.")
    assert backend.asked == {"auth": 1, "nobody": 1, "all": 2}  # `web` was among all


def test_an_expired_answer_beats_an_error(backend, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr("dnsdisco.discovery._current.cache._now", lambda: now[0])
    assert get_service_url("auth") == "http://auth:1"
    get_services()
    backend.error = ProviderError("backend", "down")
    now[0] += 3600
    assert get_service_url("auth") == "http://auth:1"
    assert set(get_services()) == {"auth", "web"}
    assert get_service_url("web", "x").startswith("http://10.0.0.")  # never asked for alone, but known
    with pytest.raises(ProviderError):
        get_service_url("nobody", "x")


@pytest.mark.parametrize(
    "error", [RuntimeError("out of paper"), ValueError("Expecting value: line 1 column 1 (char 0)"), OSError("reset")]
)
def test_whatever_a_provider_raises_is_a_backend_that_does_not_answer(backend, error):
    backend.error = error
    with pytest.raises(ProviderError, match=str(error).partition(" (")[0]) as caught:
        get_service_url("auth", "x")
    assert caught.value.__cause__ is error
    with pytest.raises(ProviderError, match="backend: "):
        get_services()
    with pytest.raises(ProviderError, match="backend: "):
        ChainServiceDiscovery([backend]).get_services()


def test_all_services_in_no_mapping_are_no_answer(backend):
    backend.services = None
    with pytest.raises(ProviderError, match="NoneType"):
        get_services()


def test_what_is_registered_is_seen_at_once(backend):
    assert get_service("new") is None
    assert get_services().keys() == {"auth", "web"}
    assert register_service("new", {"address": "10.0.0.7"}) == "id"
    assert get_service_url("new") == "http://10.0.0.7"
    assert "new" in get_services()
    assert deregister_service("new") is True
    assert get_service("new") is None
    assert "new" not in get_services()


def test_setting_a_provider_clears_the_cache(backend):
    assert get_service_url("auth") == "http://auth:1"
    other = Backend({"auth": {"url": "http://other:1"}})
    set_discovery_provider(other)
    assert get_discovery_provider() is other
    assert get_service_url("auth") == "http://other:1"
    set_discovery_provider(None)
    assert get_service_url("auth") is None
    assert not other.is_closed  # it is the caller's
    with pytest.raises(TypeError, match="expected a ServiceDiscovery"):
        set_discovery_provider("consul")


def test_many_threads_that_miss_ask_once(backend):
    backend.services["slow"] = {"address": "10.0.0.1"}
    real = backend.get_service

    def slow(name, default=None):
        time.sleep(0.1)
        return real(name, default)

    backend.get_service = slow
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(get_service_url("slow"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["http://10.0.0.1"] * 20
    assert backend.asked["slow"] == 1


def test_bad_data_of_a_provider_are_no_service(backend):
    backend.services |= {"bad": {"address": "0.0.0.0"}, "worse": 5}
    assert get_service_url("bad", "x") == "x"
    assert get_services().keys() == {"auth", "web"}
    with pytest.raises(TypeError):
        get_service(None)


def test_which_provider_is_taken(tmp_path, monkeypatch):
    assert isinstance(get_discovery_provider(), EnvServiceDiscovery)
    assert get_discovery_provider() is get_discovery_provider()
    (tmp_path / "services.yaml").write_text("a: {address: 10.0.0.1}")
    assert isinstance(get_discovery_provider(), EnvServiceDiscovery)  # chosen once
    set_discovery_provider(None)
    detected = get_discovery_provider()
    assert isinstance(detected, ChainServiceDiscovery)
    assert [link.provider.type for link in detected.links] == ["static", "env"]
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "static")
    set_discovery_provider(None)
    assert isinstance(get_discovery_provider(), StaticServiceDiscovery)
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "env , static")
    set_discovery_provider(None)
    chained = get_discovery_provider()
    assert isinstance(chained, ChainServiceDiscovery)
    assert [link.provider.type for link in chained.links] == ["env", "static"]
    monkeypatch.setenv("SERVICE_DISCOVERY_PROVIDER", "statik")
    set_discovery_provider(None)
    with pytest.raises(ConfigError, match="did you mean static"):
        get_service_url("a")


def test_a_provider_of_a_type():
    assert isinstance(get_discovery_provider("env"), EnvServiceDiscovery)
    assert get_discovery_provider("env") is not get_discovery_provider("env")
    assert isinstance(get_discovery_provider("static"), StaticServiceDiscovery)
    chained = get_discovery_provider("static,env")
    assert isinstance(chained, ChainServiceDiscovery)
    assert [link.provider.type for link in chained.links] == ["static", "env"]
    with pytest.raises(ConfigError):
        get_discovery_provider("nope")
    assert isinstance(get_discovery_provider(), EnvServiceDiscovery)  # that one is untouched


def test_a_file_that_breaks_keeps_its_services(tmp_path, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr("dnsdisco.discovery._current.cache._now", lambda: now[0])
    path = tmp_path / "services.yaml"
    path.write_text("a: {address: 10.0.0.1}")
    assert get_service_url("a") == "http://10.0.0.1"
    path.write_text("a: [")
    now[0] += 60
    assert get_service_url("a", "x") == "http://10.0.0.1"
    with pytest.raises(ProviderError, match=r"services\.yaml:1:5"):
        get_service_url("b", "x")


def test_a_forked_child_does_not_wait_for_its_parent_s_locks(backend):
    code = """
import os, threading, time
import dnsdisco, dnsdisco.discovery
from dnsdisco.providers.env import EnvServiceDiscovery
dnsdisco.set_discovery_provider(EnvServiceDiscovery({"SERVICE_A_URL": "http://a:1"}))
dnsdisco.discovery._current._lock.__enter__()
dnsdisco.discovery._current.cache._lock.__enter__()
child = os.fork()
if not child:
    os._exit(0 if dnsdisco.get_service_url("a") == "http://a:1" else 1)
deadline = time.monotonic() + 5
while time.monotonic() < deadline:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    time.sleep(0.02)
os.kill(child, 9)
raise SystemExit("the child hangs")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.slow
def test_importing_it_imports_next_to_nothing():
    heavy = "yaml pydantic consul kubernetes structlog click ruamel asyncio dnsdisco.discovery dnsdisco.providers"
    code = f"import sys, dnsdisco; print([name for name in {heavy.split()!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
    heavy = "yaml pydantic consul kubernetes click ruamel"
    code = (
        f"import sys, dnsdisco; dnsdisco.get_service_url('x'); print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd="/").stdout == "[]\n"


@pytest.mark.slow
def test_a_program_s_own_output_stays_clean(tmp_path):
    """Warnings go to logging, which prints to stderr; nothing to stdout."""
    (tmp_path / "services.yaml").write_text("a: {address: 0.0.0.0}\n")
    code = "import dnsdisco; print(dnsdisco.get_services())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "{}\n"
    assert done.stderr.startswith("services.yaml:1:14: a.address: expected an address")
    assert done.stderr.count("\n") == 1


def test_names_are_visible():
    assert set(dnsdisco.__all__) <= set(dir(dnsdisco))
    for name in dnsdisco.__all__:
        assert getattr(dnsdisco, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        dnsdisco.nothing  # noqa: B018
