"""Several providers as one."""

import pytest

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.combined import ChainMember, ChainServiceDiscovery
from dnsdisco.providers.env import EnvServiceDiscovery


class Memory(ServiceDiscovery):
    """A backend at hand, which can be down."""

    type = "memory"

    def __init__(self, services, kind="memory"):
        self.services, self.type, self.error, self.is_closed = services, kind, None, False

    def get_services(self):
        if self.error:
            raise self.error
        return self.services

    def register_service(self, service_name, service_data):
        self.services[service_name] = dict(service_data)
        return "id"

    def deregister_service(self, service_name, instance_id=None):
        return self.services.pop(service_name, None) is not None

    def close(self):
        self.is_closed = True


DOWN = ProviderError("memory", "connection refused")


@pytest.fixture
def one():
    return Memory({"web": {"address": "10.0.0.1", "port": 80, "ttl": 9}, "a": {"address": "10.0.0.9"}}, "one")


@pytest.fixture
def two():
    return Memory({"web": {"address": "10.0.0.2", "port": 80}, "b": {"address": "10.0.0.8"}}, "two")


def addresses(service):
    return [each["address"] for each in service["instances"]]


def test_the_first_that_has_it_wins(one, two):
    chain = ChainServiceDiscovery([one, two])
    assert chain.get_service_url("web") == "http://10.0.0.1:80"
    assert chain.get_service_url("b") == "http://10.0.0.8"
    assert chain.get_service_url("c", "x") == "x"
    services = chain.get_services()
    assert list(services) == ["web", "a", "b"]
    assert services["web"]["address"] == "10.0.0.1"


def test_merge_is_the_union_of_the_instances(one, two):
    chain = ChainServiceDiscovery([one, two], "merge")
    assert addresses(chain.get_service("web")) == ["10.0.0.1", "10.0.0.2"]
    assert chain.get_service("web")["ttl"] == 9
    assert addresses(chain.get_services()["web"]) == ["10.0.0.1", "10.0.0.2"]
    two.services["web"] = {
        "instances": [{"id": "x", "address": "10.0.0.1", "port": 80}, {"id": "web-10.0.0.1-80", "address": "10.0.0.3", "port": 80}]
    }
    instances = chain.get_service("web")["instances"]
    assert [each["address"] for each in instances] == ["10.0.0.1", "10.0.0.3"]
    assert [each["id"] for each in instances] == ["web-10.0.0.1-80", "10-0-0-3"]


def listed_addresses(chain):
    services = {name: service_from_data(name, data)[0] for name, data in chain.get_services().items()}
    return {name: {each.address for each in service.instances} for name, service in services.items() if service}


def test_a_name_that_dns_cannot_have_is_known_by_what_its_owner_calls_it(one, two):
    one.services["my.service"] = {"address": "10.0.0.3"}
    two.services["my-service"] = {"address": "10.0.0.5"}
    chain = ChainServiceDiscovery([one, two])
    listed = listed_addresses(chain)
    assert (listed["my-service"], listed["my.service"]) == ({"10.0.0.5"}, {"10.0.0.3"})
    assert addresses(chain.get_service("my.service")) == ["10.0.0.3"]
    assert addresses(chain.get_service("My.Service")) == ["10.0.0.3"]
    assert addresses(chain.get_service("my-service")) == ["10.0.0.5"]


def test_nobody_is_asked_for_more_than_the_name_behind_the_provider_that_has_it(one, two):
    two.error = DOWN
    assert addresses(ChainServiceDiscovery([one, two]).get_service("WEB")) == ["10.0.0.1"]


def test_a_name_that_is_an_alias_in_one_and_not_in_the_other(one, two):
    one.services["db"] = {"address": "db.example"}
    two.services["db"] = {"address": "10.0.0.3"}
    chain = ChainServiceDiscovery([one, two], "merge")
    assert addresses(chain.get_service("db")) == ["db.example", "10.0.0.3"]


def test_bad_data_of_one_do_not_hide_the_other(one, two):
    one.services["web"] = {"address": "0.0.0.0"}
    assert addresses(ChainServiceDiscovery([one, two], "merge").get_service("web")) == ["10.0.0.2"]
    one.services["web"] = None
    assert addresses(ChainServiceDiscovery([one, two]).get_service("web")) == ["10.0.0.2"]


