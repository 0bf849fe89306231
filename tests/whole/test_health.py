"""Health checks of a services file, from a real HTTP server's answer to a DNS answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.control.checked import BAD, OK, Target
from tests.whole.server import ROOT, Server


def services(port: int, other: int, check: str = "http://{address}:{port}/health") -> str:
    return (
        "web:\n"
        "  instances:\n"
        f"    - {{id: a, address: 127.0.0.1, port: {port}}}\n"
        f"    - {{id: b, address: 127.0.0.2, port: {other}}}\n"
        f'  check: {{http: "{check}", interval: 200ms, timeout: 300ms, fall: 1}}\n'
    )


def test_a_server_that_fails_is_left_out_and_comes_back(tmp_path: Path) -> None:
    with Target() as one, Target(host="127.0.0.2") as two:
        (tmp_path / "services.yaml").write_text(services(one.port, two.port))
        arguments = ("--services", "services.yaml", "--upstream", "none", "--http", "off", "--state-dir", "off")
        with Server(*arguments, cwd=tmp_path) as server:
            assert server.answers("web.svc.local") == {"127.0.0.1", "127.0.0.2"}
            one.says = BAD
            server.until("web.svc.local", {"127.0.0.2"}, 0.2 + 0.3 + 0.3)
            assert server.answers("a.web.svc.local") == {"127.0.0.1"}  # by its own name it is there, healthy or not
            one.says = OK
            server.until("web.svc.local", {"127.0.0.1", "127.0.0.2"}, 0.2 + 0.3 + 0.3)
            server.wait_for(r"event=health .*health=critical")
            assert "Traceback" not in server.stderr
            assert server.stop() == 0


def test_check_names_what_a_check_may_not_ask(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(services(80, 81, "http://169.254.169.254:{port}/latest"))
    done = subprocess.run(
        [sys.executable, "-m", "dnsdisco.cli", "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SERVICE_DISCOVERY_PROVIDER": "static"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "services.yaml:5:17: fault: web.check.http: not run for a, b: a check may ask the instance alone" in done.stdout
