"""`python -m tests.config.settings_page` writes the tables of docs/configuration.md from what is declared.

A table of settings begins with a line that names its keys; every setting stands in one of them. One of a provider's options begins with a
line that names the provider, and the one of the options that all take with `every entry`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from dnsdisco.providers import registry
from dnsdisco.settings.entry import EntryOptions
from dnsdisco.settings.forms import declared, leaves
from dnsdisco.settings.setting import Setting

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
OPTIONS = re.compile(r"(<!-- options: ([^>]*) -->\n)(.*?)(<!-- end of options -->\n)", re.DOTALL)
TABLE = re.compile(r"(<!-- settings: ([^>]*) -->\n)(.*?)(<!-- end of settings -->\n)", re.DOTALL)
HEAD = "\n| key | meaning | values | default |\n|---|---|---|---|\n"


def written(page: str) -> str:
    """*page* with its tables as they are to be."""
    of = {path: (setting, default) for path, setting, default in leaves()}
    page = TABLE.sub(
        lambda match: match[1] + HEAD + "".join(_row(key, *of[key]) for key in match[2].split()) + "\n" + match[4], page
    )
    return OPTIONS.sub(lambda match: match[1] + HEAD + "".join(_row(*each) for each in _options(match[2])) + "\n" + match[4], page)


def _options(whose: str) -> Iterator[tuple[str, Setting, Any]]:
    kind = EntryOptions if whose == "every entry" else registry.options(whose)
    assert kind is not None
    defaults = getattr(kind, "_field_defaults", None)
    if defaults is None:
        defaults = {each.name: each.default for each in fields(kind)}  # type: ignore[arg-type]
    for key, setting in declared(kind).items():
        assert isinstance(setting, Setting)
        yield key, setting, defaults.get(key)


def keys(page: str) -> list[str]:
    return [key for match in TABLE.finditer(page) for key in match[2].split()]


def _row(key: str, setting: Setting, default: Any) -> str:
    values = setting.values or setting.kind.values
    return f"| `{key}` | {setting.sentence} | {values} | {setting.default or _shown(default)} |\n"


def _shown(default: Any) -> str:
    match default:
        case None:
            return "`null`"
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float():
            return f"{default:g}" if isinstance(default, float) else str(default)
        case "":
            return '`""`'
        case str():
            return f"`{default}`"
    return f"`[{', '.join(default)}]`"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
