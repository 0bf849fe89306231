"""Tests end their watches hundreds of times: what a program does not feel adds up here."""

import pytest

from dnsdisco.providers.consul import watch


@pytest.fixture(autouse=True)
def _quick_stop(monkeypatch):
    monkeypatch.setattr(watch, "TICK_S", 0.02)
    monkeypatch.setattr(watch, "EMPTY_HOLD_S", 0.2)
