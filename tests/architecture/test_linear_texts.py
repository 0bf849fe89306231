"""Texts that would keep a regular expression busy for hours are read or refused at once: every one that was, or could be, super-linear.

A text of this size takes a quadratic reader minutes, and a linear one a moment; the time limit decides.
"""

from __future__ import annotations

import re

import pytest

from dnsdisco.errors import DnsdiscoError, WireError
from dnsdisco.model import public
from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.delta import Joiner, records_from_plain
from dnsdisco.model.entry import Entry, ExtraRecord
from dnsdisco.model.merge import merge
from dnsdisco.model.names import label_instances
from dnsdisco.model.plain import entry_to_plain
from dnsdisco.model.service import Instance, Port, Service, Snapshot
from dnsdisco.providers.env import provider as env
from dnsdisco.providers.static import edit as services_edit
from dnsdisco.wire import presentation
from dnsdisco.wire.tokens import tokenize
from dnsdisco.zone import master
from dnsdisco.zone.catalog import Catalog
from dnsdisco.zone.records import ZoneRecords

pytestmark = pytest.mark.slow

SIZE = 400_000
ZONES = ("svc.local",)
GENERIC = presentation.GENERIC

ZONE_TEXTS = {
    "digits for a TTL": f"a {'9' * 60}x A 10.0.0.1",
    "a long number for a TTL": f"a {'9' * SIZE} A 10.0.0.1",
    "a long number with a unit": f"a {'9' * SIZE}w A 10.0.0.1",
    "units without end": f"a {'1s' * (SIZE // 2)}x A 10.0.0.1",
    "weeks": "a 99999999999w A 10.0.0.1",
    "$TTL": f"$TTL {'1' * SIZE}x",
    "escapes in an owner": "\\a" * (SIZE // 2) + " A 10.0.0.1",
    "escapes in TXT": "a TXT " + "\\097" * (SIZE // 4),
    "escapes in quotes": 'a TXT "' + "\\\\" * (SIZE // 2) + '"',
    "escapes in a name": "a CNAME " + "\\." * (SIZE // 2),
    "an open quote behind escapes": 'a TXT "' + "\\\\" * SIZE,
    "quotes": f"a TXT {chr(34) * SIZE}",
    "parentheses": f"a TXT {'(' * SIZE}",
    "parentheses that are closed": f"a A {'(' * SIZE}{')' * SIZE} 10.0.0.1",
    "closed ones alone": f"a A {')' * SIZE}",
    "a parenthesis on each line": "a TXT (\n" * (SIZE // 8),
    "words": f"a TXT {'x ' * (SIZE // 2)}",
    "blanks": f"a A{' ' * SIZE}x",
    "comments": ";" * SIZE,
    "one long word": "a" * SIZE,
    "a long directive": f"${'x' * SIZE} y",
    "$ORIGIN upon $ORIGIN": "$ORIGIN a\n" * 2000 + "a A 10.0.0.1",
    "$GENERATE": f"$GENERATE 1-{'9' * SIZE} a$ A 10.0.0.$",
    "$INCLUDE": f"$INCLUDE {'../' * (SIZE // 3)}",
    "a type's number": f"a TYPE{'9' * SIZE} x",
    "a class's number": f"a CLASS{'9' * SIZE} A 10.0.0.1",
    "faults": "a A x\n" * 20_000,
    "hexadecimal": f"a TYPE999 {GENERIC} 1 {'0' * SIZE}",
    "a length": f"a TYPE999 {GENERIC} {'9' * SIZE} 00",
    "APL": f"a APL {'1:10.0.0.0/8 ' * (SIZE // 13)}",
    "NSEC": f"a NSEC b {'A ' * (SIZE // 2)}",
    "SVCB": f"a SVCB 1 . {'alpn=h2 ' * (SIZE // 8)}",
    "one value of SVCB": f"a SVCB 1 . alpn={'h2,' * (SIZE // 3)}",
    "LOC": f"a LOC {'1 ' * (SIZE // 2)}",
    "base64": f"a OPENPGPKEY {'A' * SIZE}",
    "numbers": f"a MX {'1' * SIZE} b",
    "a SOA's number": f"x.a CAA {'1' * SIZE} issue x",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("title", ZONE_TEXTS)
def test_a_zone_file(title):
    text = ZONE_TEXTS[title]
    problems = master.check(text, "x.zone", ZONES)
    assert problems or title in ("parentheses that are closed", "comments", "words")
    assert all(len(problem.message) < 400 for problem in problems)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["A", "TXT", "MX", "SVCB", "CAA", "LOC", "NAPTR", "NSEC", "TYPE999"])
@pytest.mark.parametrize("unit", ["\\", "\\0", '"', "(", "1", "a.", "=", ",", " x", ";", "é"])
def test_a_value_of_records(kind, unit):
    from dnsdisco.wire.constants import type_from_text

    try:
        made = presentation.from_text(type_from_text(kind), unit * (SIZE // len(unit)))
    except DnsdiscoError as error:
        message = str(error)
    else:
        message = ""
        assert len(made) <= presentation.RDATA_OCTETS_MAX
    assert len(message) < 400


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["_ENV_", "_PORT_1", "_SERVICE_HOST_", "_1", "\n"])
def test_names_of_variables(unit):
    key = f"SERVICE_A{unit * (SIZE // len(unit))}"
    for pattern in (env._OURS, env._INJECTED, env._BESIDE_LINK):
        pattern.fullmatch(f"{key}x")
    env.services_from({key: "x"})


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["a:" + ":#" * SIZE, "a:\n" + "#\n" * SIZE, "a: #" * SIZE, ("a:" * 1000 + "\n") * 100, "a:\n" * SIZE]
)
def test_indents_of_a_services_file(text):
    assert services_edit._indents(text, text) == (2, 2)


@pytest.mark.timeout(20)
def test_numbers_in_a_services_file():
    assert not services_edit._NO_TEXT.fullmatch("0" * SIZE + "!")
    assert services_edit._NO_TEXT.fullmatch("1_0.5e-3")


@pytest.mark.timeout(20)
def test_a_certificate_without_an_end():
    from dnsdisco.model.certificate import _PEM

    begin = "-----BEGIN CERTIFICATE-----"
    assert not _PEM.search(f"{begin}{' ' * SIZE}")
    assert not _PEM.search(f"{begin}\n" * (SIZE // 28))
    assert re.sub(r"\s", "", _PEM.search(f"x{begin}\n AAAA\nBBBB=\n-----END CERTIFICATE-----")[1]) == "AAAABBBB="


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit",
    ["?", "?a", "://", "://a:b", "?password=", "password=", "password='", '"password":', ",", ", a", "token ", "sig", "; ", "_key"],
)
def test_what_may_hold_a_secret(unit):
    """A URL, and the values of `meta`, which a worker and /v1/services read at each answer that shows them."""
    text = unit * (SIZE // len(unit))
    public.public_text(text)
    public.shown_url(text)
    public.reason_from(text)
    assert not public.is_secret(f"{text}!")


@pytest.mark.timeout(20)
def test_words_are_found_in_linear_time():
    for unit in ("\\x", '""', "( ", "a;", 'a"b"', "\\\\"):
        try:
            tokenize(unit * (SIZE // 2))
        except DnsdiscoError:
            continue


LONG_NAMES = {"a text": "[" * SIZE, "labels": ["x"] * SIZE, "one label": ["x" * SIZE], "a short text": "web", "no list": {"a": 1}}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("title", LONG_NAMES)
@pytest.mark.parametrize("place", ["the owner in a zone file", "its zone", "a path", "the owner below a service"])
def test_a_name_on_the_link(place, title):
    """Each is refused before the names above it are made, of which there are as many as it has labels."""
    long, rdata = LONG_NAMES[title], "0a000001"
    entry = entry_to_plain(Entry("web", (("web",),), "static", Service("web")), ())
    read = {
        "the owner in a zone file": lambda: ZoneRecords(records_from_plain([[["svc", "local"], long, 1, 60, rdata]])),
        "its zone": lambda: ZoneRecords(records_from_plain([[long, ["a"], 1, 60, rdata]])),
        "a path": lambda: Catalog().apply(Joiner().take([{**entry, "paths": [long]}]), [], 1),
        "the owner below a service": lambda: Joiner().take([{**entry, "records": [[long, 1, 60, rdata]]}]),
    }
    with pytest.raises(WireError):
        read[place]()


def test_the_longest_name_crosses_the_link():
    labels = ["x" * 63, "x" * 63, "x" * 63, "x" * 61]
    ((_, record),) = records_from_plain([[["svc"], labels, 1, 60, ""]])
    assert record == ExtraRecord(tuple(labels), 1, 60, b"")


MANY = 20_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "instances",
    [
        [Instance("same", "10.0.0.1", (Port(80),))] * MANY,
        [Instance(f"i/{n}", "10.0.0.1", (Port(80),)) for n in range(MANY)],
        [Instance("same", f"10.0.{n >> 8}.{n & 255}") for n in range(MANY)],
        [Instance("same", "10.0.0.1", node=f"n{n}") for n in range(MANY)],
        [Instance("", f"10.0.{n >> 8}.{n & 255}", hostname="host") for n in range(MANY)],
    ],
    ids=["the very same", "one address", "one id", "one id, many nodes", "one host name"],
)
def test_labels_of_many_instances_that_want_one(instances):
    labelled = label_instances(Service("web", instances=tuple(instances)))
    assert len({instance.label for instance in labelled.instances}) == (1 if instances[0].hostname else MANY)
    below = Catalog().below(Entry("web", (("web",),), "static", labelled))
    assert sum(map(len, below.by_label.values())) == MANY


@pytest.mark.timeout(20)
def test_many_services_that_want_one_name():
    """They come, change and go together: all names but one are lost, at a cost that does not grow with the square of them."""
    services = [Service(f"web{chr(0x4E00 + n)}") for n in range(MANY)]
    changed = [Service(service.name, ttl=1) for service in services]
    views = [Snapshot({service.key: service for service in each}) for each in (services, changed, [])]
    merger = merge([ChainSource("static")], ChainPolicy(), views[:1])
    assert [(entry.key, entry.service.ttl) for entry in merger.entries.values()] == [("web-", None)]
    assert len(merger.collisions()) == MANY - 1
    merger.update(0, views[1])
    assert [(entry.key, entry.service.ttl) for entry in merger.entries.values()] == [("web-", 1)]
    merger.update(0, views[2])
    assert not merger.entries
    assert not merger.collisions()
