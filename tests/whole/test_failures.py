"""A part of `python -m tests.whole.failures`: no failure denies a known name, and a backend that returns is followed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.whole import failing_consul, failing_kubernetes, failures

pytestmark = pytest.mark.timeout(120)

QUICK = "^(refused|500|HTML|null|half JSON: the list|410)"  # followed again within two seconds each
LASTS_S = 0.8


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "AFTER_S", 0.05)


def check(made: Any, folder: Path, only: str) -> None:
    outcomes = failures.run(made, folder, only, with_load=False, lasts_s=LASTS_S)
    assert outcomes
    for outcome in outcomes:
        assert set(outcome.answers) == {"answered"}, f"{outcome.failure.title}: {outcome.answers}"
        assert outcome.answers["answered"] > 20, outcome.failure.title
        # A busy machine may take twice as long as promised, and tells nothing of processor time in a second.
        assert outcome.followed_s < 2 * outcome.failure.followed_s, outcome.failure.title


def test_a_lying_consul(tmp_path: Path) -> None:
    check(failing_consul.BACKENDS[-1], tmp_path / "backend", QUICK)


def test_a_lying_api_server(tmp_path: Path) -> None:
    check(failing_kubernetes.BACKENDS[-1], tmp_path / "backend", QUICK)


@pytest.mark.servers
@pytest.mark.skipif(bool(failing_consul.Real.missing()), reason="no consul here; .ci/servers builds it")
def test_a_real_consul_that_is_killed(tmp_path: Path) -> None:
    check(failing_consul.BACKENDS[0], tmp_path / "backend", "^kill")


def test_the_page_has_every_failure() -> None:
    page = failures.PAGE.read_text()
    for heading, module in (("Consul", failing_consul), ("Kubernetes", failing_kubernetes)):
        section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        listed = re.findall(r"^\| (.+?) \| (?:fake|Consul|kube)", section, re.MULTILINE)
        source = Path(module.__file__).read_text()
        assert len(listed) > 10
        assert [title for title in listed if f'"{title}"' not in source] == []


def test_a_name_that_is_denied_would_be_seen() -> None:
    """What the matrix counts, proven on a server that has lost its names."""
    outcome = failures.Outcome(
        failures.Failure("planted", lambda: None, lambda: None),
        "planted",
        Counter({"answered": 9, "NXDOMAIN": 1}),
        ([1.0], [1.0]),
        0.06,
        3.5,
    )
    assert outcome.faults == ["1 NXDOMAIN", "control at 6.0%", "followed after 3.5 s"]
