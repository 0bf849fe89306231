"""Each page over real sockets, and everything that a request can be refused for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dnsdisco.admin import api, control_client, gate, json_views, routes
from dnsdisco.admin.request import ApiReply
from dnsdisco.errors import ProviderError
from dnsdisco.model.service import Health, Instance, LeftOut, Port, Service
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, until, with_bench

NASTY = 'a "quoted"\n<b>\\name\u2028\ud800'
SHOP = Service(
    "My_Shop",
    instances=(
        Instance("one", "10.0.0.1", (Port(80, "http"),), tags=(NASTY,), meta=(("k", NASTY),)),
        Instance("two", "10.0.0.2", health=Health.CRITICAL),
    ),
)
DOWN = ProviderError("p", "connection refused")
DENIED = ProviderError("p", "403: ACL not found", is_denied=True)


def both() -> dict[str, Any]:
    return {
        "p": Scripted(snapshot(SHOP, svc("web", "10.0.0.9"))),
        "q": Scripted(snapshot(svc("web", "10.0.1.9"), svc("db", "10.0.1.1"))),
    }


def test_the_index_names_every_page_and_each_is_there() -> None:
    async def scenario(bench: HttpBench) -> None:
        index = await bench.plain("/")
        assert index["version"] == 1
        for path in set(index["paths"]) - {"/v1/explain"}:  # which needs a name: test_explain.py
            assert await bench.status_of(path.replace("{name}", "web")) == 200, path
        assert (await bench.plain("/health"))["status"] == "ok"

    with_http(HttpBench(both()), scenario)


def test_a_service_with_its_instances_and_where_it_comes_from() -> None:
    async def scenario(bench: HttpBench) -> None:
        for name in ("my-shop", "MY-SHOP", "my_shop", "my-shop."):
            page = await bench.plain(f"/v1/services/{name}")
            assert (page["version"], page["name"]) == (1, "my-shop")
        shop = page["service"]
        assert (shop["names"], shop["address"], shop["port"]) == (["my-shop", "my_shop"], "10.0.0.1", 80)
        assert [(one["label"], one["health"]) for one in shop["instances"]] == [("one", "passing"), ("two", "critical")]
        assert shop["instances"][0]["tags"] == [NASTY]
        assert shop["instances"][0]["meta"] == {"k": NASTY}
        assert (shop["provenance"]["provider"], shop["provenance"]["shadows"]) == ("p", [])
        web = (await bench.plain("/v1/services/web"))["service"]["provenance"]
        assert (web["provider"], web["shadows"], web["merged"], web["stale"]) == ("p", ["q"], [], False)
        assert web["since"] <= web["changed"]
        assert web["since"].endswith("Z")
        reply = await bench.get("/v1/services/my-shop")
        assert reply.content.isascii()
        for name in ("nosuch", "%00", "%22%0a", "web.svc.local", "a" * 3000, "..", "%ff"):
            missing = await bench.get(f"/v1/services/{name}")
            assert missing.status_code == 404, name
            assert missing.json()["version"] == 1

    with_http(HttpBench(both()), scenario)


def test_why_an_instance_is_critical_and_what_was_left_out() -> None:
    instances = (Instance("one", "10.0.0.1", health=Health.CRITICAL, reason="HTTP 503"), Instance("two", "10.0.0.2"))
    sick = Service("sick", instances=instances, left_out=LeftOut(2, "address: expected an address, found 'x'"))

    async def scenario(bench: HttpBench) -> None:
        service = (await bench.plain("/v1/services/sick"))["service"]
        assert [each["reason"] for each in service["instances"]] == ["HTTP 503", ""]
        assert service["left_out"] == {"instances": 2, "reason": "address: expected an address, found 'x'"}
        assert "left_out" not in (await bench.plain("/v1/services/web"))["service"]

    with_http(HttpBench({"p": Scripted(snapshot(sick, svc("web", "10.0.0.9")))}), scenario)


@pytest.mark.parametrize("piece_octets", [1, 700, 1_000_000])
def test_all_services_in_pieces_of_any_size(piece_octets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PIECE_OCTETS", piece_octets)

    async def scenario(bench: HttpBench) -> None:
        page = await bench.plain("/v1/services")
        assert (page["version"], page["serial"]) == (1, bench.worker.serial)
        assert list(page["services"]) == ["db", "my-shop", "web"]
        assert page["services"]["my-shop"] == (await bench.plain("/v1/services/my-shop"))["service"]
        head = await bench.get("/v1/services", "HEAD")
        assert (head.status_code, head.content) == (200, b"")

    with_http(HttpBench(both()), scenario)


def test_no_services_are_a_list_as_well() -> None:
    async def scenario(bench: HttpBench) -> None:
        assert (await bench.plain("/v1/services"))["services"] == {}

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_lists_are_few_at_a_time_and_do_not_lose_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PIECE_OCTETS", 100)

    async def scenario(bench: HttpBench) -> None:
        replies = await asyncio.gather(*(bench.get("/v1/services") for _ in range(12)))
        assert {reply.status_code for reply in replies} <= {200, 503}
        assert all("retry-after" in reply.headers for reply in replies if reply.status_code == 503)
        for _ in range(api.LISTS_MAX):  # readers who go away in the middle
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
            writer.write(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.read(100)
            writer.transport.abort()
        for _ in range(200):
            if (await bench.get("/v1/services")).status_code == 200:
                break
        for _ in range(2 * api.LISTS_MAX):
            assert (await bench.get("/v1/services")).status_code == 200

    with_http(HttpBench({"p": Scripted(snapshot(*(svc(f"s{n}", "10.0.0.1") for n in range(40))))}), scenario)


def test_providers_as_they_are() -> None:
    async def scenario(bench: HttpBench) -> None:
        page = await bench.plain("/v1/providers")
        assert [(each["name"], each["state"], each["services"]) for each in page["providers"]] == [
            ("p", "up", 2),
            ("q", "never_synced", 0),
        ]
        assert page["providers"][1]["last_error"] == "connection refused"
        assert page["providers"][1]["contact_age_s"] is None
        assert page["providers"][0]["optional"] is False

    with_http(HttpBench({"p": both()["p"], "q": Scripted(DOWN)}), scenario)


def test_ready_says_what_is_missing_and_what_we_can_do_without() -> None:
    async def scenario(bench: HttpBench) -> None:
        reply = await bench.get("/ready")
        assert (reply.status_code, reply.json()["ready"]) == (503, False)
        assert reply.json()["missing"] == ["start: not complete", "worker 0: no catalog yet", "provider q: never_synced"]
        assert reply.json()["degraded"] == ["provider r: denied"]
        bench.providers["q"].then(snapshot())  # type: ignore[attr-defined]
        await until(lambda: bench.control.view().providers[1].state == "up")
        bench.worker.say("applied", serial=bench.control.publisher.serial)
        await until(lambda: bench.said("ready"))
        await asyncio.sleep(control_client.FRESH_S)
        reply = await bench.get("/ready")
        assert (reply.status_code, reply.json()["missing"], reply.json()["degraded"]) == (200, [], ["provider r: denied"])
        bench.providers["p"].then(DOWN)  # type: ignore[attr-defined]
        await until(lambda: bench.control.view().providers[0].state == "down")
        await asyncio.sleep(control_client.FRESH_S)
        reply = await bench.get("/ready")  # what it said before is answered still
        assert (reply.status_code, reply.json()["degraded"]) == (200, ["provider p: down", "provider r: denied"])

    bench = HttpBench(
        {"p": Scripted(snapshot(svc("web", "10.0.0.1"))), "q": Scripted(DOWN), "r": Scripted(DENIED)},
        entries=[{"type": "p"}, {"type": "q"}, {"type": "r", "optional": True}],
        startup_timeout=0.05,
    )
    bench.worker.is_silent = True

    async def begun(_: Any) -> None:
        await until(lambda: bench.url and bench.control.view().providers[2].state == "denied" and bench.worker.entries)
        await scenario(bench)

    with_bench(bench, begun)


REQUESTS: list[tuple[str, str, dict[str, str], int]] = [
    ("POST", "/health", {}, 405),
    ("DELETE", "/v1/services/web", {}, 405),
    ("OPTIONS", "/v1/services", {}, 405),
    ("PUT", "/nosuch", {}, 405),
    ("TRACE", "/", {}, 405),
    ("GET", "/nosuch", {}, 404),
    ("GET", "/health/", {}, 404),
    ("GET", "//health", {}, 404),
    ("GET", "/v1/services/web/x", {}, 404),
    ("GET", "/health", {"Host": "evil.example"}, 421),
    ("GET", "/v1/services", {"Host": "evil.example:8053"}, 421),
    ("GET", "/v1/services", {"Origin": "http://evil.example"}, 403),
    ("GET", "/v1/services", {"Origin": "null"}, 403),
    ("GET", "/health", {"Content-Length": "5"}, 413),
    ("GET", "/health", {"Transfer-Encoding": "chunked"}, 413),
    ("GET", "/health", {"Content-Length": "0"}, 200),
    ("HEAD", "/health", {}, 200),
    ("HEAD", "/metrics", {}, 200),
    ("HEAD", "/nosuch", {}, 404),
    ("GET", "/health?x=1&y=" + "z" * 2000, {}, 200),
    ("GET", "/health", {"Upgrade": "websocket", "Connection": "Upgrade, close", "Sec-WebSocket-Key": "x"}, 200),
    ("GET", "/health", {"Upgrade": "h2c", "Connection": "Upgrade, close"}, 200),
]


def test_what_is_refused_and_what_is_not() -> None:
    async def scenario(bench: HttpBench) -> None:
        for method, path, headers, status in REQUESTS:
            told = {"Host": "localhost", "Connection": "close"} | headers
            lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in told.items()), "", ""]
            octets = await bench.raw("\r\n".join(lines).encode())
            head, _, body = octets.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status), (lines, octets)
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            assert fields[b"x-content-type-options"] == b"nosniff"
            assert fields[b"cache-control"] == b"no-store"
            assert b"server" not in fields
            assert b"access-control-allow-origin" not in fields
            assert fields.get(b"allow") == (b"get, head" if status == 405 else None)
            if method == "HEAD":
                assert not body
            elif status >= 400:
                assert json.loads(body).keys() == {"version", "error"}
                assert "evil" not in body.decode()

    with_http(HttpBench(both()), scenario)


def test_a_page_may_have_a_policy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(_: Any, __: Any) -> ApiReply:
        return ApiReply(b"<p>", media_type="text/html", headers=((b"content-security-policy", b"default-src 'self'"),))

    monkeypatch.setitem(routes._ROUTES["/health"], "GET", replace(routes._ROUTES["/health"]["GET"], page=page))

    async def scenario(bench: HttpBench) -> None:
        reply = await bench.get("/health")
        assert reply.headers.get_list("content-security-policy") == ["default-src 'self'"]
        assert reply.headers["x-content-type-options"] == "nosniff"

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


GARBAGE = [
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n bad: folded\r\nb\x00d: 1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
]


def test_garbage_is_a_short_400_and_the_end() -> None:
    async def scenario(bench: HttpBench) -> None:
        for octets in GARBAGE:
            reply = await bench.raw(octets)
            assert reply.startswith(b"HTTP/1.1 400 "), octets[:60]
            assert len(reply) < 400  # with the headers that every reply carries
            assert b"Traceback" not in reply
        assert (await bench.plain("/health"))["status"] == "ok"

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000,  # without an end
        b"GET /" + b"x" * 20_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 16_400 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"X: y\r\n" * 6_000 + b"\r\n",
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
    ids=["no end", "line without an end", "one of 40 KB", "a little too long", "many", "a long target"],
)
def test_a_head_that_is_too_long_is_431_and_the_end(octets: bytes) -> None:
    async def scenario(bench: HttpBench) -> None:
        reply = await bench.raw(octets)
        assert reply.startswith(b"HTTP/1.1 431 "), reply
        assert b"longer than 16384 octets" in reply
        near = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 16_000 + b"\r\n\r\n"
        assert (await bench.raw(near)).startswith(b"HTTP/1.1 200 ")

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"/health", b"127.0.0.1%.evil.example", 421),
        (b"http://127.0.0.1:8053/health", b"localhost", 200),
        (b"http://evil.example/health", b"localhost", 421),
        (b"http://localhost/health", b"evil.example", 200),
        (b"http://localhost/nothing", b"localhost", 404),
        (b"//localhost/health", b"localhost", 404),
    ],
)
def test_whom_a_request_means(target: bytes, host: bytes, status: int) -> None:
    async def scenario(bench: HttpBench) -> None:
        reply = await bench.raw(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 %d " % status), reply

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_an_old_client_needs_no_host() -> None:
    async def scenario(bench: HttpBench) -> None:
        assert b" 200 OK\r\n" in await bench.raw(b"GET /health HTTP/1.0\r\n\r\n")

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_a_fault_of_ours_is_told_without_its_inside_and_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(json_views, "providers", broken)

    async def scenario(bench: HttpBench) -> None:
        for _ in range(3):
            reply = await bench.get("/v1/providers")
            assert reply.status_code == 500
            assert "secret" not in reply.text
            assert "Traceback" not in reply.text
        assert (await bench.plain("/health"))["status"] == "ok"

    bench = with_http(HttpBench({"p": Scripted(snapshot())}), scenario, fails=True)
    (line,) = bench.log.said("internal error in a page")
    assert line["reason"].startswith("RuntimeError at test_pages.py:")


def test_a_list_that_breaks_in_the_middle_does_not_look_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PIECE_OCTETS", 1)
    before = json_views.service

    def breaks_late(view: Any) -> Any:
        if view.name == "web":
            raise RuntimeError("broken")
        return before(view)

    monkeypatch.setattr(json_views, "service", breaks_late)

    async def scenario(bench: HttpBench) -> None:
        octets = await bench.raw(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"my-shop" in octets
        assert not octets.endswith(b"0\r\n\r\n")
        assert b"Traceback" not in octets

    with_http(HttpBench(both()), scenario, fails=True)


def test_a_control_loop_that_is_busy_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_client, "WAIT_S", 0.05)

    async def scenario(bench: HttpBench) -> None:
        monkeypatch.setattr(bench.control, "_call", lambda *_: None)
        replies = await asyncio.gather(bench.get("/ready"), bench.get("/ready"), bench.get("/metrics"), bench.get("/health"))
        assert [reply.status_code for reply in replies] == [503, 503, 503, 200]
        assert replies[0].json() == {"version": 1, "error": "the control process is busy"}
        monkeypatch.undo()
        assert (await bench.get("/ready")).status_code == 200

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


def test_a_flood_waits_and_costs_no_more_than_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RATE", 50.0)
    monkeypatch.setattr(gate, "BURST", 5)

    async def scenario(bench: HttpBench) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        replies = await asyncio.gather(*(bench.get("/health") for _ in range(25)))
        assert {reply.status_code for reply in replies} == {200}
        assert loop.time() - began >= 18 / 50

    with_http(HttpBench({"p": Scripted(snapshot())}), scenario)


@pytest.mark.parametrize("name", ["service", "tag", "namespace"])
def test_a_parameter_has_its_bound(name: str) -> None:
    async def scenario(bench: HttpBench) -> None:
        for characters, status in ((1023, 200), (1024, 200), (1025, 400), (5000, 400)):
            assert (await bench.get(f"/v1/sd/prometheus?{name}={'x' * characters}")).status_code == status
        assert (
            await bench.get(f"/v1/sd/prometheus?{name}={'%78' * 1024}")
        ).status_code == 200  # octets that are escaped count once

    with_http(HttpBench(both()), scenario)
