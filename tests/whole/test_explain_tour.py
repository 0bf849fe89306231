"""The tour of docs/explain.md: its file, its commands, and what they print."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from dnsdisco.cli import main, server_client
from tests.whole.server import ROOT, Server

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "explain.md").read_text()
TOUR = [
    (block.partition("\n")[0].removeprefix("$ dnsdisco "), block.partition("\n")[2])
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
]


def timeless(text: str) -> str:
    """Without instants and serials, which differ."""
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b1\d{9}\b", "NOW", text)


def test_each_command_prints_what_the_page_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "services.yaml").write_text(found)
    arguments = ("--services", "services.yaml", "--provider", "static", "--provider", "env", "--upstream", "none")
    path = str(tmp_path / "s")
    with Server(
        *arguments,
        "--http",
        "off",
        "--control",
        path,
        "--state-dir",
        "off",
        cwd=tmp_path,
        env={"SERVICE_WEB_URL": "http://10.3.0.1:8080"},
    ):
        until = time.monotonic() + 10
        while "shadowed" not in str(server_client.ask(path, "GET", "/v1/explain", {"name": "web"})):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert len(TOUR) >= 4
        for command, printed in TOUR:
            main([*command.split(), "--control", path])
            assert timeless(capsys.readouterr().out) == timeless(printed), command
