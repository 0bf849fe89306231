"""Addresses, routes, health: the parts without I/O. And what is ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.forward.health import UpstreamHealth
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.forward.own_addresses import is_own
from dnsdisco.forward.resolv_conf import parse_resolv_conf
from dnsdisco.forward.routes import Route, Routes
from dnsdisco.settings.forms import from_plain
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire import name
from dnsdisco.written.endpoints import is_path, UpstreamAddress
from dnsdisco.written.endpoints import upstream as upstream_from
from tests.forward.upstream import question

LIMITS = ForwardLimits()


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("192.0.2.1", ("udp", "192.0.2.1", 53, ""), "192.0.2.1:53"),
        ("192.0.2.1:5353", ("udp", "192.0.2.1", 5353, ""), "192.0.2.1:5353"),
        ("2001:DB8::1", ("udp", "2001:db8::1", 53, ""), "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", ("udp", "2001:db8::1", 5353, ""), "[2001:db8::1]:5353"),
        ("[2001:db8::1]", ("udp", "2001:db8::1", 53, ""), "[2001:db8::1]:53"),
        ("fe80::1%eth0", ("udp", "fe80::1%eth0", 53, ""), "[fe80::1%eth0]:53"),
        ("tls://192.0.2.1#dns.example", ("tls", "192.0.2.1", 853, "dns.example"), "tls://192.0.2.1:853#dns.example"),
        (
            "tls://[2001:db8::1]:8853#dns.example",
            ("tls", "2001:db8::1", 8853, "dns.example"),
            "tls://[2001:db8::1]:8853#dns.example",
        ),
        ("tls://192.0.2.1", ("tls", "192.0.2.1", 853, ""), "tls://192.0.2.1:853"),
        ("https://192.0.2.1/dns-query", ("https", "192.0.2.1", 443, "", "/dns-query"), "https://192.0.2.1/dns-query"),
        (
            "https://192.0.2.1:8443/q/a?x=1#dns.example",
            ("https", "192.0.2.1", 8443, "dns.example", "/q/a?x=1"),
            "https://192.0.2.1:8443/q/a?x=1#dns.example",
        ),
        ("https://[2001:db8::1]/q", ("https", "2001:db8::1", 443, "", "/q"), "https://[2001:db8::1]/q"),
        ("https://dns.example/q{?dns}", ("https", "dns.example", 443, "", "/q"), "https://dns.example/q"),
        ("https://DNS.example/q", ("https", "dns.example", 443, "", "/q"), "https://dns.example/q"),
    ],
)
def test_forms_of_an_upstream(text, address, shown):
    assert upstream_from(text) == UpstreamAddress(*address)
    assert str(upstream_from(text)) == shown
    assert upstream_from(shown) == upstream_from(text)


@pytest.mark.parametrize(
    "text",
    ["", "dns.example", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", "[2001:db8::1", "[2001:db8::1]x", "192.0.2.256", "udp://192.0.2.1",
     "https://dns.example", "https://dns.example/", "https://dns.example/a b", "https://dns..example/q", "https://-/q", "https:///q",
     "https://dns.example/q#name", "https://dns.example:0/q", "https://u@dns.example/q", "tls://dns.example",
     "192.0.2.1:٣"],
)  # fmt: skip
def test_what_is_not_an_upstream_says_why(text):
    with pytest.raises(ValueError, match=r"^expected an upstream such as "):
        upstream_from(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text):
    try:
        upstream_from(text)
    except ValueError:
        return


def test_paths():
    assert is_path("/etc/resolv.conf")
    assert is_path("./resolv.conf")
    assert not is_path("192.0.2.1")
    assert not is_path("tls://192.0.2.1")


def test_resolv_conf():
    text = "# nameserver 192.0.2.9\nsearch a b\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameserver x\nnameserver\nnameserver 192.0.2.1\noptions edns0"
    assert [address.host for address in parse_resolv_conf(text)] == ["192.0.2.1", "2001:db8::1"]


@given(st.text(max_size=200))
def test_any_text_is_a_resolv_conf(text):
    assert isinstance(parse_resolv_conf(text), tuple)


def routes(*zones: str, general: tuple[str, ...] = ("general",)) -> Routes[str]:
    return Routes(
        Route(b"\0", general, is_configured=bool(general)),
        [Route(name.from_text(zone).lower(), (zone,), is_configured=True) for zone in zones],
    )


@pytest.mark.parametrize(
    ("qname", "upstream"),
    [
        ("corp.example.", "corp.example"),
        ("CORP.example.", "corp.example"),
        ("a.b.corp.example.", "corp.example"),
        ("deep.corp.example.", "deep.corp.example"),
        ("x.deep.corp.example.", "deep.corp.example"),
        ("xcorp.example.", "general"),
        ("example.", "general"),
        (".", "general"),
        ("corp\\.example.", "general"),
    ],
)
def test_the_longest_zone_wins_apex_included(qname, upstream):
    assert routes("corp.example", "deep.corp.example").find(question(qname)).upstreams == (upstream,)


def test_a_zone_without_upstreams_does_not_leak():
    empty = Routes(Route(b"\0", ("general",), is_configured=True), [Route(name.from_text("corp.example"), (), is_configured=False)])
    assert not empty.find(question("a.corp.example.")).is_configured
    assert empty.find(question("a.example.")).is_configured


def test_the_root_as_a_zone_is_everything_else():
    found = routes(".", "corp.example").find(question("a.example."))
    assert found.upstreams == (".",)


def test_has_zone():
    assert routes("local").has_zone(question("printer.local."))
    assert not routes("local").has_zone(question("printer.example."))


def test_settings_from_the_configuration():
    plain = {"upstreams": ["/etc/resolv.conf"], "zones": {"corp.example": ["10.0.0.53"], "x": []}, "trust_ad": True}
    settings = from_plain(ForwardSettings, plain)
    assert settings == ForwardSettings(("/etc/resolv.conf",), (("corp.example", ("10.0.0.53",)), ("x", ())), trust_ad=True)
    assert from_plain(ForwardSettings, {**plain, "policy": "fastest"}) == settings._replace(policy="fastest")
    assert from_plain(ForwardSettings, {}) == ForwardSettings()


def test_patience_follows_the_measured_time_within_its_bounds():
    health = UpstreamHealth(LIMITS)
    assert health.patience_s() == LIMITS.patience_unknown_s
    for _ in range(50):
        health.replied(1.0, 0.01)
    assert health.patience_s() == LIMITS.patience_min_s
    for _ in range(50):
        health.replied(1.0, 3.0)
    assert health.patience_s() == LIMITS.patience_max_s
    for _ in range(80):
        health.replied(1.0, 0.5)
    assert LIMITS.patience_min_s < health.patience_s() < LIMITS.patience_max_s


def test_dead_after_failures_in_a_row_and_alive_again_with_one_reply():
    health = UpstreamHealth(LIMITS)
    assert [health.failed(1.0) for _ in range(LIMITS.failures + 1)] == [False, False, True, False]
    assert health.is_dead
    assert not health.is_silent  # it keeps its place: a failure at once costs no time
    assert health.patience_s() == LIMITS.patience_unknown_s
    assert health.replied(3.0)
    assert not health.is_dead
    assert health.failures == 0


def test_silence_moves_it_back_and_one_reply_brings_it_home():
    health = UpstreamHealth(LIMITS)
    assert [health.said_nothing(1.0), health.said_nothing(1.0)] == [True, False]
    assert health.is_silent
    assert health.is_dead
    assert health.patience_s() == LIMITS.patience_dead_s
    assert health.replied(3.0)
    assert not health.is_dead
    assert health.failures == 0


def test_a_reply_to_a_later_question_excuses_an_earlier_one():
    health = UpstreamHealth(LIMITS)
    health.replied(2.0, 0.01)
    assert not health.failed(1.0)
    assert not health.said_nothing(1.0)
    assert health.failures == 0
    health.failed(2.5)
    assert health.failures == 1


@pytest.mark.parametrize(
    ("host", "port", "own", "expected"),
    [
        ("127.0.0.1", 53, [("127.0.0.1", 53)], True),
        ("127.0.0.1", 54, [("127.0.0.1", 53)], False),
        ("127.0.0.2", 53, [("127.0.0.1", 53)], False),
        ("127.0.0.2", 53, [("0.0.0.0", 53)], True),
        ("127.0.0.2", 53, [("::", 53)], True),
        ("::1", 53, [("::", 53)], True),
        ("::1", 53, [("0.0.0.0", 53)], False),
        ("192.0.2.1", 53, [("0.0.0.0", 53), ("::", 53)], False),
        ("0.0.0.0", 53, [("127.0.0.1", 53)], True),
        ("192.0.2.1", 53, [], False),
    ],
)
def test_ourselves(host, port, own, expected):
    assert is_own(host, port, own) is expected
