"""The pictures of the README: made by the program that it is said of, small, and all used."""

from __future__ import annotations

import re
from pathlib import Path

from tests.admin.page import tour
from tests.admin.page.world import IN_CHROMIUM

pytestmark = IN_CHROMIUM
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_tour_is_made_anew(tmp_path: Path) -> None:
    made = tour.write(tmp_path)
    assert {path.name for path in made} == {path.name for path in tour.TOUR.iterdir()}
    for folder in (tmp_path, tour.TOUR):
        assert all(path.read_bytes().startswith(PNG) for path in folder.glob("*.png"))
        assert sum(path.stat().st_size for path in folder.glob("*.png")) < tour.OCTETS_MAX


def test_every_picture_is_in_a_page_with_its_words() -> None:
    docs = tour.TOUR.parent
    pages = [docs.parent / "README.md", *docs.glob("*.md")]
    shown = [match for page in pages for match in re.findall(r"!\[([^]]*)\]\((?:docs/)?tour/([^)]+)\)", page.read_text())]
    assert {name for _, name in shown} == {path.name for path in tour.TOUR.iterdir()}
    assert all(len(words) > 20 for words, _ in shown)
