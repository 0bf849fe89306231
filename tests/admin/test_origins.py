"""Host and Origin: which requests are meant for us, and which come from somebody else's page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.admin.origins import is_from_here, is_ours, target_of

NAMES = frozenset({"laptop", "laptop.example"})

OURS = [
    "127.0.0.1:8053", "127.0.0.1", "[::1]:8053", "[::1]", "10.1.2.3:80", "localhost", "LOCALHOST:8053", "localhost.", "laptop:8053",
    "Laptop.Example", "[fe80::1%eth0]:8053", "[fe80::1%25eth0]", "[FE80::1%eth0.100]:80", "[fe80::1%3]", "localhost:", "127.0.0.1.", "localhost:65535",
]  # fmt: skip
NOT_OURS = [
    "evil.example", "evil.example:8053", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1:8053@evil.example", "",
    "127.0.0.1:x", "[::1", "[::1]x", "[evil.example]", "[127.0.0.1]", "::1", "127.0.0.1,evil.example", "127.1", "2130706433", "0x7f.1",
    "laptop2", "a" * 300, "\xff", "127.0.0.1 evil.example", "localhost/", "localhost#", "127.0.0.1%.evil.example", "127.0.0.1%25.evil.example:8053", "127.0.0.1%eth0", "[::1%.evil.example]",
    "[fe80::1%.evil.example]", "[fe80::1%evil.example]:8053", "[::1%eth0]", "[fe80::1%]", "fe80::1%eth0", "localhost..", "127.0.0.1..", "[::1.]", "localhost%.evil.example",
    "laptop%.evil.example", "localhost:65536", "localhost:-1", "localhost:\xb2", "localhost:80:80", "[::1]:x", "[::1]:80:80", "[::1]:99999", "localhost, evil.example",
]  # fmt: skip


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


@pytest.mark.parametrize("host", OURS)
def test_addresses_localhost_and_our_own_names_are_ours(host):
    assert is_ours(headers(("host", host)), NAMES)


@pytest.mark.parametrize("host", NOT_OURS)
def test_every_other_host_is_not(host):
    assert not is_ours(headers(("host", host)), NAMES)


@pytest.mark.parametrize(
    ("target", "host", "is_ours_", "path"),
    [
        ("/health", "localhost", True, "/health"),
        ("http://localhost:8053/health", "localhost:8053", True, "/health"),
        ("HTTP://127.0.0.1/health", "evil.example", True, "/health"),  # RFC 9112 §3.2.2: the target counts
        ("http://evil.example/health", "localhost", False, "/health"),
        ("http://127.0.0.1%.evil.example/health", "localhost", False, "/health"),
        ("http://localhost", "localhost", True, "/"),
        ("http://localhost@evil.example/", "localhost", False, "/"),
        ("http:///health", "localhost", False, "/health"),
    ],
)
def test_an_absolute_target_says_whom_it_means(target, host, is_ours_, path):
    authority, found = target_of(target)
    assert found == path
    assert is_ours(headers(("host", host)), NAMES, authority) is is_ours_


def test_a_page_s_origin_is_held_against_the_absolute_target():
    told = headers(("host", "localhost:8053"), ("origin", "http://localhost:8053"))
    assert is_from_here(told, NAMES, b"localhost:8053")
    assert not is_from_here(told, NAMES, b"127.0.0.1:8053")


def test_none_at_all_is_an_old_client_and_two_are_a_trick():
    assert is_ours([], NAMES)
    assert not is_ours(headers(("host", "localhost"), ("host", "localhost")), NAMES)


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("localhost:8053", None, True),
        ("localhost:8053", "http://localhost:8053", True),
        ("LOCALHOST:8053", "http://localhost:8053", True),
        ("laptop", "https://laptop", True),
        ("localhost:8053", "http://localhost:3000", False),  # another program of this machine
        ("localhost:8053", "http://127.0.0.1:8053", False),
        ("localhost:8053", "http://evil.example", False),
        ("evil.example", "http://evil.example", False),
        ("localhost:8053", "null", False),
        ("localhost:8053", "", False),
        ("localhost:8053", "localhost:8053", False),
        ("localhost:8053", "file://localhost:8053", False),
        ("localhost:8053", "http://[localhost:8053", False),
        ("localhost:8053", "http://\xe4", False),
    ],
)
def test_a_page_may_ask_the_server_that_it_came_from_and_no_other(host, origin, expected):
    told = headers(("host", host), *([("origin", origin)] if origin is not None else []))
    assert is_from_here(told, NAMES) is expected


@given(st.binary(max_size=60))
def test_no_header_is_too_odd_and_none_passes_by_chance(value):
    told = [(b"host", value), (b"origin", b"http://" + value)]
    if is_ours(told, frozenset()):
        text = value.decode("ascii").strip().lower()
        assert text.startswith("localhost") or set(text) <= set("0123456789abcdef.:[]%") or "%" in text
    is_from_here(told, frozenset())
