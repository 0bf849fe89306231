"""DNS over HTTPS without HTTP: which request is a query, which status another one gets, how long a reply may be kept (RFC 8484)."""

from __future__ import annotations

import base64
from contextlib import suppress

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.server.doh import message_of, NotAQuery, refusal_response, reply_response, Request
from dnsdisco.wire.freshness import freshness_s
from dnsdisco.wire.padding import padded
from tests.kit import Answers

PATHS = frozenset({b"/dns-query"})
QUERY = dns.message.make_query("web.svc.local.", "A", id=0).to_wire()
ASKED = base64.urlsafe_b64encode(QUERY).rstrip(b"=")
DNS = b"application/dns-message"


@pytest.mark.parametrize(
    "request_",
    [
        Request(1, b"GET", b"/dns-query?dns=" + ASKED),
        Request(1, b"GET", b"/dns-query?ct=x&dns=" + ASKED + b"&y"),
        Request(1, b"GET", b"/dns-query?dns=" + base64.urlsafe_b64encode(QUERY)),  # padded: not as the RFC says, but meant
        Request(1, b"GET", b"https://dns.example/dns-query?dns=" + ASKED),
        Request(1, b"POST", b"/dns-query", DNS, QUERY),
        Request(1, b"POST", b"/dns-query?x=y", b"Application/DNS-Message; charset=x", QUERY),
    ],
)
def test_queries(request_):
    assert message_of(request_, PATHS) == QUERY


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request(1, b"GET", b"/dns-query"), 400),
        (Request(1, b"GET", b"/dns-query?dns="), 400),
        (Request(1, b"GET", b"/dns-query?dns=" + ASKED + b"&dns=" + ASKED), 400),
        (Request(1, b"GET", b"/dns-query?dns=%41%41"), 400),
        (Request(1, b"GET", b"/dns-query?dns=AAAAA"), 400),
        (Request(1, b"GET", b"/dns-query?dns=" + base64.b64encode(b"\xff\xfe" + QUERY)), 400),  # + and / are not in this alphabet
        (Request(1, b"GET", b"/dns-query?dns=" + base64.urlsafe_b64encode(QUERY[:11])), 400),
        (Request(1, b"POST", b"/dns-query", DNS, QUERY[:2] + b"\x80" + QUERY[3:]), 400),  # a reply
        (Request(1, b"POST", b"/dns-query", DNS, b""), 400),
        (Request(1, b"POST", b"/dns-query", b"", QUERY), 415),
        (Request(1, b"POST", b"/dns-query", b"application/json", QUERY), 415),
        (Request(1, b"POST", b"/dns-query", DNS, QUERY + bytes(65536)), 413),
        (Request(1, b"GET", b"/"), 404),
        (Request(1, b"GET", b"/dns-query/?dns=" + ASKED), 404),
        (Request(1, b"GET", b"/x/../dns-query?dns=" + ASKED), 404),
        (Request(1, b"GET", b"/../../etc/passwd"), 404),
        (Request(1, b"GET", b"%2fdns-query?dns=" + ASKED), 404),
        (Request(1, b"OPTIONS", b"*"), 404),
        (Request(1, b"HEAD", b"/dns-query?dns=" + ASKED), 405),
        (Request(1, b"PUT", b"/dns-query", DNS, QUERY), 405),
        (Request(1, b"OPTIONS", b"/dns-query"), 405),
        (Request(1, b"", b"", status=408), 408),
    ],
)
def test_what_is_no_query(request_, status):
    with pytest.raises(NotAQuery) as caught:
        message_of(request_, PATHS)
    assert caught.value.status == status
    response = refusal_response(status, str(caught.value))
    headers = dict(response.headers)
    assert headers[b"content-length"] == b"%d" % len(response.body)
    assert headers[b"cache-control"] == b"no-store"
    assert headers.get(b"allow") == (b"GET, POST" if status == 405 else None)


@given(st.binary(max_size=60), st.binary(max_size=200), st.binary(max_size=80), st.binary(max_size=80))
def test_any_request_is_a_query_or_is_refused(method, target, content_type, body):
    with suppress(NotAQuery):
        assert len(message_of(Request(1, method, target, content_type, body), PATHS)) >= 12


@pytest.mark.parametrize(
    ("name", "rtype", "seconds"),
    [
        ("web.svc.local", "A", 10),
        ("web.svc.local", "SRV", 5),  # addresses of other services are not looked at: the answer's own TTL
        ("nosuch.svc.local", "A", 2),  # the SOA's
        ("web.svc.local", "MX", 2),
        ("www.example.com", "A", 0),  # REFUSED
    ],
)
def test_how_long_a_reply_may_be_kept(name, rtype, seconds):
    answers = Answers(recursion=False)
    query = dns.message.make_query(name + ".", rtype, use_edns=0)
    reply = answers.send(query.to_wire(), is_tcp=True)
    assert reply is not None
    expected = seconds if rtype != "SRV" else min(rrset.ttl for rrset in dns.message.from_wire(reply).answer)
    assert freshness_s(reply) == expected
    response = reply_response(reply)
    assert dict(response.headers)[b"cache-control"] == b"max-age=%d" % expected
    assert freshness_s(padded(reply)) == expected


def test_what_is_no_reply_is_not_kept():
    assert freshness_s(b"") == 0
    assert freshness_s(QUERY) == 0
