"""One browser for the tests of a file, and a tab with a profile of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.page.chromium import Chromium, Tab


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    """Without an exception that nobody caught, and without a violation of the policy."""
    made = browser.tab()
    yield made
    assert made.faults == []
    assert made.violations == []
    made.close()
