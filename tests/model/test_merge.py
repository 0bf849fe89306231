"""The chain: who is found under which name, and that a change costs what it changes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.diff import catalog_change, Change, changed_keys
from dnsdisco.model.entry import Entry, ExtraRecord
from dnsdisco.model.merge import merge, Merger
from dnsdisco.model.names import label_instances, raw_alias, service_label
from dnsdisco.model.service import Instance, LeftOut, Port, Record, Service, Snapshot

FIRST, MERGE = ChainPolicy(), ChainPolicy(is_merging=True)


def snapshot(*services: Service, changed: Iterable[tuple[str, str]] | None = None) -> Snapshot:
    return Snapshot({service.key: service for service in services}, None if changed is None else frozenset(changed))


def svc(name: str, *addresses: str, namespace: str = "", **more: object) -> Service:
    return Service(name, namespace=namespace, instances=tuple(Instance("", address) for address in addresses), **more)  # type: ignore[arg-type]


def merged(policy: ChainPolicy, *snapshots: Snapshot | None, sources: list[ChainSource] | None = None) -> Merger:
    return merge(sources or [ChainSource(f"p{at}") for at in range(len(snapshots))], policy, snapshots)


def found(merger: Merger) -> dict[str, tuple[str, list[str]]]:
    """By every path: the provider and the addresses."""
    return {
        ".".join(path): (entry.provider, [instance.address for instance in entry.service.instances])
        for entry in merger.entries.values()
        for path in entry.paths
    }


# ------------------------------------------------------------------------------------------------------------ the chain


def test_first_the_first_provider_that_has_the_service_wins_even_without_instances() -> None:
    merger = merged(FIRST, snapshot(svc("web", "10.0.0.1"), svc("db")), snapshot(svc("web", "10.0.0.2"), svc("db", "10.0.0.3")))
    assert found(merger) == {"web": ("p0", ["10.0.0.1"]), "db": ("p0", [])}
    assert merger.entries["web"].shadows == ("p1",)
    assert merger.collisions() == []  # a shadowed service has lost nothing that a person must hear of


def test_first_a_provider_that_knows_nothing_yet_hides_nothing() -> None:
    merger = merged(FIRST, None, snapshot(svc("web", "10.0.0.2")))
    assert found(merger) == {"web": ("p1", ["10.0.0.2"])}
    change = merger.update(0, snapshot(svc("web", "10.0.0.1")))
    assert [entry.provider for entry in change.put] == ["p0"]
    assert change.drop == ()
    assert merger.update(0, None).put[0].provider == "p1"


def test_merge_is_the_union_of_instances_each_once() -> None:
    one = svc("web", "10.0.0.1", "10.0.0.2", scheme="http", ttl=7)
    two = svc("WEB", "10.0.0.2", "10.0.0.3", scheme="https")
    merger = merged(MERGE, snapshot(one), snapshot(two))
    assert found(merger) == {"web": ("p0", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])}
    assert merger.entries["web"].service.scheme == "http"
    assert merger.entries["web"].service.ttl == 7
    assert merger.entries["web"].shadows == ()
    assert merger.entries["web"].merged == ("p1",)
    assert merged(FIRST, snapshot(one), snapshot(two)).entries["web"].merged == ()


def test_merge_the_same_address_with_other_ports_is_another_instance() -> None:
    one = Service("web", instances=(Instance("a", "10.0.0.1", (Port(80),)),))
    two = Service("web", instances=(Instance("a", "10.0.0.1", (Port(81),)),))
    entry = merged(MERGE, snapshot(one), snapshot(two)).entries["web"]
    assert [instance.label for instance in entry.service.instances] == ["a-10-0-0-1-80", "a-10-0-0-1-81"]


def test_merge_an_alias_with_instances_beside_it_is_no_alias() -> None:
    alias = Service("web", alias_of="web.example.com")
    assert merged(MERGE, snapshot(alias), snapshot(svc("web", "10.0.0.1"))).entries["web"].service.alias_of == ""
    assert merged(MERGE, snapshot(alias), None).entries["web"].service.alias_of == "web.example.com"
    other = Service("web", alias_of="other.example.com")
    assert merged(MERGE, snapshot(alias), snapshot(other)).entries["web"].service.alias_of == "web.example.com"


@pytest.mark.parametrize(
    ("each", "together"),
    [
        ((None, None), None),
        ((None, LeftOut(2, "port: 0")), LeftOut(2, "port: 0")),
        ((LeftOut(0, "no list"), LeftOut(2, "port: 0")), LeftOut(2, "port: 0")),
        ((LeftOut(2, "port: 0"), LeftOut(0, "no list")), LeftOut(2, "port: 0")),
        ((LeftOut(1, "z"), LeftOut(3, "a"), LeftOut(2, "b")), LeftOut(6, "z")),
    ],
)
def test_merge_what_was_left_out_is_added_up_with_the_first_reason_of_an_instance(
    each: tuple[LeftOut | None, ...], together: LeftOut | None
) -> None:
    views = [snapshot(svc("web", f"10.0.0.{at}", left_out=left_out)) for at, left_out in enumerate(each)]
    assert merged(MERGE, *views).entries["web"].service.left_out == together


def test_merge_a_member_that_changes_or_leaves_changes_the_union() -> None:
    merger = merged(MERGE, snapshot(svc("web", "10.0.0.1")), snapshot(svc("web", "10.0.0.2")))
    merger.update(1, snapshot(svc("web", "10.0.0.9")))
    assert found(merger)["web"][1] == ["10.0.0.1", "10.0.0.9"]
    merger.update(0, snapshot())
    assert found(merger)["web"] == ("p1", ["10.0.0.9"])


def test_include_and_exclude_are_globs_on_the_raw_name() -> None:
    view = snapshot(svc("web-1"), svc("Web-2"), svc("db"), svc("web-secret"))
    sources = [ChainSource("p", include=("web*", "x"), exclude=("*SECRET",))]
    assert sorted(found(merged(FIRST, view, sources=sources))) == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("of_service", "of_provider", "of_all", "fails_open"),
    [
        ("", "", "fail_open", True),
        ("", "", "empty", False),
        ("", "empty", "fail_open", False),
        ("", "fail_open", "empty", True),
        ("empty", "fail_open", "fail_open", False),
        ("fail_open", "empty", "empty", True),
    ],
)
def test_when_all_unhealthy_service_over_provider_over_chain(
    of_service: str, of_provider: str, of_all: str, fails_open: bool
) -> None:
    view = snapshot(svc("web", when_all_unhealthy=of_service))
    merger = merge([ChainSource("p", when_all_unhealthy=of_provider)], ChainPolicy(when_all_unhealthy=of_all), [view])
    assert merger.entries["web"].fails_open is fails_open


def test_records_are_compiled_once_for_each_state_of_a_service() -> None:
    seen: list[str] = []

    def compile_records(service: Service) -> tuple[ExtraRecord, ...]:
        seen.append(service.name)
        return (ExtraRecord((), 16, None, b"\x01x"),)

    with_record = svc("web", records=(Record("TXT", "x"),))
    merger = merge([ChainSource("p")], FIRST, [snapshot(with_record, svc("db"))], compile_records)
    assert merger.entries["web"].records == (ExtraRecord((), 16, None, b"\x01x"),)
    merger.update(0, snapshot(with_record, svc("db"), svc("new")))
    assert seen == ["web"]


# ------------------------------------------------------------------------------------------------------------ names


def test_a_raw_name_is_an_alias_of_the_label() -> None:
    merger = merged(FIRST, snapshot(svc("My_Svc", "10.0.0.1")))
    assert merger.entries["my-svc"].paths == (("my-svc",), ("my_svc",))


def test_a_raw_name_beats_anothers_made_up_label_whatever_the_order() -> None:
    for views in (
        [snapshot(svc("my_svc", "10.0.0.1"), svc("my-svc", "10.0.0.2"))],
        [snapshot(svc("my_svc", "10.0.0.1")), snapshot(svc("my-svc", "10.0.0.2"))],
    ):
        merger = merged(FIRST, *views)
        assert {name: addresses for name, (_, addresses) in found(merger).items()} == {
            "my_svc": ["10.0.0.1"],
            "my-svc": ["10.0.0.2"],
        }
        (lost,) = merger.collisions()
        assert (lost.service, lost.path, lost.winner) == ("my_svc", ("my-svc",), "my-svc")
        assert (
            str(lost) == f"service 'my_svc' of p0 is not found as 'my-svc': that name belongs to 'my-svc' of {lost.winner_provider}"
        )


def test_two_made_up_labels_the_first_in_the_file_wins_and_the_loser_is_named() -> None:
    one, two = svc("a.b", "10.0.0.1"), svc("a b", "10.0.0.2")
    merger = merged(FIRST, snapshot(one, two))
    assert found(merger) == {"a-b": ("p0", ["10.0.0.1"])}
    assert [lost.service for lost in merger.collisions()] == ["a b"]
    merger.update(0, snapshot(two, one))  # nothing but their order has changed
    assert found(merger) == {"a-b": ("p0", ["10.0.0.2"])}
    assert [lost.service for lost in merger.collisions()] == ["a.b"]


def test_two_providers_with_made_up_labels_are_a_collision_not_one_service() -> None:
    merger = merged(MERGE, snapshot(svc("a.b", "10.0.0.1")), snapshot(svc("a b", "10.0.0.2")))
    assert found(merger) == {"a-b": ("p0", ["10.0.0.1"])}
    assert [(lost.provider, lost.service) for lost in merger.collisions()] == [("p1", "a b")]


def test_names_that_differ_only_in_case_collide_within_a_provider_and_are_one_service_across() -> None:
    within = merged(FIRST, snapshot(svc("web", "10.0.0.1"), svc("Web", "10.0.0.2")))
    assert found(within) == {"web": ("p0", ["10.0.0.1"])}
    assert [lost.service for lost in within.collisions()] == ["Web"]
    across = merged(FIRST, snapshot(svc("web", "10.0.0.1")), snapshot(svc("Web", "10.0.0.2")))
    assert across.collisions() == []


def test_a_name_that_makes_no_label_is_left_out_alone_and_named() -> None:
    merger = merged(FIRST, snapshot(svc("..."), svc("x" * 64), svc("web", "10.0.0.1")))
    assert list(merger.entries) == ["web"]
    assert [lost.service for lost in merger.collisions()] == ["...", "x" * 64]
    assert "makes no DNS label" in str(merger.collisions()[0])
    merger.update(0, snapshot(svc("web", "10.0.0.1")))
    assert merger.collisions() == []


def test_a_namespaced_service_is_found_with_and_in_the_default_one_without_the_namespace() -> None:
    here, there = svc("web", "10.0.0.1", namespace="default"), svc("web", "10.0.0.2", namespace="Prod", is_default_namespace=False)
    merger = merged(FIRST, snapshot(here, there))
    assert found(merger) == {"web": ("p0", ["10.0.0.1"]), "web.default": ("p0", ["10.0.0.1"]), "web.prod": ("p0", ["10.0.0.2"])}
    assert merger.entries["web"].paths[0] == ("web",)
    assert merger.entries["web.prod"].service.namespace == "Prod"


def test_a_shadowed_default_namespace_keeps_its_namespaced_name() -> None:
    spaced = svc("web", "10.0.0.1", namespace="default")
    merger = merged(FIRST, snapshot(svc("web", "10.0.0.9")), snapshot(spaced))
    assert found(merger) == {"web": ("p0", ["10.0.0.9"]), "web.default": ("p1", ["10.0.0.1"])}
    change = merger.update(0, snapshot())
    assert change.drop == ("web.default",)
    assert change.put[0].paths == (("web",), ("web", "default"))
    both = merged(MERGE, snapshot(svc("web", "10.0.0.9")), snapshot(spaced))
    assert found(both) == {"web": ("p0", ["10.0.0.9", "10.0.0.1"]), "web.default": ("p1", ["10.0.0.1"])}


# ------------------------------------------------------------------------------------------------------------ increments


def test_an_equal_view_and_an_order_that_does_not_matter_change_nothing() -> None:
    merger = merged(FIRST, snapshot(svc("web", "10.0.0.1"), svc("db", "10.0.0.2")))
    before = dict(merger.entries)
    assert not merger.update(0, snapshot(svc("db", "10.0.0.2"), svc("web", "10.0.0.1")))
    assert all(merger.entries[key] is entry for key, entry in before.items())


def test_changed_says_what_to_look_at() -> None:
    merger = merged(FIRST, snapshot(svc("web", "10.0.0.1"), svc("db", "10.0.0.2")))
    change = merger.update(0, snapshot(svc("web", "10.0.0.9"), svc("db", "10.0.0.2"), changed=[("", "web")]))
    assert [entry.key for entry in change.put] == ["web"]


def test_changed_that_cannot_be_the_difference_is_not_believed() -> None:
    merger = merged(FIRST, snapshot(svc("web"), svc("db"), svc("x")))
    change = merger.update(0, snapshot(svc("web"), changed=[("", "x")]))
    assert sorted(change.drop) == ["db", "x"]
    assert list(changed_keys({}, snapshot(svc("a"), changed=[]))) == [("", "a")]


def test_catalog_change_leads_from_one_catalog_to_the_other() -> None:
    old = merged(FIRST, snapshot(svc("a"), svc("b", "10.0.0.1"), svc("c"))).entries
    new = merged(FIRST, snapshot(svc("a"), svc("b", "10.0.0.2"), svc("d"))).entries
    change = catalog_change(old, new)
    assert apply(dict(old), change) == new
    assert sorted(entry.key for entry in change.put) == ["b", "d"]
    assert not catalog_change(new, dict(new))


def apply(catalog: dict[str, Entry], change: Change) -> dict[str, Entry]:
    for key in change.drop:
        del catalog[key]
    catalog.update({entry.key: entry for entry in change.put})
    return catalog


NAMES = ["web", "Web", "my_svc", "my-svc", "my.svc", "a b", "...", "db"]
SERVICES = st.builds(
    svc,
    st.sampled_from(NAMES),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    namespace=st.sampled_from(["", "", "default", "Prod", "pr_od", "..."]),
    is_default_namespace=st.booleans(),
    when_all_unhealthy=st.sampled_from(["", "empty"]),
)
UPDATES = st.lists(st.tuples(st.integers(0, 2), st.none() | st.lists(SERVICES, max_size=7)), min_size=1, max_size=8)


def reference(policy: ChainPolicy, views: list[list[Service]]) -> dict[tuple[str, ...], tuple[str, Service, frozenset[str]]]:
    """The chain, as plainly as it can be said: by path, who is found there, as what, and whom it shadows."""
    claims: dict[tuple[str, ...], list[tuple[bool, int, int, str, Service]]] = {}
    for at, view in enumerate(views):
        for place, service in enumerate(view):
            raw, spaced = service.name.lower(), service.namespace.lower()
            for head in {service_label(service.name), raw_alias(service.name)} - {None}:
                assert head is not None
                if service.is_default_namespace or not service.namespace:
                    claims.setdefault((head,), []).append((head != raw, at, place, raw, service))
                tail = service_label(service.namespace)
                if tail:
                    made_up = head != raw or tail != spaced
                    claims.setdefault((head, tail), []).append((made_up, at, place, f"{raw} {spaced}", service))
    result = {}
    for path, wanting in claims.items():
        wanting.sort(key=lambda claim: claim[:3])
        _, at, _, raw, service = wanting[0]
        others: dict[int, Service] = {}
        for _, other_at, _, other_raw, other in wanting[1:]:
            if other_raw == raw and other_at != at:
                others.setdefault(other_at, other)
        if policy.is_merging:
            instances = {
                instance.address: instance for other in reversed([service, *others.values()]) for instance in other.instances
            }
            order = dict.fromkeys(instance.address for other in [service, *others.values()] for instance in other.instances)
            service = replace(service, instances=tuple(instances[address] for address in order))
        shadows = frozenset() if policy.is_merging else frozenset(f"p{other}" for other in others)
        result[path] = (f"p{at}", label_instances(service), shadows)
    return result


@settings(max_examples=300)
@given(st.sampled_from([FIRST, MERGE]), UPDATES, st.booleans())
@pytest.mark.slow
def test_the_increments_add_up_to_a_merge_from_scratch(
    policy: ChainPolicy, updates: list[tuple[int, list[Service] | None]], says_changed: bool
) -> None:
    sources = [ChainSource(f"p{at}") for at in range(3)]
    merger = Merger(sources, policy)
    replica: dict[str, Entry] = {}  # what a worker holds
    views: list[Snapshot | None] = [None, None, None]
    for at, services in updates:
        new = None if services is None else snapshot(*services)
        if new is not None and says_changed:
            old = views[at] or Snapshot()
            keys = old.services.keys() | new.services.keys()
            new = replace(new, changed=frozenset(key for key in keys if old.services.get(key) != new.services.get(key)))
        views[at] = new
        change = merger.update(at, new)
        assert len({entry.key for entry in change.put} | set(change.drop)) == len(change.put) + len(change.drop)
        apply(replica, change)

        assert replica == merger.entries
        scratch = merge(sources, policy, [view and replace(view, changed=None) for view in views])
        assert merger.entries == scratch.entries
        assert merger.collisions() == scratch.collisions()

        by_path = {path: (entry.provider, entry.service) for entry in replica.values() for path in entry.paths}
        wanted = reference(policy, [list(view.services.values()) if view else [] for view in views])
        assert by_path == {path: value[:2] for path, value in wanted.items()}
        for entry in replica.values():
            assert set(entry.shadows) == set().union(*(wanted[path][2] for path in entry.paths))


@pytest.mark.slow
def test_one_change_among_10_000_services_costs_no_more_than_an_identity_pass() -> None:
    few, many = (
        snapshot(*(svc(f"s{n}", "10.0.0.1") for n in range(10))),
        snapshot(*(svc(f"s{n}", "10.0.0.1") for n in range(10_000))),
    )

    def cost_s(view: Snapshot, *, says_changed: bool) -> float:
        merger = merged(FIRST, view)
        best = 9.0
        for turn in range(20):
            changed = {("", "s5"): svc("s5", f"10.0.1.{turn}")}
            view = Snapshot({**view.services, **changed}, frozenset(changed) if says_changed else None)
            started = time.perf_counter()
            change = merger.update(0, view)
            best = min(best, time.perf_counter() - started)
            assert len(change.put) == 1
        return best

    assert cost_s(many, says_changed=True) < 20 * cost_s(few, says_changed=True) + 0.001  # it was 1000 times as many services
    assert cost_s(many, says_changed=False) < 0.02  # about 1 ms: one pass
