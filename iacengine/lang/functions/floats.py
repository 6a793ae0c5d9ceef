"""Logarithm and power of 64-bit floats, by the steps of Go's `math` package: the last digit is Terraform's too.

Platform libraries round better in places, and each differently; results must not depend on the machine.
"""

from __future__ import annotations

import math

# the coefficients of FreeBSD's e_log.c
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_L1, _L3, _L5, _L7 = (
    6.666666666666735130e-01,
    2.857142874366239149e-01,
    1.818357216161805012e-01,
    1.479819860511658591e-01,
)
_L2, _L4, _L6 = 3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01

_LARGEST_EXPONENT = 1 << 12  # of two: beyond every float


def logarithm(value: float) -> float:
    """The natural logarithm; minus infinity of zero, not a number of what is negative."""
    if not 0 < value < math.inf:
        return math.nan if value < 0 or math.isnan(value) else -math.inf if value == 0 else value
    fraction, exponent = math.frexp(value)
    if fraction < math.sqrt(2) / 2:
        fraction *= 2
        exponent -= 1
    f = fraction - 1
    s = f / (2 + f)
    s2 = s * s
    s4 = s2 * s2
    rest = s2 * (_L1 + s4 * (_L3 + s4 * (_L5 + s4 * _L7))) + s4 * (_L2 + s4 * (_L4 + s4 * _L6))
    half_square = 0.5 * f * f
    return exponent * _LN2_HIGH - ((half_square - (s * (half_square + rest) + exponent * _LN2_LOW)) - f)


def power(base: float, exponent: float) -> float:
    """`base` to the power of `exponent`: infinite where too large, not a number for a root of what is negative."""
    if exponent == 0 or base == 1:
        return 1.0
    if exponent == 1:
        return base
    if base == 0 or math.isinf(base) or math.isinf(exponent) or abs(exponent) >= 1 << 63:
        return _extreme_power(base, exponent)
    if abs(exponent) == 0.5 and base > 0:
        return math.sqrt(base) if exponent > 0 else 1 / math.sqrt(base)
    part, whole = math.modf(abs(exponent))
    if part and base < 0:
        return math.nan
    mantissa, result_exponent = 1.0, 0
    if part:
        if part > 0.5:
            part -= 1
            whole += 1
        mantissa = math.exp(part * logarithm(base))
    factor, factor_exponent = math.frexp(base)
    steps = int(whole)
    while steps:
        if abs(factor_exponent) > _LARGEST_EXPONENT:
            result_exponent += factor_exponent
            break
        if steps & 1:
            mantissa *= factor
            result_exponent += factor_exponent
        factor *= factor
        factor_exponent <<= 1
        if factor < 0.5:
            factor += factor
            factor_exponent -= 1
        steps >>= 1
    if exponent < 0:
        mantissa, result_exponent = 1 / mantissa, -result_exponent
    try:
        return math.ldexp(mantissa, result_exponent)
    except OverflowError:
        return math.copysign(math.inf, mantissa)


def _extreme_power(base: float, exponent: float) -> float:
    """Powers of zero and infinity, and to exponents without end."""
    if base == -1:
        return 1.0
    odd = abs(exponent) < 1 << 53 and math.fmod(exponent, 2) in (1, -1)
    shrinks = (abs(base) < 1) == (exponent > 0)
    size = 0.0 if shrinks else math.inf
    return math.copysign(size, base) if odd and (base == 0 or math.isinf(base)) else size
