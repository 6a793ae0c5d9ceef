"""The canonical layout of a YAML text, token by token: two spaces a level, lists indented under their keys.

Lines stay lines: what stands on one line is never split, nor are lines joined. Comments, anchors, tags, empty lines
(one at a time) and block scalars are kept; texts in single quotes get double quotes where nothing has to be escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

_STEP = 2
_COMMENT = re.compile(r"(?:^|(?<=[ \t\n]))#[^\n]*")
_INVISIBLE = frozenset(("StreamStartToken", "StreamEndToken", "BlockEndToken"))
_OPEN_BLOCK = frozenset(("BlockMappingStartToken", "BlockSequenceStartToken"))
_OPEN_FLOW = frozenset(("FlowMappingStartToken", "FlowSequenceStartToken"))
_CLOSE_FLOW = frozenset(("FlowMappingEndToken", "FlowSequenceEndToken"))
_TIGHT_AFTER = _OPEN_FLOW
_TIGHT_BEFORE = _CLOSE_FLOW | {"FlowEntryToken"}
_PLAIN_INSIDE = re.compile(r"[^\"\\\x00-\x1f\x7f-\x9f\ufeff]*")


@dataclass(slots=True)
class _Level:
    """An open block collection: its column in the text, and in the layout."""

    old: int
    new: int
    is_map: bool


class Layout:
    """One pass over the tokens of a text, `\\n` its only line break."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] = []
        self._line = ""
        self._previous: str | None = None  # kind of the last token on the current line
        self._levels: list[_Level] = []
        self._known: list[tuple[int, int]] = []  # old and new column of the levels at the last token
        self._item = -_STEP  # new column of the key or dash that we are inside of
        self._flow = 0
        self._flow_indent = 0
        self._keeps = False  # the current line is a block scalar whose last empty lines are part of it
        self._empty_after = False  # an empty line may follow the current one
        self._kept = 0  # lines that have to stay
        self._position = 0  # offset up to which the text is written

    def lines(self) -> list[str]:
        """The lines of the layout, without line breaks."""
        opened: list[tuple[Any, str]] = []  # collections whose first token is still to come
        for token in yaml.scan(self._text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            kind = token.__class__.__name__
            if kind == "BlockEndToken":
                self._levels.pop()
            elif kind in _OPEN_BLOCK:
                opened.append((token, kind))
            elif kind not in _INVISIBLE and token.end_mark.index > token.start_mark.index:
                self._token(token, kind, opened)
                opened = []
            elif kind == "KeyToken" and not self._flow and not opened and self._levels:
                self._item = self._levels[-1].new
        self._gap(len(self._text), 0, 0)
        self._flush()
        while len(self._lines) > self._kept and not self._lines[-1]:
            self._lines.pop()
        return self._lines

    # --- tokens -----------------------------------------------------------------------------------------------------

    def _token(self, token: Any, kind: str, opened: list[tuple[Any, str]]) -> None:
        start, end = token.start_mark.index, token.end_mark.index
        gap = self._text[max(self._position - 1, 0) : start]  # a block scalar ends with its line break
        first = "\n" in gap or not (self._line or self._lines or self._previous)
        if first:
            column = token.start_mark.column
            new = self._first_column(kind, opened)
            self._gap(start, column, new)
            self._flush()
            self._line = " " * new
            self._previous = None
        else:
            self._line += self._space(kind)
        at = len(self._line)
        for index, (collection, name) in enumerate(opened):
            # Collections that begin at one token: the first stands where the token does, and there is but one.
            self._levels.append(_Level(collection.start_mark.column, at + index, name == "BlockMappingStartToken"))
            self._item = at + index
        if kind == "BlockEntryToken":
            self._item = at
        self._line += self._written(token, kind, start, end)
        self._previous = kind
        self._position = max(self._position, end)
        self._known = [(level.old, level.new) for level in self._levels]
        if kind in _OPEN_FLOW:
            if not self._flow:
                self._flow_indent = len(self._line) - len(self._line.lstrip(" "))
            self._flow += 1
        elif kind in _CLOSE_FLOW:
            self._flow -= 1

    def _first_column(self, kind: str, opened: list[tuple[Any, str]]) -> int:
        """The column of the first token of a line."""
        if self._flow:
            depth = self._flow - (1 if kind in _CLOSE_FLOW else 0)
            return self._flow_indent + _STEP * depth
        if kind in ("DocumentStartToken", "DocumentEndToken", "DirectiveToken"):
            return 0
        if opened:
            return self._item + _STEP if self._levels else 0
        if not self._levels:
            return 0
        level = self._levels[-1]
        if kind == "BlockEntryToken":
            return level.new + _STEP if level.is_map else level.new
        if kind in ("KeyToken", "ValueToken") or (self._item == level.new and self._starts_key(level)):
            return level.new
        return self._item + _STEP

    def _starts_key(self, level: _Level) -> bool:
        """A key of the open mapping (its KeyToken, without width, set the item), not a value on a line of its own."""
        return level.is_map and self._previous != "ValueToken" and not self._pending_value()

    def _pending_value(self) -> bool:
        return self._previous in ("AnchorToken", "TagToken")

    def _space(self, kind: str) -> str:
        previous = self._previous
        if kind == "ValueToken":
            return " " if previous == "AliasToken" else ""
        if kind in _TIGHT_BEFORE:
            return " " if previous == "ValueToken" else ""
        return "" if previous is None or previous in _TIGHT_AFTER else " "

    def _written(self, token: Any, kind: str, start: int, end: int) -> str:
        text = self._text[start:end]
        if kind != "ScalarToken":
            return text
        if token.style in ("|", ">"):
            return self._block_scalar(text)
        if "\n" in text:
            indent = " " * (self._flow_indent + _STEP * self._flow if self._flow else self._item + _STEP)
            lines = text.split("\n")
            rest = [f"{indent}{line.strip(' ')}" if line.strip() else "" for line in lines[1:]]
            return "\n".join([lines[0].rstrip(), *rest])
        if token.style == "'":
            inner = text[1:-1].replace("''", "'")
            if _PLAIN_INSIDE.fullmatch(inner):
                return f'"{inner}"'
        return text

    def _block_scalar(self, text: str) -> str:
        """The scalar with its lines moved; spaces beyond its indentation belong to it."""
        lines = text.split("\n")
        header = lines[0].rstrip()
        indicators = re.match(r"[|>]([-+0-9]*)", header)
        assert indicators is not None
        body = lines[1:]
        if text.endswith("\n"):
            body.pop()
        level = self._levels[-1] if self._levels else _Level(-_STEP, -_STEP, True)
        digits = re.sub("[-+]", "", indicators[1])
        if digits:
            old = max(level.old, 0) + int(digits)
            new = (self._item if not level.is_map or self._item != level.new else level.new) + int(digits)
        else:
            widths = [len(line) - len(line.lstrip(" ")) for line in body if line.strip(" ")]
            old = widths[0] if widths else 0
            new = self._item + _STEP
        moved = [" " * new + line[old:] if len(line) > old and line[:old].strip() == "" else "" for line in body]
        self._keeps = "+" in indicators[1]
        while moved and not moved[-1].strip() and not self._keeps:
            moved.pop()
            self._empty_after = True  # lines that are no part of it: one may stay
        return "\n".join([header, *moved])

    # --- what stands between tokens ---------------------------------------------------------------------------------

    def _gap(self, end: int, column: int, new: int) -> None:
        """Comments and empty lines up to an offset, where a token of that old and new column begins."""
        gap = self._text[self._position : end]
        self._position = end
        lines = gap.split("\n")
        if self._text[end - len(gap) - 1 : end - len(gap)] == "\n":
            lines.insert(0, "")  # a block scalar ended with its line break
        beside = _COMMENT.search(" " + lines[0])
        if beside is not None and (self._line or self._previous):
            self._line += f"  {beside[0].rstrip()}"
        elif beside is not None:
            lines.insert(0, "")
        started = bool(self._line or self._previous or self._lines)
        if started:
            self._flush()
        for line in lines[1:-1] if end < len(self._text) or lines[-1].strip() == "" else lines[1:]:
            comment = line.strip(" \t")
            if not comment:
                self._empty()
            else:
                old = len(line) - len(line.lstrip(" "))
                self._lines.append(" " * self._comment_column(old, column, new) + comment.rstrip())

    def _comment_column(self, old: int, column: int, new: int) -> int:
        """With what follows, unless it is indented more: then with the collection that it closes."""
        if self._flow or old <= column:
            return new
        fitting = [after for before, after in self._known if before <= old]
        return max(fitting[-1] if fitting else 0, new)

    def _empty(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def _flush(self) -> None:
        if self._line or self._previous:
            self._lines.extend(self._line.split("\n"))
            if self._keeps:
                self._kept = len(self._lines)
            if self._empty_after:
                self._empty()
        self._keeps = self._empty_after = False
        self._line = ""
        self._previous = None
