"""For every test: what one test sets up for the whole process does not reach the next, and no property has a deadline."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# A deadline for each example measures the machine, not the code: on a busy one it fails by chance. What is bounded in time is
# asserted in the test. A failing example is printed as a blob, so that it can be repeated elsewhere.
settings.register_profile("dnsdisco", deadline=None, print_blob=True)
settings.load_profile("dnsdisco")


WHOLE = Path(__file__).with_name("whole")


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """The control process sets structlog and logging up for itself; a library does not."""
    was_configured, config = structlog.is_configured(), structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if was_configured:
        structlog.configure(**config)
    else:
        structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole programs, real servers and network namespaces are slow, all of them; other slow tests say so. `pytest -m "not slow"` leaves them out."""
    for item in items:
        if item.path.is_relative_to(WHOLE) or any(map(item.get_closest_marker, ("servers", "netns"))):
            item.add_marker(pytest.mark.slow)
