"""A backend in trouble: the known services stay, an error says why, and nothing is hammered."""

from __future__ import annotations

import threading
import time

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul import agent as agents
from dnsdisco.providers.consul import pace, query_threads
from dnsdisco.testing import Watch
from tests.providers.consul import fake
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.kit import ids, provider_of, sees, until

SECRET = "5ec4e7-f00d"


@pytest.fixture
def consul():
    with FakeConsul() as server:
        server.catalog.put("web", id="w1", status="passing")
        server.catalog.put("db", id="d1")
        yield server


KNOWN = {"web": ["w1"], "db": ["d1"]}
# Whatever an agent may answer instead of its services. The second column: the error's is_denied.
LIES = {
    "500": (fake.status(500, "No cluster leader"), False),
    "503": (fake.status(503, "<html>bad gateway</html>"), False),
    "403": (fake.status(403, "ACL not found"), True),
    "401": (fake.status(401), True),
    "429": (fake.status(429, "busy", "Retry-After: 7\r\n"), False),
    "404": (fake.status(404, "Invalid URL path"), False),
    "redirect": (fake.status(302, more="Location: http://192.0.2.1/\r\n"), False),
    "HTML": (fake.body("<!doctype html><title>Login</title>"), False),
    "half JSON": (fake.body('{"web": [], "d'), False),
    "a cut body": (fake.cut(0.9), False),
    "a cut head": (fake.cut(0.3), False),
    "null": (fake.body("null"), False),
    "a number": (fake.body("5"), False),
    "a text": (fake.body('"web"'), False),
    "nothing": (fake.octets(b""), False),
    "a reset": (fake.reset, False),
    "silence": (fake.hang(), False),
    "silence in the middle": (fake.hang(0.9), False),
}


@pytest.mark.parametrize("path", ["/v1/catalog/services", "/v1/health/service/web"])
@pytest.mark.parametrize(("lie", "is_denied"), LIES.values(), ids=LIES)
def test_never_a_part_and_never_nothing_in_place_of_an_error(consul, monkeypatch, path, lie, is_denied):
    monkeypatch.setattr(agents, "SLACK_S", 0.2)
    monkeypatch.setattr(agents, "BODY_S", 0.2)
    consul.lie(path, lie)
    provider = provider_of(consul)
    with pytest.raises(ProviderError) as caught:
        provider.get_services()
    assert caught.value.is_denied is is_denied
    with Watch(provider) as watch:
        assert watch.wait(lambda: watch.error is not None, 3)
        assert watch.yielded == []
    assert isinstance(watch.error, ProviderError)
    assert isinstance(watch.error, ProviderError)
    assert watch.error.is_denied is is_denied
    consul.be_honest()
    with Watch(provider) as watch:
        assert sees(watch, KNOWN)


@pytest.mark.parametrize("path", ["/v1/catalog/services", "/v1/health/service/"])
@pytest.mark.parametrize(("lie", "is_denied"), LIES.values(), ids=LIES)
def test_what_was_known_is_not_replaced_when_it_happens_later(consul, monkeypatch, path, lie, is_denied):
    monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(agents, "SLACK_S", 0.2)
    monkeypatch.setattr(agents, "BODY_S", 0.2)
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, KNOWN)
        until(lambda: len([request for request in consul.asked("/v1/health") if "index" in request.query]) == 3)
        consul.lie(path, lie)
        consul.catalog.put("more", id="m")  # wakes the query for the list, and has to be fetched
        consul.catalog.check("web", "critical", "w1")
        assert watch.wait(lambda: watch.error is not None, 3)
    assert isinstance(watch.error, ProviderError)
    assert isinstance(watch.error, ProviderError)
    assert watch.error.is_denied is is_denied
    for view in watch.yielded:
        assert {"web", "db", "consul"} <= {name for _, name in view.services}
        assert view.services["", "db"].instances


