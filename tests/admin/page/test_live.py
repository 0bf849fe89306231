"""The page in a real Chromium beside a real server: what is seen, and how soon a change is; a connection that is lost, and a tab that nobody sees."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.admin.page.chromium import Chromium, Tab
from tests.admin.page.world import backend, free_port, IN_CHROMIUM, instances, serving, SHOP, write

pytestmark = IN_CHROMIUM

SEEN_S = 2.0  # from an answer of DNS that is another one to the page


def test_services_providers_and_workers_are_seen(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url)
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
        assert "svc.local" in tab.text("#facts")
        assert tab.evaluate("document.getElementById('problems').hidden")


def test_a_change_of_health_is_seen_without_a_reload(tab: Tab, tmp_path: Path) -> None:
    """Both ways, by checks of the server itself, with the words of the check."""
    with backend() as shop:
        check = {"http": "http://{address}:{port}/", "interval": "200ms", "fall": 1, "timeout": "5s"}
        one = {"id": "one", "address": "127.0.0.1", "port": shop.server_port}
        services = {"web": {"instances": [one, {"id": "two", "address": "10.0.0.2", "health": "critical"}], "check": check}}
        with serving(tmp_path, services) as (server, url):
            tab.goto(url)
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


def test_services_that_come_go_and_change_are_seen(tab: Tab, tmp_path: Path) -> None:
    """Few at a time, which are read one by one, and many."""
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url)
        tab.until_text("#service-count", "3 services")
        write(tmp_path, {"web": {"instances": instances(1, 5)}, "new": {"instances": instances(6)}, "empty": SHOP["empty"]})
        tab.until_text("#service-list", "new")
        told = tab.until(
            "document.querySelectorAll('#change-list li').length === 4 && document.getElementById('change-list').innerText"
        )
        assert all(
            each in told
            for each in ("new has come, with 1 instance", "db has gone", "i5.web has come (passing)", "i2.web has gone")
        )
        tab.until_text("#service-count", "3 services, 1 with trouble")
        write(tmp_path, {f"s{number}": {"instances": instances(number)} for number in range(300)} | {"empty": SHOP["empty"]})
        tab.until_text("#service-count", "1 to 50 of 301 services, 1 with trouble")
        tab.until_text("#change-list", "more services")
        assert tab.evaluate("document.querySelectorAll('#change-list li').length") <= 30


def test_what_is_degraded_is_said(tab: Tab, tmp_path: Path) -> None:
    """An upstream at a port where nothing is."""
    dead = f"127.0.0.1:{free_port()}"
    with serving(tmp_path, SHOP, upstream=dead) as (server, url):
        tab.goto(url)
        tab.until_text("#upstream-table", dead)
        for number in range(8):
            server.ask(f"n{number}.example.org")
        tab.until_text("#state", "degraded: 1 problem")
        tab.until_text("#problem-list", dead)
        tab.until_text("#upstream-table", "dead")
        assert tab.evaluate("document.title").startswith("degraded")


def test_a_lost_connection_says_so_and_comes_back(tab: Tab, tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, SHOP, http_port=port) as (_, url):
        tab.goto(url)
        tab.until_text("#link", "Live")
        tab.until_text("#service-list", "web")
        tab.evaluate("window.same = true")
    tab.until_text("#link", "Connection lost")
    tab.until("document.body.classList.contains('old') && !document.getElementById('again').hidden")
    assert "web" in tab.text("#service-list")  # what was known is still there to be read
    with serving(tmp_path, {"other": {"instances": instances(7)}}, http_port=port) as (server, _):
        tab.until_text("#link", "Live")
        tab.until_text("#service-list", "other")
        tab.until_text("#change-list", "web has gone")
        assert tab.evaluate("document.getElementById('again').hidden")
        os.kill(server.children()["control"][0], signal.SIGKILL)
        tab.until_text("#link", "Connection lost")
        tab.evaluate("document.getElementById('again').click()")
        tab.until_text("#link", "Live")
        assert tab.evaluate("window.same")


def test_a_page_takes_few_connections(tab: Tab, tmp_path: Path) -> None:
    """Six, as browsers have it, among them the stream; the server has 64, and more for those that wait."""
    many = {f"s{number}": {"instances": instances(number)} for number in range(400)}
    with serving(tmp_path, many) as (_, url):
        port = int(url.rpartition(":")[2].strip("/"))
        most = 0
        tab.goto(url)
        tab.until_text("#service-count", "of 400 services")
        for turn in range(20):
            write(tmp_path, many | {f"s{turn}": {"instances": instances(500 + turn)}})
            tab.until(f"document.querySelectorAll('#change-list li').length > {turn}")
            most = max(most, connections(port))
        assert 1 < most <= 6


def connections(port: int) -> int:
    """Established ones that the server has on *port*."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(words[1].endswith(f":{port:04X}") and words[3] == "01" for words in lines)


def test_a_tab_that_nobody_sees_has_no_stream(browser: Chromium, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab = browser.tab()
        tab.goto(url)
        tab.until_text("#link", "Live")
        (stream,) = [each for each in tab.events("Network.requestWillBeSent") if each["request"]["url"].endswith("/v1/events")]
        tab.cover()
        tab.until("document.hidden")
        tab.until_text("#link", "Resting")
        ended = {each["requestId"] for each in tab.events("Network.loadingFailed")}
        assert stream["requestId"] in ended
        asked = len(tab.requests)
        time.sleep(3)
        assert len(tab.requests) == asked
        write(tmp_path, SHOP | {"new": {"instances": instances(6)}})
        tab.uncover()
        tab.until_text("#link", "Live")
        tab.until_text("#service-list", "new")
        assert tab.faults == []
        tab.close()
