"""docs/doctor.md: the table of findings as a page. `python -m tests.doctor.doctor_page` writes it; a test holds the two together."""

from __future__ import annotations

import re
from pathlib import Path

from dnsdisco.doctor.codes import TABLE
from dnsdisco.doctor.finding import Code

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
SUBJECTS = {
    "00": "The server", "01": "/etc/resolv.conf", "02": "Ports, and the way of a message", "03": "The C library", "04": "Other resolvers of this machine",
    "05": "Programs", "06": "Backends", "09": "The doctor itself",
}  # fmt: skip

HEAD = """# What stands in the way

`dnsdisco doctor` looks at this machine and at the server, and prints what stands between its programs and the names: a line for each finding,
the worst last, with the fix below it.

```
$ dnsdisco doctor
warning DD018 /etc/resolv.conf: `ndots:5`: a name with fewer dots is tried below corp.example first
        fix: take `ndots` out, or write names with a dot at their end
error   DD040 127.0.0.53: it answers REFUSED for svc.local: no `Domains=` line has it
        fix: `dnsdisco setup resolved --apply`, which writes `DNS=127.0.0.1:5300` and `Domains=~svc.local` into a drop-in; then `systemctl restart systemd-resolved`
```

It only reads. Most of it needs no root; the names of other users' programs, and the control socket of another user's server, do. Questions go to the resolvers that this machine is configured with and to the server, to nobody else, and
are about the zones, one of their services, and Firefox's canary name. Whatever hangs, it ends within a few seconds.

| level | meaning |
|---|---|
| error | programs do not find names, or will not soon; the exit status is 1 |
| warning | it works, and fails under circumstances that the text names |
| note | good to know |
| ok | looked at, and well |

`--json` prints `{"version": 1, "ok": …, "findings": [{"code", "level", "subject", "text", "fix"}]}`, in the same order. Codes do not change their meaning; there will be more.
This page is made from the table in the code: `python -m tests.doctor.doctor_page`.
"""


def page() -> str:
    rows = "".join(f"| [{row.code}](#{_anchor(row)}) | {row.level} | {row.title} |\n" for row in TABLE)
    parts = [HEAD, f"\n| code | level | what stands in the way |\n|---|---|---|\n{rows}"]
    subject = ""
    for row in TABLE:
        if SUBJECTS[row.code[2:4]] != subject:
            subject = SUBJECTS[row.code[2:4]]
            parts.append(f"\n## {subject}\n")
        parts.append(_section(row))
    return "".join(parts)


def _anchor(row: Code) -> str:
    """As the pages' reader makes it of the heading."""
    return re.sub(r"[^a-z0-9 _-]", "", f"{row.code}: {row.title}".lower()).replace(" ", "-")


def _section(row: Code) -> str:
    fix = re.sub(
        r"\{(\w+)\}",
        lambda word: word[1].upper(),
        row.fix.replace("{way}", "depends on who writes the file; it is printed with the finding"),
    )
    fix = fix.replace("{{", "{").replace("}}", "}").replace("{zones: {use", "{zones: {use")
    lines = [f"### {row.code}: {row.title}", f"*{row.level.capitalize()}.* {row.meaning}", f"Looked at: {row.looked_at}"]
    if fix:
        lines.append(f"Fix: {fix}.")
    return "\n" + "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
