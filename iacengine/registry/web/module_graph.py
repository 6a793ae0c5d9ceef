"""The modules around one as a picture: callers to the left, what it calls to the right, one column for each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from iacengine.registry.store.neighbours import Link, Neighbourhood
from iacengine.registry.web.rendering import module_url

WIDTH: Final = 168
HEIGHT: Final = 46
"""Of a box, in pixels."""

_GAP, _BETWEEN, _MARGIN = 16, 52, 6
_MOST = 8  # boxes in a column
_MOST_STEPS = 4  # columns to one side
_LONGEST = 17  # characters in a box


@dataclass(frozen=True, slots=True)
class Box:
    """A module, at its upper left corner. `kind`: self, module, missing (of a registry, but not here), source (from
    elsewhere), or more (stands for `title` others). `url` is "" where there is no page."""

    x: int
    y: int
    kind: str
    title: str
    subtitle: str
    full: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """`curves` are SVG paths from who calls to what is called; sizes are in pixels."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    curves: tuple[str, ...]


def draw(label: str, around: Neighbourhood) -> Picture | None:
    """The picture of a module's neighbours; None when it has none."""
    if not around.below and not around.above:
        return None
    columns = {label: 0}
    columns |= {name: step for name, step in _steps(label, _below(around)).items() if name != label}
    for name, step in _steps(label, _above(around)).items():
        columns.setdefault(name, -step)
    links = list(dict.fromkeys((*around.above, *around.below)))
    by_column = _ordered(columns, links)
    external = {link.called for link in around.below if not link.registered}
    places, boxes, height = {}, [], _column_height(max(len(names) for names in by_column.values()))
    for index, (_, names) in enumerate(sorted(by_column.items())):
        shown, hidden = (names, 0) if len(names) <= _MOST else (names[: _MOST - 1], len(names) - _MOST + 1)
        x = _MARGIN + index * (WIDTH + _BETWEEN)
        y = (height - _column_height(len(names))) // 2 + _MARGIN
        for name in shown:
            places[name] = (x, y)
            boxes.append(_box(name, x, y, name == label, name in external, name in around.known))
            y += HEIGHT + _GAP
        if hidden:
            boxes.append(Box(x, y, "more", f"{hidden} more", "", f"{hidden} more modules"))
    width = 2 * _MARGIN + len(by_column) * WIDTH + (len(by_column) - 1) * _BETWEEN
    curves = tuple(
        _curve(places[link.caller], places[link.called])
        for link in links
        if link.caller in places and link.called in places and link.caller != link.called
    )
    return Picture(width, height, tuple(boxes), tuple(dict.fromkeys(curves)))


def _below(around: Neighbourhood) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for link in around.below:
        found.setdefault(link.caller, []).append(link.called)
    return found


def _above(around: Neighbourhood) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for link in around.above:
        found.setdefault(link.called, []).append(link.caller)
    return found


def _steps(label: str, following: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The length of the longest way to each, so that links go one way; modules that call in a circle stop at the last
    column."""
    steps = {label: 0}
    queue = [label]
    for name in queue:
        for other in following.get(name, ()):
            if other not in steps:
                steps[other] = steps[name] + 1
                queue.append(other)
    for _ in range(_MOST_STEPS):
        for name in queue:
            for other in following.get(name, ()):
                if other != label and steps[other] <= steps[name] < _MOST_STEPS:
                    steps[other] = steps[name] + 1
    return steps


def _ordered(columns: Mapping[str, int], links: Iterable[Link]) -> dict[int, list[str]]:
    """The names in each column; each near those that it is linked with in the column that is nearer to the middle."""
    by_column: dict[int, list[str]] = {}
    for name in columns:
        by_column.setdefault(columns[name], []).append(name)
    beside: dict[str, list[str]] = {name: [] for name in columns}
    for link in links:
        if link.caller in beside and link.called in beside:
            beside[link.caller].append(link.called)
            beside[link.called].append(link.caller)
    row: dict[str, float] = {}
    for column in sorted(by_column, key=abs):
        inner = column - (column > 0) + (column < 0)

        def place(name: str, inner: int = inner) -> tuple[float, str]:
            rows = [row[other] for other in beside[name] if other != name and columns[other] == inner]
            return (sum(rows) / len(rows) if rows else 0.0, name)

        by_column[column].sort(key=place)
        for index, name in enumerate(by_column[column]):
            row[name] = index - len(by_column[column]) / 2
    return by_column


def _column_height(boxes: int) -> int:
    boxes = min(boxes, _MOST)
    return boxes * HEIGHT + (boxes - 1) * _GAP + 2 * _MARGIN


def _box(name: str, x: int, y: int, is_self: bool, external: bool, known: bool) -> Box:
    if external:
        return Box(x, y, "source", _short(name), "not of a registry", name)
    namespace, title, system = name.split("/")
    kind = "self" if is_self else "module" if known else "missing"
    subtitle = f"{namespace} / {system}" if known or is_self else "not in this registry"
    return Box(x, y, kind, _short(title), _short(subtitle, 25), name, module_url(name) if kind == "module" else "")


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _curve(caller: tuple[int, int], called: tuple[int, int]) -> str:
    x1, y1 = caller[0] + WIDTH, caller[1] + HEIGHT // 2
    x2, y2 = called[0], called[1] + HEIGHT // 2
    bend = max(_BETWEEN // 2, abs(x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 5} {y2}"
