"""The same questions to us and to servers that others wrote: what differs is explained in docs/conformance.md, or a fault.

DNSDISCO_DIFFERENTIAL: how many questions; DNSDISCO_SEED: which. A failure names the seed and each question's number, so that it can be
asked again.
"""

from __future__ import annotations

import os

import pytest

from tests.conformance import decoded, questions, rich
from tests.conformance.differential import Case, compare, differences
from tests.conformance.reasons import explain, REASONS
from tests.conformance.servers import CoreDns, Dnsdisco, Dnsmasq, is_here, Knotd, Named, Server, Unbound
from tests.conformance.zonedata import make
from tests.kit import Answers

COUNT = int(os.environ.get("DNSDISCO_DIFFERENTIAL", "500"))
SEED = int(os.environ.get("DNSDISCO_SEED", "8906"))
SHOWN_MAX = 20

pytestmark = pytest.mark.servers


def needs(*servers: type[Server]) -> None:
    missing = [f"{server.program} (Debian: {server.package})" for server in servers if not is_here(server)]
    if missing:
        pytest.skip(f"NOT COMPARED: {', '.join(missing)} is not installed")


@pytest.fixture(scope="module")
def data():
    return make(seed=SEED)


@pytest.fixture(scope="module")
def own(data, tmp_path_factory):
    """dnsdisco, which serves the zone."""
    needs(Named)
    with Dnsdisco(tmp_path_factory.mktemp("own"), data) as server:
        server.serial = server.settled_serial()
        yield server


@pytest.fixture(scope="module")
def named(data, own, tmp_path_factory):
    with Named(tmp_path_factory.mktemp("named"), data, serial=own.serial) as server:
        yield server


def told(outcome) -> str:
    more = len(outcome.unexplained) - SHOWN_MAX
    return "\n".join((f"seed {SEED}, {COUNT} questions:", *outcome.unexplained[:SHOWN_MAX], f"and {more} more" if more > 0 else ""))


@pytest.mark.parametrize("other", [Named, Knotd], ids=["named", "knotd"])
def test_a_zone_of_ours(data, own, named, other, tmp_path):
    needs(other)
    asked = questions.generate(data, SEED, COUNT, is_recursive=False)
    if other is Named:
        outcome = compare(asked, own.target, named.target, explain("named"))
    else:
        with other(tmp_path, data, serial=own.serial) as server:
            outcome = compare(asked, own.target, server.target, explain(server.name))
    assert not outcome.unexplained, told(outcome)
    assert outcome.asked == COUNT


def test_a_forwarded_zone(data, named, tmp_path):
    needs(Unbound)
    upstream = named.target
    with (
        Dnsdisco(tmp_path / "own", data, upstream=upstream) as own,
        Unbound(tmp_path / "unbound", data, upstream=upstream) as unbound,
    ):
        asked = questions.generate(data, SEED, COUNT, is_recursive=True)
        since = min(own.started_at, unbound.started_at)
        outcome = compare(asked, own.target, unbound.target, explain("unbound"), cached_since=since)
    assert not outcome.unexplained, told(outcome)
    assert outcome.asked == COUNT


@pytest.mark.parametrize("other", [Unbound, Dnsmasq, CoreDns], ids=lambda other: other.name)
def test_signed_zones_with_all_that_is_hard(other, tmp_path):
    """Chains, DNAMEs, wildcards, empty non-terminals, odd types, from one authority: asked twice, cold and cached."""
    needs(other)
    if rich.missing():
        pytest.skip(f"NOT COMPARED: {rich.missing()} (Debian: bind9-utils) is not installed")
    hard = rich.make(SEED)
    with (
        rich.Authority(tmp_path / "authority", hard) as authority,
        Dnsdisco(tmp_path / "own", hard, upstream=authority.target) as own,
        other(tmp_path / other.name, hard, upstream=authority.target) as peer,
    ):
        since = min(own.started_at, peer.started_at)
        for _ in range(2):
            asked = questions.generate(hard, SEED, COUNT, is_recursive=True)
            outcome = compare(asked, own.target, peer.target, explain(other.name), cached_since=since)
            assert not outcome.unexplained, told(outcome)
            assert outcome.asked == COUNT


def test_the_same_seed_gives_the_same_questions(data):
    one, other = (list(questions.generate(make(seed=SEED), SEED, 200, is_recursive=False)) for _ in range(2))
    assert one == other
    assert one != list(questions.generate(data, SEED + 1, 200, is_recursive=False))
    assert len({asked.message() for asked in one}) > 190


# The comparison itself can fail: a reply, and the same one changed.


def replies():
    asked = questions.Asked(7, b"\3web\3svc\5local\0", questions.SRV, 0x0100, 1232, dnssec_ok=False, is_tcp=False)
    reply = Answers().send(asked.message())
    return asked, decoded.decode(reply), reply


@pytest.mark.parametrize(
    ("spoil", "aspect"),
    [
        (lambda octets: octets[:3] + bytes((octets[3] | 3,)) + octets[4:], "rcode"),
        (lambda octets: bytes((*octets[:2], octets[2] ^ 4)) + octets[3:], "AA"),
        (lambda octets: octets[:3] + bytes((octets[3] ^ 0x20,)) + octets[4:], "AD"),
        (lambda octets: octets[:3] + bytes((octets[3] ^ 0x80,)) + octets[4:], "RA"),
        (lambda octets: octets.replace(b"\3web", b"\3Web", 1), "question"),
        (lambda octets: octets.replace((8080).to_bytes(2, "big"), (8081).to_bytes(2, "big"), 1), "answer"),
        (lambda octets: octets.replace(bytes((10, 0, 0, 11)), bytes((10, 0, 0, 12))), "additional"),
        (lambda octets: octets.replace(b"\0\x21\0\1\0\0\0\x0a", b"\0\x21\0\1\0\0\0\x0b", 1), "ttl"),
        (lambda octets: octets[:10] + bytes((0, octets[11] - 1)) + octets[12:-11], "edns"),
    ],
)
def test_a_difference_is_seen_and_not_explained(spoil, aspect):
    asked, ours, octets = replies()
    changed = spoil(octets)
    assert changed != octets
    case = Case(asked, ours, decoded.decode(changed))
    assert [difference.aspect for difference in differences(case)] == [aspect]
    for server in ("named", "knotd", "unbound"):
        assert explain(server)(case, differences(case)[0]) == ""


def test_equal_replies_do_not_differ():
    asked, ours, octets = replies()
    assert differences(Case(asked, ours, decoded.decode(octets))) == []


def test_reasons_are_told_apart():
    assert len({reason.title for reason in REASONS}) == len(REASONS)
