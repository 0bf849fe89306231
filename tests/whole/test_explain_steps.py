"""Each kind of step, caused for real, by `dnsdisco explain` and a running server."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from dnsdisco.cli import main, server_client
from tests.forward.upstream import answer, free_port, rcode, ScriptedUpstream
from tests.whole.server import ROOT, Server

pytestmark = pytest.mark.slow

CODES = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "explain.md").read_text(), re.MULTILINE)


class Explained:
    """A server that lacks and has a little of everything."""

    def __init__(self, folder: Path, server: Server, upstreams: tuple[ScriptedUpstream, ScriptedUpstream]) -> None:
        self.folder, self.server, self.upstreams = folder, server, upstreams
        self.path = str(folder / "s")

    def page(self, name: str, rtype: str = "A", **more: Any) -> Any:
        return server_client.ask(self.path, "GET", "/v1/explain", {"name": name, "type": rtype, **more})

    def steps(self, name: str, rtype: str = "A", **more: Any) -> list[tuple[str, str, str]]:
        return [(each["code"], each["subject"], each["text"]) for each in self.page(name, rtype, **more)["steps"]]

    def lose_late(self) -> list[tuple[str, str]]:
        """The file of the service `late` is gone, and its provider has been away for long enough."""
        (self.folder / "late.yaml").unlink(missing_ok=True)
        until = time.monotonic() + 20
        while not (found := self.told("stale", "late")):
            assert time.monotonic() < until, self.steps("late")
            time.sleep(0.2)
        return found

    def told(self, code: str, name: str, rtype: str = "A", **more: Any) -> list[tuple[str, str]]:
        return [(subject, text) for each, subject, text in self.steps(name, rtype, **more) if each == code]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    folder = tmp_path_factory.mktemp("explained")
    with socket.create_server(("127.0.0.1", 0)) as alive, ScriptedUpstream() as first, ScriptedUpstream() as second:
        (folder / "services.yaml").write_text(
            f"""web:
  ttl: 7s
  check: {{tcp: "{{address}}:{{port}}", interval: 200ms, fall: 1}}
  instances:
    - {{id: web-1, address: 127.0.0.1, port: {alive.getsockname()[1]}}}
    - {{id: web-2, address: 127.0.0.1, port: {free_port()}}}
    - {{id: web-3, address: "2001:db8::1", port: 1, health: critical}}
six: {{instances: [{{id: six-1, address: "2001:db8::6"}}]}}
bad: {{instances: [{{address: "not an address!"}}]}}
worse: 7
"""
        )
        (folder / "late.yaml").write_text("late: {instances: [{id: l1, address: 10.0.0.9}]}\n")
        (folder / "dnsdisco.yaml").write_text(
            f"""providers:
  - {{type: static, path: services.yaml}}
  - {{type: env}}
  - {{type: static, path: late.yaml}}
  - {{type: consul, address: "http://127.0.0.1:{free_port()}"}}
