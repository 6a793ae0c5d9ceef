"""Text of the language: numbers as text, Unicode normal form, grapheme clusters, quoting."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from iacengine.lang.values import PRECISION, Number, round_number

# Go's big.ParseFloat in base 10, which Terraform reads numbers with: a binary exponent (`1p3`) and infinities too.
_NUMBER = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([eEpP])([+-]?\d+))?", re.ASCII)
_INFINITY = {"inf": 1, "Inf": 1, "+inf": 1, "+Inf": 1, "-inf": -1, "-Inf": -1}
_EXPONENT_LIMIT = 400_000  # beyond it a number would take seconds and megabytes; no configuration holds one


# --- numbers --------------------------------------------------------------------------------------------------------


def parse_number(text: str) -> Number:
    """The number that decimal text means, rounded to 512 bits.

    Raises ValueError when the text is no number, or one with an exponent beyond 400,000.
    """
    if text.isdigit() and text.isascii() and len(text) < 150:
        return int(text)
    match = _NUMBER.fullmatch(text)
    if match is None:
        if text in _INFINITY:
            return _INFINITY[text] * float("inf")
        raise ValueError("a number is required")
    sign, digits, letter, exponent_text = match.groups()
    whole, _, part = digits.partition(".")
    if len(digits) > _EXPONENT_LIMIT:
        raise ValueError(f"a number is required, of at most {_EXPONENT_LIMIT} digits")
    mantissa = _integer(whole + part)
    if mantissa == 0:
        return -0.0 if sign == "-" else 0
    if sign == "-":
        mantissa = -mantissa
    exponent = int(exponent_text[:12]) if exponent_text else 0
    if abs(exponent) > _EXPONENT_LIMIT:
        raise ValueError(f"a number is required, with an exponent between -{_EXPONENT_LIMIT} and {_EXPONENT_LIMIT}")
    if letter is not None and letter in "pP":
        value = Fraction(mantissa, 10 ** len(part)) * Fraction(2) ** exponent
    else:
        power = exponent - len(part)
        value = Fraction(mantissa * 10**power) if power >= 0 else Fraction(mantissa, 10**-power)
    return round_number(value)


def number_text(number: Number) -> str:
    """The shortest decimal that reads back as the number at 512 bits; never an exponent. `-0`, `inf`, `-inf`."""
    if number.__class__ is int:
        if -_EXACT < number < _EXACT:
            return str(number)
        return _shortest(number, 1)
    if number.__class__ is Fraction:
        return _fraction_text(number)
    if number == 0:
        return "-0"
    return "inf" if number > 0 else "-inf"


_SAFE_DIGITS = 4000  # Python refuses to convert longer texts, whose cost grows with the square, in one go


def decimal_digits(number: int) -> str:
    """`str` of a natural number of any length."""
    if number.bit_length() < 3 * _SAFE_DIGITS:
        return str(number)
    half = number.bit_length() * 3 // 20
    high, low = divmod(number, 10**half)
    return decimal_digits(high) + decimal_digits(low).zfill(half)


def _integer(digits: str) -> int:
    """`int` of decimal digits of any length."""
    if len(digits) < _SAFE_DIGITS:
        return int(digits)
    half = len(digits) // 2
    return _integer(digits[:-half]) * 10**half + _integer(digits[-half:])


_EXACT = 1 << PRECISION


@lru_cache(maxsize=4096)
def _fraction_text(number: Fraction) -> str:
    # Most fractions were written by hand: when the shortest text of the nearest float reads back, no shorter text can,
    # since two decimals of at most 17 digits are never as near to each other as 512 bits tell apart.
    try:
        near = repr(float(number))
    except OverflowError:
        near = "inf"
    if "e" not in near and "n" not in near and round_number(Fraction(near)) == number:
        return near.removesuffix(".0")
    return _shortest(number.numerator, number.denominator)


def _shortest(numerator: int, denominator: int) -> str:
    """Shortest digits within half a unit in the last place, nearest to the exact value among the shortest.

    The algorithm is that of Go's `strconv` (`roundShortest`), on exact decimals of the value and its two borders.
    `denominator` is a power of two.
    """
    sign = "-" if numerator < 0 else ""
    numerator = abs(numerator)
    shift = denominator.bit_length() - 1
    # value = mantissa * 2**power with a mantissa of exactly 512 bits; the borders lie half a unit away
    extra = numerator.bit_length() - PRECISION
    mantissa = numerator >> extra if extra >= 0 else numerator << -extra
    power = extra - shift
    lower_half = (
        2 if mantissa != 1 << (PRECISION - 1) else 1
    )  # just above a power of two the lower step is half as wide
    middle, low, high = mantissa * 4, mantissa * 4 - lower_half, mantissa * 4 + 2
    power -= 2
    if power >= 0:
        exact, floor, ceiling = map(decimal_digits, (middle << power, low << power, high << power))
        point = len(ceiling)
    else:
        five = 5**-power
        exact, floor, ceiling = map(decimal_digits, (middle * five, low * five, high * five))
        point = len(ceiling) + power
    width = len(ceiling)
    digits = _walk(exact.zfill(width), floor.zfill(width), ceiling, inclusive=mantissa % 2 == 0)
    if len(digits) > width:
        point += 1
    digits = digits.rstrip("0")
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _walk(exact: str, floor: str, ceiling: str, *, inclusive: bool) -> str:
    """The shortest prefix of the exact digits, rounded down or up, that lies between the borders."""
    for length in range(1, len(exact)):
        rest = len(exact) - length
        down = exact[:length]
        up = str(int(down) + 1).zfill(length)
        down_full, up_full = down + "0" * rest, up + "0" * rest
        down_fits = down_full >= floor if inclusive else down_full > floor
        up_fits = len(up) == length and (up_full <= ceiling if inclusive else up_full < ceiling)
        if not down_fits and not up_fits:
            continue
        if down_fits and up_fits:
            tail = exact[length:]
            half = "5".ljust(rest, "0")
            to_even = int(down[-1]) % 2 == 0
            return down if tail < half or (tail == half and to_even) else up
        return down if down_fits else up
    return exact


# --- Unicode --------------------------------------------------------------------------------------------------------


def nfc(text: str) -> str:
    """The text in normal form C, as every string of the language is."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def graphemes(text: str) -> list[str]:
    """The user-perceived characters of a text (extended grapheme clusters, UAX #29)."""
    if text.isascii() and "\r\n" not in text:
        return list(text)
    from iacengine.lang.graphemes import split  # lazy: the tables are wanted by few texts

    return split(text)


# --- quoting --------------------------------------------------------------------------------------------------------

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def escape(text: str) -> str:
    """The text as it stands inside a quoted template: escapes for quotes, newlines, control characters, `${`, `%{`."""
    if text.isalnum():
        return text
    pieces: list[str] = []
    for character in text:
        if character in _ESCAPES:
            pieces.append(_ESCAPES[character])
        elif character.isprintable():
            pieces.append(character)
        elif ord(character) < 0x10000:
            pieces.append(f"\\u{ord(character):04x}")
        else:
            pieces.append(f"\\U{ord(character):08x}")
    return "".join(pieces).replace("${", "$${").replace("%{", "%%{")


def quote(text: str) -> str:
    """The text as a quoted string of the language, with nothing in it a template."""
    return f'"{escape(text)}"'
