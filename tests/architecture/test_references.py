"""Nothing in the repository refers to a file that is not in it: a reader who follows a reference finds it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = (
    "dnsdisco",
    "tests",
    "docs",
    "deploy",
    "zones",
    ".ci",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "noxfile.py",
)
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".service", ""}
# A path below one of our top-level folders, written out. In docs/ a page also links to its neighbours: [x](forwarding.md).
REFERENCE = re.compile(r"(?<![\w/.-])(?:dnsdisco|tests|docs|deploy)/[\w./-]*\w\.(?:py|md|yaml|yml|c|txt)\b")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
FROM_OUTSIDE = re.compile(r"\bDESIGN(?:\.md| §| section)")


def pages() -> list[Path]:
    found = [path for name in WRITTEN for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))]
    return sorted(path for path in found if path.is_file() and path.suffix in SUFFIXES)


def missing(text: str, page: Path) -> list[str]:
    """What *text*, standing in *page*, refers to and the repository does not have."""
    faults = [name for name in REFERENCE.findall(text) if "NAME" not in name and not (ROOT / name).exists()]
    if page.suffix == ".md":
        faults += [name for name in LINK.findall(text) if not (page.parent / name).exists()]
    return faults + FROM_OUTSIDE.findall(text)


def test_every_reference_leads_somewhere():
    faults = {page.relative_to(ROOT): missing(page.read_text(), page) for page in pages()}
    planted = {name for found in faults.values() for name in found if "nowhere" in name}
    assert planted  # the tests' own, which prove that this test reads
    assert not {str(page): left for page, found in faults.items() if (left := set(found) - planted)}


def test_a_planted_reference_into_nothing_is_caught():
    page = ROOT / "docs" / "cache.md"
    assert missing("see docs/nowhere.md and dnsdisco/cache/cache.py", page) == ["docs/nowhere.md"]
    assert missing("[here](nowhere.md), [there](cache.md), [out](https://example.org/x.md)", page) == ["nowhere.md"]
    assert missing("as DESIGN" + " §4 says", page) == ["DESIGN" + " §"]
