"""The explain box of the page: the server's own steps, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.page.chromium import Tab
from tests.admin.page.world import IN_CHROMIUM, serving, SHOP

pytestmark = IN_CHROMIUM


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("shop"), SHOP) as (_, url):
        yield url


def asked(tab: Tab, url: str, name: str, rtype: str = "") -> None:
    """With keys alone."""
    tab.goto(url)
    tab.until_text("#service-count", "3 services")
    tab.evaluate("document.getElementById('asked-name').focus()")
    tab.type(name)
    if rtype:
        tab.press("Tab")  # which selects what is there
        tab.type(rtype)
    tab.press("Enter")


def test_an_answer_with_its_steps(tab: Tab, shop: str) -> None:
    asked(tab, shop, "db.svc.local")
    tab.until_text("#explained", "db.svc.local. A gets NOERROR with 1 record")
    told = tab.text("#explanation")
    assert "10.0.0.5" in told
    assert "left-out" in told
    assert "i3" in told
    assert "its data says so" in told
    assert tab.evaluate("location.pathname + location.search") == "/"  # the form sends nobody away


def test_a_name_that_is_not_there_and_what_may_have_been_meant(tab: Tab, shop: str) -> None:
    asked(tab, shop, "wbe.svc.local", "SRV")
    tab.until_text("#explained", "wbe.svc.local. SRV gets NXDOMAIN with no records")
    tab.until_text("#explanation", "Did you mean")
    tab.evaluate("document.querySelector('#explanation button').click()")
    tab.until_text("#explained", "web.svc.local. SRV gets NOERROR with 2 records")
    assert "8080" in tab.text("#explanation")


def test_what_cannot_be_explained_says_why(tab: Tab, shop: str) -> None:
    asked(tab, shop, "a..b")
    tab.until_text("#explained", "It cannot be explained:")
    assert tab.text("#explanation") == ""
    asked(tab, shop, "web", "NOSUCHTYPE")
    tab.until_text("#explained", "NOSUCHTYPE")


def test_a_service_leads_to_its_explanation(tab: Tab, shop: str) -> None:
    tab.goto(shop)
    tab.until_text("#service-count", "3 services")
    tab.evaluate("document.querySelectorAll('summary')[2].click()")
    tab.until("document.querySelector('.body button') !== null")
    tab.evaluate("document.querySelector('.body button').click()")
    tab.until_text("#explained", "web.svc.local. A gets NOERROR with 2 records")
    assert tab.evaluate("document.activeElement.id") == "asked-name"
