"""dnsdisco.testing: a server in a test, and what its page promises."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from dnsdisco.errors import ConfigError, UpstreamError
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.testing import Server
from tests.kit import errors
from tests.library.test_adding_a_provider import pytest_in
from tests.library.test_docs import blocks, python

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def ask(server: Server, name: str, rtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
    send = dns.query.tcp if tcp else dns.query.udp
    return send(dns.message.make_query(name, rtype, use_edns=0), server.address, 3, server.port)


def addresses(server: Server, name: str) -> set[str]:
    return {rdata.to_text() for rrset in ask(server, name).answer for rdata in rrset}


def test_services_that_the_test_sets():
    with Server({"web": {"address": "10.0.0.1", "port": 80}}) as server:
        assert addresses(server, "web.svc.local") == {"10.0.0.1"}
        assert ask(server, "web.svc.local", "SRV", tcp=True).answer
        for number in range(2, 20):
            server.set({"web": {"address": f"10.0.0.{number}", "port": 80}})
            assert addresses(server, "web.svc.local") == {f"10.0.0.{number}"}
        server.set({})
        assert ask(server, "web.svc.local").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({"web": {"instances": [{"address": "10.0.0.1", "port": 80}]}}, ["10.0.0.1"]),  # the same in other words
        ({"web": {"address": "10.0.0.1", "port": 80}, "bad": {"address": "!!"}}, ["10.0.0.1"]),  # what is new is left out
        ({"web": {"address": "10.0.0.1", "port": 80}}, ["10.0.0.1"]),
        ({}, []),
    ],
)
def test_set_returns_whether_or_not_the_answers_change(services, expected):
    many = {f"s{number}": {"address": "10.1.0.1"} for number in range(20)}
    with Server({"web": {"address": "10.0.0.1", "port": 80}}) as server:
        began_at = time.monotonic()
        server.set(services)
        assert server.addresses("web.svc.local") == expected
        server.set(many)
        assert server.addresses("s19.svc.local") == ["10.1.0.1"]
        assert time.monotonic() - began_at < 5
        server.set({})  # a mass disappearance, which the server looks at twice
        assert server.addresses("s19.svc.local") == []


def test_a_backend_that_fails_keeps_its_names_and_the_answers_say_so():
    with Server({"web": {"address": "10.0.0.1", "port": 80}}, stale_after=0.2, ttl=60) as server:
        server.fail()
        until = time.monotonic() + 5
        while time.monotonic() < until and 3 not in errors(reply := ask(server, "web.svc.local")):
            time.sleep(0.02)
        assert "connection refused" in errors(reply)[3]
        assert reply.answer[0].ttl == 30
        server.set({"web": {"address": "10.0.0.2", "port": 80}})
        assert addresses(server, "web.svc.local") == {"10.0.0.2"}


def test_a_provider_of_ones_own_and_settings():
    class Fixed(ServiceDiscovery):
        type = "fixed"

        def get_services(self):
            return {"db": {"address": "10.9.0.1", "port": 5432}}

    with Server(provider=Fixed(), zones=["svc.example", "svc.local"], ttl=1) as server:
        assert ask(server, "db.svc.example").answer[0].ttl == 1
        assert addresses(server, "db.svc.local") == {"10.9.0.1"}


def test_two_at_once_and_nothing_is_left_behind():
    before = threading.active_count()
    with Server({"a": {"address": "10.0.0.1"}}) as one, Server({"a": {"address": "10.0.0.2"}}) as two:
        assert one.port != two.port
        assert addresses(one, "a.svc.local") == {"10.0.0.1"}
        assert addresses(two, "a.svc.local") == {"10.0.0.2"}
    until = time.monotonic() + 3
    while time.monotonic() < until and threading.active_count() > before:
        time.sleep(0.02)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ttl": -1}, "ttl: expected a duration from 0 to 3600 seconds, found -1"),
        ({"ttl": "x"}, "ttl: expected a duration such as 10s"),
        ({"zones": "svc.local"}, "zones: expected a list"),
        ({"forward": {"upstreams": ["nowhere"]}}, "forward.upstreams[0]: "),
        ({"cache": None}, "cache: expected a mapping"),
        ({"tls": 1}, "tls: expected a mapping"),
        ({"ttls": 1}, "ttls: unknown key; did you mean ttl?"),
        ({"providers": ["env"]}, "providers: this server has one provider"),
    ],
)
def test_settings_that_cannot_be_used_are_a_configuration_error(settings, told):
    with pytest.raises(ConfigError) as caught:
        Server({}, **settings)
    assert told in str(caught.value)
    assert [problem.path for problem in caught.value.problems] == [told.partition(":")[0]]


def test_every_fault_of_the_settings_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Server({}, ttl="x", negative_ttl="y", chain="third")
    assert {problem.path for problem in caught.value.problems} == {"ttl", "negative_ttl", "chain"}


def test_addresses_is_no_answer_where_there_is_none():
    with Server({"web": {"instances": [{"address": "10.0.0.2"}, {"address": "2001:db8::1"}]}}) as server:
        assert server.addresses("web.svc.local") == ["10.0.0.2", "2001:db8::1"]
        assert server.addresses("nobody.svc.local") == []
        with pytest.raises(UpstreamError, match="REFUSED"):
            server.addresses("example.com")


def test_the_page_runs_as_it_stands(tmp_path):
    conftest, *tests = blocks((ROOT / "docs" / "testing.md").read_text(), "python")
    (tmp_path / "conftest.py").write_text(conftest)
    for at, text in enumerate(tests):
        (tmp_path / f"test_page_{at}.py").write_text(text)
    ran = pytest_in(tmp_path, tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


def test_a_project_without_pytest_has_the_server():
    code = """
import sys
sys.modules["pytest"] = None    # any import of it fails
from dnsdisco.testing import Server
with Server({"web": {"address": "10.0.0.1"}}) as server:
    print(server.addresses("web.svc.local"))
"""
    assert python(code, ROOT).stdout.splitlines()[-1] == "['10.0.0.1']"
