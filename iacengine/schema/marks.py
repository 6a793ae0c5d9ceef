"""Marks of a value by path: taking them off before a provider sees the value, and putting them back.

All functions answer at once, with the value itself, where there is nothing to do: most objects carry no mark. Marks
inside a set belong to the whole set, as in Terraform, so no path leads into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    SetValue,
    Unknown,
    Value,
    is_null,
    mark,
    unmark_deep,
)
from iacengine.schema import Attribute, Block, NestedObject, Nesting, Path

PathMarks = tuple[tuple[Path, frozenset[str]], ...]

_Finder = Callable[[Value, Path, list[Path]], None]


# --- what the schema says -------------------------------------------------------------------------------------------


def schema_marks(value: Value, block: Block) -> tuple[Path, ...]:
    """Where the schema says that something in the object is sensitive (also where it is null there)."""
    find = _block_finder(block)
    if find is None or value is None:
        return ()
    found: list[Path] = []
    find(value, (), found)
    return tuple(found)


@cache
def _block_finder(block: Block) -> _Finder | None:
    """A walk to the sensitive places of a block; None when it has none."""
    finders = _attribute_finders(block.attributes.items())
    for name, nested in block.blocks.items():
        inner = _block_finder(nested.block)
        if inner is not None:
            finders.append((name, _nested_finder(nested.nesting, inner)))
    return _all_of(finders)


def _attribute_finders(attributes: Iterable[tuple[str, Attribute]]) -> list[tuple[str, _Finder]]:
    finders: list[tuple[str, _Finder]] = []
    for name, attribute in attributes:
        if attribute.sensitive:
            finders.append((name, _found_here))
        elif attribute.nested is not None:
            inner = _object_finder(attribute.nested)
            if inner is not None:
                finders.append((name, _nested_finder(attribute.nested.nesting, inner)))
    return finders


def _object_finder(nested: NestedObject) -> _Finder | None:
    return _all_of(_attribute_finders(nested.attributes.items()))


def _found_here(_: Value, path: Path, found: list[Path]) -> None:
    found.append(path)


def _all_of(finders: list[tuple[str, _Finder]]) -> _Finder | None:
    if not finders:
        return None
    finders.sort(key=lambda entry: entry[0])

    def find(value: Value, path: Path, found: list[Path]) -> None:
        if value.__class__ is Marked:
            value = value.value
        if value.__class__ is dict:
            for name, inner in finders:
                inner(value.get(name), (*path, name), found)

    return find


def _nested_finder(nesting: Nesting, inner: _Finder) -> _Finder:
    if nesting in (Nesting.SINGLE, Nesting.GROUP):
        return inner

    def find(value: Value, path: Path, found: list[Path]) -> None:
        if value.__class__ is Marked:
            value = value.value
        kind = value.__class__
        if kind is SetValue:
            if value.items:
                found.append(path)
        elif kind is ListValue or kind is tuple:
            for index, item in enumerate(value):
                inner(item, (*path, index), found)
        elif kind is MapValue or kind is dict:
            for key, item in (value.items if kind is MapValue else value).items():
                inner(item, (*path, key), found)

    return find


# --- what the value carries -----------------------------------------------------------------------------------------


def marked_paths(value: Value) -> PathMarks:
    """Where the value carries marks, and which."""
    return unmark_with_paths(value)[1]


def unmark_with_paths(value: Value) -> tuple[Value, PathMarks]:
    """The value without any mark, and where it carried which. The value itself when it carried none."""
    found: list[tuple[Path, frozenset[str]]] = []
    plain = _unmark(value, (), found)
    return plain, tuple(found)


def _unmark(value: Value, path: Path, found: list[tuple[Path, frozenset[str]]]) -> Value:
    kind = value.__class__
    if kind is str or value is None or kind is int or kind is bool or kind is Unknown:
        return value
    if kind is Marked:
        found.append((path, value.marks))
        return _unmark(value.value, path, found)
    if kind is dict or kind is MapValue:
        entries = value if kind is dict else value.items
        changed: dict[str, Value] = {}
        for key, child in entries.items():
            inner = child.__class__
            if inner is str or child is None or inner is int or inner is bool:
                continue
            plain = _unmark(child, (*path, key), found)
            if plain is not child:
                changed[key] = plain
        if not changed:
            return value
        entries = {**entries, **changed}
        return entries if kind is dict else MapValue(value.element_type, entries)
    if kind is tuple or kind is ListValue:
        items = [_unmark(child, (*path, index), found) for index, child in enumerate(value)]
        if all(map(_is, items, value)):
            return value
        return tuple(items) if kind is tuple else ListValue(value.element_type, items)
    if kind is SetValue:
        plain, marks = unmark_deep(value)
        if marks:
            found.append((path, marks))
        return plain
    return value


def _is(a: Value, b: Value) -> bool:
    return a is b


def mark_with_paths(value: Value, marks: PathMarks) -> Value:
    """Put marks back where `unmark_with_paths` found them; places that the value no longer has are passed over."""
    for path, names in marks:
        value = mark_paths(value, (path,), *names)
    return value


def mark_paths(value: Value, paths: Iterable[Path], *marks: str) -> Value:
    """The value with the marks at the paths.

    Places that the value does not have are passed over; a path into a set marks the set, one that ends before an
    unknown or null value marks that. Everything beside the paths is shared.
    """
    return _mark(value, _tree(paths), marks)


_Ways = dict[str | int, Any]
"""Paths as a tree, so that common beginnings are walked once; None where a path ends."""


def _tree(paths: Iterable[Path]) -> _Ways | None:
    root: _Ways = {}
    for path in sorted(set(paths), key=len):
        node = root
        for step in path[:-1]:
            node = node.setdefault(step, {})
            if node is None:
                break  # a shorter path ended here and marks all below
        else:
            if not path:
                return None
            node.setdefault(path[-1], None)
    return root


def _mark(value: Value, ways: _Ways | None, marks: Iterable[str]) -> Value:
    if ways is None:
        return mark(value, marks)
    if not ways:
        return value
    kind = value.__class__
    if kind is SetValue:
        return mark(value, marks)
    if kind is Marked:
        return mark(_mark(value.value, ways, marks), value.marks)
    if kind is dict or kind is MapValue:
        entries = value if kind is dict else value.items
        changed = {
            step: _mark(entries[step], further, marks)
            for step, further in ways.items()
            if isinstance(step, str) and step in entries
        }
        if not changed:
            return value
        entries = {**entries, **changed}
        return entries if kind is dict else MapValue(value.element_type, entries)
    if kind is tuple or kind is ListValue:
        items = list(value)
        for step, further in ways.items():
            if isinstance(step, int) and 0 <= step < len(items):
                items[step] = _mark(items[step], further, marks)
        return tuple(items) if kind is tuple else ListValue(value.element_type, items)
    if kind is Unknown or is_null(value):
        return mark(value, marks)
    return value
