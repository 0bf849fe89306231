"""`name`, `namespace` and `aliases` of a services file, through a real server: DNS, the check, an explanation, and the view on disk."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.cli import main, server_client
from tests.whole.server import Server

pytestmark = pytest.mark.slow

FILE = """\
web: {address: 10.0.0.1, port: 80, aliases: [www, shop]}
web-of-shop:
  name: web
  namespace: shop
  aliases: [front_end]
  scheme: http
  meta: {team: blue}
  instances: [{id: w1, address: 10.0.1.1, ports: {http: 8080, grpc: 9090}, tags: [v1]}, {id: w2, address: 10.0.1.2, port: 8080}]
empty: {namespace: shop, instances: [], aliases: [nothing]}
again: {name: web, namespace: shop, address: 10.9.9.9}
shop: {address: 10.0.0.3, tags: [web]}
bad: {namespace: [shop], address: 10.9.9.9}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text(FILE)
    (tmp_path / "dnsdisco.yaml").write_text(
        "providers: [{type: static, path: services.yaml}]\nforward: {upstreams: []}\nstate_dir: state\ncontrol: s\nhttp: off\n"
    )
    return tmp_path


def test_dns_has_them_and_says_which_reading_it_took(folder: Path) -> None:
    with Server(cwd=folder) as server:
        answers = server.answers
        assert answers("web.svc.local") == answers("www.svc.local") == {"10.0.0.1"}
        two = {"10.0.1.1", "10.0.1.2"}
        names = ("web.shop.svc.local", "WEB.Shop.svc.local", "front-end.shop.svc.local", "front_end.shop.svc.local")
        assert [answers(name) for name in names] == [two] * 4
        assert answers("shop.svc.local") == {"10.0.0.3"}  # a service, whose name no alias takes, and a namespace
        assert answers("w1.web.shop.svc.local") == answers("v1.web.shop.svc.local") == {"10.0.1.1"}
        http = {"0 1 8080 w1.web.shop.svc.local.", "0 1 8080 w2.web.shop.svc.local."}
        assert answers("_http._tcp.web.shop.svc.local", "SRV") == http
        assert answers("_grpc._tcp.web.shop.svc.local", "SRV") == {"0 1 9090 w1.web.shop.svc.local."}
        assert answers("web.shop.svc.local", "SRV") == http | {"0 1 9090 w1.web.shop.svc.local."}
        assert answers("_web._tcp.shop.svc.local", "SRV") == answers("web.shop.svc.local", "SRV")
        assert '"team=blue"' in " ".join(answers("web.shop.svc.local", "TXT"))
        assert answers("1.1.0.10.in-addr.arpa", "PTR") == {"w1.web.shop.svc.local."}
        assert server.ask("9.9.9.10.in-addr.arpa", "PTR").rcode() == 3
        for name in ("empty.shop.svc.local", "nothing.shop.svc.local"):
            reply = server.ask(name)
            assert (reply.rcode(), reply.answer) == (0, [])  # known, without instances
        for name in ("empty.svc.local", "www.shop.svc.local", "front-end.svc.local", "bad.svc.local", "web-of-shop.svc.local"):
            assert server.ask(name).rcode() == 3, name
        page = server_client.ask(str(folder / "s"), "GET", "/v1/explain?name=web.shop.svc.local&type=A")
        readings = [step["text"] for step in page["steps"] if step["code"] == "reading"]
        assert readings[0] == "the service web in the namespace shop"
        assert any(text.startswith("lost: the instances of the service shop with the tag web") for text in readings[1:])
        service = server_client.ask(str(folder / "s"), "GET", "/v1/services/front_end.shop")["service"]
        assert service["names"] == ["web.shop", "front-end.shop", "front_end.shop"]
        assert (service["name"], service["namespace"], service["aliases"]) == ("web", "shop", ["front_end"])


def test_the_log_and_the_check_say_what_is_lost_and_where(folder: Path) -> None:
    with Server(cwd=folder) as server:
        server.wait_for(r"service 'web' of static is not found as 'shop': that name belongs to 'shop' of static")
        server.wait_for(r"services.yaml:10:\d+: again: the service web.shop is said twice")
        server.wait_for(r"services.yaml:12:\d+: bad.namespace: expected a namespace, found")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.chdir(folder):
        assert main(["check", "--json"]) == 1
    told = {(each["line"], each["path"]): each["message"] for each in json.loads(out.getvalue())["problems"]}
    assert told[10, "again"] == "the service web.shop is said twice; the first one counts, and this one is left out"
    assert told[1, "web"] == "warning: is not found as shop: that name belongs to shop"
    assert told[12, "bad.namespace"].startswith("expected a namespace, found")


def test_a_view_that_was_kept_has_them(folder: Path) -> None:
    def state(server: Server) -> Any:
        return [server.answers(f"{name}.svc.local") for name in ("web", "www", "web.shop", "front_end.shop")]

    with Server(cwd=folder) as server:
        before = state(server)
        deadline = time.monotonic() + 10
        while not any(
            "front_end" in each.read_text("utf-8", "replace") for each in (folder / "state").rglob("*") if each.is_file()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    (folder / "services.yaml").write_text("{broken")  # so the view on disk is what there is
    with Server(cwd=folder) as server:
        server.wait_for("last known services restored")
        assert state(server) == before
        assert server.ask("empty.shop.svc.local").rcode() == 0


def test_a_change_of_a_name_moves_the_service_at_once(folder: Path) -> None:
    with Server(cwd=folder) as server:
        text = FILE.replace("namespace: shop\n", "namespace: store\n").replace("again: {name", "again: {address: 10.0.0.7, name")
        (folder / "new").write_text(text.replace(", address: 10.9.9.9}\nshop", "}\nshop"))
        (folder / "new").rename(folder / "services.yaml")
        server.until("web.store.svc.local", {"10.0.1.1", "10.0.1.2"}, 5)
        assert server.answers("front-end.store.svc.local") == {"10.0.1.1", "10.0.1.2"}
        assert server.answers("web.shop.svc.local") == {"10.0.0.7"}  # the second one of its name has it now
        assert server.ask("front-end.shop.svc.local").rcode() == 3
