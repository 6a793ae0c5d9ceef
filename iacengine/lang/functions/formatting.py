"""`format` and `formatlist`: printf with the verbs of Go, widths and precisions of strings in grapheme clusters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.arguments import go_quote, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.decimals import float_text, general_text
from iacengine.lang.functions.json_text import encode, encode_string
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.text import decimal_digits, graphemes, nfc
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, SetType, TupleType, Type
from iacengine.lang.values import (
    ListValue,
    Number,
    Refinement,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
)

_VERB = re.compile(r"%([0#\-+ ]*)([1-9][0-9]*)?(\.[0-9]*)?(?:\[([1-9][0-9]*)\])?([a-zA-Z])")
_PARTIAL = re.compile(r"%[0#\-+ ]*(?:[1-9][0-9]*)?(?:\.[0-9]*)?(?:\[(?:[1-9][0-9]*\]?)?)?")
_DELIMITERS = frozenset("-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'")  # nothing that follows melts with one of these
_WIDTH_LIMIT = 1_000_000  # characters; a mistyped width must not fill the memory
_BASES = {"b": ("b", "0b"), "d": ("d", ""), "o": ("o", "0"), "x": ("x", "0x"), "X": ("X", "0X")}


@dataclass(frozen=True, slots=True)
class _Verb:
    """One directive of a format: its text, where it stands, and what it says. `argument` counts from one."""

    raw: str
    template: str
    at: int
    flags: str
    width: int | None
    precision: int | None
    argument: int
    mode: str

    @property
    def offset(self) -> int:
        """Where it stands, in bytes."""
        return len(self.template[: self.at].encode())

    def unsupported(self, reason: str) -> FunctionError:
        return FunctionError(f"unsupported value for {go_quote(self.raw)} at {self.offset}: {reason}")


def format_text(template: str, arguments: Sequence[Value]) -> str:
    """The template with its verbs replaced. Arguments are unmarked and wholly known. Raises FunctionError."""
    pieces: list[str] = []
    highest = 0
    for part in _parts(template):
        if part.__class__ is str:
            pieces.append(part)
            continue
        assert isinstance(part, _Verb)
        highest = max(highest, part.argument)
        pieces.append(_apply(part, arguments))
    if highest < len(arguments):
        used = "no verbs in format string" if highest == 0 else f"only {highest} used by format string"
        raise FunctionError(f"too many arguments; {used}", highest + 1)
    return "".join(pieces)


@lru_cache(maxsize=512)
def _parts(template: str) -> tuple[str | _Verb, ...]:
    """Literal text and verbs, in order."""
    parts: list[str | _Verb] = []
    position, following = 0, 1
    while (at := template.find("%", position)) >= 0:
        if at > position:
            parts.append(template[position:at])
        if template.startswith("%%", at):
            parts.append("%")
            position = at + 2
            continue
        match = _VERB.match(template, at)
        if match is None:
            raise _malformed(template, at)
        flags, width, precision, argument, mode = match.groups()
        number = int(argument) if argument else following
        following = number + 1
        parts.append(
            _Verb(
                match[0],
                template,
                at,
                flags,
                min(int(width), _WIDTH_LIMIT) if width else None,
                min(int(precision[1:] or 0), _WIDTH_LIMIT) if precision else None,
                number,
                mode,
            )
        )
        position = match.end()
    if position < len(template):
        parts.append(template[position:])
    return tuple(parts)


def _malformed(template: str, at: int) -> FunctionError:
    match = _PARTIAL.match(template, at)
    assert match is not None
    end = match.end()
    offset = len(template[:end].encode())
    if end >= len(template):
        return FunctionError(f"invalid format string starting at offset {offset}")
    return FunctionError(f"unrecognized format character '{template[end]}' at offset {offset}")


def _apply(verb: _Verb, arguments: Sequence[Value]) -> str:
    if verb.argument > len(arguments):
        raise FunctionError(
            f"not enough arguments for {go_quote(verb.raw)} at {verb.offset}: need index {verb.argument} but have "
            f"{len(arguments)} total"
        )
    value = arguments[verb.argument - 1]
    if verb.mode != "v" and is_null(value):
        raise verb.unsupported("null value cannot be formatted")
    match verb.mode:
        case "v":
            return _as_is(verb, value)
        case "t":
            return "true" if _converted(verb, value, BOOL) else "false"
        case "b" | "d" | "o" | "x" | "X":
            return _integer(verb, _converted(verb, value, NUMBER))
        case "e" | "E" | "f" | "g" | "G":
            return _real(verb, _converted(verb, value, NUMBER))
        case "s" | "q":
            return _string(verb, _converted(verb, value, STRING))
        case _:
            raise FunctionError(
                f"unsupported format verb '{verb.mode}' in {go_quote(verb.raw)} at offset {verb.offset}"
            )


def _converted(verb: _Verb, value: Value, wanted: Type) -> Value:
    try:
        return convert(value, wanted)
    except ConversionError as error:
        raise verb.unsupported(error.message) from None


def _as_is(verb: _Verb, value: Value) -> str:
    kind = value.__class__
    if "#" not in verb.flags:
        if kind is str:
            return _padded(verb, value)
        if kind is int or kind is Fraction or kind is float:
            return _padded(verb, general_text(value))
    try:
        return _padded(verb, encode(value))
    except FunctionError as error:
        raise verb.unsupported(error.message) from None


def _string(verb: _Verb, value: str) -> str:
    if verb.precision:
        value = "".join(graphemes(value)[: verb.precision])
    return _padded(verb, encode_string(value) if verb.mode == "q" else value)


def _padded(verb: _Verb, shown: str) -> str:
    if verb.width is None:
        return shown
    missing = verb.width - len(graphemes(shown))
    if missing <= 0:
        return shown
    padding = ("0" if "0" in verb.flags else " ") * missing
    return shown + padding if "-" in verb.flags else padding + shown


def _sign(verb: _Verb, *, negative: bool) -> str:
    if negative:
        return "-"
    return "+" if "+" in verb.flags else " " if " " in verb.flags else ""


def _integer(verb: _Verb, value: Number) -> str:
    if value.__class__ is not int and value != 0:
        raise verb.unsupported("an integer is required")
    base, prefix = _BASES[verb.mode]
    magnitude = abs(int(value))
    digits = decimal_digits(magnitude) if base == "d" else format(magnitude, base)
    if verb.precision is not None:
        if verb.precision == 0 and digits == "0":
            return ""
        digits = digits.rjust(verb.precision, "0")
    sign = _sign(verb, negative=value < 0) + (prefix if "#" in verb.flags else "")
    if verb.width is None:
        return sign + digits
    if "-" in verb.flags:
        return (sign + digits).ljust(verb.width)
    if "0" in verb.flags and verb.precision is None:
        return sign + digits.rjust(verb.width - len(sign), "0")
    return (sign + digits).rjust(verb.width)


def _real(verb: _Verb, value: Number) -> str:
    shown = float_text(value, verb.mode, verb.precision)
    negative = shown.startswith("-")
    sign = _sign(verb, negative=negative)
    infinite = shown.endswith("Inf")
    if infinite and not sign:
        sign = "+"
    digits = shown.lstrip("+-")
    if verb.width is None:
        return sign + digits
    if "-" in verb.flags:
        return (sign + digits).ljust(verb.width)
    if "0" in verb.flags and not infinite:
        return sign + digits.rjust(verb.width - len(sign), "0")
    return (sign + digits).rjust(verb.width)


def _format(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    template, *values = arguments
    if all(map(is_wholly_known, values)):
        return nfc(format_text(template, values))
    # what stands before the first verb is known already, but for a last character that a mark may follow
    prefix = template.partition("%")[0] if "%" in template else ""
    if prefix and prefix[-1] not in _DELIMITERS:
        prefix = "".join(graphemes(prefix)[:-1])
    return Unknown(STRING, Refinement(not_null=True, prefix=prefix))


def _formatlist(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    template, *values = arguments
    count: int | None = None
    chooser = 0
    unknown = False
    for index, value in enumerate(values):
        length = _length(value)
        if length is None:
            continue
        unknown = unknown or length < 0 or value.__class__ is Unknown
        if length < 0:
            continue
        if count is None:
            count, chooser = length, index
        elif length != count:
            raise FunctionError(
                f"argument {index + 1} has length {length}, which is inconsistent with argument {chooser + 1} of "
                f"length {count}",
                index + 1,
            )
    if unknown:
        return Unknown(ListType(STRING))
    columns: list[Sequence[Value]] = [
        tuple(value) if _length(value) is not None else (value,) * (1 if count is None else count) for value in values
    ]
    results: list[Value] = []
    for index in range(1 if count is None else count):
        row = [column[index] for column in columns]
        if not all(map(is_wholly_known, row)):
            results.append(Unknown(STRING, Refinement(not_null=True)))
            continue
        try:
            results.append(nfc(format_text(template, row)))
        except FunctionError as error:
            if not values:
                raise
            raise FunctionError(f"error on format iteration {index}: {error.message}") from None
    return ListValue(STRING, results)


def _length(value: Value) -> int | None:
    """How many elements a sequence has, -1 when that is not known yet; None for what is no sequence."""
    if value.__class__ is Unknown:
        if isinstance(value.type, TupleType):
            return len(value.type.elements)
        return -1 if value.type is DYNAMIC or isinstance(value.type, ListType | SetType) else None
    if value.__class__ is SetValue and len(value) > 1 and not is_wholly_known(value):
        return -1
    return len(value) if value.__class__ in (tuple, ListValue, SetValue) else None


_ARGUMENTS = Parameter("args", DYNAMIC, allow_null=True, allow_unknown=True)

FUNCTIONS = (
    Function("format", (text("format"),), _ARGUMENTS, STRING, _format),
    Function("formatlist", (text("format"),), _ARGUMENTS, ListType(STRING), _formatlist),
)
