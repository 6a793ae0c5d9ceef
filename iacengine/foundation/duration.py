"""Durations as Terraform users write them: `30s`, `10m`, `1h30m` (the form of Go's time.ParseDuration).

https://pkg.go.dev/time#ParseDuration
"""

from __future__ import annotations

import re

DURATION_REMEDY = "Write a number with a unit: h, m, s or ms."

_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """The duration in seconds. Raises ValueError, saying what was expected; a negative one is none, and "0" needs no
    unit."""
    unsigned = text.removeprefix("+")
    parts = _PART.findall(unsigned)
    if unsigned == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ValueError(f'"{text}" is no duration such as "30s", "10m" or "1h30m"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration_text(seconds: float) -> str:
    """`250ms`, `45s`, `10m`, `1h30m`: whole seconds from one second on."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
