"""C-07: with `forward.rebind_protection` no public name leads to a private address, by whatever record and alias; off, all pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dns.message
import dns.rcode
import pytest

from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.config.reading import checked
from dnsdisco.server.settings import WorkerSettings
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import to_plain
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.zone.settings import ZoneSettings
from tests.kit import Answers, CannedUpstreams, errors, section

IPV4 = ["0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.255"]
IPV4 += ["192.168.1.1", "255.255.255.255"]
IPV6 = [
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
]
PUBLIC_IPV4 = [
    "8.8.8.8",
    "100.63.255.255",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "1.0.0.0",
    "11.0.0.1",
    "128.0.0.1",
    "223.255.255.255",
]
PUBLIC_IPV6 = ["2001:db8::1", "64:ff9b::8.8.8.8", "fbff::1", "2606:4700::1111"]


def with_protection(zone: ZoneSettings, *, on: bool) -> ZoneSettings:
    return replace(zone, configured=zone.configured._replace(forward=ForwardSettings(rebind_protection=on)))


def made(records: dict[tuple[str, str], str], *, on: bool = True, allowed: tuple[str, ...] = (), **more) -> Answers:
    answers = Answers(upstreams=CannedUpstreams(records), **more)
    labels = frozenset(tuple(label.encode() for label in name.split(".")) for name in allowed)
    before = answers.policy.answers
    settings = AnswerSettings(with_protection(before.zone, on=on), before.overrides, labels)
    answers.policy = answers.policy._replace(answers=settings)
    answers.responder.configure(answers.policy)
    return answers


def is_withheld(answers: Answers, name: str, rtype: str, **query) -> bool:
    """Asked often enough for every way of the cache; each time the same."""
    found = set()
    for _ in range(5):
        reply = answers.ask(name, rtype, **query)
        assert reply.rcode() == dns.rcode.NOERROR
        assert bool(reply.answer) == (15 not in errors(reply))
        found.add(not reply.answer)
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize(
    ("rtype", "data", "expected"),
    [
        *(("A", address, True) for address in IPV4),
        *(("A", address, False) for address in PUBLIC_IPV4),
        *(("AAAA", address, True) for address in IPV6),
        *(("AAAA", address, False) for address in PUBLIC_IPV6),
        *(("HTTPS", f"1 . alpn=h2 ipv4hint=8.8.8.8,{address}", True) for address in IPV4),
        *(("HTTPS", f"1 cdn.evil.test. ipv6hint={address}", True) for address in IPV6),
        ("HTTPS", "1 . alpn=h2 ipv4hint=8.8.8.8 ipv6hint=2001:db8::1", False),
        ("HTTPS", "0 cdn.evil.test.", False),
        ("SVCB", "1 . port=53 ipv4hint=192.168.1.1", True),
        ("TXT", '"192.168.1.1"', False),
        ("MX", "10 mail.evil.test.", False),
    ],
)
def test_each_range_in_each_record(rtype, data, expected):
    records = {("www.evil.test.", rtype): f"www.evil.test. 60 IN {rtype} {data}"}
    assert is_withheld(made(records), "www.evil.test", rtype) is expected
    assert not is_withheld(made(records, on=False), "www.evil.test", rtype)


def test_one_among_many_and_behind_an_alias():
    many = "www.evil.test. 60 IN CNAME b.evil.test.\nb.evil.test. 60 IN A 8.8.8.8\nb.evil.test. 60 IN A 10.0.0.1"
    answers = made({("www.evil.test.", "A"): many})
    assert is_withheld(answers, "wWw.eVil.test", "A")
    assert is_withheld(answers, "www.evil.test", "A", want_dnssec=True)
    assert answers.responder.statistics["withheld"] == 10
    plain = answers.ask("www.evil.test", "A", use_edns=False)
    assert (plain.rcode(), plain.answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize("target", ["web.svc.local.", "localhost.", "app.localhost."])
def test_an_alias_into_what_is_ours_does_not_help(target):
    records = {("www.evil.test.", "A"): f"www.evil.test. 60 IN CNAME {target}"}
    assert is_withheld(made(records), "www.evil.test", "A")
    assert not is_withheld(made(records, on=False), "www.evil.test", "A")


def test_who_may_have_them():
    records = {
        (name, "A"): f"{name} 60 IN A 10.0.0.5" for name in ("corp.example.", "a.b.corp.example.", "xcorp.example.", "in.test.")
    }
    answers = made(records, allowed=("corp.example",), overrides=frozenset({(b"in", b"test"), ()}))
    assert [is_withheld(answers, name, "A") for name, _ in records] == [False, False, True, False]


def test_names_of_our_own_and_hosts_of_services_are_ours_to_say():
    records = {
        ("cache.example.net.", "A"): "cache.example.net. 60 IN A 10.0.7.7",
        ("db.example.net.", "A"): "db.example.net. 60 IN A 10.0.7.8",
    }
    answers = made(records)
    assert section(answers.ask("hosty.svc.local").answer) == {"hosty.svc.local. A 10.0.7.7", "hosty.svc.local. A 10.0.6.1"}
    assert "elsewhere.svc.local. CNAME db.example.net." in section(answers.ask("elsewhere.svc.local").answer)
    assert section(answers.ask("web.svc.local").answer) == {"web.svc.local. A 10.0.0.11"}
    assert is_withheld(answers, "cache.example.net", "A")  # the same entry, asked for by its own name


def test_stale_ones_are_withheld_too():
    answers = made({("www.evil.test.", "A"): "www.evil.test. 60 IN A 10.0.0.5"})
    assert is_withheld(answers, "www.evil.test", "A")
    upstreams: Any = answers.responder._upstreams
    upstreams.answers[("www.evil.test.", "A")] = None
    answers.now += 100
    assert is_withheld(answers, "www.evil.test", "A")


def test_switched_on_by_a_reload_it_counts_for_what_is_kept():
    answers = made({("www.evil.test.", "A"): "www.evil.test. 60 IN A 10.0.0.5"}, on=False)
    assert not is_withheld(answers, "www.evil.test", "A")
    before = answers.policy.answers
    on = AnswerSettings(with_protection(before.zone, on=True), before.overrides)
    answers.responder.configure(answers.policy._replace(answers=on))
    assert is_withheld(answers, "www.evil.test", "A")


def test_from_the_configuration():
    settings = WorkerSettings.from_plain(to_plain(checked({"forward": {"rebind_protection": True, "rebind_allowed": ["A.b"]}})))
    assert settings.configured.forward.rebind_protection
    assert settings.answers.rebind_allowed == {(b"a", b"b")}
    assert not WorkerSettings.from_plain(to_plain(Settings())).configured.forward.rebind_protection


@pytest.mark.parametrize("rdata", [b"", b"\0\1", b"\0\1\0\0\4\0\x08\x0a", b"\0\1\0\0\4\0\3\x0a\0\0", b"\0\1\5ab"])
def test_a_record_that_cannot_be_read_is_passed_as_it_is(rdata):
    from dnsdisco.answer.rebinding import has_private
    from dnsdisco.wire.reply import RR

    assert not has_private([RR(b"\1x\0", 65, 60, rdata), RR(b"\1x\0", 1, 60, rdata[:3]), RR(b"\1x\0", 28, 60, rdata[:3])])
