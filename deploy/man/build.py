"""Manual pages, made from the pages of docs/ when the wheel is built: `man dnsdisco`, `man dnsdisco-serve`, `man 5 dnsdisco.yaml`.

docs/ says each thing once, and is held to the program by tests; so nothing here is written by hand, and nothing made is kept. Hatchling
calls `Pages` (pyproject.toml). `python deploy/man/build.py FOLDER` writes them there. The standard library alone, but for hatchling.

Of Markdown it reads what docs/ uses: headings, paragraphs, lists, tables, blocks of code, `code`, **strong** words and links.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILES = {  # pages of section 5: their name and summary
    "configuration": ("dnsdisco.yaml", "configuration of dnsdisco"),
    "services": ("dnsdisco-services", "services file of dnsdisco"),
}
COMMAND_LINE = "command-line"
SUMMARY = "DNS for service discovery"

_CELL = re.compile(r"(?<!\\)\|")
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^]]+)\]\([^)]*\)")


def pages(docs: Path) -> dict[str, str]:
    """File names such as `dnsdisco.1`, and what is in them."""
    whole = _read(docs, COMMAND_LINE)
    summaries = dict(re.findall(r"^dnsdisco (\w+) +(.+)$", whole.split("```")[1], re.MULTILINE))
    found = {"dnsdisco.1": page("dnsdisco", 1, SUMMARY, _without_title(whole))}
    for name, body in re.findall(r"^## ([a-z]+)\n(.*?)(?=^## |\Z)", whole, re.MULTILINE | re.DOTALL):
        if name in summaries:
            more = f"{body}\n## See also\n\n**dnsdisco**(1), **dnsdisco.yaml**(5), **dnsdisco-services**(5)\n"
            found[f"dnsdisco-{name}.1"] = page(f"dnsdisco-{name}", 1, summaries[name], f"## Synopsis\n{more}")
    for source, (name, summary) in FILES.items():
        found[f"{name}.5"] = page(name, 5, summary, _without_title(_read(docs, source)))
    return found


def page(name: str, section: int, summary: str, body: str) -> str:
    head = f'.TH "{name.upper()}" "{section}" "" "dnsdisco" "dnsdisco"'
    return "\n".join([head, ".SH NAME", rf"{_escaped(name)} \- {_escaped(summary)}", *_blocks(body)]) + "\n"


def _blocks(markdown: str) -> list[str]:
    """Roff of *markdown*, line by line."""
    lines = markdown.splitlines()
    out: list[str] = []
    is_described = False
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("#"):
            level, _, title = line.partition(" ")
            out.append(f".{'SH' if len(level) == 2 else 'SS'} {_text(title.upper() if len(level) == 2 else title)}")
            is_described = is_described or title != "Synopsis"
        elif line.startswith("```") or (line.startswith("    ") and line.strip()):
            is_fenced = line.startswith("```")
            code = [] if is_fenced else [line[4:]]
            while at < len(lines) and (lines[at] != "```" if is_fenced else lines[at].startswith("    ")):
                code.append(lines[at] if is_fenced else lines[at][4:])
                at += 1
            at += is_fenced
            out += [*_paragraph(out), ".nf", *(_verbatim(each) for each in code), ".fi"]
            if not is_described:  # what follows the usage of a command
                out.append(".SH DESCRIPTION")
                is_described = True
        elif line.startswith("|"):
            rows = [line]
            while at < len(lines) and lines[at].startswith("|"):
                rows.append(lines[at])
                at += 1
            out += _table(rows)
        elif line.strip():
            text = [line]
            while at < len(lines) and lines[at].strip() and not re.match(r"[-|#`]|\d+\. ", lines[at]):
                text.append(lines[at].strip())
                at += 1
            item = re.match(r"(-|\d+\.) +", line)
            joined = " ".join(text)
            out += (
                [f'.IP "{item[1].replace("-", chr(92) + "(bu")}" 4', _text(joined[item.end() :])]
                if item
                else [*_paragraph(out), _text(joined)]
            )
    return out


def _paragraph(before: list[str]) -> list[str]:
    """A heading begins one itself."""
    return [] if before[-1:] and before[-1].startswith((".SH", ".SS")) else [".PP"]


def _table(rows: list[str]) -> list[str]:
    """A list of terms: the first column, then the others in one paragraph, each after its heading where there are more than two."""
    cells = [[cell.strip().replace("\\|", "|") for cell in _CELL.split(row.strip().strip("|"))] for row in rows]
    heads, body = cells[0], cells[2:]
    out = []
    for first, *others in body:
        named = [
            f"{head}: {cell}" if at and head else cell
            for at, (head, cell) in enumerate(zip(heads[1:], others, strict=False))
            if cell
        ]
        said = [each if each.endswith((".", ":")) else f"{each}." for each in named]
        out += [".TP", _text(first) or r"\&", _text(" ".join(said)) or r"\&"]
    return out


def _text(markdown: str) -> str:
    """One line of roff, with `code` and strong words in bold; of a link its text."""
    out, end = "", 0
    for found in _SPAN.finditer(markdown):
        out += _escaped(markdown[end : found.start()])
        end = found.end()
        strong = found[1] or found[2]
        out += rf"\fB{_escaped(strong)}\fP" if strong else _text(found[3])
    return _guarded(out + _escaped(markdown[end:]))


def _verbatim(line: str) -> str:
    return _guarded(_escaped(line))


def _escaped(text: str) -> str:
    return (
        text.replace("\\", r"\e")
        .replace("-", r"\-")
        .replace("`", r"\(ga")
        .replace("'", r"\(aq")
        .replace("^", r"\(ha")
        .replace("~", r"\(ti")
    )


def _guarded(line: str) -> str:
    """A line that begins as a request would is none."""
    return rf"\&{line}" if line.startswith((".", r"\(aq")) else line


def _without_title(text: str) -> str:
    """Of a whole page; what comes before its first heading is its description."""
    return f"## Description\n{text.partition(chr(10))[2]}"


def _read(docs: Path, name: str) -> str:
    return (docs / f"{name}.md").read_text(encoding="utf-8")


def write(folder: Path) -> list[Path]:
    """All pages, into *folder*. []: this tree has no docs/, as that of the container's image."""
    if not (ROOT / "docs").is_dir():
        return []
    written = []
    for name, text in pages(ROOT / "docs").items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for each in write(Path(sys.argv[1])):
        print(each)  # noqa: T201
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class Pages(BuildHookInterface):  # type: ignore[type-arg]
        """Puts the pages where `man` looks for them beside the program: share/man."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            self._folder = tempfile.TemporaryDirectory(prefix="dnsdisco-man-")
            for path in write(Path(self._folder.name)):
                build_data["shared_data"][str(path)] = f"share/man/man{path.suffix[1:]}/{path.name}"

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            self._folder.cleanup()
