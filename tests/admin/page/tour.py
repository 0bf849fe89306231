"""Pictures of the page for the README, from a real server: `python -m tests.admin.page.tour` writes docs/tour/."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from tests.admin.page.chromium import Chromium, Tab
from tests.admin.page.world import backend, free_port, serving
from tests.whole.server import Server

TOUR = Path(__file__).parents[3] / "docs" / "tour"
WIDTH, PHONE = 960, 320
OCTETS_MAX = 300_000  # of all pictures together: the repository keeps each one that ever was


def write(folder: Path) -> list[Path]:
    """The pictures, in *folder*."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(backend(f"127.0.0.{number}")) for number in (1, 2, 3)]
        made[1].is_well = False
        shops = [
            {"id": f"web-{at}", "address": f"127.0.0.{at}", "port": each.server_port, "tags": [f"v{at}"]}
            for at, each in enumerate(made, 1)
        ]
        check = {"http": "http://{address}:{port}/health", "interval": "200ms", "fall": 1}
        services = {
            "web": {"instances": shops, "check": check, "meta": {"team": "shop"}},
            "auth": {"url": "http://10.0.0.5:5001"},
            "cart": {"instances": [{"id": "cart-1", "address": "10.0.0.21", "port": 9000}, {"id": "cart-2", "address": "10.0.0.22", "port": 9000}]},
            "db": {"instances": [{"id": "db-1", "address": "10.0.0.31", "port": 5432, "tags": ["primary"]}]},
        }  # fmt: skip
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, url = stack.enter_context(serving(work, services, upstream=f"127.0.0.1:{free_port()}"))
        for number in range(8):  # so that the upstream is found to be dead
            server.ask(f"n{number}.example.org")
        tab = stack.enter_context(Chromium(work)).tab(width=WIDTH)
        tab.goto(url)
        tab.until_text("#state", "degraded")
        tab.until_text("#service-list", "1 of 3 critical")
        return [overview(tab, folder), explanation(tab, folder), queries(tab, folder, server), phone(tab, folder)]


def overview(tab: Tab, folder: Path) -> Path:
    tab.evaluate("[...document.querySelectorAll('details')].at(-1).open = true")
    tab.until_text("#service-list", "HTTP 503")
    return picture(tab, folder / "overview.png", "document.body", WIDTH, 1_090)


def explanation(tab: Tab, folder: Path) -> Path:
    tab.evaluate("document.querySelector('.body button').click()")
    tab.until_text("#explanation", "left-out")
    tab.evaluate("document.activeElement.blur()")
    return picture(tab, folder / "explain.png", "document.getElementById('explain')", WIDTH, 700)


def queries(tab: Tab, folder: Path, server: Server) -> Path:
    tab.evaluate("document.getElementById('watch').click()")
    tab.until_text("#watching", "Watching")
    for name, rtype in (("web", "A"), ("web", "SRV"), ("crat", "A"), ("v2.web", "A"), ("db-1.db", "AAAA")):
        server.ask(f"{name}.svc.local", rtype)
    server.ask("example.org")
    tab.until("document.querySelectorAll('#query-table tbody tr').length === 6")
    tab.evaluate("document.getElementById('watch').click()")
    tab.until_text("#watching", "Stopped")
    return picture(tab, folder / "queries.png", "document.getElementById('queries')", WIDTH, 450)


def phone(tab: Tab, folder: Path) -> Path:
    tab.size(PHONE, 640)
    tab.media(prefers_color_scheme="dark")
    return picture(tab, folder / "phone.png", "document.body", PHONE, 560)


def picture(tab: Tab, path: Path, element: str, width: int, height: int) -> Path:
    """Of *element*, *height* pixels at most."""
    box = tab.evaluate(
        f"(() => {{ const box = {element}.getBoundingClientRect(); return [box.top + scrollY, Math.min(box.height, {height})] }})()"
    )
    tab.evaluate("Promise.all(document.getAnimations().map((each) => each.finish()))")
    tab.screenshot(path, x=0, y=max(0, box[0] - 8), width=width, height=box[1] + 16)
    return path


if __name__ == "__main__":
    TOUR.mkdir(exist_ok=True)
    for each in write(TOUR):
        sys.stdout.write(f"{each.relative_to(TOUR.parents[1])}: {each.stat().st_size} octets\n")
