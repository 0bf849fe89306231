"""Everybody can use the page: with keys alone, on a phone, in the dark, without motion, with a screen reader."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.admin.page.chromium import Tab
from tests.admin.page.world import free_port, IN_CHROMIUM, instances, serving, SHOP, write
from tests.whole.server import Traffic

pytestmark = IN_CHROMIUM

PHONE = 320  # the width of the smallest; also of a window of 1280 at 400 % (WCAG 2.2, 1.4.10)
AXE = Path(os.environ.get("AXE_CORE") or Path.home() / ".cache" / "dnsdisco" / "axe-core" / "4.14.1" / "axe.min.js")
LONG = "a-service-with-a-long-name-" + "x" * 36


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in which every part of the page has something to show."""
    services = SHOP | {
        LONG: {"instances": instances(9), "tags": ["t" * 200]},
        **{f"s{n}": {"instances": instances(n)} for n in range(60)},
    }
    with serving(tmp_path_factory.mktemp("troubled"), services, upstream=f"127.0.0.1:{free_port()}") as (server, url):
        for number in range(8):
            server.ask(f"n{number}.example.org")
        with Traffic(server, "empty.svc.local", pause=0.2):
            yield url


def opened(tab: Tab, url: str) -> None:
    """With everything open that can be opened."""
    tab.goto(url)
    tab.until_text("#service-count", "64 services, 2 with trouble")
    tab.until_text("#upstream-table", "dead")
    tab.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
    tab.until_text("#service-list", f"i9.{LONG}.svc.local")
    tab.evaluate("document.getElementById('asked-name').value = 'wbe'; document.getElementById('question').requestSubmit()")
    tab.until_text("#explanation", "Did you mean")
    tab.evaluate("document.getElementById('watch').click()")
    tab.until_text("#query-table", "empty.svc.local")


def focus(tab: Tab) -> dict[str, Any]:
    """The element that has the focus, how that is seen, and whether it comes after the one before."""
    found: dict[str, Any] = tab.evaluate(
        """(() => {
          const element = document.activeElement, style = getComputedStyle(element), before = window.lastStop;
          window.lastStop = element;
          const isLater = !before || Boolean(before.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING);
          const box = element.getBoundingClientRect();
          return {id: element.id, tag: element.localName, text: element.innerText, isLater, outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
                  isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
        })()"""
    )
    return found


def test_with_keys_alone(tab: Tab, tmp_path: Path) -> None:
    many = {f"s{number:03}": {"instances": instances(number)} for number in range(120)}
    with serving(tmp_path, many | {"web": SHOP["web"]}) as (_, url):
        tab.goto(url)
        tab.until_text("#service-count", "1 to 50 of 121")
        tab.press("Tab")
        assert focus(tab)["text"] == "Skip to the content"
        assert tab.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
        tab.press("Enter")
        tab.until("document.activeElement.id === 'main'")
        tab.press("Tab")
        assert focus(tab)["id"] == "words"
        tab.type("web")
        tab.until_text("#service-count", "1 found among 121 services")
        tab.press("Tab")
        assert focus(tab)["id"] == "unwell"
        tab.press(" ")
        tab.until_text("#service-count", "None of the 121 services is like that")
        tab.press(" ")
        tab.until_text("#service-count", "1 found among 121 services")
        tab.press("Tab")
        assert focus(tab)["tag"] == "summary"
        tab.press("Enter")
        tab.until_text("#service-list", "i1.web.svc.local")
        tab.press("Tab")
        assert focus(tab)["text"] == "/v1/services/web"
        write(tmp_path, many | {"web": {"instances": instances(1, 2, 3)}})  # what changes does not take the focus from what stays
        tab.press("Tab", shift=True)
        assert focus(tab)["tag"] == "summary"
        tab.until_text("#service-list", "i3.web.svc.local")
        tab.evaluate(
            "document.getElementById('words').value = ''; document.getElementById('words').dispatchEvent(new Event('input'))"
        )
        tab.until_text("#service-count", "1 to 50 of 121")
        tab.evaluate("document.getElementById('after').focus()")
        for expected in ("51 to 100 of 121", "101 to 121 of 121"):
            tab.press("Enter")
            tab.until_text("#service-count", expected)
        assert focus(tab)["id"] == "before"  # the other one can go no further
        tab.press("Enter")
        tab.until_text("#service-count", "51 to 100 of 121")


