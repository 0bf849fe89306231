"""One table of cases: A, AAAA, SRV, the library and the command line send clients to the same instances, equally often.

The first two of five pairs of copies that had drifted apart where a user saw it; test_one_verdict.py has the other three.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import dns.message
import pytest

from dnsdisco import get_service, get_service_url, set_discovery_provider
from dnsdisco.cli import main
from dnsdisco.model.choice import SELDOM
from dnsdisco.static import StaticServiceDiscovery
from tests.kit import Answers

pytestmark = pytest.mark.slow

# What is said of the instances 1, 2, … and how often each comes first.
CHOICES = {
    "a backup is never first": ("", ["priority: 0", "priority: 10"], [1, 0]),
    "a backup written first, and heavy": ("", ["priority: 10, weight: 900", "priority: 0"], [0, 1]),
    "weights": ("", ["weight: 3", "weight: 1"], [3 / 4, 1 / 4]),
    "weights within the lowest priority": (
        "",
        ["priority: 1, weight: 3", "priority: 1", "priority: 2, weight: 99"],
        [3 / 4, 1 / 4, 0],
    ),
    "a warning has its own weight": ("", ["weight: 100, warning_weight: 1, health: warning", "weight: 3"], [1 / 4, 3 / 4]),
    "a critical one is left out": ("", ["priority: 0, health: critical", "priority: 5", "priority: 9"], [0, 1, 0]),
    "all are critical": (
        "",
        ["health: critical, weight: 3", "health: critical", "health: critical, priority: 1"],
        [3 / 4, 1 / 4, 0],
    ),
    "all are critical, and none is given": ("when_all_unhealthy: empty", ["health: critical", "health: critical"], [0, 0]),
}
WEIGHTS_OF_ZERO = {
    "a weight of 0 beside others": ("", ["weight: 10", "weight: 0"], [1 - 1 / SELDOM, 1 / SELDOM]),
    "a weight of 0 in a better place": ("", ["priority: 1, weight: 10", "priority: 0, weight: 0"], [0, 1]),
    "nothing but 0": ("", ["weight: 0", "weight: 0"], [1 / 2, 1 / 2]),
    "a warning that weighs 0": ("", ["warning_weight: 0, health: warning", "weight: 3"], [1 / SELDOM, 1 - 1 / SELDOM]),
}
CASES = CHOICES | WEIGHTS_OF_ZERO
TIMES = {"A": 1500, "AAAA": 1500, "SRV": 1500, "get_service_url": 3000, "get_service": 1500, "dnsdisco url": 60}


def text(rule: str, instances: list[str]) -> str:
    lines = [f"    - {{id: i{n}, address: '2001:db8::{n}', port: 80, {said}}}" for n, said in enumerate(instances, 1)]
    lines += [f"    - {{id: j{n}, address: 10.0.0.{n}, port: 80, {said}}}" for n, said in enumerate(instances, 1)]
    return "\n".join(["web:", *([f"  {rule}"] if rule else []), "  instances:", *lines, ""])


def first_in_dns(answers: Answers, rtype: str, round_: int) -> str | None:
    answers.now = 1000.0 + round_ / 5  # prepared orders are drawn anew after a while
    answers.responder.fast_path.table.redraw(answers.now)
    query = dns.message.make_query("web.svc.local.", rtype, use_edns=0)
    octets = answers.send(query.to_wire())
    assert octets is not None
    reply = dns.message.from_wire(octets)
    return reply.answer[0][0].to_text() if reply.answer else None


@pytest.mark.parametrize("way", TIMES)
@pytest.mark.parametrize("case", CASES)
def test_who_comes_first(case, way, tmp_path, monkeypatch, capsys):
    rule, instances, shares = CASES[case]
    path = tmp_path / "services.yaml"
    path.write_text(text(rule, instances))
    monkeypatch.chdir(tmp_path)
    counts: Counter[int | None] = Counter()
    if way in ("A", "AAAA", "SRV"):
        answers = Answers(path.read_text())
        said = (first_in_dns(answers, way, round_) for round_ in range(TIMES[way]))
    elif way == "dnsdisco url":
        said = ((main(["url", "web", "--services", str(path)]), capsys.readouterr().out)[1] for _ in range(TIMES[way]))
    else:
        set_discovery_provider(StaticServiceDiscovery(str(path)))
        ask = get_service_url if way == "get_service_url" else lambda name: get_service(name)["url"]
        said = (ask("web") for _ in range(TIMES[way]))
    for each in said:
        match = re.search(r"2001:db8::(\d+)|10\.0\.0\.(\d+)|\b[ij](\d+)\.web", each or "")
        counts[int(match[1] or match[2] or match[3]) if match else None] += 1
    set_discovery_provider(None)
    times = TIMES[way]
    assert counts[None] == (0 if any(shares) else times)
    for instance, share in enumerate(shares, 1):
        room = 6 * math.sqrt(times * share * (1 - share))  # six deviations: once in 500 million
        assert abs(counts[instance] - share * times) <= room, (instance, counts)
        if share * times > 10:
            assert counts[instance]


def test_one_address_of_two_instances_has_the_better_place():
    shared = "web: {instances: [{id: a, address: 10.0.0.1, port: 1, priority: 9}, {id: b, address: 10.0.0.2, port: 1, priority: 5},"
    answers = Answers(shared + " {id: c, address: 10.0.0.1, port: 2, priority: 1}]}")
    assert {first_in_dns(answers, "A", round_) for round_ in range(50)} == {"10.0.0.1"}
    assert {first_in_dns(answers, "SRV", round_) for round_ in range(50)} == {"1 1 2 c.web.svc.local."}


def test_a_sample_is_filled_from_the_next_priority():
    instances = ", ".join(f"{{id: i{n}, address: 10.0.0.{n}, port: 1, priority: {n // 2}}}" for n in range(6))
    answers = Answers(f"web: {{instances: [{instances}]}}", max_answers=3)
    for _ in range(50):
        octets = answers.send(dns.message.make_query("web.svc.local.", "A", use_edns=0).to_wire())
        assert octets is not None
        found = [rdata.to_text() for rdata in dns.message.from_wire(octets).answer[0]]
        assert sorted(found)[:2] == ["10.0.0.0", "10.0.0.1"]
        assert len(found) == 3
        assert found[2] in ("10.0.0.2", "10.0.0.3")


def test_the_url_in_the_text_record_is_that_of_the_best_instance():
    answers = Answers(text("", ["priority: 3, weight: 9", "priority: 1", "priority: 1, weight: 5"]))
    assert "url=http://[2001:db8::3]:80" in answers.ask("web.svc.local", "TXT").answer[0][0].to_text()
