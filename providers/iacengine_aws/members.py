"""Members of parameters and responses by path, and the templates that parameters are made from.

A path is member names with dots and list indexes: `Vpc.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_ABSENT = object()


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.split("[")
        steps.append(name)
        steps.extend(int(index.rstrip("]")) for index in indexes)
    return tuple(steps)


def dig(data: Any, path: str) -> Any:
    """What stands at the path; None where there is nothing."""
    for step in _steps(path):
        if isinstance(step, int):
            if not isinstance(data, list) or len(data) <= step:
                return None
            data = data[step]
        else:
            if not isinstance(data, Mapping):
                return None
            data = data.get(step)
    return data


def plant(data: dict[str, Any], path: str, value: Any) -> None:
    """Put the value at the path, making the structures on the way."""
    *way, last = path.split(".")
    for step in way:
        data = data.setdefault(step, {})
    data[last] = value


def render(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with every `$name` and `@name` replaced by its value; members whose value is None are left out.

    `$$name` is never left out: "" stands for None.
    Raises KeyError when the template names something that is not among the values.
    """
    rendered = _render(template, values)
    return {} if rendered is _ABSENT else rendered


def _render(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        if template[:1] not in ("$", "@"):
            return template
        if template[:2] == "$$":
            value = values[template[2:]]
            return "" if value is None else value
        value = values[template[1:] if template[0] == "$" else template]
        return _ABSENT if value is None else value
    if isinstance(template, Mapping):
        entries = {_text(name, values): _render(child, values) for name, child in template.items()}
        kept = {name: child for name, child in entries.items() if child is not _ABSENT}
        return _ABSENT if entries and not kept else kept
    if isinstance(template, list | tuple):
        return [child for child in (_render(child, values) for child in template) if child is not _ABSENT]
    return template


def _text(name: str, values: Mapping[str, Any]) -> str:
    """A member's name, which may itself be a template: `{"@name": "@value"}`."""
    return str(values[name]) if name[:1] == "@" else name
