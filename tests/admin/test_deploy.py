"""What is under deploy/ fits what there is: metrics that exist, files that are there, a configuration without faults, a unit that holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = set(re.findall(r"^\| `(dnsdisco_\w+)`", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE))
LABELS = {
    name: set(re.findall(r"`(\w+)`", labels)) | {"instance", "job", "le"}
    for name, labels in re.findall(r"^\| `(dnsdisco_\w+)` \| ([^|]*) \|", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE)
}


def base(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "grafana" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def faults(expression: str) -> list[str]:
    """What *expression* speaks of that does not exist."""
    metrics = re.findall(r"\bdnsdisco_\w+", expression)
    found = [name for name in metrics if base(name) not in KNOWN]
    allowed = {"instance", "job", "le"}.union(*(LABELS[base(name)] for name in metrics if base(name) in KNOWN))
    for labels in re.findall(r"(?:by|on|group_right|without)\s*\(([^()]*)\)", expression):
        found += [label for label in re.findall(r"\w+", labels) if label not in allowed]
    found += [label for label in re.findall(r'(\w+)(?:=~|!=|!~|=)"', expression) if label not in allowed]
    if any(expression.count(one) != expression.count(other) for one, other in ("()", "[]", "{}")):
        found.append("a bracket")
    return found


@pytest.mark.parametrize(("name", "expression"), list(expressions()), ids=lambda value: value[:30])
def test_queries_speak_of_metrics_and_labels_that_exist(name: str, expression: str) -> None:
    assert faults(expression) == []
    assert "dnsdisco_" in expression or "up{" in expression


@pytest.mark.parametrize(
    "expression",
    ["rate(dnsdisco_nosuch_total[5m])", "sum by (name) (dnsdisco_server_workers)", 'dnsdisco_server_workers{worker="0"}', "sum(dnsdisco_server_workers"],
)  # fmt: skip
def test_a_query_of_something_else_would_be_noticed(expression: str) -> None:
    assert faults(expression)


def test_alerts_say_what_to_do() -> None:
    for rule in rules():
        assert re.fullmatch(r"Dnsdisco[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        metrics = re.findall(r"\bdnsdisco_\w+", rule["expr"])
        assert named <= {"instance"}.union(*(LABELS[base(name)] for name in metrics))
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_files_of_compose_are_there_and_the_server_s_has_no_fault() -> None:
    folder = DEPLOY / "compose"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            if isinstance(volume, dict):
                assert (folder / volume["source"]).exists(), volume
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")  # nothing is open to the outside
    for name in ("prometheus.yml", "grafana/datasource.yaml", "grafana/dashboards.yaml"):
        assert yaml.safe_load((folder / name).read_text())
    assert json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["uid"] == "dnsdisco"
    server = folder / "dnsdisco" / "dnsdisco.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "dnsdisco.cli", "check", "--config", str(server)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    settings = yaml.safe_load(server.read_text())
    (target,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"{compose['services']['dnsdisco']['hostname']}:{settings['http'].rpartition(':')[2]}"


def test_the_unit_is_understood_and_holds_what_it_promises(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("dnsdisco.service", "dnsdisco.socket"):
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/dnsdisco/bin/dnsdisco", sys.executable))
    files = [str(tmp_path / name) for name in ("dnsdisco.service", "dnsdisco.socket")]
    verified = subprocess.run([analyze, "verify", *files], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr.count(str(tmp_path))) == (0, 0), verified.stderr
    security = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", files[0]], capture_output=True, text=True, check=False
    )
    assert security.returncode == 0, security.stdout[-300:] + security.stderr


def _directives(name: str) -> list[tuple[str, str]]:
    lines = [line for line in (DEPLOY / "systemd" / name).read_text().splitlines() if not line.startswith("#")]
    return [(key, value) for key, equals, value in (line.partition("=") for line in lines) if equals]


@pytest.mark.parametrize(
    ("text", "is_sound"), [("ttl: 5\n", True), ("ttl: nonsense\n", False), ("zones: [\n", False), (None, False)]
)
def test_a_reload_with_faults_fails_loudly_before_the_server_is_told(tmp_path: Path, text: str | None, is_sound: bool) -> None:
    check, kill = [value for key, value in _directives("dnsdisco.service") if key == "ExecReload"]
    assert kill.endswith("-HUP $MAINPID")
    config = tmp_path / "dnsdisco.yaml"
    if text is not None:
        config.write_text(text)
    words = check.replace("/etc/dnsdisco/dnsdisco.yaml", str(config)).split()
    done = subprocess.run([sys.executable, "-m", "dnsdisco.cli", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is is_sound, done.stdout + done.stderr


def test_one_child_without_memory_is_not_all_of_them_and_a_start_is_never_given_up() -> None:
    unit = dict(_directives("dnsdisco.service"))
    assert unit["OOMPolicy"] == "continue"
    assert unit["StartLimitIntervalSec"] == "0"
    assert int(unit["WatchdogSec"]) >= 10