@pytest.mark.parametrize("body", ["{}", "[]", "null"])
def test_an_empty_list_of_services_is_no_truth(consul, body):
    consul.lie("/v1/catalog/services", fake.body(body))
    provider = provider_of(consul)
    for ask in (provider.get_services, lambda: next(provider.watch(threading.Event()))):
        with pytest.raises(ProviderError):
            ask()


class TestAcls:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch):
        monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.05)

    def test_a_good_token(self, consul):
        consul.token = SECRET
        assert set(provider_of(consul, token=SECRET).get_services()) == {"consul", "web", "db"}

    def test_a_token_that_the_agent_does_not_know(self, consul):
        consul.token = SECRET
        with pytest.raises(ProviderError, match="403: ACL not found") as caught:
            provider_of(consul, token="another").get_services()
        assert caught.value.is_denied

    def test_no_token_where_one_is_needed_is_empty_and_denied(self, consul):
        consul.token = SECRET
        provider = provider_of(consul)
        with pytest.raises(ProviderError, match="service_prefix") as caught:
            provider.get_services()
        assert caught.value.is_denied
        with pytest.raises(ProviderError):
            provider.get_service("web", {"url": "x"})

    def test_the_policy_is_taken_away_while_it_is_watched(self, consul):
        with Watch(provider_of(consul)) as watch:
            assert sees(watch, KNOWN)
            consul.token = SECRET
            assert watch.wait(lambda: watch.error is not None, 3)
        assert isinstance(watch.error, ProviderError)
        assert watch.error.is_denied
        assert ids(watch.yielded[-1]) == {**KNOWN, "consul": ["consul"]}

    def test_results_that_were_filtered(self, consul, caplog):
        consul.filters = True
        provider = provider_of(consul)
        for ask in (provider.get_services, lambda: provider.get_service("web")):
            with pytest.raises(ProviderError, match="ACLs hide a part") as caught:
                ask()
            assert caught.value.is_denied
        assert set(provider_of(consul, allow_filtered=True).get_services()) == {"consul", "web", "db"}

    def test_consul_itself_is_lost(self, consul):
        provider = provider_of(consul)
        with Watch(provider) as watch:
            assert sees(watch, KNOWN)
            consul.catalog.remove("consul")
            assert watch.wait(lambda: watch.error is not None, 3)
        assert isinstance(watch.error, ProviderError)
        assert watch.error.is_denied
        assert "no service `consul`" in str(watch.error)
        with pytest.raises(ProviderError):
            provider.get_services()

    def test_a_catalog_that_never_had_it_is_fine(self, consul):
        consul.catalog.remove("consul")
        with Watch(provider_of(consul)) as watch:
            assert sees(watch, KNOWN)

    def test_a_token_that_may_see_a_part_when_that_was_said(self, consul):
        consul.filters = True
        consul.catalog.remove("consul")
        with Watch(provider_of(consul, allow_filtered=True)) as watch:
            assert sees(watch, KNOWN)
            consul.catalog.remove("db", "d1")
            assert sees(watch, {"web": ["w1"]})
            consul.lie("/v1/catalog/services", fake.body("{}", index=99))
            assert watch.wait(lambda: watch.error is not None, 3)

    def test_nodes_are_hidden(self, consul):
        consul.lie("/v1/health/service/", fake.body("[]", index=12))
        provider = provider_of(consul)
        with pytest.raises(ProviderError, match="hides their instances") as caught:
            provider.get_services()
        assert caught.value.is_denied
        with Watch(provider) as watch:
            assert watch.wait(lambda: watch.error is not None, 4)
            assert watch.yielded == []

    def test_nodes_are_hidden_from_now_on(self, consul):
        with Watch(provider_of(consul)) as watch:
            assert sees(watch, KNOWN)
            until(lambda: len([request for request in consul.asked("/v1/health") if "index" in request.query]) == 3)
            consul.lie("/v1/health/service/", fake.body("[]", index=99))
            for name, id_ in (("web", "w1"), ("db", "d1"), ("consul", "consul")):
                consul.catalog.put(name, id=id_, moves_list=False)
            assert watch.wait(lambda: watch.error is not None, 5)
        assert all(service.instances for view in watch.yielded for service in view.services.values())