def test_every_stop_of_the_tab_key_is_seen_and_in_order(tab: Tab, troubled: str) -> None:
    tab.goto(troubled)
    tab.until_text("#service-count", "64 services")
    stops = []
    for _ in range(80):
        tab.press("Tab")
        stop = focus(tab)
        if stop["tag"] == "body":
            break
        assert stop["isLater"], stop
        assert stop["outline"] >= 2, stop
        assert stop["isInView"], stop
        stops.append(stop)
    assert [stop["text"] for stop in stops[1:8]] == [
        "Services",
        "Providers",
        "Upstreams",
        "Workers",
        "Changes",
        "Explain",
        "Queries",
    ]
    assert sum(stop["tag"] == "summary" for stop in stops) == 50
    assert stops[-1]["text"] == "description of the API"


@pytest.mark.parametrize("width", [PHONE, 360, 800, 801, 1024])
def test_no_width_needs_scrolling_to_the_side(tab: Tab, troubled: str, width: int) -> None:
    tab.size(width, 640)
    opened(tab, troubled)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    beyond = "[...document.querySelectorAll('body *')].filter((each) => each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 99))"
    assert tab.evaluate(beyond) == []
    if width == PHONE:
        small = "[...document.querySelectorAll('button, input, summary')].filter((each) => each.offsetHeight && each.closest('label, summary, button').offsetHeight < 24).length"
        assert tab.evaluate(small) == 0  # WCAG 2.2, 2.5.8


def test_a_table_stays_one_where_it_looks_like_cards(tab: Tab, troubled: str) -> None:
    tab.size(PHONE, 640)
    opened(tab, troubled)
    tab.call("Accessibility.enable")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert roles.count("table") >= 3 + 50 - 1
    assert "columnheader" in roles
    assert roles.count("cell") > 100
    assert {"main", "banner", "contentinfo", "navigation", "search", "status", "log"} <= set(roles)
    live = {node["name"]["value"] for node in nodes if node["role"]["value"] == "heading"}
    assert {"Services", "Providers", "Upstreams", "Workers", "What is degraded"} <= live


def test_the_dark_is_dark_and_the_light_light(tab: Tab, troubled: str) -> None:
    light: dict[str, int] = {}
    for scheme in ("light", "dark"):
        tab.media(prefers_color_scheme=scheme)
        tab.goto(troubled)
        tab.until_text("#service-count", "64 services")
        light[scheme] = tab.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, each) => sum + +each, 0)"
        )
    assert light["light"] > 3 * 200
    assert light["dark"] < 3 * 60


@pytest.mark.parametrize(("motion", "moving"), [("reduce", 0), ("no-preference", 1)])
def test_nothing_moves_for_one_who_does_not_want_that(tab: Tab, tmp_path: Path, motion: str, moving: int) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab.media(prefers_reduced_motion=motion)
        tab.goto(url)
        tab.until_text("#service-count", "3 services")
        tab.evaluate(
            "window.most = 0; setInterval(() => { window.most = Math.max(window.most, document.getAnimations().length) }, 20)"
        )
        write(tmp_path, SHOP | {"web": {"instances": instances(1)}})
        tab.until_text("#change-list", "i2.web has gone")
        tab.until("new Promise((done) => setTimeout(() => done(true), 300))")
        assert tab.evaluate("window.most") == moving


needs_axe = pytest.mark.skipif(not AXE.exists(), reason='no axe-core here (npm; eval "$(.ci/axe-core)")')


def faults(tab: Tab) -> list[str]:
    """What axe-core finds, by rule; also what it says should be looked at."""
    if not tab.evaluate("typeof axe === 'object'"):
        tab.evaluate(AXE.read_text() + ";0")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = tab.evaluate(f"axe.run(document, {{runOnly: {json.dumps(tags)}}}).then((found) => found.violations)")
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


@needs_axe
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", PHONE)])
def test_names_roles_and_contrast_by_axe(tab: Tab, troubled: str, scheme: str, width: int) -> None:
    tab.size(width, 900)
    tab.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    opened(tab, troubled)
    tab.evaluate(
        "document.querySelectorAll('details:nth-of-type(1)[open]').forEach((each, at) => { each.open = at < 12 || at > 45 })"
    )
    assert faults(tab) == []


@needs_axe
def test_a_fault_of_accessibility_is_found(tab: Tab, troubled: str) -> None:
    tab.goto(troubled)
    tab.until_text("#service-count", "64 services")
    tab.evaluate("void document.querySelector('main').append(document.createElement('button'), new Image())")
    tab.evaluate("void document.documentElement.classList.add('x')")
    assert {each.partition(":")[0] for each in faults(tab)} >= {"button-name", "image-alt"}