def test_an_earlier_provider_that_is_down_is_an_error(one, two):
    one.error = DOWN
    chain = ChainServiceDiscovery([one, two])
    for ask in (chain.get_services, lambda: chain.get_service("b"), lambda: chain.get_service_url("b", "x")):
        with pytest.raises(ProviderError, match="connection refused"):
            ask()


def test_a_later_provider_that_is_down_matters_only_to_what_it_could_have(one, two):
    two.error = DOWN
    chain = ChainServiceDiscovery([one, two])
    assert chain.get_service_url("a") == "http://10.0.0.9"
    with pytest.raises(ProviderError):
        chain.get_service("nobody")
    with pytest.raises(ProviderError):
        chain.get_services()


def test_an_optional_provider_that_is_down_does_not_matter(one, two):
    one.error = DOWN
    chain = ChainServiceDiscovery([({"type": "one", "optional": True}, one), two])
    assert chain.get_service_url("web") == "http://10.0.0.2:80"
    assert chain.get_service("a") is None
    assert list(chain.get_services()) == ["web", "b"]
    one.error = ConnectionRefusedError()
    assert list(chain.get_services()) == ["web", "b"]


def test_a_network_error_is_a_provider_error_whoever_raised_it(one):
    one.error = ConnectionResetError("peer")
    with pytest.raises(ProviderError, match="ConnectionResetError: peer"):
        ChainServiceDiscovery([one]).get_services()


def test_globs(one, two):
    chain = ChainServiceDiscovery([({"include": ["a*"], "exclude": None}, one), ChainMember(two, exclude=("B",))])
    assert list(chain.get_services()) == ["a", "web"]
    assert chain.get_service_url("web") == "http://10.0.0.2:80"
    assert chain.get_service("b") is None
    one.error = DOWN
    assert chain.get_service_url("web") == "http://10.0.0.2:80"  # it is not asked for what it is not to give


def test_registering_goes_to_the_first_that_can(one):
    env = EnvServiceDiscovery({})
    chain = ChainServiceDiscovery([env, one])
    assert chain.register_service("new", {"address": "10.0.0.5"}) == "id"
    assert one.services["new"] == {"address": "10.0.0.5"}
    assert chain.deregister_service("new") is True
    assert chain.deregister_service("new") is False
    with pytest.raises(NotSupported, match="the env provider is read-only"):
        ChainServiceDiscovery([env]).register_service("new", {})
    assert ChainServiceDiscovery([env]).deregister_service("new") is False


def test_what_only_a_read_only_provider_has_cannot_be_deregistered(one):
    chain = ChainServiceDiscovery([one, EnvServiceDiscovery({"SERVICE_OLD_HOST": "10.0.0.9"})])
    with pytest.raises(NotSupported, match="the env provider is read-only"):
        chain.deregister_service("old")
    assert chain.deregister_service("old", "another") is False


def test_every_reason_is_named(one):
    class ReadOnly(Memory):
        def register_service(self, service_name, service_data):
            raise NotSupported("its file cannot be written")

    with pytest.raises(NotSupported, match=r"the env provider is read-only.*; its file cannot be written"):
        ChainServiceDiscovery([EnvServiceDiscovery({}), ReadOnly({})]).register_service("a", {})
    with pytest.raises(NotSupported, match="no provider takes the name a"):
        ChainServiceDiscovery([ChainMember(one, include=("x",))]).register_service("a", {})


def test_deregistering_goes_on_to_the_one_that_has_it(one, two):
    chain = ChainServiceDiscovery([one, two])
    assert chain.deregister_service("b") is True
    assert "b" not in two.services


def test_what_holds_when_all_are_unhealthy(one):
    one.services["sick"] = {"address": "10.0.0.1", "health": "critical"}
    assert ChainServiceDiscovery([one]).get_service_url("sick") == "http://10.0.0.1"
    chain = ChainServiceDiscovery([({"when_all_unhealthy": "empty"}, one)])
    assert chain.get_service_url("sick") is None
    assert chain.get_services()["sick"]["when_all_unhealthy"] == "empty"
    one.services["sick"]["when_all_unhealthy"] = "fail_open"  # the service's own word wins
    assert chain.get_service_url("sick") == "http://10.0.0.1"


def test_closing_it_closes_them(one, two):
    ChainServiceDiscovery([one, two]).close()
    assert one.is_closed
    assert two.is_closed


def test_policies(one):
    with pytest.raises(ValueError, match="first or merge"):
        ChainServiceDiscovery([one], "last")
