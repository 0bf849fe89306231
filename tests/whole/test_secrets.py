"""No token of a backend is in a process list, a log, a page, a file of ours, or a worker: while all is well, and when it is refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.providers.consul.fake import FakeConsul, status
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.objects import headless, slice_of
from tests.whole.server import ROOT, Server

CONSUL, KUBERNETES = "tok-consul-5e0c71b4", "tok-kubernetes-93a1d2f6"
PAGES = ("/", "/ready", "/metrics", "/v1/services", "/v1/services/web", "/v1/providers")


@pytest.fixture
def consul() -> Iterator[FakeConsul]:
    with FakeConsul() as agent:
        agent.token = CONSUL
        agent.catalog.put("web", id="w1", address="10.0.0.1", port=80)
        yield agent


@pytest.fixture
def kubernetes() -> Iterator[Fake]:
    with Fake() as api:
        api.tokens = {KUBERNETES}
        api.put(headless("pod"), slice_of("pod", ["10.0.0.2"]))
        yield api


@pytest.fixture
def server(consul: FakeConsul, kubernetes: Fake, tmp_path: Path) -> Iterator[Server]:
    kubeconfig = kubernetes.kubeconfig(tmp_path, token=KUBERNETES)
    (tmp_path / "dnsdisco.yaml").write_text(
        "providers:\n"
        f"  - {{type: consul, address: '{consul.address}', token: {CONSUL}}}\n"
        f"  - {{type: kubernetes, kubeconfig: {kubeconfig}}}\n"
        "forward: {upstreams: []}\n"
        "state_dir: state\n"
    )
    with Server("--http", "127.0.0.1:0", cwd=tmp_path) as running:
        running.until("web.svc.local", {"10.0.0.1"}, 5)
        running.until("pod.svc.local", {"10.0.0.2"}, 5)
        yield running


def revealing(server: Server, url: str, folder: Path) -> list[str]:
    """Where either token can be read."""
    texts = {"the log": server.stderr}
    for page in PAGES:
        texts[page] = httpx.get(url + page, trust_env=False, timeout=5).text
    for pid in [server.process.pid, *(pid for pids in server.children().values() for pid in pids)]:
        texts[f"the command of {pid}"] = Path(f"/proc/{pid}/cmdline").read_text()
    for path in folder.rglob("*"):
        if path.is_file():
            texts[path.name] = path.read_text()
    return [where for where, text in texts.items() if CONSUL in text or KUBERNETES in text]


def test_no_token_can_be_read_anywhere(server: Server, consul: FakeConsul, kubernetes: Fake, tmp_path: Path) -> None:
    url = server.wait_for(r'event="http listening" address=(\S+)')[1]
    state = tmp_path / "state"
    assert state.is_dir()
    assert revealing(server, url, state) == []
    # Refused in words that hold what was refused, as a proxy's page may, at both.
    consul.lie("/v1", status(403, f"not for X-Consul-Token: {CONSUL}, my friend"))
    consul.catalog.put("new")
    kubernetes.lie = lambda request: request.refuse(403, "Forbidden", f"not for Authorization: Bearer {KUBERNETES}, my friend")
    kubernetes.break_connections()
    server.wait_for(r"HTTP 403: not for X-Consul-Token: \*\*\*, my friend", 15)
    server.wait_for(r"403: not for Authorization: Bearer \*\*\*, my friend", 15)
    states = {each["name"]: each for each in httpx.get(f"{url}/v1/providers", trust_env=False, timeout=5).json()["providers"]}
    assert [(each["state"], bool(re.search(r"\*\*\*", each["last_error"]))) for each in states.values()] == [("denied", True)] * 2
    assert revealing(server, url, state) == []
    assert server.answers("web.svc.local") == {"10.0.0.1"}


def memory(pid: int) -> Iterator[bytes]:
    """What the process can write to, piece by piece."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in maps:
            if line.split()[1].startswith("rw"):
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                file.seek(start)
                try:
                    yield file.read(end - start)
                except OSError:  # a guard page
                    continue


def holds(pid: int, word: str) -> bool:
    return any(word.encode() in piece for piece in memory(pid))


def test_no_worker_knows_a_token(server: Server) -> None:
    """Looked for in its memory, at the start and after a reload; in control's it is, so that the search can be believed."""
    children = server.children()
    (control,), (worker,) = children["control"], children["server"]
    try:
        assert holds(control, CONSUL)
    except PermissionError:
        pytest.skip("this system does not let a parent read its children's memory")
    assert holds(worker, "svc.local") or holds(worker, "10.0.0.1")
    assert not holds(worker, CONSUL)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("event=reloaded")
    server.until("web.svc.local", {"10.0.0.1"}, 5)
    assert not holds(worker, CONSUL)


def test_no_password_of_a_service_can_be_read_anywhere(tmp_path: Path) -> None:
    """In a URL, in what is written beside it, and in what is wrong with another one; but for the program that asks for it by its library."""
    secret = "hunter2-c0ffee"
    (tmp_path / "services.yaml").write_text(
        f'db: {{url: "postgres://admin:{secret}@10.0.0.9:5432/x", meta: {{password: {secret}, dsn: "mysql://u:{secret}@h/x", zone: a}}}}\n'
        f'api: {{url: "https://10.0.0.8/x?api_token={secret}&a=b"}}\n'
        f'bad: {{url: "postgres://admin:{secret}@10.0.0.9:x/"}}\n'
        f'many: {{url: "redis://:{secret}@10.0.0.7", instances: [{{address: 10.0.0.7}}, {{address: 10.0.0.6, meta: {{apiKey: {secret}}}}}]}}\n'
    )
    arguments = ("--services", "services.yaml", "--http", "127.0.0.1:0", "--upstream", "none", "--state-dir", "off")
    with Server(*arguments, cwd=tmp_path) as server:
        url = server.wait_for(r'event="http listening" address=(\S+)')[1]
        texts = {
            page: httpx.get(url + page, trust_env=False, timeout=5).text
            for page in ("/metrics", "/v1/services", "/v1/providers", "/v1/services/db")
        }
        names = ("db", "api", "many", "10-0-0-6.many", "10-0-0-7.many")
        texts |= {
            f"{name} {rtype}": str(server.ask(f"{name}.svc.local", rtype)) for name in names for rtype in ("TXT", "ANY", "SRV", "A")
        }
        texts["check"] = dnsdisco(tmp_path, "check", "--services", "services.yaml")
        texts["check --json"] = dnsdisco(tmp_path, "check", "--services", "services.yaml", "--json")
        texts["services"] = dnsdisco(tmp_path, "services", "--services", "services.yaml")
        assert "postgres://10.0.0.9:5432/x" in texts["/v1/services"]
        assert '"zone=a"' in texts["db TXT"]
        assert "password" not in texts["db TXT"]
        assert "bad.url: expected a URL" in texts["check"]
        texts["the log"] = server.stderr
    assert [where for where, text in texts.items() if secret in text] == []
    assert secret in dnsdisco(tmp_path, "url", "--services", "services.yaml", "db")


def dnsdisco(cwd: Path, *arguments: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dnsdisco.cli", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr
