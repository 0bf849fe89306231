"""A catalog whose services are read when they are asked for says of every name what one says that has read them all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.model.entry import Entry, ExtraRecord
from dnsdisco.model.service import Instance, Port, Service
from dnsdisco.model.unread import from_plain, to_plain
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.records import ZoneRecords

LABELS = ("a", "b", "ab", "shop")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "2001:db8::1", "host.example")
PATHS = [(label,) for label in LABELS] + [(label, space) for label in LABELS for space in LABELS]
ZONE = (b"svc", b"local")


@st.composite
def catalogs(draw: st.DrawFn) -> list[Entry]:
    """Entries that share no path, as merging leaves them."""
    paths = draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=8))
    ends = sorted({0, len(paths), *draw(st.lists(st.integers(0, len(paths)), max_size=8))})
    entries = []
    for begin, end in pairwise(ends):
        own = tuple(paths[begin:end])
        instances = tuple(
            Instance(
                f"i{n}",
                draw(st.sampled_from(ADDRESSES)),
                (Port(80),),
                label=f"i{n}",
                tags=tuple(draw(st.sets(st.sampled_from(("v1", "V.1", "a"))))),
            )
            for n in range(draw(st.integers(0, 2)))
        )
        entries.append(Entry(".".join(own[0]), own, "p", Service(own[0][0], instances=instances)))
    return entries


def seen(catalog: Catalog) -> object:
    labels = [label.encode() for label in (*LABELS, "v1", "v-1", "x")]
    paths = [tuple(label.encode() for label in path) for path in PATHS]
    return (
        len(catalog),
        [catalog.at(path) for path in (*paths, (b"x",), (b"a.shop",), (b"a", b"x"), (b"",), (b"\3abc",))],
        [(catalog.has_namespace(label), catalog.has_tag(label), sorted(catalog.namespaces_of(label))) for label in labels],
        [sorted((entry.key, each.id) for entry, each in catalog.with_address(address)) for address in (*ADDRESSES, "10.9.9.9")],
        catalog.top,
    )


@settings(max_examples=150)
@given(states=st.lists(catalogs(), min_size=1, max_size=4), part=st.integers(1, 3), is_apart=st.booleans())
@pytest.mark.slow
def test_any_names_after_any_changes(states: list[list[Entry]], part: int, is_apart: bool) -> None:
    catalog, fresh = Catalog(), Catalog()
    first = states[0]
    for at in range(0, len(first), part):
        fresh.put_unread(from_plain(to_plain(first[at : at + part])))
    catalog.replace(fresh, (), 1)
    before = {entry.key: entry for entry in first}
    for serial, state in enumerate(states, 1):
        now = {entry.key: entry for entry in state}
        if serial > 1:
            catalog.set_records(ZoneRecords([(ZONE, ExtraRecord((LABELS[serial % 4],), 1, 5, b"\x0a\0\0\1"))]))
            put = [entry for key, entry in now.items() if before.get(key) != entry]
            drop = [key for key in before if key not in now]
            if is_apart:
                catalog.read_soon([*drop, *(entry.key for entry in put)])
            catalog.apply(put, drop, serial)
            catalog.set_records(ZoneRecords())
        read = Catalog()
        for entry in state:
            read.put(entry)
        assert seen(catalog) == seen(read)
        before = now


def test_what_an_answer_may_depend_on_is_told_of_services_that_were_never_read() -> None:
    web = Entry("web", (("web",), ("web", "shop")), "p", Service("web", instances=(Instance("a", "10.0.0.1", label="a"),)))
    moved = replace(web, service=replace(web.service, instances=(Instance("a", "10.0.0.2", label="a"),)))
    for put, drop, expected in (([moved], [], {"10.0.0.1", "10.0.0.2"}), ([], ["web"], {"10.0.0.1"})):
        catalog = Catalog()
        catalog.put_unread(from_plain(to_plain([web])))
        assert catalog.apply(put, drop, 2) == {(b"web",), (b"web", b"shop"), *expected}
