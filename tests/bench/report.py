"""Results as they are read: JSON, tables for a terminal and for docs/performance.md, and a plot in SVG that needs no library."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- bench: written by python -m tests.bench --write -->", "<!-- /bench -->"
OURS = "dnsdisco"

# How each figure is called, and written.
FIGURES = {
    "qps": ("queries/s", "{:,.0f}"),
    "cpu_us": ("CPU us/q", "{:.2f}"),
    "mean_us": ("mean us", "{:,.0f}"),
    "p50_us": ("p50 us", "{:,.0f}"),
    "p99_us": ("p99 us", "{:,.0f}"),
    "p999_us": ("p99.9 us", "{:,.0f}"),
    "lost": ("lost", "{:.0f}"),
    "rss_mib": ("MiB", "{:.0f}"),
    "p50_ms": ("p50 ms", "{:.1f}"),
    "p99_ms": ("p99 ms", "{:.1f}"),
    "changes": ("changes", "{:.0f}"),
    "control_ms": ("control CPU ms", "{:.2f}"),
    "worker_ms": ("worker CPU ms", "{:.2f}"),
    "ready_s": ("ready after s", "{:.2f}"),
    "ready_cpu_s": ("CPU s until then", "{:.2f}"),
    "worker_mib": ("worker MiB", "{:.0f}"),
    "control_mib": ("control MiB", "{:.0f}"),
    "worker_kib_an_instance": ("worker KiB an instance", "{:.2f}"),
    "importtime_ms": ("importtime ms", "{:.0f}"),
    "wall_ms": ("ms", "{:.0f}"),
    "cpu_ms": ("CPU ms", "{:.0f}"),
}


def table(result: Mapping[str, Any]) -> str:
    """One case as a Markdown table. Beside other servers: how many times theirs our processor time is, and our queries per second."""
    rows: Mapping[str, Mapping[str, float]] = result["rows"]
    keys = [key for key in FIGURES if any(key in row for row in rows.values())]
    ours = rows.get(OURS) if len(rows) > 1 else None
    head = ["", *(FIGURES[key][0] for key in keys), *(["our CPU / its", "our queries/s / its"] if ours else [])]
    lines = [f"**{result['title']}** ({result['rounds']} rounds)", "", _line(head), "|" + "---|" * len(head)]
    for name, row in rows.items():
        cells = [name, *(_figure(key, row) for key in keys)]
        if ours:
            cells += ["", ""] if name == OURS else [f"{ours[key] / row[key]:.2f}" for key in ("cpu_us", "qps")]
        lines.append(_line(cells))
    return "\n".join(lines)


def write(results: Mapping[str, Any]) -> None:
    """Add *results* to docs/performance.json, and make the tables of docs/performance.md and docs/performance.svg anew."""
    path = DOCS / "performance.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known.update(results)
    path.write_text(json.dumps(known, indent=1) + "\n")
    page = DOCS / "performance.md"
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n\n".join(table(result) for result in known.values())
    page.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
    (DOCS / "performance.svg").write_text(plot(known))


def plot(results: Mapping[str, Any]) -> str:
    """Processor time of a query as bars: a group for each case with several servers, on a scale of powers of ten."""
    groups = [(each["title"], each["rows"]) for each in results.values() if OURS in each["rows"] and len(each["rows"]) > 1]
    most = max((row["cpu_us"] for _, rows in groups for row in rows.values()), default=10.0)
    left, width, step = 250, 640, 15
    scale = width / math.log10(max(most, 10.0))
    marks: list[str] = []
    y = 34
    for title, rows in groups:
        marks.append(f'<text x="8" y="{y + 11}" class="case">{escape(title)}</text>')
        y += step + 2
        for name, row in rows.items():
            length = max(math.log10(max(row["cpu_us"], 1.0)) * scale, 1)
            kind = "ours" if name == OURS else "other"
            marks.append(f'<text x="{left - 8}" y="{y + 11}" class="name">{escape(name)}</text>')
            marks.append(f'<rect x="{left}" y="{y + 2}" width="{length:.0f}" height="{step - 4}" class="{kind}"/>')
            marks.append(f'<text x="{left + length + 6:.0f}" y="{y + 11}">{row["cpu_us"]:.2f}</text>')
            y += step
        y += 8
    style = (
        "text{font:11px sans-serif;fill:#333}.case{font-weight:bold}.name{text-anchor:end}.ours{fill:#d9601a}.other{fill:#8fa8bd}"
        ".title{font-size:13px}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{y + 6}" role="img">\n<style>{style}</style>\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        '<text x="8" y="20" class="title">Processor microseconds a query, the whole process tree; logarithmic, less is better</text>\n'
        + "\n".join(marks)
        + "\n</svg>\n"
    )


def _figure(key: str, row: Mapping[str, float]) -> str:
    return FIGURES[key][1].format(row[key]) if key in row else ""


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
