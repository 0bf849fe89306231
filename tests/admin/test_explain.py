"""/v1/explain with workers in the same loop: who is asked, what control adds, and what a silent worker costs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dnsdisco.control import explanations
from dnsdisco.model.service import Health, Service, Snapshot
from tests.admin.bench import HttpBench, with_http
from tests.control.harness import Scripted, snapshot, svc, Worker
from tests.kit import Answers

REPLY = Answers().send(
    bytes.fromhex("00000100000100000000000103776562037376630 56c6f63616c0000010001".replace(" ", "") + "0000290200000000000000")
)


def bench(workers: int = 1, **settings: Any) -> HttpBench:
    return HttpBench({"p": Scripted(snapshot(svc("web", "10.0.0.1")))}, workers, **settings)


def says(worker: Worker, *steps: tuple[str, str, str, str], **more: Any) -> Callable[[dict[str, Any]], None]:
    said = {"reply": base64.b64encode(REPLY).decode(), "steps": steps, "meant": ["www.svc.local"], "serial": 7, **more}
    return lambda message: worker.say("explained", id=message["id"], **said)


def test_one_worker_is_asked_and_its_answer_printed() -> None:
    async def scenario(made: HttpBench) -> None:
        asked: list[dict[str, Any]] = []
        for worker in made.workers:
            tell = says(worker, ("zone", "svc.local", "web.svc.local is a name of this zone", ""))
            worker.on_explain = lambda message, tell=tell: asked.append(message) or tell(message)
        page = await made.plain("/v1/explain?name=Web&type=a&client=10.1.2.3")
        assert [(each["name"], each["type"], each["client"]) for each in asked] == [("Web.svc.local.", 1, "10.1.2.3")]
        assert list(page) == ["version", "question", "answer", "steps", "did_you_mean", "serial", "worker"]
        assert page["question"] == {"name": "Web.svc.local.", "type": "A", "class": "IN"}
        assert list(page["answer"]) == ["rcode", "answer", "authority", "additional", "ede"]
        assert page["answer"]["rcode"] == "NOERROR"
        assert page["answer"]["answer"] == [{"name": "web.svc.local.", "type": "A", "ttl": 10, "data": "10.0.0.11"}]
        assert page["steps"] == [{"code": "zone", "subject": "svc.local", "text": "web.svc.local is a name of this zone"}]
        assert page["did_you_mean"] == ["www.svc.local"]
        assert (page["serial"], page["worker"] in (0, 1)) == (7, True)
        await made.plain("/v1/explain?name=10.0.0.1")
        assert (asked[-1]["name"], asked[-1]["type"], asked[-1]["client"]) == ("1.0.0.10.in-addr.arpa.", 12, "127.0.0.1")
        await made.plain("/v1/explain?name=b%C3%BCcher.example&type=TYPE99")
        assert (asked[-1]["name"], asked[-1]["type"]) == ("xn--bcher-kva.example.", 99)

    with_http(bench(2), scenario)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "name is missing"),
        ("name=", "expected 1 to 1024"),
        ("name=a..b", "'a..b' is not a DNS name"),
        ("name=" + "x" * 64 + ".example", "is not a DNS name"),
        ("name=web&type=NOSUCH", "'NOSUCH' is not a record type"),
        ("name=web&type=TYPE70000", "is not a record type"),
        ("name=web&client=nobody", "client: expected an IP address"),
        ("name=web&client=10.0.0.0/8", "client: expected an IP address"),
        ("name=web&name=api", "given twice"),
    ],
)
def test_what_is_asked_wrongly(query: str, reason: str) -> None:
    async def scenario(made: HttpBench) -> None:
        reply = await made.get(f"/v1/explain?{query}")
        assert reply.status_code == 400
        assert reason in reply.json()["error"]
        assert "explain" not in made.worker.seen

    with_http(bench(), scenario)


def test_another_worker_is_asked_where_one_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "NEXT_S", 0.1)

    async def scenario(made: HttpBench) -> None:
        made.workers[1].on_explain = says(made.workers[1])
        pages = [await made.plain("/v1/explain?name=web") for _ in range(4)]
        assert [page["worker"] for page in pages] == [1] * 4
        assert made.workers[0].seen.count("explain") >= 1  # each begins at another one

    with_http(bench(2), scenario)


def test_silent_workers_are_told_in_words_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "NEXT_S", 0.1)
    monkeypatch.setattr(explanations, "EXPLAINED_S", 1.0)

    async def scenario(made: HttpBench) -> None:
        replies = await asyncio.gather(*(made.get("/v1/explain?name=web") for _ in range(explanations.EXPLANATIONS_MAX + 3)))
        statuses = sorted(reply.status_code for reply in replies)
        assert statuses == [503] * 3 + [504] * explanations.EXPLANATIONS_MAX
        words = {reply.status_code: reply.json()["error"] for reply in replies}
        assert (
            words == {503: "8 explanations are being made", 504: "no worker has answered within 1 s"} or "no worker" in words[504]
        )
        assert all(worker.seen.count("explain") == explanations.EXPLANATIONS_MAX for worker in made.workers)
        for worker in made.workers:  # too late, and never asked for
            worker.say("explained", id=1, reply="", steps=[], meant=[], serial=1)
            worker.say("explained", id=99)
            worker.on_explain = says(worker)
        assert (await made.get("/v1/explain?name=web")).status_code == 200

    with_http(bench(2), scenario)


@pytest.mark.parametrize(
    "said",
    [
        {"error": "KeyError: 'x'"},
        {"reply": "not base64!", "steps": [], "meant": [], "serial": 1},
        {"reply": "AAAA", "steps": [["zone"]], "meant": [], "serial": 1},
        {"reply": "AAAA", "steps": 3, "meant": [], "serial": 1},
        {},
    ],
)
def test_a_worker_that_cannot(said: dict[str, Any]) -> None:
    async def scenario(made: HttpBench) -> None:
        made.worker.on_explain = lambda message: made.worker.say("explained", id=message["id"], **said)
        reply = await made.get("/v1/explain?name=web")
        assert reply.status_code == 500
        assert reply.json()["error"].startswith("worker 0 could not explain it: ")

    with_http(bench(), scenario)


def sick(service: Service, reason: str) -> Service:
    return replace(
        service, instances=tuple(replace(each, id="w1", health=Health.CRITICAL, reason=reason) for each in service.instances)
    )


def test_control_adds_what_it_alone_knows() -> None:
    first = Scripted(Snapshot({("", "web"): sick(svc("web", "10.0.0.1"), "HTTP 503")}))
    second = Scripted(snapshot(svc("web", *(f"10.9.0.{at}" for at in range(1, 8)))))

    async def scenario(made: HttpBench) -> None:
        key = next(iter(made.worker.entries))
        made.worker.on_explain = says(
            made.worker,
            ("shadowed", "two", "has the service web, too", key),
            ("shadowed", "nobody", "is no provider", key),
            ("left-out", "w1", "10.0.0.1: critical: HTTP 503", key),
            ("left-out", "w2", "10.0.0.2: critical", "gone"),
        )
        texts = [step["text"] for step in (await made.plain("/v1/explain?name=web"))["steps"]]
        assert texts[0].startswith("has the service web, too: ")
        assert texts[0].endswith(", …")
        assert [f"10.9.0.{at}" in texts[0] for at in range(1, 8)] == [True] * 5 + [False] * 2
        assert texts[1] == "is no provider"
        assert texts[2].startswith("10.0.0.1: critical: HTTP 503; since 20")
        assert texts[3] == "10.0.0.2: critical"
        since = texts[2]
        first.then(Snapshot({("", "web"): sick(svc("web", "10.0.0.1", "10.0.0.2"), "HTTP 500")}))
        while len(made.worker.entries[key].service.instances) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.1)  # another second by the clock
        made.worker.on_explain = says(made.worker, ("left-out", "w1", "10.0.0.1: critical: HTTP 503", key))
        assert [step["text"] for step in (await made.plain("/v1/explain?name=web"))["steps"]] == [since]

    with_http(HttpBench({"one": first, "two": second}, 1), scenario)
