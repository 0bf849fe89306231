"""What of the settings goes to workers."""

from __future__ import annotations

from dnsdisco.server.settings import WorkerSettings
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import declared, for_workers, to_plain
from tests.config.reread import reread

SECRET_OR_CONTROLS_OWN = {
    "listen", "chain", "when_all_unhealthy", "startup_timeout", "providers", "zone_files", "http", "http_hosts", "state_dir", "control",
}  # fmt: skip


def test_a_worker_gets_what_it_uses_and_no_secret() -> None:
    assert set(declared()) - set(for_workers(Settings())) == SECRET_OR_CONTROLS_OWN


def test_it_works_with_that_as_with_the_whole() -> None:
    whole = reread(Settings(ttl=9, zones=("a.example",), http=None)._replace(providers=({"type": "env"},)))
    part = for_workers(whole)
    got, of_whole = WorkerSettings.from_plain(part), WorkerSettings.from_plain(to_plain(whole))
    assert (got.answers.zone.zones, got.policy(recursion=True).cache) == (((b"a", b"example"),), whole.cache)
    assert got.configured == of_whole.configured._replace(**{key: getattr(Settings(), key) for key in SECRET_OR_CONTROLS_OWN})
    assert "providers" not in part
