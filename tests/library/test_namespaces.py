"""Namespaces and aliases in the library: the same service for a name as in DNS, of a file, of a plug-in and of a chain of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dnsdisco
from dnsdisco.errors import NotSupported
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.combined import ChainServiceDiscovery
from dnsdisco.providers.static import StaticServiceDiscovery
from dnsdisco.testing import Server

FILE = """\
web: {address: 10.0.0.1, port: 80, aliases: [www]}
web-of-shop: {name: web, namespace: shop, address: 10.0.1.1, port: 80, aliases: [front_end]}  # kept
empty: {namespace: shop, instances: []}
"""


class Plugin(ServiceDiscovery):
    """One method, as docs/adding-a-provider.md has it; the keys are whatever its backend has."""

    type = "plugin"
    poll_interval = 0.05

    def __init__(self, services: dict[str, Any] | None = None) -> None:
        self.services = services or {
            "web": {"address": "10.1.0.1", "port": 80},
            "web.shop": {"namespace": "shop", "instances": [{"address": "10.1.1.1", "port": 80}], "aliases": ["front"]},
            "4711": {"name": "db", "namespace": "shop", "address": "10.1.2.1", "port": 5432, "aliases": ["pg"]},
            "known": {"instances": [], "namespace": "shop"},
        }

    def get_services(self) -> dict[str, dict[str, Any]]:
        return self.services


@pytest.fixture
def file(tmp_path: Path) -> StaticServiceDiscovery:
    (tmp_path / "services.yaml").write_text(FILE)
    return StaticServiceDiscovery(tmp_path / "services.yaml")


@pytest.fixture(autouse=True)
def _detection() -> Iterator[None]:
    yield
    dnsdisco.set_discovery_provider(None)


def addresses(name: str) -> list[str] | None:
    service = dnsdisco.get_service(name)
    return None if service is None else [each["address"] for each in service["instances"]]


def test_of_a_file(file: StaticServiceDiscovery) -> None:
    dnsdisco.set_discovery_provider(file)
    assert set(dnsdisco.get_services()) == {"web", "web.shop", "empty.shop"}
    for name, expected in {
        "web": ["10.0.0.1"], "www": ["10.0.0.1"], "web.shop": ["10.0.1.1"], "Web.SHOP": ["10.0.1.1"], "front_end.shop": ["10.0.1.1"],
        "front-end.shop": ["10.0.1.1"], "empty.shop": [], "empty": None, "web-of-shop": None, "front_end": None, "web.other": None,
    }.items():  # fmt: skip
        assert addresses(name) == expected, name
    assert dnsdisco.get_service_url("web.shop") == "http://10.0.1.1:80"
    service = dnsdisco.get_service("front_end.shop")
    assert service is not None
    assert (service["name"], service["namespace"], service["aliases"]) == ("web", "shop", ["front_end"])


def test_of_a_plug_in() -> None:
    dnsdisco.set_discovery_provider(Plugin())
    assert set(dnsdisco.get_services()) == {"web", "web.shop", "db.shop", "known.shop"}
    for name, expected in {
        "web": ["10.1.0.1"], "web.shop": ["10.1.1.1"], "front.shop": ["10.1.1.1"], "db.shop": ["10.1.2.1"], "pg.shop": ["10.1.2.1"],
        "known.shop": [], "4711": None, "db": None, "front": None, "known": None,
    }.items():  # fmt: skip
        assert addresses(name) == expected, name


@pytest.mark.parametrize("chain", ["first", "merge"])
def test_of_a_chain_as_in_dns(file: StaticServiceDiscovery, chain: str) -> None:
    both = ChainServiceDiscovery([file, Plugin()], chain)
    dnsdisco.set_discovery_provider(both)
    assert set(dnsdisco.get_services()) == {"web", "web.shop", "empty.shop", "db.shop", "known.shop"}
    names = [
        "web",
        "www",
        "web.shop",
        "front_end.shop",
        "front.shop",
        "db.shop",
        "pg.shop",
        "empty.shop",
        "known.shop",
        "db",
        "front",
    ]
    found = {name: sorted(answer) if (answer := addresses(name)) else answer for name in names}
    is_merging = chain == "merge"
    web, shop = (["10.0.0.1", "10.1.0.1"], ["10.0.1.1", "10.1.1.1"]) if is_merging else (["10.0.0.1"], ["10.0.1.1"])
    assert found == {
        "web": web, "www": web, "web.shop": shop, "front_end.shop": shop, "front.shop": shop, "db.shop": ["10.1.2.1"],
        "pg.shop": ["10.1.2.1"], "empty.shop": [], "known.shop": [], "db": None, "front": None,
    }  # fmt: skip


def test_a_plug_in_in_dns() -> None:
    with Server(provider=Plugin()) as server:
        for name, expected in {"web": "10.1.0.1", "web.shop": "10.1.1.1", "front.shop": "10.1.1.1", "pg.shop": "10.1.2.1"}.items():
            assert server.addresses(f"{name}.svc.local") == [expected]


def test_of_two_services_of_one_name_the_first_counts() -> None:
    double = {"a": {"name": "web", "address": "10.0.0.1"}, "b": {"name": "web", "address": "10.0.0.2"}}
    dnsdisco.set_discovery_provider(Plugin(double))
    assert addresses("web") == ["10.0.0.1"]
    assert set(dnsdisco.get_services()) == {"web"}
    with Server(provider=Plugin(double)) as server:
        assert server.addresses("web.svc.local") == ["10.0.0.1"]


def test_the_file_is_written_where_the_service_stands(file: StaticServiceDiscovery) -> None:
    path = Path(file.file)
    assert file.register_service("web.shop", {"address": "10.0.1.2", "port": 80}) == "web-10.0.1.2-80"
    assert file.register_service("db", {"namespace": "shop", "address": "10.0.2.1", "port": 5432}) == "db-10.0.2.1-5432"
    assert file.register_service("web", {"namespace": "other", "address": "10.0.3.1", "port": 80}) == "web-10.0.3.1-80"
    services = {name: [each["address"] for each in data["instances"]] for name, data in file.get_services().items()}
    assert services == {
        "web": ["10.0.0.1"], "web.shop": ["10.0.1.1", "10.0.1.2"], "empty.shop": [], "db.shop": ["10.0.2.1"], "web.other": ["10.0.3.1"],
    }  # fmt: skip
    assert "# kept" in path.read_text()
    assert file.register_service("web.shop", {"address": "10.0.1.2", "port": 80, "weight": 5}) == "web-10.0.1.2-80"
    assert len(file.get_services()["web.shop"]["instances"]) == 2
    assert file.deregister_service("web-of-shop") is False  # a key of the file is no name
    assert file.deregister_service("web.shop", "web-10.0.1.1-80") is True
    assert file.deregister_service("web.shop") is True
    assert set(file.get_services()) == {"web", "empty.shop", "db.shop", "web.other"}
    path.write_text("web: {name: x, address: 10.0.0.1}\n")
    assert file.deregister_service("web") is False
    with pytest.raises(NotSupported, match="another service stands at web"):
        file.register_service("web", {"address": "10.0.0.2", "port": 80})


@pytest.mark.parametrize("more", [{"namespace": "shop"}, {"name": "other"}])
def test_consul_refuses_a_name_that_it_cannot_hold(more: dict[str, Any]) -> None:
    from dnsdisco.providers.consul.registration import registration_of

    with pytest.raises(ValueError, match="Consul has no place for another name, or for a namespace of ours"):
        registration_of("web", {"address": "10.0.0.1", "port": 80, **more})
    assert registration_of("web", {"address": "10.0.0.1", "port": 80, "name": "web"}).body["Name"] == "web"
