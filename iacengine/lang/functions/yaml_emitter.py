"""Values as YAML text, byte for byte as libyaml's emitter writes them in block style with quoted strings.

The emitter's state is the column, and whether what was written last is white space or indentation; all its decisions
on spaces and line breaks follow from that. After libyaml's `emitter.c`.
"""

from __future__ import annotations

from fractions import Fraction

from iacengine.lang.text import number_text
from iacengine.lang.values import MapValue, Null, Value

_WIDTH = 80
_INDENT = 2
_KEY_LIMIT = 128  # bytes a key may have and still stand on one line with its value
_BREAKS = "\n\r\x85\u2028\u2029"
_SHORT_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e",
    '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip


def emit(value: Value) -> str:
    """The YAML document of a wholly known, unmarked value."""
    emitter = _Emitter()
    emitter.root(value)
    return "".join(emitter.pieces)


class _Emitter:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.column = 0
        self.whitespace = self.indention = True

    def root(self, value: Value) -> None:
        self._node(value, -1, mapping=False)
        self._indent(0)
        if value is None or value.__class__ in (Null, bool, int, Fraction, float):
            self._indicator("...")  # nothing else shows where a plain scalar ends
            self._indent(0)

    # --- nodes ---

    def _node(self, value: Value, indent: int, *, mapping: bool) -> None:
        kind = value.__class__
        if kind is str:
            self._string(value, indent)
        elif value is None or kind is Null:
            self._plain("null")
        elif kind is bool:
            self._plain("true" if value else "false")
        elif kind is int or kind is Fraction or kind is float:
            written = number_text(value)
            self._plain({"inf": "+Inf", "-inf": "-Inf"}.get(written, written))
        elif kind is dict or kind is MapValue:
            entries = value.items if kind is MapValue else value
            if entries:
                self._mapping(entries, indent)
            else:
                self._indicator("{")
                self._indicator("}", space=False)
        elif len(value):
            self._sequence(value, indent, mapping=mapping)
        else:
            self._indicator("[")
            self._indicator("]", space=False)

    def _sequence(self, items: Value, indent: int, *, mapping: bool) -> None:
        if indent < 0:
            indent = 0
        elif not (mapping and not self.indention):  # a sequence under its key is not indented
            indent += _INDENT
        for item in items:
            self._indent(indent)
            self._indicator("-", indention=True)
            self._node(item, indent, mapping=False)

    def _mapping(self, entries: dict[str, Value], indent: int) -> None:
        indent = 0 if indent < 0 else indent + _INDENT
        for key in sorted(entries):
            self._indent(indent)
            if len(key.encode()) <= _KEY_LIMIT and not any(character in _BREAKS for character in key):
                self._double_quoted(key, indent + _INDENT, fold=False)
                self._indicator(":", space=False)
            else:
                self._indicator("?", indention=True)
                self._string(key, indent)
                self._indent(indent)
                self._indicator(":", indention=True)
            self._node(entries[key], indent, mapping=True)

    # --- scalars ---

    def _plain(self, written: str) -> None:
        if not self.whitespace:
            self._put(" ")
        self._put(written)
        self.whitespace = self.indention = False

    def _string(self, value: str, indent: int) -> None:
        indent = _INDENT if indent < 0 else indent + _INDENT
        if "\n" in value and _block_allowed(value):
            self._literal(value, indent)
        else:
            self._double_quoted(value, indent, fold=True)

    def _double_quoted(self, value: str, indent: int, *, fold: bool) -> None:
        self._indicator('"')
        after_space = False
        last = len(value) - 1
        escape_all = value.startswith("\ufeff")  # libyaml looks for the mark at the beginning, whatever it writes
        for index, character in enumerate(value):
            if character == " " and not escape_all:
                if fold and not after_space and self.column > _WIDTH and 0 < index < last:
                    self._indent(indent)
                    if value[index + 1] == " ":
                        self._put("\\")
                else:
                    self._put(" ")
                after_space = True
                continue
            after_space = False
            plain = _printable(character) and character not in _BREAKS and character not in '"\\' and not escape_all
            self._put(character if plain else _escape(character))
        self._indicator('"', space=False)

    def _literal(self, value: str, indent: int) -> None:
        self._indicator("|")
        if value[0] == " " or value[0] in _BREAKS:
            self._indicator(str(_INDENT), space=False)
        if value[-1] not in _BREAKS:
            self._indicator("-", space=False)
        elif len(value) == 1 or value[-2] in _BREAKS:
            self._indicator("+", space=False)
        self._break("\n")
        self.indention = self.whitespace = True
        at_start = True
        for character in value:
            if character in _BREAKS:
                self._break(character)
                self.indention = True
                at_start = True
            else:
                if at_start:
                    self._indent(indent)
                self._put(character)
                self.indention = at_start = False

    # --- the state ---

    def _put(self, written: str) -> None:
        self.pieces.append(written)
        self.column += len(written)

    def _break(self, character: str) -> None:
        self.pieces.append(character)
        self.column = 0

    def _indent(self, indent: int) -> None:
        if not self.indention or self.column > indent or (self.column == indent and not self.whitespace):
            self._break("\n")
        if self.column < indent:
            self._put(" " * (indent - self.column))
        self.whitespace = self.indention = True

    def _indicator(self, written: str, *, space: bool = True, indention: bool = False) -> None:
        if space and not self.whitespace:
            self._put(" ")
        self._put(written)
        self.whitespace = False
        self.indention = self.indention and indention


def _block_allowed(value: str) -> bool:
    """True when a text with line breaks can be written as a literal block."""
    if value[-1] == " ":
        return False
    previous = ""
    for character in value:
        if not _printable(character) or (previous == " " and character in _BREAKS):
            return False
        previous = character
    return True


def _printable(character: str) -> bool:
    code = ord(character)
    return 0x20 <= code <= 0x7E or code == 0x0A or (0xA0 <= code <= 0xFFFD and code != 0xFEFF)


def _escape(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return "\\" + _SHORT_ESCAPES[character]
    code = ord(character)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
