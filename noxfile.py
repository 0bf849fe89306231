"""The tasks of a contributor, one command each: `nox -l` lists them, `nox -s quick` runs one (CONTRIBUTING.md).

Each task has an environment of its own under .nox/, made once and used again with `nox -r`.
"""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "quick"]
nox.options.reuse_existing_virtualenvs = True


def _install(session: nox.Session) -> None:
    session.install("-q", "-e", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout: ruff, every rule that is not excused in pyproject.toml."""
    session.install("-q", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types: mypy, strict."""
    _install(session)
    session.run("mypy")


@nox.session
def quick(session: nox.Session) -> None:
    """The tests that take less than a second each and need no server and no network namespace: for while you edit."""
    _install(session)
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests. A server or a program that is not on the machine is named and passed over."""
    _install(session)
    session.run("python", "-m", "pytest", "-rs", *session.posargs)


@nox.session
def servers(session: nox.Session) -> None:
    """The tests beside real servers, after they were built (a quarter of an hour, once; needs Go)."""
    _install(session)
    built = session.run("bash", ".ci/servers", external=True, silent=True)
    places = dict(line.removeprefix("export ").split("=", 1) for line in str(built).splitlines() if line.startswith("export "))
    session.run("python", "-m", "pytest", "-rs", "-m", "servers", *session.posargs, env=places)


@nox.session
def coverage(session: nox.Session) -> None:
    """Branch coverage of all processes."""
    _install(session)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-m", "not slow", *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report", "--skip-covered", "--skip-empty")


@nox.session
def mutants(session: nox.Session) -> None:
    """A mutation trial over the pure rooms that pyproject.toml names: some hours. Then `mutmut results`, and `mutmut show NAME`."""
    _install(session)
    session.install("-q", "mutmut")
    session.run("mutmut", "run", "--max-children", "1", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed beside other servers, on a quiet machine. `nox -s bench -- --only hits` for one case."""
    _install(session)
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The pages that are made from the code, and the examples of all pages."""
    _install(session)
    session.run("python", "-m", "pytest", "-k", "docs or page or limits or readme", *session.posargs)
