"""The link's messages: whole, in parts, and readable from the middle of somebody else's."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.errors import WireError
from dnsdisco.model import delta, unread
from dnsdisco.model.delta import Assembler, Joiner, pack
from dnsdisco.model.entry import Entry, ExtraRecord, ProviderState
from dnsdisco.model.service import Check, Health, Instance, LeftOut, Port, Record, Service

ZONE = (b"svc", b"local")


def entry(name: str, instances: int = 1) -> Entry:
    members = tuple(
        Instance(
            f"{name}-{n}",
            f"10.0.{n // 250}.{n % 250}",
            (Port(80, "http"),),
            health=Health.WARNING,
            label=f"{name}-{n}",
            reason="slow",
        )
        for n in range(instances)
    )
    service = Service(name, instances=members, tags=("x",), meta=(("k", "v"),), ttl=7)
    return Entry(name, ((name,), (name, "default")), "p", service, (ExtraRecord(("a",), 16, None, b"\x01x"),), False)


def carried(messages: list[delta.Message]) -> list[delta.Message]:
    """Over the link and back."""
    assembler = Assembler()
    whole = (assembler.feed(datagram) for message in messages for datagram in pack(message))
    return [message for message in whole if message is not None]


def test_a_whole_catalog_arrives_as_it_was_sent() -> None:
    entries = [entry("web", 250), entry("db"), entry("none", 0)]
    entries[2] = replace(entries[2], service=replace(entries[2].service, left_out=LeftOut(3, "address: …")))
    states = [ProviderState("p", True, True, "no contact", True)]
    records = [(ZONE, ExtraRecord(("www",), 1, 300, b"\x0a\0\0\1")), (ZONE, ExtraRecord((), 257, 300, b"\xff\0"))]
    got = carried(list(delta.whole(7, entries, states, records)))
    assert [message["op"] for message in got] == ["begin", "put", "put", "put", "services", "zone", "end"]
    assert {message.get("serial") for message in got if message["op"] not in ("put", "services")} == {7}
    joiner = Joiner()
    back = [each for message in got if message["op"] == "put" for each in joiner.take(message["entries"])]
    assert [*back, *map(unread.read, got[4]["lines"])] == entries
    assert {each.reason for each in back[0].service.instances} == {"slow"}
    assert delta.records_from_plain(got[5]["records"]) == records
    assert delta.states_from_plain(got[-1]["providers"]) == tuple(states)


def test_no_field_of_what_is_published_is_forgotten() -> None:
    """A field that is added to the model and not to the plain form would never reach a worker. What control alone needs stays there."""
    instance = Instance(
        "a",
        "10.0.0.1",
        (Port(53, "dns", "udp"),),
        5,
        2,
        1,
        ("v1",),
        (("k", "v"), ("l", "")),
        Health.WARNING,
        "h",
        "n",
        True,
        "a-1",
        "slow",
    )
    service = Service(
        "web",
        namespace="shop",
        is_default_namespace=False,
        instances=(instance,),
        url="http://x",
        scheme="http",
        ttl=7,
        tags=("public",),
        meta=(("a", "b"),),
        records=(Record("MX", "10 m.example"),),
        check=Check(tcp="{address}:{port}"),
        when_all_unhealthy="empty",
        alias_of="db.example.com",
        left_out=LeftOut(2, "port: …"),
        aliases=("www",),
    )
    sent = Entry("web", (("web",),), "p", service, (ExtraRecord(("a",), 16, 9, b"\x01x"),), False, ("r",), ("q",))
    for made, plain in ((sent, Entry("", (), "", service)), (service, Service("")), (instance, Instance("", ""))):
        assert [name for name in made.__slots__ if getattr(made, name) == getattr(plain, name)] in ([], ["service"])
    (message,) = carried(list(delta.change(1, 2, [sent], (), ())))
    (got,) = Joiner().take(message["put"])
    assert got.service.instances == (replace(instance, hostname="", node=""),)
    assert got.service.instances[0].reason == "slow"
    of_control = {"records": (), "check": None, "when_all_unhealthy": "", "aliases": ()}
    assert got == replace(sent, service=replace(service, instances=got.service.instances, **of_control))


def test_text_that_is_no_unicode_does_not_stop_the_link() -> None:
    assert carried([{"op": "x", "text": "\udcff"}]) == [{"op": "x", "text": "\udcff"}]


def test_zone_labels_and_owners_may_hold_any_octet() -> None:
    records = [((bytes(range(128, 191)),), ExtraRecord(("".join(map(chr, range(63))),), 16, 0, b""))]
    (message,) = carried(list(delta.zone(1, 2, records)))
    assert delta.records_from_plain(message["records"]) == records


@pytest.mark.parametrize(("number", "parts"), [(0, 1), (1, 1), (400, 1), (401, 2), (1200, 3)])
def test_zone_records_come_in_parts_and_the_last_one_says_so(number: int, parts: int) -> None:
    messages = list(delta.zone(4, 5, [(ZONE, ExtraRecord((str(n),), 1, 1, b"")) for n in range(number)]))
    assert [message["more"] for message in messages] == [True] * (parts - 1) + [False]
    assert sum(len(message["records"]) for message in messages) == number


@pytest.mark.parametrize("numbers", [(20_000,), (99, 101, 1), (100, 200, 201), (0, 100, 0), (1,) * 250, ()])
@pytest.mark.slow
def test_no_part_has_more_instances_than_a_turn_can_take(numbers: tuple[int, ...]) -> None:
    entries = [entry(f"s{n}", number) for n, number in enumerate(numbers)]
    messages = list(delta.change(4, 5, entries, ["x"], []))
    assert all(len(plain["instances"]) <= delta.PART_INSTANCES for message in messages for plain in message["put"])
    assert all(sum(1 + len(plain["instances"]) for plain in message["put"]) <= 2 * delta.PART_INSTANCES for message in messages)
    assert all(len(pack(message)) == 1 for message in messages)
    joiner = Joiner()
    assert [each for message in carried(messages) for each in joiner.take(message["put"])] == entries


def test_a_change_says_its_base_and_drops_at_once() -> None:
    messages = carried(list(delta.change(4, 5, [entry("a", 100), entry("b", 100)], ["x"], [])))
    assert [(message["base"], message["serial"], message["drop"], message["more"]) for message in messages] == [
        (4, 5, ["x"], True),
        (4, 5, [], False),
    ]
    (only_drops,) = carried(list(delta.change(5, 6, [], ["y"], [])))
    assert (only_drops["put"], only_drops["drop"]) == ([], ["y"])


def test_a_reader_that_starts_in_the_middle_finds_the_next_message() -> None:
    large, small = {"op": "x", "text": "é" * delta.PIECE_OCTETS}, {"op": "y"}
    datagrams = pack(large)
    assert len(datagrams) == 3
    assembler = Assembler()
    assert [assembler.feed(datagram) for datagram in [*datagrams[1:], *pack(small)]] == [None, None, small]
    assert [assembler.feed(datagram) for datagram in [datagrams[0], *pack(small)]] == [None, small]  # its sender gave up
    assert [assembler.feed(datagram) for datagram in datagrams][-1] == large


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_survives(value: object) -> None:
    assert carried([{"op": "x", "value": value}]) == [{"op": "x", "value": value}]


@given(st.lists(st.binary(max_size=40)))
def test_garbage_is_wire_error_and_the_next_message_is_read(datagrams: list[bytes]) -> None:
    assembler = Assembler()
    for datagram in datagrams:
        with contextlib.suppress(WireError):  # nothing else
            assembler.feed(datagram)
    assert assembler.feed(pack({"op": "y"})[0]) == {"op": "y"}


def test_a_message_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "MESSAGE_OCTETS_MAX", 3 * delta.PIECE_OCTETS)
    assembler = Assembler()
    *fitting, too_much, _ = pack({"op": "x", "text": "y" * (4 * delta.PIECE_OCTETS)})
    assert [assembler.feed(datagram) for datagram in fitting] == [None] * 3
    with pytest.raises(WireError):
        assembler.feed(too_much)
    assert assembler.feed(pack({"op": "y"})[0]) == {"op": "y"}


@pytest.mark.parametrize("octets", [b"[" * 30_000, b'{"a":' * 6_000, b"\xff", b"1" * 6_000, b'"x"', b"NaN"])
def test_what_is_nested_too_deep_is_a_wire_error_too(octets: bytes) -> None:
    """Control reads what a worker sends: nothing but WireError is expected there."""
    assembler = Assembler()
    with pytest.raises(WireError):
        assembler.feed(b"\3" + octets)
    assert assembler.feed(pack({"op": "y"})[0]) == {"op": "y"}
