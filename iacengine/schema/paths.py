"""Reading and changing a value at a path, without touching the rest of it.

A step is an attribute name, a map key, or an index into a list, a tuple, or a set (in its canonical order).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from iacengine.lang.sets import make_set
from iacengine.lang.values import ListValue, MapValue, Marked, SetValue, Value, mark
from iacengine.schema import Path


def get_path(value: Value, path: Path) -> Value:
    """What stands at the path. Marks on the way are looked through.

    Raises LookupError when there is no such place: a missing name, or a null or unknown on the way.
    """
    for step in path:
        if value.__class__ is Marked:
            value = value.value
        kind = value.__class__
        if isinstance(step, str):
            if kind is dict:
                value = value[step]
                continue
            if kind is MapValue:
                value = value.items[step]
                continue
        elif step >= 0:
            if kind is ListValue or kind is SetValue:
                value = value.items[step]
                continue
            if kind is tuple:
                value = value[step]
                continue
        raise LookupError(path)
    return value


def set_path(value: Value, path: Path, new: Value) -> Value:
    """A copy of the value with `new` at the path; everything beside the path is shared.

    Marks on the way stay. A last step that names a missing attribute or map key adds it.
    Raises LookupError when there is no such place.
    """
    return change_path(value, path, lambda _: new)


def change_path(value: Value, path: Path, change: Callable[[Value], Value]) -> Value:
    """As `set_path`, with the new value made of the old one (None where there was none)."""
    if not path:
        return change(value)
    if value.__class__ is Marked:
        return mark(change_path(value.value, path, change), value.marks)
    step, rest = path[0], path[1:]
    kind = value.__class__
    if isinstance(step, str):
        if kind is dict or kind is MapValue:
            entries = dict(value if kind is dict else value.items)
            if rest or step in entries:
                entries[step] = change_path(entries[step], rest, change)
            else:
                entries[step] = change(None)
            return entries if kind is dict else MapValue(value.element_type, entries)
    elif step >= 0:
        if kind is ListValue:
            return ListValue(value.element_type, _changed(value.items, step, rest, change))
        if kind is SetValue:
            return make_set(value.element_type, _changed(value.items, step, rest, change))
        if kind is tuple:
            return tuple(_changed(value, step, rest, change))
    raise LookupError(path)


def _changed(items: Iterable[Value], step: int, rest: Path, change: Callable[[Value], Value]) -> list[Value]:
    copied = list(items)
    copied[step] = change_path(copied[step], rest, change)
    return copied


def path_text(path: Path) -> str:
    """The path as users write it: `disk[0].size`, `tags["Name"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step.isidentifier():
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f'["{step}"]')
    return "".join(parts)