@pytest.mark.parametrize("plain", [fake.status(403, "ACL not found"), None], ids=["unknown token", "policy"])
def test_a_stream_that_hides_what_the_plain_answer_tells(consul, plain):
    """Blocking health queries of Consul 1.10 and later answer 200 and less, without a word of ACLs."""
    consul.catalog.put("web", id="w2", node="n2")
    everything = {"web": ["w1", "w2"], "db": ["d1"]}
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, everything)
        until(lambda: len([request for request in consul.asked("/v1/health") if "index" in request.query]) == 3)
        consul.lie("/v1/health/service/web", fake.body("[]", index=1), is_blocking=True)
        if plain is None:
            consul.filters = True
        else:
            consul.lie("/v1/health/service/web", plain, is_blocking=False)
        consul.catalog.put("web", id="w1", moves_list=False)
        assert watch.wait(lambda: watch.error is not None, 3)
    assert isinstance(watch.error, ProviderError)
    assert watch.error.is_denied
    assert all(ids(view) == {**everything, "consul": ["consul"]} for view in watch.yielded[-1:])
    assert all(len(view.services["", "web"].instances) == 2 for view in watch.yielded)


def test_a_service_that_is_listed_without_instances_is_known(consul):
    consul.lie("/v1/health/service/db", fake.body("[]", index=12))
    provider = provider_of(consul)
    assert provider.get_services()["db"]["instances"] == []
    assert provider.get_service("db")["instances"] == []
    with Watch(provider) as watch:
        assert sees(watch, {"web": ["w1"], "db": []}, 4)
        consul.be_honest()
        consul.catalog.put("db", id="d2", moves_list=False)
        assert sees(watch, {"web": ["w1"], "db": ["d1", "d2"]}, 4)


def test_the_last_instance_goes_without_a_moment_of_none(consul):
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, KNOWN)
        consul.catalog.remove("db", "d1")
        assert sees(watch, {"web": ["w1"]})
    assert all(view.services["", "db"].instances for view in watch.yielded if ("", "db") in view.services)


