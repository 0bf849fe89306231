"""The rooms keep their doors shut, and the guard that says so can fail."""

from __future__ import annotations

import pytest

from tests.architecture.rooms import imports, modules, PACKAGE, violations

LINES_MAX = 330  # about 300: past this a file says more than one thing
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager"}


@pytest.mark.parametrize(("module", "path"), modules(), ids=[module for module, _ in modules()])
def test_imports_keep_to_the_table(module, path):
    assert violations(path.read_text(), module) == []


def test_files_are_short_and_well_named():
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for _, path in modules()}
    assert {path: lines for path, lines in long.items() if lines > LINES_MAX} == {}
    assert not {path for _, path in modules() if path.stem in FORBIDDEN_NAMES}


PLANTED = [
    ("dnsdisco.model.x", "import time"),
    ("dnsdisco.wire.x", "def f():\n    import socket"),
    ("dnsdisco.zone.x", "from asyncio import sleep"),
    ("dnsdisco.answer.x", "import os.path"),
    ("dnsdisco.cache.x", "import random"),
    ("dnsdisco.errors", "import logging"),
    ("dnsdisco.errors", "from dnsdisco.model import service"),
    ("dnsdisco.model.x", "from dnsdisco.wire import name"),
    ("dnsdisco.wire.x", "from dnsdisco import model"),
    ("dnsdisco.cache.x", "from dnsdisco.zone import lookup"),
    ("dnsdisco.zone.x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dnsdisco.answer import table"),
    ("dnsdisco.answer.x", "from dnsdisco.forward import forwarder"),
    ("dnsdisco.providers.x", "from dnsdisco.config import schema"),
    ("dnsdisco.providers.x", "import dnsdisco.control"),
    ("dnsdisco.config.x", "from dnsdisco.providers import registry"),
    ("dnsdisco.control.x", "from dnsdisco.server import serve"),
    ("dnsdisco.control.run", "from dnsdisco.admin.listener import Listener"),
    ("dnsdisco.control.__main__", "from dnsdisco.server import serve"),
    ("dnsdisco.forward.x", "from dnsdisco.zone import catalog"),
    ("dnsdisco.server.x", "from dnsdisco.providers.base import ServiceDiscovery"),
    ("dnsdisco.server.x", "import pydantic"),
    ("dnsdisco.forward.x", "import yaml"),
    ("dnsdisco.admin.x", "from dnsdisco.server import serve"),
    ("dnsdisco.supervisor.x", "import click"),
    ("dnsdisco.supervisor.x", "from dnsdisco.model import delta"),
    ("dnsdisco.server.x", "import dnslib"),
    ("dnsdisco.control.x", "from dnslib import RD"),
    ("dnsdisco.zone.x", "import dns.rdata"),
    ("dnsdisco.zone.sub.x", "from ...server import serve"),
    ("dnsdisco.newroom.x", "from dnsdisco import errors"),
]


@pytest.mark.parametrize(
    ("module", "source"), PLANTED, ids=[f"{module}: {source.splitlines()[-1].strip()}" for module, source in PLANTED]
)
def test_a_planted_violation_is_caught(module, source):
    assert violations(source, module)


ALLOWED = [
    ("dnsdisco.providers.x", "from dnsdisco.written.units import duration_s"),
    ("dnsdisco.forward.x", "from dnsdisco.written import endpoints"),
    ("dnsdisco.control.x", "from dnsdisco.zone import master"),
    ("dnsdisco.control.__main__", "from dnsdisco.admin.listener import Listener"),
    ("dnsdisco.server.x", "import asyncio, socket"),
    ("dnsdisco.supervisor.x", "import subprocess"),
    ("dnsdisco.cli.x", "import click"),
]


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_what_is_allowed_passes(module, source):
    assert violations(source, module) == []


def test_relative_imports_are_resolved():
    assert imports("from ..wire import name", "dnsdisco.zone.lookup") == [(1, "dnsdisco.wire.name")]
