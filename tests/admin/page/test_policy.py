"""The page asks nobody but its own server, keeps to its policy, and shows what others have written as text, whatever it is."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsdisco.admin.browser import files as browser_files
from dnsdisco.admin.browser import POLICY
from tests.admin.page.chromium import Chromium, Tab
from tests.admin.page.world import IN_CHROMIUM, serving, SHOP

pytestmark = IN_CHROMIUM


def test_no_request_leaves_the_origin(tab: Tab, tmp_path: Path) -> None:
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url)
        tab.until_text("#service-count", "3 services")
        tab.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
        tab.until_text("#service-list", "i3.db.svc.local")
        assert {each for each in tab.requests if not each.startswith(url)} <= {"about:blank"}
        assert {f"{url}page/main.js", f"{url}v1/events", f"{url}v1/status"} <= set(tab.requests)


def test_what_would_violate_the_policy_is_stopped_and_seen(browser: Chromium, tmp_path: Path) -> None:
    tab = browser.tab()
    with serving(tmp_path, SHOP) as (_, url):
        tab.goto(url)
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


SCRIPT = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\"'><svg onload=window.hit=1>"
LONG = "n" * 10_000
ODD = [SCRIPT, LONG, "\u202eevil\u2066 \u05d0\u05d1 \u200f", "a\ud800b\udc00", "z" + "\u0301" * 5_000, "\x00\x1b[31m\u2028", "__proto__", "constructor", "../..", "javascript:window.hit=1", "\U0001f600" * 300]  # fmt: skip
AT = "2026-01-01T00:00:00.000Z"


def odd_service(odd: str, count: int = 1) -> dict[str, object]:
    one = {
        "label": odd,
        "id": odd,
        "address": odd,
        "port": 80,
        "health": "critical",
        "reason": odd,
        "tags": ODD,
        "meta": dict.fromkeys(ODD, odd),
    }
    provenance = {"provider": odd, "merged": ODD, "shadows": ODD, "since": AT, "changed": AT, "stale": True}
    return {
        "instances": [one] * count, "names": [odd], "tags": ODD, "meta": {}, "url": odd, "provenance": provenance,
        "service": {"alias_of": odd, "url": odd, "tags": ODD + [f"t{number}" for number in range(500)], "meta": dict.fromkeys(ODD, odd)}, "left_out": {"instances": 1, "reason": odd},
        "check": {"http": odd, "interval": 1},
    }  # fmt: skip


def odd_status(odd: str) -> dict[str, object]:
    return {
        "version": 1, "state": "degraded", "problems": [{"code": odd, "subject": odd, "text": odd, "since": AT}],
        "config": {"file": odd, "found": True}, "listen": ODD, "zones": [{"name": odd, "serial": 1, "services": 1, "instances": 1}],
        "providers": [{"name": odd, "type": odd, "state": odd, "services": 1, "instances": 1, "rejected": 1, "age_s": 1.5, "last_error": odd}],
        "workers": [{"number": 0, "pid": 1, "state": odd, "serial": 1, "queries": 1}],
        "upstreams": [{"address": odd, "zone": odd, "state": odd, "rtt_ms": 1.5, "asked": 1, "failed": 1, "last_error": odd}],
    }  # fmt: skip


def odd_explanation(odd: str) -> dict[str, object]:
    record = {"name": odd, "type": odd, "ttl": 1, "data": odd}
    answer = {
        "rcode": "NOERROR",
        "answer": [record],
        "authority": [record],
        "additional": [record] * 500,
        "ede": [{"code": 1, "text": odd}],
    }
    steps = [{"code": odd, "subject": odd, "text": odd}] * 1_000
    return {"question": {"name": odd, "type": odd}, "answer": answer, "steps": steps, "did_you_mean": [odd]}


def odd_queries() -> Iterator[bytes]:
    for number in range(2_000):
        odd = ODD[number % len(ODD)]
        query = {
            "time": AT,
            "client": odd,
            "transport": odd,
            "name": odd,
            "type": odd,
            "rcode": odd,
            "source": odd,
            "ms": 0.25,
            "ede": [{"code": 1, "text": odd}],
        }
        yield b"event: query\ndata: " + json.dumps(query).encode()
    yield b'event: dropped\ndata: {"dropped": 12345}'


REPLIES = {
    "/v1/services": {"services": {odd: odd_service(odd) for odd in ODD} | {"many": odd_service("many", 997)}},
    "/v1/status": odd_status("|".join(ODD)),
    "/v1/explain?name=x&type=A": odd_explanation("|".join(ODD)),
}


class Liar(http.server.ThreadingHTTPServer):
    """A server with the page, and an API that no provider of ours could make say this."""

    daemon_threads = True

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files, path = browser_files(), self.path.removeprefix("/page/").removeprefix("/") or "index.html"
            if self.path == "/v1/events":
                self.answer("text/event-stream", b"id: 1\n\n")
                time.sleep(60)
            elif self.path.startswith("/v1/queries"):
                self.answer("text/event-stream", b"\n\n".join(odd_queries()) + b"\n\n")
                time.sleep(60)
            elif path in files:
                self.answer(files[path].media_type, files[path].octets)
            else:
                self.answer("application/json", json.dumps(REPLIES[self.path]).encode())

        def answer(self, media_type: str, octets: bytes) -> None:
            self.send_response(200)
            for name, value in (("content-type", media_type), ("content-security-policy", POLICY)):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            pass


@pytest.fixture(scope="module")
def liar() -> Iterator[str]:
    with Liar(("127.0.0.1", 0), Liar.Page) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}/"
        made.shutdown()


@pytest.mark.parametrize("width", [1200, 320])
def test_hostile_data_is_text(tab: Tab, liar: str, width: int) -> None:
    """It is shown, cut, and moves nothing else."""
    tab.size(width, 900)
    tab.goto(liar)
    tab.until_text("#service-count", f"{len(ODD) + 1} services")
    tab.until_text("#state", "degraded")
    tab.evaluate("document.querySelectorAll('summary').forEach((each) => each.click())")
    tab.until("document.querySelectorAll('.body').length === 12")
    tab.evaluate("document.getElementById('asked-name').value = 'x'; document.getElementById('question').requestSubmit()")
    tab.until_text("#explanation", "and 800 more")
    tab.evaluate("document.getElementById('watch').click()")
    tab.until_text("#query-count", "2,000 seen, 12,345 passed over")
    tab.until("document.querySelectorAll('#query-table tbody tr').length === 100")
    assert tab.evaluate("window.hit ?? null") is None
    assert tab.evaluate("document.querySelectorAll('main script, main img, main svg').length") == 0
    assert tab.evaluate("[...document.querySelectorAll('main a')].every((each) => each.href.startsWith(location.origin + '/'))")
    for part in (
        "#service-list",
        "#problem-list",
        "#provider-table",
        "#upstream-table",
        "#facts",
        "#explained",
        "#explanation",
        "#query-table",
    ):
        assert SCRIPT in tab.text(part), part
    seen = tab.text("#service-list")
    for expected in ("(10,000 characters)", "a\ufffdb\ufffd", "897 more are in the JSON", "and 491 more", "__proto__=constructor"):
        assert expected in seen, expected
    assert len(seen) < 400_000
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('main *')].filter((each) => each.getBoundingClientRect().right > innerWidth).map((each) => each.className)"
    assert tab.evaluate(wide) == []
    assert tab.evaluate("[...document.querySelectorAll('bdi')].every((each) => getComputedStyle(each).unicodeBidi === 'isolate')")
    assert tab.evaluate("Math.max(...[...document.querySelectorAll('summary')].map((each) => each.offsetHeight))") < 400
    tab.evaluate(
        "(() => { const words = document.getElementById('words'); words.value = 'many'; words.dispatchEvent(new Event('input')) })()"
    )
    tab.until_text("#service-count", "1 found among 12 services")
