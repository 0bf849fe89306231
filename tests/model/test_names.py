"""The label rules, and that a name stays with its instance."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.names import address_label, asked_path, label_instances, raw_alias, service_label
from dnsdisco.model.service import Instance, Port, Service

HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    ("raw", "label", "alias"),
    [
        ("auth", "auth", None),
        ("Auth", "auth", None),
        ("my_svc", "my-svc", "my_svc"),
        ("My_Svc", "my-svc", "my_svc"),
        ("my.svc", "my-svc", None),
        ("user@host", "user-host", None),
        ("café", "caf-", None),
        ("\u017f", None, None),  # a long s is a letter, but none of ours
        ("web/1", "web-1", None),
        ("_tcp", "-tcp", "_tcp"),
        ("1", "1", None),
        ("", None, None),
        ("...", None, None),
        ("__", None, "__"),
        ("a" * 63, "a" * 63, None),
        ("a" * 64, None, None),
        ("a_" * 31 + "a", "a-" * 31 + "a", "a_" * 31 + "a"),
        ("web\n", "web-", None),
    ],
)
def test_a_service_name_becomes_a_label_by_one_rule(raw: str, label: str | None, alias: str | None) -> None:
    assert service_label(raw) == label
    assert raw_alias(raw) == alias


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web", ("web",)),
        ("WEB", ("web",)),
        ("we_b", ("we_b",)),
        ("Web.Shop", ("web", "shop")),
        ("a.b.c", None),
        ("web.", None),
        (".shop", None),
        ("we b.shop", None),
        ("", None),
        ("_", None),
        ("a" * 64, None),
    ],
)
def test_what_dns_clients_can_write_is_asked_for_as_it_is(name: str, path: tuple[str, ...] | None) -> None:
    assert asked_path(name) == path


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("10.0.0.11", "10-0-0-11"),
        ("::1", "0--1"),
        ("fe80::", "fe80--0"),
        ("::", "0--0"),
        ("2001:db8::12", "2001-db8--12"),
        ("db.example.net", "db-example-net"),
        ("a_b.example", None),
        ("x" * 60 + ".example", None),
    ],
)
def test_an_address_makes_a_label(address: str, label: str | None) -> None:
    assert address_label(address) == label


def labels(*instances: Instance) -> list[str]:
    return [instance.label for instance in label_instances(Service("web", instances=instances)).instances]


def test_the_id_is_the_label_where_it_is_a_legal_host_label() -> None:
    assert labels(Instance("web-1", "10.0.0.1"), Instance("WEB-2", "10.0.0.2")) == ["web-1", "web-2"]


@pytest.mark.parametrize("bad_id", ["", "web_1", "-web", "web-", "web.1", "web:10.0.0.1", "x" * 64, "all", "web\n", "é"])
def test_else_the_hostname_else_the_address(bad_id: str) -> None:
    assert labels(Instance(bad_id, "10.0.0.1", hostname="pod-0")) == ["pod-0"]
    assert labels(Instance(bad_id, "10.0.0.1", hostname="pod_0")) == ["10-0-0-1"]
    assert labels(Instance(bad_id, "10.0.0.1")) == ["10-0-0-1"]


def test_else_a_short_stable_hash() -> None:
    (label,) = labels(Instance("", "a_b.example"))
    assert HOST_LABEL.fullmatch(label)
    assert label == labels(Instance("x", "10.0.0.1"), Instance("", "a_b.example"))[1]
    assert label != labels(Instance("", "a_c.example"))[0]


def test_an_id_that_two_nodes_share_gets_the_nodes_name() -> None:
    there, here = Instance("web", "10.0.0.1", node="Node_A"), Instance("web", "10.0.0.2", node="node-b")
    assert labels(there, here) == ["web-node-a", "web-node-b"]
    assert labels(here, there) == ["web-node-b", "web-node-a"]


def test_the_same_id_on_one_node_gets_the_address_then_the_port() -> None:
    assert labels(Instance("web", "10.0.0.1"), Instance("web", "10.0.0.2")) == ["web-10-0-0-1", "web-10-0-0-2"]
    same = [Instance("web", "10.0.0.1", (Port(number),)) for number in (80, 81)]
    assert labels(*same) == ["web-10-0-0-1-80", "web-10-0-0-1-81"]


def test_a_made_up_name_never_takes_one_that_is_somebodys_id() -> None:
    got = labels(Instance("web", "10.0.0.1", node="a"), Instance("web", "10.0.0.2", node="b"), Instance("web-a", "10.0.0.3"))
    assert got[2] == "web-a"
    assert got[1] == "web-b"
    assert got[0] == "web-10-0-0-1"


def test_ports_part_what_is_called_after_its_address() -> None:
    """Two programs on one machine, without an id: the usual case on a laptop."""
    one, two = (Instance(f"web-127.0.0.1-{port}", "127.0.0.1", (Port(port),)) for port in (8001, 8002))
    assert labels(one, two) == ["127-0-0-1-8001", "127-0-0-1-8002"]
    assert labels(one) == ["127-0-0-1"]


def test_the_same_instance_twice_still_has_two_labels() -> None:
    first, second = labels(Instance("web", "10.0.0.1"), Instance("web", "10.0.0.1"))
    assert first != second


def test_long_names_are_cut_with_a_hash_and_stay_apart() -> None:
    node = "n" * 60
    first, second = labels(Instance("w" * 60, "10.0.0.1", node=node + "1"), Instance("w" * 60, "10.0.0.2", node=node + "2"))
    assert first != second
    assert HOST_LABEL.fullmatch(first)
    assert HOST_LABEL.fullmatch(second)


def test_a_service_whose_labels_are_right_is_the_same_object() -> None:
    labelled = label_instances(Service("web", instances=(Instance("web-1", "10.0.0.1"),)))
    assert label_instances(labelled) is labelled
    empty = Service("web")
    assert label_instances(empty) is empty


INSTANCES = st.builds(
    Instance,
    id=st.sampled_from(["", "web", "Web", "web-a", "web-10-0-0-1", "x_y", "all"]),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "a_b.example", "db.example"]),
    ports=st.sampled_from([(), (Port(80),), (Port(81),), (Port(80), Port(90))]),
    hostname=st.sampled_from(["", "pod-0", "web"]),
    node=st.sampled_from(["", "a", "b", "N_c", "n" * 80]),
)


@given(st.lists(INSTANCES, max_size=8))
def test_labels_are_legal_and_shared_only_by_one_host_name(instances: list[Instance]) -> None:
    got = labels(*instances)
    for label in got:
        sharers = [instance for instance, other in zip(instances, got, strict=True) if other == label]
        assert len(sharers) == 1 or all(each.hostname == label != each.id.lower() for each in sharers)
    assert all(HOST_LABEL.fullmatch(label) and label != "all" for label in got)


@given(st.lists(INSTANCES, max_size=8), st.randoms(use_true_random=False))
def test_labels_do_not_depend_on_the_order(instances: list[Instance], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(instances)
    random.shuffle(shuffled)

    def by_instance(members: list[Instance]) -> list[tuple[str, ...]]:
        return sorted((repr(instance), label) for instance, label in zip(members, labels(*members), strict=True))

    assert by_instance(instances) == by_instance(shuffled)


@given(st.lists(INSTANCES, max_size=6), INSTANCES)
def test_whoever_keeps_its_first_choice_is_not_renamed_by_an_unrelated_newcomer(
    instances: list[Instance], newcomer: Instance
) -> None:
    """Only those that want what the newcomer wants can be renamed by it."""
    before, after = labels(*instances), labels(*instances, newcomer)
    alone = [labels(instance)[0] for instance in instances]
    wanted = labels(newcomer)[0]
    for at, choice in enumerate(alone):
        if before[at] == choice and choice != wanted:
            assert after[at] == choice


def test_two_families_of_one_host_share_a_label():
    four = Instance("10.0.0.1", "10.0.0.1", (Port(80),), hostname="web-0", node="n1")
    six = Instance("2001:db8::1", "2001:db8::1", (Port(80),), hostname="web-0", node="n1")
    other = Instance("10.0.0.2", "10.0.0.2", (Port(80),), hostname="web-1", node="n1")
    assert labels(four, six, other) == ["web-0", "web-0", "web-1"]


def test_all_that_their_owner_gave_one_host_name_share_it() -> None:
    one = Instance("10.0.0.1", "10.0.0.1", (Port(80),), hostname="same", node="n1")
    for other in (replace(one, id="", address="10.0.0.2"), replace(one, address="10.0.0.2", node="n2", ports=(Port(81),))):
        assert labels(one, other) == ["same", "same"]
        assert labels(one, other, replace(one, address="2001:db8::1", hostname="SAME")) == ["same"] * 3
    by_id = Instance("same", "10.0.0.3", hostname="same")
    beside = labels(one, replace(one, address="10.0.0.2"), by_id)
    assert (beside[2], len({*beside})) == ("same", 3)  # an id means one instance alone
    assert labels(replace(by_id, node="n1"), replace(by_id, address="10.0.0.4", node="n2")) == ["same-n1", "same-n2"]


def test_an_id_keeps_its_name_beside_a_host_name_or_an_address_that_is_the_same() -> None:
    """What somebody wrote as an id is found under it; none of these names is nowhere."""
    by_id, by_host = Instance("same", "10.0.0.1"), Instance("X_1", "10.0.0.2", hostname="Same")
    assert labels(by_id, by_host) == ["same", "same-10-0-0-2"]
    assert labels(by_host, replace(by_host, address="10.0.0.3"), by_id) == ["same-10-0-0-2", "same-10-0-0-3", "same"]
    by_address = Instance("X_2", "10.0.0.9")
    made_up, written = labels(by_address, Instance("10-0-0-9", "10.0.0.8"))
    assert written == "10-0-0-9"
    assert made_up.startswith("10-0-0-9-")


def test_a_host_name_keeps_its_name_beside_an_address_that_looks_like_it() -> None:
    called = Instance("X_1", "10.0.0.2", hostname="10-0-0-9")
    got = labels(called, replace(called, address="10.0.0.3"), Instance("X_2", "10.0.0.9", (Port(80),)))
    assert got == ["10-0-0-9", "10-0-0-9", "10-0-0-9-80"]
