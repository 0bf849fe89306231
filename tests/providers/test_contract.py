"""The built-in providers that need no server, held to the contract."""

import json

import pytest
import yaml

from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.providers.env import EnvServiceDiscovery
from dnsdisco.providers.static import StaticServiceDiscovery
from dnsdisco.testing import ProviderContract


class TestEnv(ProviderContract):
    @pytest.fixture
    def provider(self):
        self.environ = {}
        provider = EnvServiceDiscovery(self.environ)
        provider.poll_interval = 0.05
        return provider

    def fill(self, provider, services):
        self.environ.clear()
        for name, data in services.items():
            for at, each in enumerate(data["instances"], 1):
                self.environ[f"SERVICE_{name.upper()}_{at}_HOST"] = each["address"]
                self.environ[f"SERVICE_{name.upper()}_{at}_PORT"] = str(each["port"])


class TestStaticYaml(ProviderContract):
    is_writable = True

    @pytest.fixture
    def provider(self, tmp_path):
        self.path = tmp_path / "services.yaml"
        self.path.write_text("")
        provider = StaticServiceDiscovery(self.path)
        provider.poll_interval = 0
        return provider

    def fill(self, provider, services):
        self.path.write_text(yaml.safe_dump(services) if services else "")

    def break_backend(self, provider):
        self.path.write_text("{")
        return True


class TestStaticJson(TestStaticYaml):
    @pytest.fixture
    def provider(self, tmp_path):
        self.path = tmp_path / "services.json"
        self.path.write_text("")
        provider = StaticServiceDiscovery(self.path)
        provider.poll_interval = 0
        return provider

    def fill(self, provider, services):
        self.path.write_text(json.dumps(services))


class TestChain(TestStaticYaml):
    @pytest.fixture
    def provider(self, tmp_path):
        self.path = tmp_path / "services.yaml"
        self.path.write_text("")
        chain = ChainServiceDiscovery([EnvServiceDiscovery({}), StaticServiceDiscovery(self.path)])
        chain.poll_interval = 0.05
        return chain


class TestPlugin(ProviderContract):
    """The least that a plug-in can be: one method, in a form of its own choice."""

    @pytest.fixture
    def provider(self):
        class Least(ServiceDiscovery):
            type = "least"
            poll_interval = 0.05

            def __init__(self):
                self.services = {}

            def get_services(self):
                return json.loads(json.dumps(self.services))

        return Least()

    def fill(self, provider, services):
        provider.services = dict(services)
