"""What a plain YAML scalar means: the core schema of YAML 1.2 (section 10.3.2), and nothing of YAML 1.1.

`no`, `on` and `yes` are strings, `017` is 17, `0o17` is 15, there are no dates and no sexagesimal numbers.
"""

from __future__ import annotations

import re
from typing import Any

from iacengine.lang.values import number

MAY_BE_SPECIAL = frozenset("-+.0123456789nNtTfF~")
"""The first characters of scalars that may be no string. An empty scalar is null."""

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_NOT_A_NUMBER = frozenset((".nan", ".NaN", ".NAN"))
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FAITHFUL_DIGITS = 15  # a decimal of so many significant digits survives a float and its shortest text
_INFINITE = (float("inf"), float("-inf"))
_MAX_DIGITS = 4000  # beyond this Python's int() refuses, and nobody means it


def resolve(text: str) -> Any:
    """The value of a plain scalar. Raises ValueError for `.nan`, which is no value of the language."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first not in MAY_BE_SPECIAL:
        return text
    if _INTEGER.fullmatch(text):
        return exact_number(text)
    if _FLOAT.fullmatch(text):
        return exact_number(text)
    if _OCTAL.fullmatch(text):
        return number(int(text[2:], 8))
    if _HEXADECIMAL.fullmatch(text):
        return number(int(text[2:], 16))
    if text in _NOT_A_NUMBER:
        raise ValueError(f"{text} is no number the language has.")
    return text


def exact_number(text: str) -> Any:
    """The number a decimal text means, no digit lost: an int, a float where it prints as written, else a `Fraction`.

    Raises ValueError when the number has more digits, or a larger exponent, than anybody can mean.
    """
    if len(text) <= _FAITHFUL_DIGITS:
        try:
            return int(text)
        except ValueError:
            if "e" not in text and "E" not in text:
                value = float(text)
                return int(value) if value.is_integer() else value
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or "0")) > _MAX_DIGITS:
        raise ValueError("The number is too large, or has too many digits.")
    exact = number(text.rstrip(".") if not exponent else f"{mantissa.rstrip('.')}e{exponent}")
    if exact.__class__ is int:
        return exact
    value = float(text)
    return value if value not in _INFINITE and number(value) == exact else exact
