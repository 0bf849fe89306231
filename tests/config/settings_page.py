"""`python -m tests.config.settings_page` writes the tables of settings in docs/configuration.md from what is declared.

A table begins with a line that names its keys; every setting stands in one of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dnsdisco.settings.forms import leaves
from dnsdisco.settings.setting import Setting

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
TABLE = re.compile(r"(<!-- settings: ([^>]*) -->\n)(.*?)(<!-- end of settings -->\n)", re.DOTALL)
HEAD = "\n| key | meaning | values | default |\n|---|---|---|---|\n"


def written(page: str) -> str:
    """*page* with its tables as they are to be."""
    of = {path: (setting, default) for path, setting, default in leaves()}
    return TABLE.sub(
        lambda match: match[1] + HEAD + "".join(_row(key, *of[key]) for key in match[2].split()) + "\n" + match[4], page
    )


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
