"""One written value in, one canonical value out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.written import addresses, endpoints, names, units


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10s", 10), ("500ms", 0.5), ("1m", 60), ("1m30s", 90), ("2h", 7200), ("1d", 86400), ("1w", 604800), ("250us", 0.00025),
        ("1.5s", 1.5), (" 3S ", 3), ("7", 7), (0, 0), (2.5, 2.5), (10, 10),
    ],
)  # fmt: skip
def test_a_duration(written, seconds):
    assert units.duration_s(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    ["", "s", "10 s", "10x", "-1s", "1s-", "1,5s", "٣s", "1e3s", "10s" * 40, None, True, [], {}, math.nan, math.inf, 10**400, -1],
)
def test_what_is_no_duration(written):
    with pytest.raises(ValueError, match="expected a duration"):
        units.duration_s(written)


def test_the_range_of_a_duration_is_in_the_message():
    with pytest.raises(ValueError, match=r"from 1 to 60 seconds, found '2m'"):
        units.duration_s("2m", 1, 60)


@pytest.mark.parametrize(("written", "seconds"), [(5, 5), ("5m", 300), ("1h", 3600), (0, 0), (5.0, 5)])
def test_a_ttl(written, seconds):
    assert units.whole_seconds(written, 0, 3600) == seconds
    assert isinstance(units.whole_seconds(written, 0, 3600), int)


@pytest.mark.parametrize("written", ["500ms", 0.5, -1, 3601, "x"])
def test_what_is_no_ttl(written):
    with pytest.raises(ValueError, match="expected"):
        units.whole_seconds(written, 0, 3600)


@pytest.mark.parametrize(
    ("written", "default_port", "canonical"),
    [
        ("127.0.0.1:53", None, "127.0.0.1:53"),
        ("[::1]:53", None, "[::1]:53"),
        ("127.0.0.1", 53, "127.0.0.1:53"),
        ("::1", 53, "[::1]:53"),
        ("[::1]", 53, "[::1]:53"),
        ("[2001:DB8:0:0::1]:5300", 53, "[2001:db8::1]:5300"),
        (" 0.0.0.0:53 ", None, "0.0.0.0:53"),
        ("[fe80::1%eth0]:53", None, "[fe80::1%eth0]:53"),
        ("fe80::1%eth0", 53, "[fe80::1%eth0]:53"),
    ],
)
def test_an_address(written, default_port, canonical):
    assert addresses.address(written, default_port) == canonical
    assert addresses.address(canonical) == canonical


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("127.0.0.1", "the port is missing"),
        ("::1", "the port is missing"),
        ("localhost:53", "a name cannot be used here"),
        ("127.0.0.1:0", "from 1 to 65535"),
        ("127.0.0.1:65536", "from 1 to 65535"),
        ("127.0.0.1:", "from 1 to 65535"),
        ("127.0.0.1:x", "from 1 to 65535, found 'x'"),
        ("127.0.0.1:+53", "from 1 to 65535"),
        ("127.0.0.1:٥٣", "from 1 to 65535"),
        (":53", r"0\.0\.0\.0:PORT and \[::\]:PORT"),
        ("*:53", r"0\.0\.0\.0:PORT and \[::\]:PORT"),
        ("127.1:53", "this is no IP address"),
        ("[::1:53", "expected an address"),
        ("[::1]53", "expected an address"),
        ("", "expected an address"),
        (53, "found 53"),
        (None, "found nothing"),
        (True, "found true"),
        (["127.0.0.1:53"], "found a list"),
    ],
)
def test_what_is_no_address(written, reason):
    with pytest.raises(ValueError, match=reason):
        addresses.address(written)


def test_an_address_comes_apart_again():
    assert addresses.split_address("[2001:db8::1]:5300") == ("2001:db8::1", 5300)
    assert addresses.split_address("127.0.0.1:53") == ("127.0.0.1", 53)
    assert addresses.join_port("::1", 53) == "[::1]:53"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        ("192.0.2.1", ("192.0.2.1/32",)),
        ("::1", ("::1/128",)),
        ("2001:DB8::/32", ("2001:db8::/32",)),
        ("Private", addresses.PRIVATE_NETWORKS),
    ],
)
def test_networks(written, canonical):
    assert addresses.networks(written) == canonical


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("10.0.0.1/8", r"did you mean 10\.0\.0\.0/8\?"),
        ("10.0.0.0/33", "expected a network"),
        ("privat", r"did you mean private\?"),
        ("localhost", "expected a network"),
        (10, "found 10"),
        (None, "found nothing"),
    ],
)
def test_what_is_no_network(written, reason):
    with pytest.raises(ValueError, match=reason):
        addresses.networks(written)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("tls://192.0.2.1#Dns.Example", "tls://192.0.2.1:853#dns.example"),
        ("tls://192.0.2.1:8853", "tls://192.0.2.1:8853"),
        ("tls://[2001:db8::1]#dns.example", "tls://[2001:db8::1]:853#dns.example"),
        ("tls://2001:db8::1#dns.example", "tls://[2001:db8::1]:853#dns.example"),
        ("https://dns.example/dns-query", "https://dns.example/dns-query"),
        ("HTTPS://192.0.2.1/dns-query{?dns}", "https://192.0.2.1/dns-query"),
        ("https://192.0.2.1:8443/dns-query#dns.example", "https://192.0.2.1:8443/dns-query#dns.example"),
        ("/etc/resolv.conf", "/etc/resolv.conf"),
        ("etc/upstream.conf", "etc/upstream.conf"),
        ("resolv.conf", "resolv.conf"),
    ],
)
def test_an_upstream(written, canonical):
    assert endpoints.upstream_or_path(written) == canonical
    assert endpoints.upstream_or_path(canonical) == canonical


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("dns.example", "a name cannot be used here"),
        ("udp://192.0.2.1", "leave udp:// out"),
        ("ftp://192.0.2.1", "'ftp' is not a known scheme"),
        ("tls://dns.example", "a name cannot be used here"),
        ("tls://192.0.2.1#", "expected a DNS name"),
        ("https://dns.example", "the host or the path is missing"),
        ("https:///dns-query", "the host or the path is missing"),
        ("https://user:secret@dns.example/dns-query", "a user name"),
        ("https://dns.example:99999/dns-query", "expected an upstream"),
        ("https://[::1/dns-query", "expected an upstream"),
        ("https://dns.example/dns-query#dns.example", "a #name has no use where the host is a name"),
        ("https://192.0.2.1/dns-query#-", "expected a DNS name"),
        ("192.0.2.1:0", "from 1 to 65535"),
        ("", "expected an upstream"),
        (None, "found nothing"),
        (8.8, "found 8.8"),
    ],
)
def test_what_is_no_upstream(written, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        endpoints.upstream_or_path(written)
    assert str(caught.value).startswith("expected an upstream such as 192.0.2.1")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("svc.local", "svc.local"), ("SVC.Local.", "svc.local"), ("internal", "internal"), ("_x.a-b.c1", "_x.a-b.c1"), ("xn--bcher-kva.example", "xn--bcher-kva.example")],
)  # fmt: skip
def test_a_name(written, canonical):
    assert names.dns_name(written) == canonical


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "expected a DNS name"),
        (".", "expected a DNS name"),
        ("a..b", "expected a DNS name"),
        (".a", "expected a DNS name"),
        ("a b", "expected a DNS name"),
        ("-a.b", "expected a DNS name"),
        ("a-.b", "expected a DNS name"),
        ("*.a", "expected a DNS name"),
        ("a\n", "expected a DNS name"),
        ("bücher.example", "xn--"),
        ("a" * 64, "at most 63 octets"),
        ("a." * 127 + "ab", "at most 253 octets, found 256"),
        (5, "found 5"),
    ],
)
def test_what_is_no_name(written, reason):
    if written == "a\n":
        written = "a\nb"  # an outer line end is only white space
    with pytest.raises(ValueError, match=reason):
        names.dns_name(written)


def test_a_wrong_value_is_shown_on_one_short_printable_line():
    assert units.shown("a\n\x1b[31m\u202e") == "'a\\x0a\\x1b[31m\\x202e'"
    assert len(units.shown("x" * 1000)) < 70
    assert [units.shown(value) for value in (None, True, [1], {"a": 1}, 5, 1.5)] == [
        "nothing",
        "true",
        "a list",
        "a mapping",
        "5",
        "1.5",
    ]


def test_a_zone_leaves_room_for_an_instance_of_a_service():
    longest = f"{'a' * 61}.{'b' * 63}"
    assert names.zone(longest.upper()) == longest
    assert len(f"{'i' * 63}.{'s' * 63}.{longest}") == 253
    with pytest.raises(ValueError, match="a zone of at most 125 characters, found 126: names below it would be too long"):
        names.zone(f"a{longest}")


READERS: list[Callable[[Any], Any]] = [
    lambda value: str(endpoints.listener(value)),
    lambda value: str(endpoints.upstream(value)),
    units.duration_s,
    addresses.address,
    addresses.networks,
    endpoints.upstream_or_path,
    names.dns_name,
    names.zone,
    addresses.port,
]
anything = st.one_of(
    st.text(),
    st.from_regex(r"[\[\]:.%#/0-9a-fhlnopstx-]{0,40}", fullmatch=True),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
)


@given(anything)
def test_whatever_is_written_is_read_again_unchanged_or_refused_in_one_line(written):
    for read in READERS:
        canonical, reason = _outcome(read, written)
        assert "\n" not in reason
        if not reason and read is not addresses.networks:
            assert read(canonical) == canonical


def _outcome(read, written):
    try:
        return read(written), ""
    except ValueError as error:
        return None, str(error)