forward: {{upstreams: ["{first.address}", "{second.address}"]}}
acl: {{allow: [127.0.0.0/8, 198.51.100.0/24]}}
startup_timeout: 500ms
stale_after: 1s
http: "off"
control: s
state_dir: "off"
"""
        )
        with Server(
            cwd=folder, env={"SERVICE_WEB_URL": "http://10.3.0.1:8080", "SERVICE_WEB_CHECKOUT_URL": "http://10.3.0.2"}
        ) as server:
            found = Explained(folder, server, (first, second))
            until = time.monotonic() + 10
            while len(found.page("web")["answer"]["answer"]) != 1:
                assert time.monotonic() < until, found.page("web")
                time.sleep(0.1)
            yield found


def test_zone_reading_provider_ttl_and_choice(made: Explained) -> None:
    steps = made.steps("web")
    assert steps[:3] == [
        ("zone", "svc.local", "web.svc.local is a name of this zone"),
        ("reading", "web.svc.local", "the service web"),
        ("provider", "static", "has the service web: 3 instances"),
    ]
    assert ("ttl", "web", "7 s: the service's own") in steps
    assert ("choice", "web", "1 of 3 instances") in steps
    assert made.told("zone", "127.0.0.1") == []  # of a loopback address nobody is asked
    assert made.told("special", "127.0.0.1")


def test_shadowed_with_what(made: Explained) -> None:
    ((subject, text),) = made.told("shadowed", "web")
    assert subject == "env"
    assert re.fullmatch(r"has the service web, too, and comes later in the chain: .* at 10\.3\.0\.1", text)


def test_left_out_since_when_and_by_whose_words(made: Explained) -> None:
    found = dict(made.told("left-out", "web"))
    assert re.fullmatch(r"127\.0\.0\.1: critical: .*[Rr]efused.*; since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["web-2"])
    assert re.fullmatch(r"2001:db8::1: critical: its data says so; since 20.*Z", found["web-3"])
    assert made.told("left-out", "six") == [("six-1", "2001:db8::6: no IPv4 address")]
    assert made.told("left-out", "six", "SRV") == [("six-1", "2001:db8::6: no port")]


def test_rejected_with_its_place(made: Explained) -> None:
    ((_, text),) = made.told("rejected", "bad")
    assert "not an address!" in text
    ((_, text),) = made.told("rejected", "worse")
    assert text.startswith("worse was left out: services.yaml: expected a mapping")


def test_special_and_limit(made: Explained) -> None:
    assert made.told("special", "x.onion.") == [
        ("onion", "x.onion is in this special zone (nothing), which is answered here and never forwarded")
    ]
    assert made.told("limit", "web", client="203.0.113.7") == [
        ("203.0.113.7", "is in none of the networks that may ask (acl)"),
        ("web.svc.local", "this address may not ask here"),
    ]
    assert made.told("limit", "web", client="198.51.100.7") == [
        ("198.51.100.7", "the answers to its network over UDP are limited (rate_limit)")
    ]
    assert made.told("limit", "web") == []


def test_denied_and_not_ready(made: Explained) -> None:
    assert made.told("denied", "web", "MX") == [("web.svc.local", "web has no MX record")]
    assert ("consul", "has not answered yet, and may know the name") in made.told("not-ready", "nosuch")
    assert made.page("nosuch")["answer"]["rcode"] == "SERVFAIL"


def test_forward_upstream_and_cache(made: Explained) -> None:
    first, second = made.upstreams
    first.on("www.example.com.", rcode(2))
    second.on("www.example.com.", answer("192.0.2.80"))
    steps = made.steps("www.example.com.")
    assert [step for step in steps if step[0] == "forward"] == [
        ("forward", "www.example.com", f"asked of {first.address}, {second.address}")
    ]
    said = [(subject, text) for code, subject, text in steps if code == "upstream"]
    assert [subject for subject, _ in said] == [first.address, second.address]
    assert re.fullmatch(r"SERVFAIL, after \d+ ms", said[0][1])
    assert re.fullmatch(r"NOERROR, 1 record, after \d+ ms", said[1][1])
    assert made.told("cache", "www.example.com.") != made.told("cache", "www.example.com.", "TXT")
    ((_, text),) = made.told("cache", "www.example.com.")
    assert re.fullmatch(r"is in the cache; it was heard \d+ s ago, and holds for \d+ s", text)
    assert made.told("upstream", "www.example.com.") == []
    first.on("dumb.example.com.", lambda _: None)
    second.on("dumb.example.com.", lambda _: None)
    said = made.told("upstream", "dumb.example.com.")
    assert {subject for subject, _ in said} == {first.address, second.address, "dumb.example.com"}  # the last one is what DNS says
    assert all(re.fullmatch(r"no answer, after \d+ ms", text) for _, text in said[:2])


def test_stale_when_its_provider_is_away(made: Explained) -> None:
    found = made.lose_late()
    assert found[0][1] in {each["text"] for each in made.page("late")["answer"]["ede"]}
    assert made.server.ask("late.svc.local").options


def test_every_code_of_the_page_has_been_caused(made: Explained) -> None:
    made.lose_late()
    questions = [("web", "A", {}), ("bad", "A", {}), ("web", "MX", {}), ("nosuch", "A", {}), ("x.onion.", "A", {})]
    questions += [("more.example.com.", "A", {}), ("web", "A", {"client": "203.0.113.7"}), ("late", "A", {})]
    seen = {code for name, rtype, more in questions for code, _, _ in made.steps(name, rtype, **more)}
    assert seen == set(CODES)


# the command


def test_the_command(made: Explained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["explain", "web", "--control", made.path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "zone      svc.local      web.svc.local is a name of this zone"
    at = lines.index("")
    assert (
        len(
            {
                line.index(text)
                for line, text in zip(lines, ("web.svc.local is", "the service web", "has the service"), strict=False)
            }
        )
        == 1
    )
    assert lines[at + 1 :] == ["web.svc.local. A: NOERROR", "web.svc.local.       7  A      127.0.0.1"]
    assert "\x1b" not in "".join(lines)
    assert main(["explain", "web", "MX", "--control", made.path]) == 1
    out = capsys.readouterr().out
    assert "web.svc.local. MX: NOERROR (the name exists, without such a record)" in out
    assert out.rstrip().endswith(";; EDE 0 (Other): web has no MX record")
    assert main(["explain", "web", "--client", "203.0.113.7", "--control", made.path]) == 1
    assert "REFUSED" in capsys.readouterr().out
    assert main(["explain", "web", "--json", "--control", made.path]) == 0
    assert json.loads(capsys.readouterr().out)["answer"]["answer"][0]["data"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a..b"], 2, "is not a DNS name"),
        (["web", "NOSUCH"], 2, "is not a record type"),
        (["web", "--client", "nobody"], 2, "expected an IP address"),
        (["web", "--control", "/nowhere/s"], 2, "no server listens at /nowhere/s"),
    ],
)
def test_the_command_says_what_is_wrong(
    made: Explained, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    where = [] if "--control" in arguments else ["--control", made.path]
    assert main(["explain", *arguments, *where]) == code
    assert words in capsys.readouterr().err


def test_what_dns_says_is_one_of_the_steps(made: Explained) -> None:
    made.lose_late()
    for name, rtype in (("web", "MX"), ("six", "A"), ("bad", "A"), ("nosuch", "A"), ("x.onion.", "A"), ("late", "A")):
        whole = name if name.endswith(".") else f"{name}.svc.local"
        reply = made.server.ask(whole, rtype)
        said = {option.text for option in reply.options if hasattr(option, "text") and option.text}
        page = made.page(name, rtype)
        assert said, name
        assert said <= {each["text"] for each in page["steps"]}
        assert page["answer"]["rcode"] == dns.rcode.to_text(reply.rcode())
