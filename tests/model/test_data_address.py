"""Addresses and URLs in canonical form (RFC 5952, RFC 1123 §2.1)."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.address import build_url, canonical_address, parse_url, Url
from dnsdisco.model.public import public_url


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("240.0.0.1", "240.0.0.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[::1]", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("ff::1", "ff::1"),  # 00ff:: is no multicast
        ("Auth-Service.", "auth-service"),
        ("my_container", "my_container"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("1a", "1a"),
        ("a." * 126 + "a", "a." * 126 + "a"),
    ],
)
def test_canonical(written, canonical):
    assert canonical_address(written) == canonical
    assert canonical_address(canonical) == canonical


@given(st.ip_addresses())
def test_every_address_is_canonical_or_refused(address):
    try:
        found = canonical_address(address.exploded)
    except ValueError:
        assert address.is_multicast or address == ipaddress.ip_address("255.255.255.255") or address.packed[0] == 0
    else:
        assert found == str(getattr(address, "ipv4_mapped", None) or address)


@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f.:%\[\]-]+", fullmatch=True)))
def test_any_text_is_read_or_refused(text):
    try:
        found = canonical_address(text)
    except ValueError:
        return
    assert found.isascii()
    assert found == found.lower()
    assert canonical_address(found) == found


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://Auth-Service:5001/x?y", Url("http", "auth-service", 5001)),
        ("HTTPS://10.0.0.1", Url("https", "10.0.0.1", 443)),
        ("tcp://[2001:db8::1]:53", Url("tcp", "2001:db8::1", 53)),
        ("postgres://me:p%40ss@db/app", Url("postgres", "db", 5432)),
        ("nats://n", Url("nats", "n", None)),
    ],
)
def test_parse_url(text, url):
    assert parse_url(text) == url


@given(st.text(max_size=30).map(lambda text: f"http://{text}"))
def test_any_url_is_read_or_refused(text):
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert canonical_address(url.address) == url.address
    assert url.port is None or 0 < url.port < 65536


def test_build_url():
    assert build_url("", "10.0.0.1", None) == "http://10.0.0.1"
    assert build_url("https", "::1", 443) == "https://[::1]:443"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgres://me:secret@db:5432/app", "postgres://db:5432/app"),
        ("http://me@a/x@y", "http://a/x@y"),
        ("http://a/x@y", "http://a/x@y"),
        ("http://a:b@c@d/", "http://d/"),
    ],
)
def test_public_url_tells_no_secret(url, public):
    assert public_url(url) == public
