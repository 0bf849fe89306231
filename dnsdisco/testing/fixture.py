"""The fixture `dnsdisco_server`. It is not a pytest plug-in: only a project that imports it has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnsdisco.testing.server import Server


@pytest.fixture
def dnsdisco_server() -> Iterator[Server]:
    """A server without services, for one test."""
    with Server() as server:
        yield server
