"""What a service is called: `name`, `namespace` and `aliases` beside its data, and what a wrong one of them costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dnsdisco.model.identity import names_in
from dnsdisco.model.service import Service
from dnsdisco.model.service_data import service_from_data, service_to_dict

ONE = {"address": "10.0.0.1", "port": 80}
SEVERAL = {"instances": [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]}


def read(key: Any, data: Any) -> tuple[Service | None, list[tuple[str, str]]]:
    service, faults = service_from_data(key, data)
    return service, [(path, message) for path, message, _ in faults]


@pytest.mark.parametrize("data", [ONE, SEVERAL, {"instances": []}])
@pytest.mark.parametrize(
    ("key", "more", "name", "namespace", "called"),
    [
        ("web", {}, "web", "", "web"),
        ("k1", {"name": "web"}, "web", "", "web"),
        ("web", {"namespace": "shop"}, "web", "shop", "web.shop"),
        ("web.shop", {"namespace": "shop"}, "web", "shop", "web.shop"),
        ("Web.SHOP", {"namespace": "shop"}, "Web", "shop", "Web.shop"),
        ("k1", {"name": "web", "namespace": "shop"}, "web", "shop", "web.shop"),
        ("web.shop", {}, "web.shop", "", "web.shop"),  # a name with a dot in it, as before
        ("web.shop", {"name": "", "namespace": None}, "web.shop", "", "web.shop"),
        ("web", {"namespace": "shop", "is_default_namespace": True}, "web", "shop", "web"),
        ("web", {"is_default_namespace": False}, "web", "", "web"),
    ],
)
def test_name_and_namespace(data: Any, key: str, more: dict[str, Any], name: str, namespace: str, called: str) -> None:
    service, faults = read(key, {**data, **more})
    assert service is not None
    assert faults == []
    assert (service.name, service.namespace, service.called) == (name, namespace, called)
    back, faults = read(called, service_to_dict(service))  # what get_services() has
    assert faults == []
    assert back == (service if service.called != name or not namespace else replace(service, namespace=""))
    with_alias = replace(service, aliases=("www",))
    assert read("elsewhere", service_to_dict(with_alias)) == (with_alias, [])


@pytest.mark.parametrize(
    ("aliases", "expected", "fault"),
    [
        (["www", "front_end"], ("www", "front_end"), ""),
        ("www", ("www",), ""),
        (["www", "www", "web"], ("www",), ""),
        ([], (), ""),
        (None, (), ""),
        (["www", 5], ("www",), "aliases[1]"),
        (["", "www"], ("www",), "aliases[0]"),
        (["a" * 64, "www"], ("www",), "aliases[0]"),
        (["w\nw", "www"], ("www",), "aliases[0]"),
        ({"www": 1}, (), "aliases"),
        (["a"] * 10_001, (), "aliases"),
    ],
)
def test_a_wrong_alias_costs_itself_alone(aliases: Any, expected: tuple[str, ...], fault: str) -> None:
    service, faults = read("web", {**ONE, "aliases": aliases})
    assert service is not None
    assert service.aliases == expected
    assert [path for path, _ in faults] == ([fault] if fault else [])
    assert service_from_data("web", service_to_dict(service)) == (service, [])


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"namespace": 5}, "namespace"),
        ({"namespace": "a" * 64}, "namespace"),
        ({"namespace": "--"}, "namespace"),
        ({"namespace": "s\nhop"}, "namespace"),
        ({"name": ["web"]}, "name"),
        ({"name": "..."}, "name"),
    ],
)
def test_a_service_whose_name_cannot_be_known_takes_none(more: dict[str, Any], where: str) -> None:
    """Not that of its key: `web` of another namespace is not the `web` that everybody asks for."""
    service, faults = read("web", {**ONE, **more})
    assert service is None
    assert [path for path, _ in faults] == [where]


def test_all_that_a_service_is_asked_for_as() -> None:
    assert list(names_in("x", {**ONE, "name": "web", "namespace": "shop", "aliases": ["www"]})) == ["web.shop", "www.shop"]
    both = {"namespace": "shop", "is_default_namespace": True, "aliases": ["www"]}
    assert list(names_in("web", {**ONE, **both})) == ["web", "www", "web.shop", "www.shop"]
    assert list(names_in("web", "no mapping")) == ["web"]
    assert list(names_in(7, ONE)) == []
    assert list(names_in("web", {"namespace": 7})) == []
