"""The pages and the files that show what `setup` writes are held to it."""

from __future__ import annotations

from dnsdisco.cli.setup import NAMES
from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup import resolvers, unit
from dnsdisco.setup.targets import TARGETS
from dnsdisco.setup.values import SetupValues
from tests.setup.setup_page import ON_5300, PAGE, page, ROOT


def test_the_page_is_what_is_printed():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.setup.setup_page"


def test_the_command_line_has_every_target():
    assert tuple(TARGETS) == NAMES


def test_the_unit_of_deploy_is_the_text():
    assert (ROOT / "deploy/systemd/dnsdisco.service").read_text() == unit.text(unit.USUAL_PROGRAM)
    assert "ExecStart=/elsewhere/dnsdisco serve" in unit.text("/elsewhere/dnsdisco")


def test_the_pages_that_show_a_line_of_it():
    lab = SetupValues.of(["lab.example"], ["127.0.0.1:5300"])
    line = resolvers.dnsmasq_lines(lab).splitlines()[0]
    assert f"`{line}`" in (ROOT / "docs/from-dnsmasq.md").read_text()
    readme = (ROOT / "README.md").read_text()
    assert resolvers.resolved(ON_5300, MachineFiles("/nowhere")).files[0].text in readme
