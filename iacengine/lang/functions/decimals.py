"""Numbers in scientific, fixed and general notation, exact to the last digit, as Go's `big.Float` writes them."""

from __future__ import annotations

from fractions import Fraction

from iacengine.lang.text import decimal_digits, number_text
from iacengine.lang.values import Number

_GENERAL_DIGITS = 6  # the exponent from which the shortest general notation turns scientific


def general_text(value: Number) -> str:
    """The shortest digits that read back, with an exponent below -4 or above 5, as `%g` has it."""
    return float_text(value, "g", None)


def float_text(value: Number, mode: str, precision: int | None) -> str:
    """The number in the notation of the verb (`e`, `E`, `f`, `g`, `G`) with so many digits.

    Without a precision `e` and `f` have six digits after the point, and `g` as few as read back. Halves round to even.
    """
    if value.__class__ is float and value != 0:
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if value < 0 or (value == 0 and value.__class__ is float) else ""
    magnitude = abs(Fraction(value))
    if mode == "f":
        return sign + _fixed(magnitude, 6 if precision is None else precision)
    if mode in "eE":
        digits, exponent = _scientific_digits(magnitude, (6 if precision is None else precision) + 1)
        return sign + _scientific(digits, exponent, mode)
    return sign + _general(magnitude, mode, precision)


def _fixed(magnitude: Fraction, places: int) -> str:
    exact = min(places, magnitude.denominator.bit_length() - 1)  # a fraction of a power of two has no more digits
    scaled = decimal_digits(round(magnitude * 10**exact)).rjust(exact + 1, "0") + "0" * (places - exact)
    return f"{scaled[:-places]}.{scaled[-places:]}" if places else scaled


def _scientific(digits: str, exponent: int, mode: str) -> str:
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{mantissa}{mode}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _scientific_digits(magnitude: Fraction, count: int) -> tuple[str, int]:
    """So many significant digits, and the exponent of the first."""
    if magnitude == 0:
        return "0" * count, 0
    exponent = _exponent(magnitude)
    power = count - 1 - exponent
    beyond = max(0, power - magnitude.denominator.bit_length() + 1)  # digits that are all zeros
    power -= beyond
    scaled = magnitude * 10**power if power >= 0 else magnitude / 10**-power
    digits = decimal_digits(round(scaled)) + "0" * beyond
    if len(digits) > count:  # rounded up to the next power of ten
        return digits[:count], exponent + 1
    return digits, exponent


def _exponent(magnitude: Fraction) -> int:
    """The exponent of the leading decimal digit."""
    numerator, denominator = magnitude.numerator, magnitude.denominator
    estimate = len(decimal_digits(numerator)) - len(decimal_digits(denominator))
    above = 10**estimate if estimate >= 0 else Fraction(1, 10**-estimate)
    return estimate if magnitude >= above else estimate - 1


def _general(magnitude: Fraction, mode: str, precision: int | None) -> str:
    if precision is None:
        digits, exponent = _shortest_digits(magnitude)
        threshold = _GENERAL_DIGITS
    else:
        digits, exponent = _scientific_digits(magnitude, precision or 1)
        digits = digits.rstrip("0") or "0"
        threshold = precision or 1
        # more digits asked for than there are: as many count as there are, when they reach the point
        if threshold > len(digits) and len(digits) >= exponent + 1:
            threshold = len(digits)
    if magnitude == 0:
        return "0"
    if exponent < -4 or exponent >= threshold:
        return _scientific(digits, exponent, "e" if mode == "g" else "E")
    point = exponent + 1
    if point <= 0:
        return "0." + "0" * -point + digits
    if len(digits) <= point:
        return digits.ljust(point, "0")
    return f"{digits[:point]}.{digits[point:]}"


def _shortest_digits(magnitude: Fraction) -> tuple[str, int]:
    whole, _, part = number_text(magnitude.numerator if magnitude.denominator == 1 else magnitude).partition(".")
    digits = (whole + part).lstrip("0")
    leading = len(whole + part) - len(digits)
    return digits.rstrip("0") or "0", len(whole) - 1 - leading
