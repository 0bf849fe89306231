"""What a target wants written."""

from __future__ import annotations

from typing import NamedTuple

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup.values import SetupRefused


class PlannedFile(NamedTuple):
    """A whole file."""

    path: str
    text: str


class SetupPlan(NamedTuple):
    """`then`: commands for the administrator, such as a restart. `notes`: what to know before."""

    files: tuple[PlannedFile, ...]
    then: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def one_file(path: str, text: str, *then: str, notes: tuple[str, ...] = ()) -> SetupPlan:
    return SetupPlan((PlannedFile(path, text),), then, notes)


def refuse_links(plan: SetupPlan, machine: MachineFiles) -> None:
    """A link leads to a file of somebody else. Raises SetupRefused."""
    for file in plan.files:
        if target := machine.target(file.path):
            raise SetupRefused(f"{file.path} is a link to {target}, which belongs to another program; write there what is printed")