class TestRestart:
    def test_killed_and_back(self, consul):
        provider = provider_of(consul)
        with Watch(provider) as watch:
            assert sees(watch, KNOWN)
            began_at = time.monotonic()
            consul.kill()
            assert watch.wait(lambda: watch.error is not None, 2)
            assert time.monotonic() - began_at < 1.0
        with pytest.raises(ProviderError, match=r"connection (refused|reset)"):
            provider.get_services()
        consul.start()
        with Watch(provider) as again:
            assert sees(again, KNOWN)
        assert all(again.yielded[0].services[key] is value for key, value in watch.yielded[-1].services.items())

    def test_back_with_an_empty_catalog_nothing_is_believed_at_first(self, consul, monkeypatch, caplog):
        monkeypatch.setattr(query_threads, "SETTLE_S", 0.6)
        monkeypatch.setattr(query_threads, "RESETTLE_S", 0.05)
        provider = provider_of(consul)
        with Watch(provider) as watch:
            assert sees(watch, KNOWN)
            consul.kill()
            assert watch.wait(lambda: watch.error is not None, 2)
        consul.catalog.wipe()
        consul.start()
        with Watch(provider) as again:
            assert not again.wait(lambda: bool(again.yielded), 0.3)
            consul.catalog.put("web", id="w1", status="passing")
            consul.catalog.put("db", id="d1")
            assert sees(again, KNOWN)
            assert len(again.yielded) <= 2
        assert caplog.text.count("came back without most services") == 1

    def test_and_it_is_believed_when_it_stays_so(self, consul, monkeypatch):
        monkeypatch.setattr(query_threads, "SETTLE_S", 0.4)
        monkeypatch.setattr(query_threads, "RESETTLE_S", 0.05)
        provider = provider_of(consul)
        with Watch(provider) as watch:
            assert sees(watch, KNOWN)
        consul.catalog.wipe()
        began_at = time.monotonic()
        with Watch(provider) as again:
            assert sees(again, {})
        assert 0.4 <= time.monotonic() - began_at < 1.5

    def test_the_servers_begin_anew_behind_an_agent_that_stays(self, consul, monkeypatch):
        monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.1)
        monkeypatch.setattr(query_threads, "SETTLE_S", 0.5)
        monkeypatch.setattr(query_threads, "RESETTLE_S", 0.05)
        with Watch(provider_of(consul)) as watch:
            assert sees(watch, KNOWN)
            consul.catalog.wipe(index=2)
            time.sleep(0.3)
            assert ids(watch.yielded[-1]) == {**KNOWN, "consul": ["consul"]}
            assert sees(watch, {})
            consul.catalog.put("web", id="w2")
            assert sees(watch, {"web": ["w2"]})

    def test_an_index_that_goes_back_is_no_end(self, consul, monkeypatch):
        monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.1)
        with Watch(provider_of(consul, wait=1)) as watch:
            assert sees(watch, KNOWN)
            catalog = consul.catalog
            with catalog.changed:
                catalog.index = catalog.list_index = catalog.checks_index = 2
                catalog.indexes = dict.fromkeys(catalog.indexes, 2)
                catalog.changed.notify_all()
            catalog.put("web", id="w1", status="critical")
            catalog.put("web", id="w9", status="passing")
            assert sees(watch, {"web": ["w1!", "w9"], "db": ["d1"]}, 4)

    def test_stopped_while_the_answer_waits(self, consul, monkeypatch):
        """As kill -STOP: the connections stay, and nothing comes."""
        monkeypatch.setattr(query_threads, "HEARTBEAT_S", 0.1)
        monkeypatch.setattr(agents, "SLACK_S", 0.3)
        with Watch(provider_of(consul)) as watch:
            assert sees(watch, KNOWN)
            consul.lie("/v1/", fake.hang())
            began_at = time.monotonic()
            assert watch.wait(lambda: watch.error is not None, 3)
            assert time.monotonic() - began_at < 1.5
        assert "no answer in time" in str(watch.error)


def test_one_query_that_fails_does_not_end_the_others(consul):
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, KNOWN)
        until(lambda: len([request for request in consul.asked("/v1/health") if "index" in request.query]) == 3)
        consul.lie("/v1/health/service/web", fake.status(500, "rpc error"), times=1)
        consul.catalog.check("web", "critical", "w1")
        assert sees(watch, {"web": ["w1!"], "db": ["d1"]})
        consul.catalog.check("web", "passing", "w1")  # now by the questions about everybody
        assert sees(watch, KNOWN)
        assert watch.error is None


@pytest.mark.slow
def test_flapping_is_followed_and_does_not_become_a_tight_loop(consul):
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, KNOWN)
        before = len(consul.requests)
        began_at = time.monotonic()
        for at in range(300):
            consul.catalog.check("web", ("critical", "passing")[at % 2], "w1")
            time.sleep(0.002)
        took_s = time.monotonic() - began_at
        assert len(consul.requests) - before < pace.BURST + took_s * pace.PER_S + 5
        assert sees(watch, KNOWN)


@pytest.mark.slow
def test_an_answer_that_comes_at_once_without_news_slows_the_next_question(consul):
    with Watch(provider_of(consul)) as watch:
        assert sees(watch, KNOWN)
        consul.lie("/v1/catalog/services", fake.body('{"consul": [], "web": [], "db": []}', index=consul.catalog.list_index))
        before = len(consul.asked("/v1/catalog/services"))
        consul.catalog.put("x", id="x")
        consul.catalog.remove("x", "x")
        time.sleep(1.5)
        assert 1 <= len(consul.asked("/v1/catalog/services")) - before <= 8
        assert watch.error is None
