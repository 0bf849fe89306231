"""Changes in a real backend, until they are answered over UDP: a few of each kind; `python -m tests.whole.changes` measures many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.providers.kubernetes.real import missing
from tests.whole import changes

ROUNDS = 3
SEEN_S = 0.5  # for half of them, on a busy machine; the figures are in docs/consul.md and docs/kubernetes.md

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


def check(took_s: dict[str, list[float]]) -> None:
    del took_s[changes.ECHO]
    assert {kind: len(values) for kind, values in took_s.items()} == dict.fromkeys(took_s, ROUNDS)
    assert len(took_s) == 7
    every = [each for values in took_s.values() for each in values]
    assert changes.share(every, 0.5) < SEEN_S * 1e3


@pytest.mark.skipif(bool(missing("consul")), reason="no consul here; .ci/servers builds it")
def test_of_consul(tmp_path: Path) -> None:
    check(changes.of_consul(tmp_path, ROUNDS, 0.0, others=10))


@pytest.mark.skipif(bool(missing("kube-apiserver", "etcd")), reason="no kube-apiserver and etcd here; .ci/servers builds them")
def test_of_kubernetes(tmp_path: Path) -> None:
    check(changes.of_kubernetes(tmp_path, ROUNDS, 0.0, others=10))
