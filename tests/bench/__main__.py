"""`python -m tests.bench [--only KEY]... [--peer TEXT] [--rounds N] [--seconds S] [--json FILE] [--write]`: what everything costs.

Without `--only`, all of it: half an hour. `--write` puts the results into docs/performance.json, and the table and the plot made of
it into docs/; cases that were not run stay as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import report, scale, storm
from tests.bench.cases import CASES
from tests.bench.measure import measure

Rows = dict[str, dict[str, float]]


def main() -> int:
    others: dict[str, tuple[str, Callable[[], Rows]]] = {}
    known = [case.key for case in CASES] + list(_others(1, 1.0))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=known, metavar="KEY", help=f"of {', '.join(known)}")
    parser.add_argument("--peer", default="", help="only servers whose name has this text, and dnsdisco")
    parser.add_argument("--rounds", type=int, default=5, help="alternations; the median counts")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--json", type=Path, help="write the results of this run here")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json, its tables and its plot")
    arguments = parser.parse_args()
    others = _others(arguments.rounds, arguments.seconds)
    wanted = arguments.only or known
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}; server on one, load on another")
    results: dict[str, Any] = {}
    for at, key in enumerate(wanted, 1):
        case = next((case for case in CASES if case.key == key), None)
        title = others[key][0] if case is None else case.title
        print(f"{key} ({at}/{len(wanted)}): {title}", file=sys.stderr, flush=True)
        rows = others[key][1]() if case is None else measure(case, arguments.peer, arguments.rounds, arguments.seconds)
        results[key] = {
            "title": title,
            "rounds": arguments.rounds,
            "seconds": arguments.seconds,
            "at": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "rows": rows,
        }
        print(f"\n{report.table(results[key])}\n", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
        if arguments.write:
            report.write({key: results[key]})
    return 0


def _others(rounds: int, seconds: float) -> dict[str, tuple[str, Callable[[], Rows]]]:
    """What is measured in another way than by a file of queries for several servers."""
    return {
        "parsing": ("a paced load while the services file is parsed again and again", partial(storm.parsing, rounds, seconds)),
        "changes": ("a saturating load while services change", partial(storm.changing, rounds, seconds)),
        "delay": ("from a backend's word to the answer", partial(storm.delay, rounds)),
        "one-change": ("what one change costs, by the number of services", partial(scale.one_change, rounds)),
        "scale": ("a start with 10,000 services of ten instances each", partial(scale.start, rounds)),
        "imports": ("a start of each program", partial(scale.imports, rounds)),
    }


if __name__ == "__main__":
    raise SystemExit(main())
