"""A YAML text as a tree that keeps what a parser throws away: comments, anchors, aliases, quotes, empty lines.

Built from libyaml's events. Comments are found in the text between the scalars, where `#` can mean nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from yaml import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent, StreamEndEvent

from iacengine.config.yaml_source import make_parser


@dataclass(slots=True, eq=False)
class Comments:
    """Comments of one item: `above` on lines of their own, `beside` at the end of its line, `below` after its last
    part. An empty text in `above` or `below` is an empty line."""

    above: list[str] = field(default_factory=list)
    beside: str = ""
    below: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Scalar:
    value: str
    style: str | None
    start: int
    end: int
    properties: str = ""  # anchor and tag, as written


@dataclass(slots=True, eq=False)
class Alias:
    name: str
    start: int
    end: int
    properties: str = ""


@dataclass(slots=True, eq=False)
class Item:
    """A member of a mapping, or an element of a sequence (`key` None)."""

    key: Scalar | Alias | None
    value: Node
    comments: Comments = field(default_factory=Comments)


@dataclass(slots=True, eq=False)
class Collection:
    is_map: bool
    is_flow: bool
    items: list[Item]
    start: int
    end: int
    column: int = 0
    properties: str = ""


Node = Scalar | Alias | Collection

_COMMENT = re.compile(r"(?:^|(?<=[ \t\n]))#[^\n]*")
_PROPERTY = re.compile(r"[&!]\S*")


@dataclass(slots=True, eq=False)
class Document:
    root: Node | None
    comments: Comments


def read_document(text: str) -> Document:
    """The only document of a text that is known to parse."""
    get = make_parser(text).get_event
    get()
    event = get()
    if event.__class__ is StreamEndEvent:
        return Document(None, Comments(above=_outer(text)))
    root = _node(text, get, get())
    document = Document(root, Comments())
    _attach(text, document)
    return document


def _node(text: str, get: Any, event: Any) -> Node:
    kind = event.__class__
    start, end = event.start_mark.index, event.end_mark.index
    if kind is AliasEvent:
        return Alias(event.anchor, start, end)
    properties = _properties(text, event)
    if kind is ScalarEvent:
        return Scalar(event.value, event.style, start, end, properties)
    assert kind in (MappingStartEvent, SequenceStartEvent), kind
    collection = Collection(
        is_map=kind is MappingStartEvent,
        is_flow=bool(event.flow_style),
        items=[],
        start=start,
        end=end,
        column=event.start_mark.column,
        properties=properties,
    )
    while True:
        event = get()
        name = event.__class__.__name__
        if name in ("MappingEndEvent", "SequenceEndEvent"):
            collection.end = event.end_mark.index
            if not collection.is_flow and collection.items:
                collection.column = _column(text, _start(collection.items[0]))
            return collection
        first = _node(text, get, event)
        if collection.is_map:
            assert not isinstance(first, Collection)
            collection.items.append(Item(first, _node(text, get, get())))
        else:
            collection.items.append(Item(None, first))


def _properties(text: str, event: Any) -> str:
    """Anchor and tag as they stand in front of a node."""
    if event.anchor is None and event.tag is None:
        return ""
    found: list[str] = []
    position = event.start_mark.index
    while match := _PROPERTY.match(text, position):
        found.append(match[0])
        position = match.end()
        while position < len(text) and text[position] in " \t":
            position += 1
    return " ".join(found)


def _start(item: Item) -> int:
    return item.key.start if item.key is not None else item.value.start


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)


# --- comments -------------------------------------------------------------------------------------------------------


def _outer(text: str) -> list[str]:
    """Comments and empty lines of a text that has nothing else."""
    lines = [line.strip() for line in text.split("\n")]
    return _tidy([line for line in lines if not line.startswith(("---", "...", "%"))])


def _attach(text: str, document: Document) -> None:
    """Give every comment and every empty line to an item."""
    anchors: list[tuple[int, int, Item, int]] = []  # start, end of the own part, item, column
    root = document.root
    if isinstance(root, Collection) and not root.is_flow:
        _list_items(text, root, anchors)
    anchors.sort(key=lambda entry: entry[0])
    spans: list[tuple[int, int]] = []
    if root is not None:
        _scalar_spans(text, root, spans)
    spans.sort()
    comments = _comments(text, spans)
    starts = [entry[0] for entry in anchors]
    owners = _Owners(text, anchors, starts, document)
    for start, comment, own_line in comments:
        owners.give(start, comment, own_line)
    owners.blank_lines(spans, comments)
    owners.finish()


def _list_items(text: str, node: Collection, found: list[tuple[int, int, Item, int]]) -> None:
    for item in node.items:
        start = _start(item)
        if item.key is None:
            dash = text.rfind("-", 0, start + 1) if text[start : start + 1] != "-" or item.value.start == start else start
            line = text.rfind("\n", 0, start) + 1
            start = dash if dash >= 0 else line
        value = item.value
        end = value.end if not isinstance(value, Collection) or value.is_flow else _start_of(value)
        found.append((start, end, item, _column(text, start)))
        if isinstance(value, Collection) and not value.is_flow:
            _list_items(text, value, found)


def _start_of(node: Collection) -> int:
    return node.start


def _scalar_spans(text: str, node: Node, found: list[tuple[int, int]]) -> None:
    if isinstance(node, Collection):
        for item in node.items:
            if item.key is not None:
                _scalar_spans(text, item.key, found)
            _scalar_spans(text, item.value, found)
    elif isinstance(node, Scalar) and node.style in ("|", ">"):
        header = text.find("\n", node.start, node.end)
        found.append((header if header >= 0 else node.end, node.end))
    elif node.end > node.start:
        found.append((node.start, node.end))


def _comments(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, str, bool]]:
    """Offset, text, and "on a line of its own" of every comment."""
    found: list[tuple[int, str, bool]] = []
    position = 0
    for start, end in [*spans, (len(text), len(text))]:
        for match in _COMMENT.finditer(text, position, start):
            line = text.rfind("\n", 0, match.start()) + 1
            found.append((match.start(), match[0].rstrip(), not text[line : match.start()].strip()))
        position = max(position, end)
    return found


class _Owners:
    def __init__(
        self, text: str, anchors: list[tuple[int, int, Item, int]], starts: list[int], document: Document
    ) -> None:
        self._text = text
        self._anchors = anchors
        self._starts = starts
        self._document = document

    def give(self, start: int, comment: str, own_line: bool) -> None: ...

    def blank_lines(self, spans: list[tuple[int, int]], comments: list[tuple[int, str, bool]]) -> None: ...

    def finish(self) -> None: ...


def _tidy(lines: list[str]) -> list[str]:
    return lines
