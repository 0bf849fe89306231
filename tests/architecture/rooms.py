"""Who may import whom (docs/design.md), and what a pure room may not touch. A row here is a decision; the ADRs say why."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "dnsdisco"

# Where the workers' counters are declared, and nothing else: control and HTTP show what is declared there.
DECLARATIONS = frozenset({"cache.statistics", "forward.statistics", "server.statistics"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "counted": frozenset(),
    "log": frozenset(),
    "priority": frozenset(),
    "written": frozenset({"errors"}),
    "sockaddr": frozenset(),
    "settings": frozenset({"written"}),
    "model": frozenset({"errors", "written"}),
    "wire": frozenset({"errors"}),
    "presentation": frozenset({"errors", "wire"}),
    "cache": frozenset({"errors", "settings", "counted"}),
    "zone": frozenset({"errors", "settings", "model", "wire"}),
    "answer": frozenset({"errors", "settings", "written", "model", "zone", "wire", "cache"}),
    "providers": frozenset({"errors", "written", "sockaddr", "model", "settings"}),
    "config": frozenset({"errors", "settings", "written", "model"}),
    "control": frozenset(
        {
            "errors",
            "settings",
            "log",
            "priority",
            "written",
            "sockaddr",
            "model",
            "providers",
            "config",
            "zone",
            "wire",
            "presentation",
            "counted",
        }
        | DECLARATIONS
    ),  # ADR 0004
    "forward": frozenset({"errors", "settings", "counted", "written", "sockaddr", "wire", "answer"}),
    "server": frozenset(
        {"errors", "settings", "counted", "log", "written", "sockaddr", "wire", "model", "zone", "answer", "cache", "forward"}
    ),
    "admin": frozenset({"errors", "counted", "written", "sockaddr", "model", "presentation", "control"}) | DECLARATIONS,
    "supervisor": frozenset({"errors", "log", "priority", "sockaddr"}),
    "doctor": frozenset({"errors", "written", "sockaddr", "model", "wire"}),
    "setup": frozenset({"errors", "written", "sockaddr", "doctor"}),
}
# An entry point that hands one room to another, which does not know it.
ENTRY_POINTS = {"dnsdisco.control.__main__": frozenset({"admin"})}  # ADR 0013
# Composition roots wire the rooms together and may see all of them.
ROOTS = frozenset(
    {"cli", "discovery", "watching", "testing", "__init__", "__main__", "base", "env", "static", "consul", "kubernetes"}
)

PURE = frozenset({"errors", "counted", "written", "settings", "model", "zone", "wire", "presentation", "answer", "cache"})
IMPURE_MODULES = frozenset(
    [
        "socket",
        "asyncio",
        "threading",
        "time",
        "random",
        "os",
        "logging",
        "pathlib",
        "selectors",
        "ssl",
        "subprocess",
        "multiprocessing",
        "signal",
        "secrets",
        "structlog",
    ]
)
# What a worker must start without (docs/design.md), and the supervisor too.
HEAVY = frozenset(
    [
        "dns",
        "dnslib",
        "pydantic",
        "yaml",
        "ruamel",
        "click",
        "rich",
        "structlog",
        "prometheus_client",
        "watchfiles",
        "consul",
        "kubernetes",
        "requests",
    ]
)
# Who else's codec is where: what a worker imports must not bring it along (ADR 0042).
CODECS = {"dns": "dnsdisco.wire.all_types", "dnslib": "dnsdisco.wire.presentation"}


def imports(source: str, module: str) -> list[tuple[int, str]]:
    """Every module that *source* imports, also inside functions and under TYPE_CHECKING, as absolute dotted names with lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")[: -node.level]
                base = ".".join([*parts, base] if base else parts)
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def violations(source: str, module: str) -> list[str]:
    """What *source*, as the module of that name, imports and may not."""
    room = room_of(module)
    faults = []
    for line, imported in imports(source, module):
        top, _, rest = imported.partition(".")
        if room in PURE and top in IMPURE_MODULES:
            faults.append(f"{module}:{line}: a pure room imports {imported}")
        if room in ("server", "forward", "supervisor", "log") and top in HEAVY:
            faults.append(f"{module}:{line}: {room} must start without {top}")
        if (home := CODECS.get(top)) is not None and module != home:
            faults.append(f"{module}:{line}: {top} lives in {home}")
        if top != "dnsdisco" or room in ROOTS:
            continue
        target = rest.split(".")[0]
        allowed = MAY_IMPORT.get(room)
        if target in ENTRY_POINTS.get(module, ()):
            continue
        if allowed is None:
            faults.append(f"{module}: a room without a row in MAY_IMPORT")
        elif target and target != room and target not in allowed and ".".join(rest.split(".")[:2]) not in allowed:
            faults.append(f"{module}:{line}: {room} may not import {target}")
    return faults


def modules() -> list[tuple[str, Path]]:
    return [
        ("dnsdisco." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"), path)
        for path in sorted(PACKAGE.rglob("*.py"))
    ]
