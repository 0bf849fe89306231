"""python -m tests.conformance.fuzz [READER…] [--count N] [--seed S]: inputs by the thousand to every reader of text and wire.

With --guided SECONDS by coverage (needs `pip install atheris`): one reader, inputs kept in --corpus.
What fails is printed as one line that `--input HEX` runs again.
"""

from __future__ import annotations

import argparse
import inspect
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.readers import Reader, READERS

GUIDED = ("dnsdisco.wire.", "dnsdisco.zone.master", "dnsdisco.cli.rdata")  # whose coverage counts
LARGE_EVERY = 200  # one input of so many is a large one
LARGE_OCTETS = 20_000


def inputs(reader: Reader, seed: int) -> Iterator[bytes]:
    """Without end: a seed that is changed in a few places, two of them put together, or its words in any order."""
    source = random.Random(seed)
    number = 0
    while True:
        number += 1
        kind = source.random()
        if kind < 0.75:
            octets = bytearray(source.choice(reader.seeds))
        elif kind < 0.85:
            octets = bytearray(source.choice(reader.seeds) + source.choice(reader.seeds))
        else:
            octets = bytearray(b"".join(source.choices(reader.words, k=source.randrange(1, 20))))
        for _ in range(source.choice((0, 1, 1, 1, 2, 3, 8))):
            _change(octets, reader, source)
        if number % LARGE_EVERY == 0:
            octets *= LARGE_OCTETS // (len(octets) + 1)
        yield bytes(octets)


def _change(octets: bytearray, reader: Reader, source: random.Random) -> None:
    at = source.randrange(len(octets) + 1)
    end = min(len(octets), at + source.choice((0, 1, 1, 2, 4, 16)))
    what = source.randrange(6)
    if what == 0:
        octets[at:end] = b""
    elif what == 1:
        octets[at:at] = source.choice(reader.words)
    elif what == 2:
        octets[at:end] = source.choice(reader.words)
    elif what == 3:
        octets[at:at] = octets[at:end] * source.choice((1, 1, 2, 70))
    elif what == 4 and at < len(octets):
        octets[at] = source.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF, octets[at] ^ 1 << source.randrange(8)))
    else:
        octets[at:end] = source.randbytes(end - at)


def run(name: str, count: int, seed: int) -> None:
    """Raises AssertionError with the input that fails."""
    for number, octets in enumerate(inputs(READERS[name], seed)):
        if number == count:
            return
        check(name, octets)


def check(name: str, octets: bytes) -> None:
    try:
        READERS[name].check(octets)
    except Exception as error:
        raise AssertionError(f"{name} --input {octets.hex()}: {type(error).__name__}: {error}") from error


def _guided(name: str, seconds: int, corpus: Path) -> None:
    """Never returns: atheris ends the process, with a status other than 0 for an input that fails."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(READERS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    for module in [module for title, module in sys.modules.items() if title.startswith(GUIDED)]:
        for function in [each for each in vars(module).values() if inspect.isfunction(each) and each.__module__ == module.__name__]:
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096"], lambda octets: check(name, octets))
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)}; default: all")
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each reader (default: 100,000)")
    parser.add_argument("--seed", type=int, default=8906)
    parser.add_argument("--input", metavar="HEX", help="this one alone")
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="by coverage, with atheris; one READER")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"), help="folder for --guided (default: fuzz-corpus)")
    arguments = parser.parse_args()
    names = arguments.readers or list(READERS)
    if unknown := set(names) - set(READERS):
        parser.error(f"no reader is called {', '.join(sorted(unknown))}")
    if (arguments.guided or arguments.input) and len(names) != 1:
        parser.error("one READER")
    if arguments.guided:
        _guided(names[0], arguments.guided, arguments.corpus / names[0])
    for name in names:
        began_at = time.monotonic()
        if arguments.input:
            check(name, bytes.fromhex(arguments.input))
        else:
            run(name, arguments.count, arguments.seed)
            print(f"{name}: {arguments.count} inputs, seed {arguments.seed}, {time.monotonic() - began_at:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
