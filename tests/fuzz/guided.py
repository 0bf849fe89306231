"""Cases by coverage, with atheris: what reaches a line that no case has reached is kept, and changed further."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.run import check

OURS = "dnsdisco."  # whose coverage counts


def guide(name: str, seconds: int, corpus: Path) -> None:
    """Never returns: atheris ends the process, with a status other than 0 for an input that fails."""
    import atheris  # type: ignore[import-not-found,import-untyped]

    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(READERS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    for module in [module for title, module in sys.modules.items() if title.startswith(OURS)]:
        for function in [each for each in vars(module).values() if inspect.isfunction(each) and each.__module__ == module.__name__]:
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096"], lambda octets: check(name, octets))
    atheris.Fuzz()
