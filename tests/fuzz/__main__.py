"""python -m tests.fuzz [READER…] [--count N] [--seed S] [--write]: cases by the thousand to every reader of what others write.

With --guided SECONDS by coverage (needs `pip install atheris`): one reader, inputs kept in --corpus.
What fails is printed as one line that `--input HEX` runs again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz import page
from tests.fuzz.guided import guide
from tests.fuzz.readers import READERS
from tests.fuzz.run import check, run

SEED = 8906


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)}; default: all")
    parser.add_argument("--count", type=int, help="cases for each reader (default: 1,000,000 for the wire, 100,000 for the others)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/fuzzing.md")
    parser.add_argument("--input", metavar="HEX", help="this one alone")
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="by coverage, with atheris; one READER")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"), help="folder for --guided (default: fuzz-corpus)")
    arguments = parser.parse_args()
    names = arguments.readers or list(READERS)
    if unknown := set(names) - set(READERS):
        parser.error(f"no reader is called {', '.join(sorted(unknown))}")
    if (arguments.guided or arguments.input is not None) and len(names) != 1:
        parser.error("one READER")
    if arguments.guided:
        guide(names[0], arguments.guided, arguments.corpus / names[0])
    if arguments.input is not None:
        check(names[0], bytes.fromhex(arguments.input))
        return 0
    for name in names:
        outcome = run(name, arguments.count or READERS[name].count, arguments.seed)
        print(f"{name}: {page.words(outcome)}, seed {arguments.seed}", flush=True)
        if arguments.write:
            page.put(name, outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
