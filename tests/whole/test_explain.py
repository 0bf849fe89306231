"""An explanation by the page of a real server ends in what its DNS answers, and accounts for each instance."""

from __future__ import annotations

import os
import pickle
import random
import signal
import time
from pathlib import Path
from typing import Any

import dns.message
import pytest

from dnsdisco.cli import server_client
from dnsdisco.cli.stub import exchange
from dnsdisco.errors import UpstreamError
from dnsdisco.model.claims import ChainPolicy
from dnsdisco.model.service import Snapshot
from dnsdisco.presentation.message import decode, QueryResult
from dnsdisco.server.hints import HINTS_EVERY_S
from tests.forward.upstream import Asked, reply, ScriptedUpstream
from tests.kit import Answers, CannedUpstreams
from tests.server.explained import assert_accounted_for, question, UPSTREAM, view, ZONE_FILE
from tests.whole.server import Server

pytestmark = pytest.mark.slow

PLUG_IN = """
import pickle
from dnsdisco import ServiceDiscovery

class Canned(ServiceDiscovery):
    type = "canned"

    def __init__(self, path=""):
        self.path = path

    def get_services(self):
        raise NotImplementedError

    def watch(self, stop):
        with open(self.path, "rb") as file:
            yield pickle.load(file)
        stop.wait()
"""


def upstream_reply(asked: Asked) -> bytes:
    try:
        octets = CannedUpstreams(UPSTREAM).exchange(asked.question)
    except UpstreamError:
        return reply(asked, rcode=2)
    return asked.message[:2] + octets[2:]


def written(folder: Path, seed: int, upstream: str) -> tuple[random.Random, Answers]:
    """Files of a server; and its catalog, to know what is in it."""
    source = random.Random(seed)
    numbers = iter(range(1, 60_000))
    views = {"canned": view(source, numbers), "canned-2": view(source, numbers)}
    is_merging, sample = source.random() < 0.5, source.choice((0, 0, 2))
    info = folder / "site" / "canned-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: canned\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dnsdisco.providers]\ncanned = canned_plug_in:Canned\n")
    (folder / "site" / "canned_plug_in.py").write_text(PLUG_IN)
    for name, services in views.items():
        (folder / name).write_bytes(pickle.dumps(Snapshot(services)))
    (folder / "test.zone").write_text(ZONE_FILE)
    (folder / "dnsdisco.yaml").write_text(
        f"providers: [{{type: canned, path: {folder}/canned}}, {{type: canned, path: {folder}/canned-2}}]\n"
        f"zones: [svc.local, svc.internal]\nzone_files: [test.zone]\nchain: {'merge' if is_merging else 'first'}\nmax_answers: {sample}\n"
        f"forward: {{upstreams: ['{upstream}']}}\nworkers: 2\nhttp: off\ncontrol: s\n"
    )
    chain = ChainPolicy(is_merging=is_merging)
    return source, Answers(snapshots=views, zone_file=ZONE_FILE, chain=chain, max_answers=sample)


def seen(answer: Any) -> Any:
    """All that a client sees, but for the order of records, and for how old those of the cache are."""
    records = [
        {(each["name"], each["type"], each["data"], each["ttl"] // 10) for each in answer[part]}
        for part in ("answer", "authority", "additional")
    ]
    return answer["rcode"], records, [(each["code"], each["text"]) for each in answer["ede"]]


def plain(result: QueryResult) -> dict[str, Any]:
    sections = {"answer": result.answer, "authority": result.authority, "additional": result.additional}
    ede = [{"code": code, "text": text} for code, text in result.ede]
    return {"rcode": result.rcode, "ede": ede} | {part: [each.plain() for each in records] for part, records in sections.items()}


@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_questions_by_the_page(tmp_path: Path, seed: int) -> None:
    with ScriptedUpstream() as upstream:
        upstream.on(lambda _: True, upstream_reply)
        source, answers = written(tmp_path, seed, upstream.address)
        with Server(
            cwd=tmp_path, env={"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[2]}:{tmp_path}/site"}
        ) as server:
            path = str(tmp_path / "s")
            compared = 0
            for _ in range(200):
                name, rtype = question(source, answers)
                query = dns.message.make_query(f"{name}.", rtype, use_edns=0).to_wire()
                octets = exchange((server.address, server.port), query, is_tcp=True).reply
                page = server_client.ask(path, "GET", "/v1/explain", {"name": f"{name}.", "type": rtype})
                after = exchange((server.address, server.port), query, is_tcp=True).reply
                steps = [(each["code"], each["subject"], each["text"]) for each in page["steps"]]
                where = seed, name, rtype, steps
                assert page["question"] == {"name": f"{name}.", "type": rtype, "class": "IN"}
                ours, theirs = page["answer"], [plain(decode(each)) for each in (octets, after)]
                told = {text for _, _, text in steps}
                assert {each["text"] for each in theirs[1]["ede"] if each["text"]} <= told, where
                if answers.policy.answers.zone.configured.max_answers and rtype in ("A", "AAAA"):
                    assert len(ours["answer"]) == len(theirs[1]["answer"]), where
                    continue
                if ours["ede"] and not any(each["ede"] for each in theirs):
                    time.sleep(HINTS_EVERY_S)  # the answers have so many hints a second; an explanation uses none of them
                    theirs.append(plain(decode(exchange((server.address, server.port), query, is_tcp=True).reply)))
                assert seen(ours) in [seen(each) for each in theirs], (where, ours, theirs)
                compared += 1
                assert_accounted_for(answers, name, rtype, dns.message.from_wire(after), steps, where)
            assert compared > 50


def test_a_stopped_worker_is_passed_over_and_a_dead_one_succeeded(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("web: {instances: [{id: a, address: 10.0.0.1, port: 80}]}\n")
    arguments = ("--services", "services.yaml", "--http", "off", "--upstream", "none", "--control", "s", "--state-dir", "off")
    with Server(*arguments, "--workers", "2", cwd=tmp_path) as server:
        path = str(tmp_path / "s")

        def explained() -> Any:
            return server_client.ask(path, "GET", "/v1/explain", {"name": "web"})

        assert {explained()["worker"] for _ in range(4)} == {0, 1}
        os.kill(server.children()["server"][0], signal.SIGSTOP)  # the supervisor ends it after two seconds
        began = time.monotonic()
        pages = [explained() for _ in range(2)]
        assert all(page["answer"]["answer"][0]["data"] == "10.0.0.1" for page in pages)
        assert time.monotonic() - began < 8
        for pid in server.children()["server"]:
            os.kill(pid, signal.SIGKILL)
        assert explained()["answer"]["answer"][0]["data"] == "10.0.0.1"  # by a successor
