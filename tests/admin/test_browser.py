"""What `/` is for whom, and how the files of the page are served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dnsdisco.admin import browser, routes
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ROOT = Path(__file__).parents[2]
FOLDER = Path(browser.__file__).parent / "page"


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("text/html, text/*;q=0.5, image/*, application/*, audio/*", True),  # w3m
        ("text/html, */*", True),
        ("TEXT/HTML ; Q=0.9 , */* ; q=0.1", True),
        ("text/html;level=1, application/json;q=0.5", True),
        ("*/*", False),  # curl, and most libraries
        ("", False),
        (None, False),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json, text/html", False),  # it does not mind
        ("text/html;q=0, */*", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("text/html;q=nan, application/json;q=0.1", False),
        ("text/plain, text/htmlx", False),
        ("application/*;q=0.9, text/*;q=0.8", False),
        (";;,,;q=1,text/html;q=2", False),
    ],
)
def test_who_gets_the_page_and_who_the_list(accept: str | None, is_page: bool) -> None:
    assert browser.is_wanted([(b"accept", accept.encode())] if accept is not None else []) is is_page


def test_two_lines_of_accept_are_one() -> None:
    assert browser.is_wanted([(b"accept", b"application/json;q=0.5"), (b"accept", b"text/html")])
    assert not browser.is_wanted([(b"accept", b"text/html;q=0.5"), (b"accept", b"application/json")])


def test_the_page_for_a_browser_and_the_list_of_paths_for_others() -> None:
    async def scenario(bench: HttpBench) -> None:
        listed = await bench.get("/")
        assert listed.json()["paths"] == [route.path for route in routes.TABLE if route.method == "GET" and route.path != "/"]
        page = await bench.get("/", headers={"accept": CHROMIUM})
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.content == (FOLDER / "index.html").read_bytes()
        assert listed.headers["vary"] == page.headers["vary"] == "accept"
        head = await bench.get("/", "HEAD", headers={"accept": CHROMIUM})
        assert (head.content, head.headers["content-length"]) == (b"", str(len(page.content)))

    with_http(HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}), scenario)


def test_every_reply_of_the_page_carries_what_an_operator_expects() -> None:
    async def scenario(bench: HttpBench) -> None:
        for path in ("/", *(f"/page/{name}" for name in browser.files())):
            reply = await bench.get(path, headers={"accept": "text/html"})
            policy = {words.split()[0]: words.split()[1:] for words in reply.headers["content-security-policy"].split(";")}
            assert policy["default-src"] == ["'self'"], path
            assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
            assert not [words for words in policy.values() if "unsafe" in str(words) or "*" in str(words) or "http" in str(words)]
            assert reply.headers.get_list("content-security-policy") == [browser.POLICY]
            assert reply.headers.get_list("cache-control") == ["no-cache"]
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["x-frame-options"] == "DENY"
            assert reply.headers["referrer-policy"] == "no-referrer"
            assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        other = await bench.get("/v1/status", headers={"accept": CHROMIUM})
        assert other.headers["content-type"] == "application/json"
        assert other.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
        assert other.headers["cache-control"] == "no-store"

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_a_file_is_sent_once_and_then_confirmed() -> None:
    async def scenario(bench: HttpBench) -> None:
        for path in ("/", "/page/main.js", "/page/style.css", "/page/icon.svg"):
            first = await bench.get(path, headers={"accept": "text/html"})
            etag = first.headers["etag"]
            for written in (etag, f'"other", {etag}', f"W/{etag}"):
                again = await bench.get(path, headers={"accept": "text/html", "if-none-match": written})
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
                assert "content-length" not in again.headers  # RFC 9110 §15.4.5: it would have to be that of the file
            other = await bench.get(path, headers={"accept": "text/html", "if-none-match": '"other"'})
            assert (other.status_code, other.content) == (200, first.content)
        raw = await bench.raw(
            b"GET /page/main.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: %b\r\n\r\n" % browser.files()["main.js"].etag
            + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert re.findall(rb"HTTP/1.1 (\d+)", raw) == [b"304", b"200"]

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_what_is_no_file_of_the_page_is_not_there() -> None:
    async def scenario(bench: HttpBench) -> None:
        for name in ("nosuch.js", "__init__.py", "..%2fbrowser.py", "%2e%2e", "main.js%00", "MAIN.JS", "a" * 3000, "x/main.js", ""):
            assert (await bench.get(f"/page/{name}")).status_code == 404, name
        assert bench.log.said("internal error in a page") == []

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_the_files_are_what_the_folder_has_and_name_only_each_other() -> None:
    files = browser.files()
    assert set(files) == {path.name for path in FOLDER.iterdir()}
    for name, file in files.items():
        text = file.octets.decode()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", text), name
        named = re.findall(r'(?:from|href=|src=) ?"(?:\./|/page/)([^"]+)"', text)
        assert set(named) <= set(files), name
    page = files["index.html"].octets.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page)  # nothing inline


def test_the_wheel_has_the_files() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling, which builds the wheel, is not installed")
    inside = {each.distribution_path for each in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"dnsdisco/admin/page/{name}" for name in browser.files()} <= inside
    assert "dnsdisco/admin/browser.py" in inside
