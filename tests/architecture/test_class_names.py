"""A class name means one thing in the whole package: a reader who meets it in a signature knows which it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable

from tests.architecture.rooms import PACKAGE

# The folders of the providers have one shape, and so the same names for the same parts.
SHARED_BY_PROVIDERS = frozenset({"Credentials", "Options", "Traits"})


def defined_twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Class names that more than one place defines, with the places; *sources*: (path, text)."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in sources:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path}:{node.lineno}")
    return {
        name: found
        for name, found in places.items()
        if len(found) > 1 and not (name in SHARED_BY_PROVIDERS and all(place.startswith("providers/") for place in found))
    }


def test_a_class_name_means_one_thing() -> None:
    assert defined_twice((str(path.relative_to(PACKAGE)), path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))) == {}


def test_a_planted_double_is_found() -> None:
    planted = [("a.py", "class Entry: ..."), ("b.py", "def f():\n    class Entry: ...")]
    assert defined_twice(planted) == {"Entry": ["a.py:1", "b.py:2"]}


def test_providers_may_share_the_names_of_their_parts() -> None:
    parts = [("providers/a/options.py", "class Options: ..."), ("providers/b/options.py", "class Options: ...")]
    assert defined_twice(parts) == {}
    assert defined_twice([*parts, ("cli/options.py", "class Options: ...")]) != {}
