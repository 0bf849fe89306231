"""One entry of a list of `instances:` comes into, or goes out of, the text of a services file in YAML; every other line stays.

For the usual layout, one `- ` a line in block style. Anything else is for ruamel.yaml, which writes the whole service anew, and which
does not find its way through every mixture of styles and comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DASH = re.compile(r"( *)-( +)")
_COMMENT = re.compile(r"[ \t]+#[^\r\n]*")

Render = Callable[[Sequence[Any], bool], str]  # entries, and whether in flow style → `- …` lines without indentation


class _Item(NamedTuple):
    start: int  # of its first line
    end: int  # of the line after its last
    last: int  # after its last character that is no comment
    indent: int
    is_flow: bool


def edit_items(text: str, name: str, old: Any, new: Any, render: Render) -> str:
    """*text* with the instances of the service *name* changed from those of *old* to those of *new*, its data before and after.

    Raises ValueError where more than that has changed, or where the list does not stand in lines of its own.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)) or _beside(old) != _beside(new):
        raise ValueError("more than the instances has changed")
    before, after = old.get("instances"), new.get("instances")
    if not (isinstance(before, list) and isinstance(after, list) and before and after):
        raise ValueError("no list, or nothing in it")
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    items = _items(text, name)
    if len(items) != len(before):
        raise ValueError("the list is not the one that was read")
    gone, fresh = items[head : len(items) - tail], after[head : len(after) - tail]
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * items[0].indent
    lines = render(fresh, all(item.is_flow for item in items)).splitlines() if fresh else []
    made = "".join(f"{indent}{line}{newline}" for line in lines)
    start = gone[0].start if gone else items[head - 1].end if head else items[0].start
    if len(gone) == len(lines) == 1:
        made = made.removesuffix(newline) + _comment_after(text, gone[0]) + newline
    kept, end = [], start
    for item in gone:
        kept.append(text[end : item.start])  # comments between them
        end = item.end
    between = newline if start and text[start - 1] != "\n" else ""
    return text[:start] + between + made + "".join(kept) + text[end:]


def _beside(service: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in service.items() if key != "instances"}


def _common(one: list[Any], other: list[Any]) -> int:
    """The number of entries that both lists begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _comment_after(text: str, item: _Item) -> str:
    found = _COMMENT.match(text, item.last)
    return found[0] if found else ""


def _items(text: str, name: str) -> list[_Item]:
    """The entries of the list. Raises ValueError where it is none in block style, or an entry shares its lines with something else."""
    node = yaml.compose(text, Loader=_LOADER)
    for key in (name, "instances"):
        node = _value(node, key)
    if not isinstance(node, yaml.SequenceNode) or node.flow_style:
        raise ValueError("no list in block style")
    items: list[_Item] = []
    for each in node.value:
        first, last = int(each.start_mark.index), _last(each)
        start = text.rfind("\n", 0, first) + 1
        end = text.find("\n", last) + 1 or len(text)
        dash = _DASH.fullmatch(text, start, first)
        is_alone = not text[last:end].strip() or _COMMENT.fullmatch(text[last:end].rstrip())
        if dash is None or not is_alone or last < first or start < (items[-1].end if items else 0):
            raise ValueError("an entry is not in lines of its own")  # or an alias, which stands elsewhere
        items.append(_Item(start, end, last, len(dash[1]), isinstance(each, yaml.CollectionNode) and bool(each.flow_style)))
    return items


def _value(node: Any, key: str) -> Any:
    """The value under *key*; None if there is no such key."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for each, value in pairs if isinstance(each, yaml.ScalarNode) and each.value == key), None)


def _last(node: Any) -> int:
    """The index after the last character of *node*: a block collection's own mark is where the next thing begins."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _last(last[1] if isinstance(node, yaml.MappingNode) else last)
