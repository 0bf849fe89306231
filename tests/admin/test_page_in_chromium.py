"""The page in a real Chromium, beside a real server: what is seen, how soon, with keys alone, on a phone, in the dark, and within its policy."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.chromium import Chromium, PROGRAM, Tab
from tests.whole.server import Server

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium here (Debian: apt-get install chromium)"),
]

SEEN_S = 2.0  # from an answer of DNS that is another one to the page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    made = browser.tab()
    yield made
    assert made.faults == []
    made.close()


class Backend(http.server.ThreadingHTTPServer):
    """An instance of a service, well or not."""

    is_well = True
    daemon_threads = True

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.server.is_well else 503)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass


@contextlib.contextmanager
def backend() -> Iterator[Backend]:
    with Backend(("127.0.0.1", 0), Backend.Page) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield made
        finally:
            made.shutdown()


@contextlib.contextmanager
def serving(folder: Path, services: object, *more: str, http_port: int = 0) -> Iterator[tuple[Server, str]]:
    (folder / "services.json").write_text(json.dumps(services))
    words = ["--services", "services.json", "--provider", "static", "--upstream", "none", "--state-dir", "off", "--control", "s"]
    with Server(*words, "--http", f"127.0.0.1:{http_port}", *more, cwd=folder) as server:
        yield server, server.wait_for(r'event="http listening" address=(\S+)')[1]


def instances(*numbers: int) -> list[dict[str, object]]:
    return [{"id": f"i{number}", "address": f"10.0.{number // 250}.{number % 250 + 1}", "port": 8080} for number in numbers]


SHOP = {
    "web": {"instances": instances(1, 2), "tags": ["v1"], "meta": {"team": "shop"}},
    "db": {"instances": [{**instances(3)[0], "health": "critical"}, *instances(4)]},
    "empty": {"instances": []},
}


def test_services_providers_and_workers_are_seen(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url + "/")
        tab.until_text("#service-count", "3 services, 2 with trouble")
        tab.until_text("#state", "well")
        summaries = tab.evaluate("[...document.querySelectorAll('summary')].map((each) => each.innerText)")
        assert [each.split("\n")[0].split()[0] for each in summaries] == ["db", "empty", "web"]
        assert "1 of 2 critical" in summaries[0]
        assert "all 2 passing" in summaries[2]
        assert all("static" in each for each in summaries)
        tab.evaluate("document.querySelectorAll('summary')[2].click()")
        tab.until_text("#service-list", "i1.web.svc.local")
        opened = tab.text("#service-list")
        assert all(each in opened for each in ("10.0.0.2:8080", "team=shop", "v1", "web.svc.local"))
        assert "static" in tab.text("#provider-table")
        assert "up" in tab.text("#provider-table")
        assert "not forwarded" in tab.text("#upstream-table")
        tab.until_text("#worker-table", "up")
        assert "services.json" not in tab.text("#facts")
        assert "svc.local" in tab.text("#facts")


def test_a_change_of_health_is_seen_without_a_reload(tab: Tab, tmp_path: Path) -> None:
    """Both ways, by checks of the server itself, with the words of the check."""
    with backend() as shop:
        check = {"http": "http://{address}:{port}/", "interval": "200ms", "fall": 1, "timeout": "5s"}
        one = {"id": "one", "address": "127.0.0.1", "port": shop.server_port}
        services = {"web": {"instances": [one, {"id": "two", "address": "10.0.0.2", "health": "critical"}], "check": check}}
        with serving(tmp_path, services) as (server, url):
            tab.goto(url + "/")
            tab.until_text("summary", "1 of 2 critical")
            tab.evaluate("document.querySelector('summary').click(); window.same = true")
            shop.is_well = False
            server.until("web.svc.local", {"127.0.0.1", "10.0.0.2"}, 10)  # none is well: all of them
            began = time.monotonic()
            tab.until_text("summary", "2 of 2 critical", SEEN_S)
            tab.until_text("details[open]", "HTTP 503", SEEN_S)
            assert time.monotonic() - began < SEEN_S
            tab.until_text("#change-list", "one.web is critical: HTTP 503")
            shop.is_well = True
            server.until("web.svc.local", {"127.0.0.1"}, 10)
            tab.until_text("summary", "1 of 2 critical", SEEN_S)
            assert tab.evaluate("window.same")


def test_no_request_leaves_the_origin_and_nothing_violates_the_policy(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url + "/")
        tab.until_text("#service-count", "3 services")
        tab.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
        tab.until_text("#service-list", "i3.db.svc.local")
        assert tab.requests
        assert {each for each in tab.requests if not each.startswith(url + "/")} <= {"about:blank"}
        assert f"{url}/page/main.js" in tab.requests
        assert tab.violations == []


def test_what_would_violate_the_policy_is_stopped_and_seen(browser: Chromium, tmp_path: Path) -> None:
    tab = browser.tab()
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url + "/")
        tab.until_text("#service-count", "3 services")
        tab.evaluate("void document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/x.png'}))")
        tab.until("window.violations.length === 1")
        tab.evaluate("void document.body.setAttribute('style', 'color: red')")
        tab.until("window.violations.length === 2")
        for beyond in ("document.body.innerHTML = '<b>no</b>'", "eval('1')", "document.createElement('script').text = '1'"):
            with pytest.raises(AssertionError, match=r"Trusted|unsafe-eval"):
                tab.evaluate(beyond)
        assert len(tab.faults) >= 2
    tab.close()
