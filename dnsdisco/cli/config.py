"""`dnsdisco config`: the settings in use and the source of each, the file, and the schema of the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from dnsdisco.cli import options, report
from dnsdisco.errors import ConfigError, ServerError


@click.command("config", short_help="Show the settings in use, the file, or the schema.")
@click.argument("action", type=click.Choice(["show", "path", "schema"]), default="show")
@click.option("--json", "is_json", is_flag=True, help='With show: print {"file", "settings", "origins"} as JSON.')
@options.server_options
def command(action: str, *, is_json: bool, **where: str | None) -> int:
    """Show the settings that the running server uses or, where none runs, those that `dnsdisco serve` would use.

    `show` prints them all as YAML, with the origin of each line as a comment: file:LINE, flag, environment:NAME, detected or default; secrets
    are shown as ***. `path` prints the configuration file. `schema` prints the JSON Schema of such a file, for editors.

    Exit status: 1 for `path` when there is no file, and when no server runs and the configuration has faults.
    """
    if is_json and action == "path":
        raise click.UsageError("--json goes with show; a path is a line, and the schema is JSON")
    if action == "schema":
        click.echo(json.dumps(_schema(), indent=2))
        return 0
    plain = _used(where)
    if action == "path":
        if plain["file"] is None:
            from dnsdisco.config.load import SEARCHED  # noqa: PLC0415  --help needs no configuration

            report.complain(f"no configuration file: there is none at {' or '.join(SEARCHED)}")
            return 1
        click.echo(plain["file"])
    else:
        click.echo(json.dumps(plain, indent=2) if is_json else "\n".join(_yaml(plain)))
    return 0


def _schema() -> dict[str, Any]:
    from dnsdisco.providers import registry  # noqa: PLC0415  likewise
    from dnsdisco.settings.forms import json_schema  # noqa: PLC0415

    known = {}
    for kind in registry.types():
        try:
            known[kind] = registry.options(kind)
        except ConfigError as error:  # a plug-in that cannot be loaded: its entries may say anything
            report.note(str(error))
    return json_schema(known)


def _used(where: Mapping[str, str | None]) -> dict[str, Any]:
    """The configuration of the running server, in the form of /v1/config, else the one that `serve` would use. Raises ConfigError.

    A server that was given another file than --config names is not the one that is meant.
    """
    from dnsdisco.cli import server_client  # noqa: PLC0415  likewise

    try:
        path = server_client.path(**where)
        plain: dict[str, Any] = server_client.ask(path, "GET", "/v1/config")
    except (ServerError, ConfigError):
        return _to_be_used(where, "no server is reached: ")
    if where["config"] and plain["file"] != os.path.abspath(where["config"]):  # noqa: PTH100  `..` as serve has it
        return _to_be_used(where, f"the server at {path} uses {plain['file'] or 'no file'}; ")
    report.note(f"the server at {path} uses this")
    return plain


def _to_be_used(where: Mapping[str, str | None], why: str) -> dict[str, Any]:
    from dnsdisco.admin import json_views  # noqa: PLC0415  likewise
    from dnsdisco.cli import compose  # noqa: PLC0415
    from dnsdisco.settings.forms import to_plain  # noqa: PLC0415

    found = compose.inspection(compose.source(**where))
    if found.settings is None:
        raise ConfigError(found.problems)
    report.note(f"{why}this is what `dnsdisco serve` would use")
    file = os.path.abspath(found.document.file) if found.document.file else None  # noqa: PTH100
    return {
        **json_views.HEAD,
        "file": file,
        "settings": json_views.public(to_plain(found.settings)),
        "origins": dict(found.origins),
    }


def _yaml(plain: Mapping[str, Any]) -> Iterator[str]:
    """A configuration file with all settings, each line with the source of its value."""
    from dnsdisco.settings.forms import leaves  # noqa: PLC0415  likewise

    written = {path: of.kind.values for path, of, _ in leaves()}
    lines: list[tuple[str, str]] = []
    for key, value in plain["settings"].items():
        if key in plain["origins"]:
            lines += _lines(key, value, written.get(key, ""), plain["origins"][key])
            continue
        lines.append((f"{key}:", ""))
        for name, each in value.items():
            path = f"{key}.{name}"
            lines += (
                (f"  {line}", origin) for line, origin in _lines(name, each, written.get(path, ""), plain["origins"].get(path, ""))
            )
    width = min(max(len(line) for line, _ in lines), COMMENT_COLUMN)
    yield f"# {plain['file'] or 'no configuration file'}"
    for line, origin in lines:
        yield f"{line.ljust(width)}  # {origin}" if origin else line


COMMENT_COLUMN = 60  # at most; a longer line has its comment behind it


def _lines(key: str, value: Any, values: str, origin: str) -> Iterable[tuple[str, str]]:
    """*values*: what may be written, which says how None is."""
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return [(f"{key}:", origin), *((f"- {_flow(each)}", origin) for each in value)]
    return [(f"{key}: {'off' if value is None and '`off`' in values else _flow(value)}", origin)]


def _flow(value: Any) -> str:
    """The value on one line, in a form that every version of YAML reads alike."""
    import yaml  # noqa: PLC0415  likewise

    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
