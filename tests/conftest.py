"""For every test: what one sets up for the whole process does not reach the next."""

from __future__ import annotations

import logging

import pytest
import structlog


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
