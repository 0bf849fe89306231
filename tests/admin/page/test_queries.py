"""Live queries of the page: by a click alone, the newest hundred, and over with the click, the tab or the server. In a real Chromium."""

from __future__ import annotations

import socket
from pathlib import Path

import dns.message

from tests.admin.page.chromium import Tab
from tests.admin.page.world import free_port, IN_CHROMIUM, serving, SHOP

pytestmark = IN_CHROMIUM

ROWS = "document.querySelectorAll('#query-table tbody tr').length"


def streams(tab: Tab) -> list[str]:
    return [each for each in tab.requests if "/v1/queries" in each]


def watched(tab: Tab, url: str, **words: str) -> None:
    """With keys alone."""
    tab.goto(url)
    tab.until_text("#service-count", "3 services")
    for name, word in words.items():
        tab.evaluate(f"document.querySelector('#query-filter [name={name}]').focus()")
        tab.type(word)
    if not words:
        tab.evaluate("document.getElementById('watch').focus()")
    tab.press("Enter")
    tab.until_text("#watching", "Watching")


def test_queries_are_seen_as_they_are_answered(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (server, url):
        tab.goto(url)
        tab.until_text("#service-count", "3 services")
        assert streams(tab) == []  # nothing is recorded before somebody wants it
        watched(tab, url)
        server.ask("web.svc.local")
        server.ask("nosuch.svc.local", "AAAA", tcp=True)
        server.ask("empty.svc.local")
        tab.until(f"{ROWS} === 3")
        told = tab.evaluate("[...document.querySelectorAll('#query-table tbody tr')].map((each) => each.innerText)")
        assert ["empty.svc.local." in told[0], "nosuch.svc.local." in told[1], "web.svc.local." in told[2]] == [True] * 3
        assert all(word in told[1] for word in ("127.0.0.1", "tcp", "AAAA", "NXDOMAIN", "ms"))
        assert "empty has no instance" in told[0]  # the reason that the client got
        tab.press("Enter")
        tab.until_text("#watching", "Stopped")
        server.ask("web.svc.local")
        asked = len(streams(tab))
        tab.until_text("#query-count", "3 seen")
        assert (tab.evaluate(ROWS), len(streams(tab))) == (3, asked)


def test_filters_choose_and_a_bad_one_says_why(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (server, url):
        watched(tab, url, name="WEB*", rcode="NOERROR")
        for name in ("db.svc.local", "webx.svc.local", "web.svc.local"):
            server.ask(name)
        tab.until(f"{ROWS} === 1")
        assert "web.svc.local." in tab.text("#query-table")
        tab.press("Enter")
        tab.until_text("#watching", "Stopped")
        tab.evaluate("document.querySelector('#query-filter [name=client]').focus()")
        tab.type("10.0.0.0/99")
        tab.press("Enter")
        tab.until_text("#watching", "It cannot be watched")
        assert tab.text("#watch") == "Watch"


def test_a_flood_leaves_the_page_small(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (server, url), socket.socket(type=socket.SOCK_DGRAM) as sock:
        watched(tab, url)
        octets = dns.message.make_query("web.svc.local.", "A").to_wire()
        for _ in range(20_000):
            sock.sendto(octets, (server.address, server.port))
        tab.until_text("#query-count", "passed over")
        tab.until(f"{ROWS} === 100")
        tab.evaluate(
            "document.getElementById('words').value = 'db'; document.getElementById('words').dispatchEvent(new Event('input'))"
        )
        tab.until_text("#service-count", "1 found among 3 services", 2)


def test_it_goes_on_after_a_loss_and_rests_while_nobody_looks(tab: Tab, tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, SHOP, http_port=port) as (_, url):
        watched(tab, url)
    tab.until_text("#watching", "Connection lost")
    with serving(tmp_path, SHOP, http_port=port) as (server, _):
        tab.until_text("#watching", "Watching")
        server.ask("web.svc.local")
        tab.until(f"{ROWS} === 1")
        tab.cover()
        tab.until("document.hidden")
        asked = len(streams(tab))
        server.ask("db.svc.local")
        tab.uncover()
        tab.until_text("#watching", "Watching")
        assert len(streams(tab)) > asked
        server.ask("empty.svc.local")
        tab.until_text("#query-table", "empty.svc.local")
        assert "db.svc.local" not in tab.text("#query-table")
