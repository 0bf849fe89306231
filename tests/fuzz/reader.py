"""What a reader is to be fuzzed, and its cases: inputs that are nearly right, without end, the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

LARGE_EVERY = 200  # one input of so many is a large one
LARGE_OCTETS = 20_000
TREES = 0.8  # of the cases of a reader of trees; the others are its seeds as octets

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 80, 65535, 65536, 2**31, 2**70, 1.5, 1e308, "", " ", "web", "a.b", "10.0.0.1", "2001:db8::1", "fe80::1%eth0", "db.example.com",
    "x" * 64, "x" * 5000, "\0", "\n", "\x85", "\u2028", "\ud800", "\u00e4", "\U0001f4a9", "*", "-", "..", "9" * 5000, "1w", "1e309", "http://[", "http://a@b:99999/", "None", "null",
    [], {}, [[]], [None], {"": None}, [1, "a", {}], "__class__", "{address}", "%s%n", "$(x)", "../../etc/passwd",
)  # fmt: skip


class Reader(NamedTuple):
    """`seeds`: good inputs to begin from. `words`: pieces that its inputs are made of, and keys. `check` raises AssertionError for what is
    wrong, and lets through what the reader may raise. `is_tree`: its inputs are JSON, and are changed as such, most of the time.
    `case_s`, `case_octets`: what one case may take of the processor and of memory; `count`: cases of a whole run."""

    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    check: Callable[[bytes], None]
    is_tree: bool = False
    case_s: float = 1.0
    case_octets: int = 32 * 1024 * 1024
    count: int = 100_000  # type: ignore[assignment]  # a tuple has a method of that name


def inputs(reader: Reader, seed: int) -> Iterator[bytes]:
    """A seed that is changed in a few places, two of them put together, or its words in any order."""
    source = random.Random(seed)
    number = 0
    while True:
        number += 1
        if reader.is_tree and source.random() < TREES:
            yield _tree(reader, source)
            continue
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


# trees


def _tree(reader: Reader, source: random.Random) -> bytes:
    tree = json.loads(source.choice(reader.seeds))
    other = json.loads(source.choice(reader.seeds))
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        places = _places(tree)
        if not places:
            break
        inside, key = source.choice(places)
        _change_tree(inside, key, places, _places(other), reader, source)
    return json.dumps(tree).encode()


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every value but the whole, as what it is in and its key there."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        inside = waiting.pop()
        keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
        for key in keys:
            found.append((inside, key))
            waiting.append(inside[key])
    return found


def _change_tree(inside: Any, key: Any, places: list[Any], others: list[Any], reader: Reader, source: random.Random) -> None:
    value = inside[key]
    what = source.randrange(8)
    if what == 0:
        del inside[key]
    elif what == 1:
        _put(inside, key, value if isinstance(inside, list) else source.choice(VALUES), reader, source)
    elif what == 2 and others:  # what stands elsewhere, copied so that nothing is inside itself
        donor, at = source.choice(others)
        inside[key] = json.loads(json.dumps(donor[at]))
    elif what == 3:
        inside[key] = source.choice(
            ([value], {source.choice(reader.words).decode("utf-8", "replace"): value}, [value] * (40 if len(places) < 500 else 1))
        )
    elif what == 4 and isinstance(value, str):
        at = source.randrange(len(value) + 1)
        inside[key] = value[:at] + str(source.choice(VALUES)) + value[at + source.randrange(3) :]
    elif what == 5 and isinstance(value, int):
        inside[key] = source.choice((value + 1, value - 1, -value, value * 2**16, str(value), float(value) + 0.5))
    elif what == 6:
        inside[key] = source.choice(reader.words).decode("utf-8", "replace")
    else:
        inside[key] = json.loads(json.dumps(source.choice(VALUES)))


def _put(inside: Any, key: Any, value: Any, reader: Reader, source: random.Random) -> None:
    """One more beside *key*."""
    value = json.loads(json.dumps(value))
    if isinstance(inside, list):
        inside.insert(key, value)
    else:
        inside[source.choice(reader.words).decode("utf-8", "replace")] = value
