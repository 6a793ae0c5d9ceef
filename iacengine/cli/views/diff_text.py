"""How one value becomes another, for people: only what changes, nested values as their structure.

~ cidr_block = "10.0.0.0/16" -> "10.1.0.0/16" # forces replacement
~ tags       = {
    + Owner = "ops"
      # 2 unchanged attributes hidden
  }
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from iacengine.cli.views.cells import cells, pad
from iacengine.cli.views.segments import CREATE, DELETE, DIM, NOTE, UPDATE, Segments
from iacengine.cli.views.sequence_diff import diff_parts
from iacengine.cli.views.value_text import (
    INDENT,
    KNOWN_LATER,
    SENSITIVE_TEXT,
    entries_of,
    escape_line,
    heredoc_frame,
    is_sensitive,
    items_of,
    json_structure,
    key_name,
    scalar_text,
    short_text,
    value_lines,
)
from iacengine.lang.sets import identity, order_key
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    same,
    unmark_deep,
)
from iacengine.schema import Path

IDENTIFYING: Final = ("id", "name")
"""Attributes that are shown even when they do not change: they tell which object it is."""

_FORCES = " # forces replacement"
_CONTEXT = 3  # unchanged lines of a text shown around a change
_STYLES = {"+": CREATE, "-": DELETE, "~": UPDATE}


@dataclass(frozen=True, slots=True)
class DiffWriter:
    """Writes differences to `out`. `forcing`: the paths that force replacement. `width`: of the terminal in cells."""

    out: Segments
    width: int
    forcing: frozenset[Path] = frozenset()

    # --- objects ------------------------------------------------------------------------------------------------

    def entries(
        self,
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        indent: str,
        path: Path = (),
        identifying: Sequence[str] = (),
    ) -> None:
        """One line (or more) for each entry that differs, sorted; the others are counted."""
        rows: list[tuple[str, Value, Value, bool]] = []
        hidden = 0
        for key in sorted({**before, **after}):
            old, new = before.get(key), after.get(key)
            if unchanged(old, new):
                if key in identifying and not is_null(old):
                    rows.append((key, old, new, False))
                elif not is_null(old):
                    hidden += 1
            else:
                rows.append((key, old, new, True))
        names = [key_name(key) for key, _, _, _ in rows]
        longest = max(map(cells, names)) if names else 0
        for name, (key, old, new, differs) in zip(names, rows, strict=True):
            head = f"{pad(name, longest)} = "
            if differs:
                self.change(head, old, new, indent, (*path, key))
            else:
                self.out.append((f"{indent}  {head}{short_text(old)}\n", DIM))
        self._hidden(hidden, "attribute", indent)

    def created(self, entries: Mapping[str, Value], indent: str) -> None:
        """Everything that a new object has; what is null or empty is left out."""
        self._whole(entries, indent, "+")

    def deleted(self, entries: Mapping[str, Value], indent: str) -> None:
        """Everything that an object to be destroyed has."""
        self._whole(entries, indent, "-")

    def _whole(self, entries: Mapping[str, Value], indent: str, marker: str) -> None:
        shown = [(key_name(key), entries[key]) for key in sorted(entries) if not _is_nothing(entries[key])]
        longest = max([cells(name) for name, _ in shown], default=0)
        for name, value in shown:
            self._lines(marker, f"{pad(name, longest)} = ", value, indent)

    # --- one value ----------------------------------------------------------------------------------------------

    def change(self, head: str, before: Value, after: Value, indent: str, path: Path, tail: str = "") -> None:
        """A value that differs, after its `head` (`name = `, or nothing); `tail` ends its last line."""
        note = _FORCES if path in self.forcing else ""
        if is_null(before) and not _both_sensitive(before, after):
            self._lines("+", head, after, indent, tail, note)
        elif is_null(after) and not _both_sensitive(before, after):
            arrow = " -> null" if head and len(path) <= 1 else ""
            self._lines("-", head, before, indent, arrow + tail, note)
        elif is_sensitive(before) or is_sensitive(after):
            self._sensitive(head, before, after, indent, tail, note)
        else:
            self._both(head, _open(before), _open(after), indent, path, tail, note)

    def _both(self, head: str, before: Value, after: Value, indent: str, path: Path, tail: str, note: str) -> None:
        if after.__class__ is Unknown:
            self._pair(head, short_text(before), KNOWN_LATER, indent, tail, note)
            return
        old_entries, new_entries = entries_of(before), entries_of(after)
        if old_entries is not None and new_entries is not None:
            self._nested(
                "~",
                head,
                "{",
                "}",
                indent,
                tail,
                note,
                lambda inner: self.entries(old_entries, new_entries, inner, path),
            )
            return
        if before.__class__ is SetValue and after.__class__ is SetValue:
            self._nested("~", head, "[", "]", indent, tail, note, lambda inner: self._set(before, after, inner, path))
            return
        old_items, new_items = items_of(before), items_of(after)
        if old_items is not None and new_items is not None:
            self._nested(
                "~", head, "[", "]", indent, tail, note, lambda inner: self._sequence(old_items, new_items, inner, path)
            )
            return
        if before.__class__ is str and after.__class__ is str:
            self._strings(head, before, after, indent, path, tail, note)
            return
        old_text, new_text = scalar_text(before), scalar_text(after)
        if old_text is not None and new_text is not None:
            self._pair(head, old_text, new_text, indent, tail, note)
        else:
            self._lines("-", head, before, indent, tail, note)
            self._lines("+", head, after, indent, tail)

    def _strings(self, head: str, before: str, after: str, indent: str, path: Path, tail: str, note: str) -> None:
        old, new = json_structure(before), json_structure(after)
        if old is not None and new is not None and (entries_of(old) is None) == (entries_of(new) is None):
            if same(old, new):
                note = f" # whitespace or order of keys only{note}"
                self._pair(head, short_text(before), short_text(after), indent, tail, note)
                return
            old_entries, new_entries = entries_of(old), entries_of(new)
            if old_entries is not None and new_entries is not None:
                self._nested(
                    "~",
                    head,
                    "jsonencode({",
                    "})",
                    indent,
                    tail,
                    note,
                    lambda inner: self.entries(old_entries, new_entries, inner, path),
                )
            else:
                self._nested(
                    "~",
                    head,
                    "jsonencode([",
                    "])",
                    indent,
                    tail,
                    note,
                    lambda inner: self._sequence(old, new, inner, path),
                )
        elif "\n" in before or "\n" in after:
            old_lines, new_lines = before.split("\n"), after.split("\n")
            if not old_lines[-1] and not new_lines[-1]:
                old_lines.pop()
                new_lines.pop()
            start, end = heredoc_frame([*old_lines, *new_lines, ""])
            self._nested(
                "~", head, start, end, indent, tail, note, lambda inner: self._text(old_lines, new_lines, inner)
            )
        else:
            self._pair(head, scalar_text(before) or "", scalar_text(after) or "", indent, tail, note)

    def _sensitive(self, head: str, before: Value, after: Value, indent: str, tail: str, note: str) -> None:
        if not is_sensitive(before):
            note = f" # becomes sensitive{note}"
        elif not is_sensitive(after):
            note = f" # no longer sensitive{note}"
        self._line("~", f"{head}{SENSITIVE_TEXT}{tail}", indent, note)

    # --- sequences ----------------------------------------------------------------------------------------------

    def _sequence(self, before: Sequence[Value], after: Sequence[Value], indent: str, path: Path) -> None:
        parts = list(diff_parts([_key(item) for item in before], [_key(item) for item in after]))
        for position, (tag, start, end, new_start, new_end) in enumerate(parts):
            if tag == "equal":
                self._unchanged_items(before[start:end], indent, first=position == 0, last=position == len(parts) - 1)
                continue
            pairs = min(end - start, new_end - new_start)
            for offset in range(pairs):
                step = (*path, new_start + offset)
                self.change("", before[start + offset], after[new_start + offset], indent, step, ",")
            for item in before[start + pairs : end]:
                self._lines("-", "", item, indent, ",")
            for item in after[new_start + pairs : new_end]:
                self._lines("+", "", item, indent, ",")

    def _unchanged_items(self, items: Sequence[Value], indent: str, *, first: bool, last: bool) -> None:
        """The neighbours of a change are shown, the others counted."""
        shown_after, shown_before = (0 if first else 1), (0 if last else 1)
        if len(items) <= shown_after + shown_before:
            shown_after, shown_before = len(items), 0
        for item in items[:shown_after]:
            self.out.append((f"{indent}  {short_text(item)},\n", DIM))
        self._hidden(len(items) - shown_after - shown_before, "element", indent)
        for item in items[len(items) - shown_before :]:
            self.out.append((f"{indent}  {short_text(item)},\n", DIM))

    def _set(self, before: SetValue, after: SetValue, indent: str, path: Path) -> None:
        new_keys = {_key(item) for item in after.items}
        old_keys = {_key(item) for item in before.items}
        removed = [item for item in before.items if _key(item) not in new_keys]
        added = [item for item in after.items if _key(item) not in old_keys]
        for item in removed:
            twin = _nearest(item, added)
            if twin is None:
                self._lines("-", "", item, indent, ",")
            else:
                added = [other for other in added if other is not twin]
                self.change("", item, twin, indent, (*path, ""), ",")
        for item in added:
            self._lines("+", "", item, indent, ",")
        self._hidden(len(before.items) - len(removed), "element", indent)

    def _text(self, before: list[str], after: list[str], indent: str) -> None:
        parts = list(diff_parts(before, after))
        for position, (tag, start, end, new_start, new_end) in enumerate(parts):
            if tag == "equal":
                head = 0 if position == 0 else min(_CONTEXT, end - start)
                foot = 0 if position == len(parts) - 1 else min(_CONTEXT, end - start - head)
                for line in before[start : start + head]:
                    self.out.append((f"{indent}  {escape_line(line)}".rstrip() + "\n", DIM))
                self._hidden(end - start - head - foot, "line", indent)
                for line in before[end - foot : end]:
                    self.out.append((f"{indent}  {escape_line(line)}".rstrip() + "\n", DIM))
                continue
            for line in before[start:end]:
                self._line("-", escape_line(line), indent)
            for line in after[new_start:new_end]:
                self._line("+", escape_line(line), indent)

    # --- lines --------------------------------------------------------------------------------------------------

    def _nested(
        self,
        marker: str,
        head: str,
        opening: str,
        closing: str,
        indent: str,
        tail: str,
        note: str,
        body: Callable[[str], None],
    ) -> None:
        self._line(marker, f"{head}{opening}", indent, note)
        body(indent + INDENT)
        self.out.append((f"{indent}  {closing}{tail}\n", ""))

    def _pair(self, head: str, before: str, after: str, indent: str, tail: str, note: str) -> None:
        """`before -> after`, on two lines when one is too short for both."""
        room = self.width - len(indent) - 2 - cells(head) - len(tail)
        if cells(before) + cells(after) + 4 <= room or min(cells(before), cells(after)) < 20:
            self._line("~", f"{head}{before} -> {after}{tail}", indent, note)
            return
        self._line("~", f"{head}{before}", indent)
        self.out.append((" " * max(len(indent) + cells(head) - 1, 0), ""))
        self.out.append((f"-> {after}{tail}", ""))
        self.out.append((note + "\n", NOTE))

    def _lines(self, marker: str, head: str, value: Value, indent: str, tail: str = "", note: str = "") -> None:
        """A whole value that appears or goes away."""
        first, *rest = value_lines(value, indent + "  ")
        if not rest:
            self._line(marker, f"{head}{first}{tail}", indent, note)
            return
        self._line(marker, f"{head}{first}", indent, note)
        rest[-1] += tail
        style = _STYLES[marker]
        self.out.extend([(line + "\n", style) for line in rest])

    def _line(self, marker: str, text: str, indent: str, note: str = "") -> None:
        style = _STYLES[marker]
        end = "" if note else "\n"
        if marker == "~":
            self.out.append((f"{indent}~ ", style))
            self.out.append((text + end, ""))
        else:
            self.out.append((f"{indent}{marker} {text}{end}", style))
        if note:
            self.out.append((note + "\n", NOTE))

    def _hidden(self, count: int, noun: str, indent: str) -> None:
        if count:
            self.out.append((f"{indent}  # {count} unchanged {noun}{'s' if count > 1 else ''} hidden\n", DIM))


def unchanged(before: Value, after: Value) -> bool:
    """True when nothing is to be told: the same value, equally sensitive; nulls of every type are the same."""
    if before is after:
        return True
    if is_null(before) and is_null(after):
        return True
    return same(before, after)


def _is_nothing(value: Value) -> bool:
    if is_null(value):
        return True
    kind = value.__class__
    return (kind is ListValue or kind is SetValue or kind is MapValue) and not value.items


def _open(value: Value) -> Value:
    return value.value if value.__class__ is Marked else value


def _both_sensitive(before: Value, after: Value) -> bool:
    return is_sensitive(before) and is_sensitive(after)


def _key(item: Value) -> str:
    """Equal for elements that are equal. (`order_key` alone would make one of numbers that differ in a late digit.)"""
    if item.__class__ is str:
        return f'"{item}'
    plain, marks = unmark_deep(item)
    key = repr(identity(plain)) if is_wholly_known(plain) else f"?{order_key(plain)}"
    return f"{key}{sorted(marks)}" if marks else key


def _nearest(item: Value, others: Sequence[Value]) -> Value | None:
    """The object that most entries agree with, at least half of them; None when there is none."""
    mine = entries_of(item)
    if mine is None or len(others) > 50:
        return None
    best, best_equal = None, 0
    for other in others:
        theirs = entries_of(other)
        if theirs is not None:
            equal = sum(1 for key, value in mine.items() if key in theirs and unchanged(value, theirs[key]))
            if equal > best_equal and equal * 2 >= len(mine):
                best, best_equal = other, equal
    return best
