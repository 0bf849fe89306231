"""Aliases and namespaces in the chain: an alias leads where the name of its service leads, and takes over no name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.merge import merge, Merger
from dnsdisco.model.service import Instance, Service, Snapshot

SOURCES = [ChainSource("p"), ChainSource("q")]


def svc(name: str, address: str = "10.0.0.1", *aliases: str, namespace: str = "", is_default: bool | None = None) -> Service:
    is_default = not namespace if is_default is None else is_default
    return Service(name, namespace, is_default, (Instance("", address),), aliases=aliases)


def view(*services: Service) -> Snapshot:
    return Snapshot({service.key: service for service in services})


def merged(*views: Snapshot, is_merging: bool = False) -> Merger:
    return merge(SOURCES[: len(views)], ChainPolicy(is_merging=is_merging), views)


def found(merger: Merger) -> dict[str, list[str]]:
    """The addresses under each name."""
    return {
        ".".join(path): [instance.address for instance in entry.service.instances]
        for entry in merger.entries.values()
        for path in entry.paths
    }


def lost(merger: Merger) -> list[str]:
    return [str(each) for each in merger.collisions()]


def test_an_alias_is_another_name_of_the_one_service() -> None:
    merger = merged(view(svc("web", "10.0.0.1", "www", "Front_End")))
    assert found(merger) == {key: ["10.0.0.1"] for key in ("web", "www", "front-end", "front_end")}
    (entry,) = merger.entries.values()
    assert (entry.key, entry.paths[0]) == ("web", ("web",))


def test_in_a_namespace_names_and_aliases_are_there_alone() -> None:
    merger = merged(view(svc("web", "10.0.0.1", "www", namespace="shop"), svc("web", "10.0.0.2")))
    assert found(merger) == {"web.shop": ["10.0.0.1"], "www.shop": ["10.0.0.1"], "web": ["10.0.0.2"]}
    assert lost(merger) == []
    both = merged(view(svc("web", "10.0.0.1", "www", namespace="shop", is_default=True)))
    assert set(found(both)) == {"web", "www", "web.shop", "www.shop"}


def test_an_alias_takes_no_name_of_another_service() -> None:
    """Not even of a later provider, and it says so."""
    taken = merged(view(svc("web", "10.0.0.1", "db")), view(svc("db", "10.0.0.2")))
    assert found(taken) == {"web": ["10.0.0.1"], "db": ["10.0.0.2"]}
    assert lost(taken) == ["service 'web' of p is not found as 'db': that name belongs to 'db' of q"]
    made_up = merged(view(svc("web", "10.0.0.1", "d-b"), svc("d_b", "10.0.0.2")))
    assert found(made_up)["d-b"] == ["10.0.0.2"]
    first = merged(view(svc("a", "10.0.0.1", "www"), svc("b", "10.0.0.2", "www")))
    assert found(first)["www"] == ["10.0.0.1"]
    assert lost(first) == ["service 'b' of p is not found as 'www': that name belongs to 'a' of p"]


def test_the_name_of_another_service_comes_and_goes() -> None:
    merger = merged(view(svc("web", "10.0.0.1", "db")), view())
    assert found(merger)["db"] == ["10.0.0.1"]
    merger.update(1, view(svc("db", "10.0.0.2")))
    assert found(merger) == {"web": ["10.0.0.1"], "db": ["10.0.0.2"]}
    merger.update(1, view())
    assert found(merger) == {"web": ["10.0.0.1"], "db": ["10.0.0.1"]}
    merger.update(0, view(svc("web", "10.0.0.1")))
    assert found(merger) == {"web": ["10.0.0.1"]}


def test_chain_merge_gives_the_union_under_each_name_whoever_brings_it() -> None:
    for views in (
        (view(svc("web", "10.0.0.1", "www")), view(svc("web", "10.0.0.2"))),
        (view(svc("web", "10.0.0.1")), view(svc("web", "10.0.0.2", "www"))),
        (view(svc("web", "10.0.0.1", "www")), view(svc("web", "10.0.0.2", "www"))),
    ):
        merger = merged(*views, is_merging=True)
        assert found(merger) == {key: ["10.0.0.1", "10.0.0.2"] for key in ("web", "www")}
        assert lost(merger) == []
        (entry,) = merger.entries.values()
        assert entry.service.aliases == ("www",)


def test_chain_first_gives_the_first_provider_s_under_each_name_whoever_brings_it() -> None:
    for views in (
        (view(svc("web", "10.0.0.1", "www")), view(svc("web", "10.0.0.2"))),
        (view(svc("web", "10.0.0.1")), view(svc("web", "10.0.0.2", "www"))),
    ):
        merger = merged(*views)
        assert found(merger) == {key: ["10.0.0.1"] for key in ("web", "www")}
        (entry,) = merger.entries.values()
        assert entry.shadows == ("q",)


def test_chain_merge_merges_no_two_namespaces() -> None:
    merger = merged(view(svc("web", "10.0.0.1", namespace="shop")), view(svc("web", "10.0.0.2")), is_merging=True)
    assert found(merger) == {"web.shop": ["10.0.0.1"], "web": ["10.0.0.2"]}
    merger = merged(
        view(svc("web", "10.0.0.1", "www", namespace="shop")), view(svc("web", "10.0.0.2", namespace="shop")), is_merging=True
    )
    assert found(merger) == {key: ["10.0.0.1", "10.0.0.2"] for key in ("web.shop", "www.shop")}


def test_a_service_that_lost_its_own_name_is_found_under_its_alias() -> None:
    merger = merged(view(svc("a_b", "10.0.0.1", "www"), svc("a-b", "10.0.0.2")))
    assert found(merger) == {"a-b": ["10.0.0.2"], "a_b": ["10.0.0.1"], "www": ["10.0.0.1"]}


NAMES = st.sampled_from(["a", "b", "a_b", "a-b", "c"])
SERVICES = st.builds(
    svc,
    NAMES,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    *[NAMES] * 2,
    namespace=st.sampled_from(["", "a", "n"]),
    is_default=st.sampled_from([None, True]),
)
VIEWS = st.lists(SERVICES, max_size=4).map(lambda services: view(*services))


@given(st.lists(st.tuples(st.integers(0, 1), VIEWS), min_size=1, max_size=6), st.booleans())
def test_one_change_after_another_leads_where_all_at_once_does(changes: list[tuple[int, Snapshot]], is_merging: bool) -> None:
    step_by_step = merged(view(), view(), is_merging=is_merging)
    known: dict[str, object] = {}
    views = [view(), view()]
    for source, each in changes:
        views[source] = each
        change = step_by_step.update(source, each)
        for key in change.drop:
            del known[key]
        known |= {entry.key: entry for entry in change.put}
        assert known == step_by_step.entries  # what a worker has
    at_once = merged(*views, is_merging=is_merging)
    assert step_by_step.entries == at_once.entries
    assert lost(step_by_step) == lost(at_once)
    names = [path for entry in at_once.entries.values() for path in entry.paths]
    assert len(names) == len(set(names))
