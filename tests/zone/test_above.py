"""What is above a name that exists does so too (RFC 8020 §2, RFC 4592 §2.2.2), and a long name costs no more than a short one."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from dnsdisco.model.entry import ProviderState
from dnsdisco.model.service import Instance, Port, Record, Service
from dnsdisco.zone.lookup import Found, lookup, NxDomain
from tests.kit import Answers

ZONE = (b"svc", b"local")
ZONE_FILE = """
there.deep.ent A 10.0.0.9
*.wild A 10.0.0.8
below.there.wild A 10.0.0.7
x.web TXT x
"""
SERVICES = [
    Service(
        "web",
        namespace="default",
        instances=(Instance("p0", "10.9.0.0", (Port(80, "http", "tcp"), Port(53, "dns", "udp")), tags=("v1",)),),
        records=(Record("TXT", "x", name="_a.b.c"),),
    ),
    Service("web", namespace="shop", is_default_namespace=False, instances=(Instance("p1", "10.9.0.1", (Port(80, "", ""),), tags=("v2",)),)),
    Service("db", namespace="shop", is_default_namespace=False, instances=()),
    Service("all", namespace="v1", is_default_namespace=False, instances=(Instance("p2", "10.9.0.2", tags=("Raw_Tag",)),)),
]  # fmt: skip
LABELS = [
    label.encode()
    for label in (
        *(
            "web",
            "db",
            "all",
            "shop",
            "default",
            "v1",
            "v2",
            "p0",
            "p1",
            "_tcp",
            "_udp",
            "_web",
            "_db",
            "_all",
            "_v1",
            "_v2",
            "_http",
        ),
        *("_a", "b", "c", "x", "there", "deep", "ent", "wild", "below", "*", "ns", "dns", "raw-tag", "_raw-tag", "_raw_tag"),
    )
]


@pytest.fixture(scope="module")
def catalog():
    return Answers(
        snapshots={"kubernetes": {service.key: service for service in SERVICES}},
        states=(ProviderState("kubernetes", True),),
        zone_file=ZONE_FILE,
        zones=(ZONE,),
    ).catalog


def names():
    for count in (1, 2, 3):
        yield from itertools.product(LABELS, repeat=count)
    source = random.Random(8020)
    for _ in range(5000):
        yield tuple(source.choice(LABELS) for _ in range(source.randrange(4, 7)))


def test_nothing_exists_below_a_name_that_does_not(catalog):
    existing = 0
    for name in names():
        result = lookup(catalog, ZONE, name)
        if isinstance(result, NxDomain) or (isinstance(result, Found) and result.is_wildcard):
            continue
        existing += 1
        for at in range(1, len(name)):
            above = lookup(catalog, ZONE, name[at:])
            assert not isinstance(above, NxDomain), (name, name[at:])
    assert existing > 50


@pytest.mark.parametrize(
    ("name", "is_wildcard"),
    [
        ("x.wild", True),
        ("a.b.wild", True),
        ("wild", False),
        ("there.wild", False),
        ("x.there.wild", None),
        ("x.ent", None),
        ("a." * 60 + "wild", True),
    ],
)
def test_a_wildcard_answers_for_its_closest_encloser_alone(catalog, name, is_wildcard):
    """RFC 4592 §3.3.1. None: the name does not exist."""
    result = lookup(catalog, ZONE, tuple(name.encode().split(b".")))
    assert isinstance(result, Found | NxDomain)
    assert (result.is_wildcard if isinstance(result, Found) else None) == is_wildcard


@pytest.mark.parametrize("end", ["nosuch", "web", "web.shop", "ent", "there.deep.ent"])
def test_a_name_of_a_hundred_labels_is_denied_as_quickly_as_one_of_ten(catalog, end):
    """One such datagram cost more than a millisecond."""

    def cost(labels: int) -> float:
        name = tuple(("a." * labels + end).encode().split(b"."))
        assert isinstance(lookup(catalog, ZONE, name), NxDomain)
        best = 1.0
        for _ in range(30):
            begin = time.perf_counter()
            lookup(catalog, ZONE, name)
            best = min(best, time.perf_counter() - begin)
        return best

    assert cost(100) < 4 * cost(10)
