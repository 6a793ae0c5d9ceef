"""Arguments as the Python numbers an implementation counts with, with the errors users know."""

from __future__ import annotations

from fractions import Fraction

from iacengine.lang.functions.signature import FunctionError, Parameter
from iacengine.lang.types import NUMBER, STRING
from iacengine.lang.values import SENSITIVE, Number

_WORD = 1 << 63
_WORD_MESSAGE = f"value must be a whole number, between -{_WORD} and {_WORD - 1}"


def whole(number: Number, argument: int | None = None, prefix: str = "") -> int:
    """The number as a 64-bit signed integer. Raises FunctionError when it is not whole or does not fit."""
    if number.__class__ is int and -_WORD <= number < _WORD:
        return int(number)
    if number.__class__ is float and number == 0:
        return 0
    raise FunctionError(prefix + _WORD_MESSAGE, argument)


def big_whole(number: Number) -> int:
    """The number as an integer of any size. Raises FunctionError when it is not whole."""
    if number.__class__ is int:
        return int(number)
    if number.__class__ is float and number == 0:
        return 0
    raise FunctionError("value must be a whole number")


def real(number: Number) -> float:
    """The nearest float. Raises FunctionError when it would be infinite."""
    try:
        return float(number)
    except OverflowError:
        limit = Fraction(1.7976931348623157e308)
        raise FunctionError(f"value must be between -{limit}.000000 and {limit}.000000 inclusive") from None


def text(
    name: str, *, allow_unknown: bool = False, allow_marked: bool = False, allow_dynamic: bool = False
) -> Parameter:
    """A parameter that takes a string."""
    return Parameter(name, STRING, allow_unknown=allow_unknown, allow_marked=allow_marked, allow_dynamic=allow_dynamic)


def number(name: str, *, allow_marked: bool = False, allow_dynamic: bool = False) -> Parameter:
    """A parameter that takes a number."""
    return Parameter(name, NUMBER, allow_marked=allow_marked, allow_dynamic=allow_dynamic)


def redacted(shown: str, marks: frozenset[str]) -> str:
    """What a message may say of an argument: nothing of one that is sensitive or ephemeral."""
    if not marks:
        return shown
    return "(sensitive value)" if SENSITIVE in marks else "(ephemeral value)"


def go_quote(value: str) -> str:
    """The text in double quotes, escaped as messages show it."""
    pieces = ['"']
    for character in value:
        if character in '"\\':
            pieces.append("\\" + character)
        elif character in _SHORT:
            pieces.append(_SHORT[character])
        elif character == " " or character.isprintable():
            pieces.append(character)
        else:
            code = ord(character)
            pieces.append(f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(pieces) + '"'


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
