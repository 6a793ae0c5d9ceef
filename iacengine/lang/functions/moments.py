"""Points in time as RFC 3339 timestamps, to the nanosecond, beyond the year 9999, and durations as Go writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DAY = 86_400
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_STEP = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)", re.ASCII)
_LONGEST = (1 << 63) - 1  # nanoseconds in a duration


class MomentError(ValueError):
    """A text that is no timestamp or duration; the message says why."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: seconds since 1970 (UTC), nanoseconds, and the offset of its zone in seconds."""

    seconds: int
    nanoseconds: int
    offset: int

    def later(self, nanoseconds: int) -> Moment:
        """The moment so much later, in the same zone."""
        seconds, rest = divmod(self.nanoseconds + nanoseconds, 10**9)
        return Moment(self.seconds + seconds, rest, self.offset)

    def fields(self) -> tuple[int, int, int, int, int, int]:
        """Year, month, day, hour, minute and second in its zone."""
        days, clock = divmod(self.seconds + self.offset, _DAY)
        return (*_date_of(days), clock // 3600, clock // 60 % 60, clock % 60)

    @property
    def weekday(self) -> int:
        """Days since Sunday."""
        return ((self.seconds + self.offset) // _DAY + 4) % 7

    def zone(self, colon: str = ":") -> str:
        """The offset as `+05:30`."""
        minutes = abs(self.offset) // 60
        return f"{'-' if self.offset < 0 else '+'}{minutes // 60:02}{colon}{minutes % 60:02}"

    def __str__(self) -> str:
        year, month, day, hour, minute, second = self.fields()
        shown_year = f"{year:04}" if year >= 0 else f"-{-year:04}"
        zone = self.zone() if self.offset else "Z"
        return f"{shown_year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"


def _days_of(year: int, month: int, day: int) -> int:
    """Days since 1970 of a Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms")."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def _date_of(days: int) -> tuple[int, int, int]:
    """The inverse of `_days_of`."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    month = month_index + 3 if month_index < 10 else month_index - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * month_index + 2) // 5 + 1


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


# --- reading --------------------------------------------------------------------------------------------------------

_FIELDS = (
    ("year", 4, 0, 9999, "-"),
    ("month", 2, 1, 12, "-"),
    ("day of month", 2, 1, 31, "T"),
    ("hour", 2, 0, 23, ":"),
    ("minute", 2, 0, 59, ":"),
    ("second", 2, 0, 59, ""),
)
_FRACTION = re.compile(r"[.,](\d+)", re.ASCII)
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


def parse_moment(source: str, *, strict: bool) -> Moment:
    """The moment a timestamp means. `strict` refuses what RFC 3339 does: one-digit hours, a comma before fractions.

    Raises MomentError.
    """
    rest = source
    values: list[int] = []
    for what, width, low, high, separator in _FIELDS:
        short = what == "hour" and len(rest) > 1 and not rest[1].isdigit()
        digits = rest[: 1 if short else width]
        if not rest:
            raise _error(f"end of string before {what}")
        if len(digits) < width - short or not (digits.isascii() and digits.isdigit()):
            raise _error(f'cannot use "{rest}" as {what}')
        if short and strict:
            raise _error("hour must have exactly two digits")
        value = int(digits)
        if not low <= value <= high:
            if what == "hour":
                raise _error("hour must be between 0 and 23 inclusive")
            raise _error(f'cannot use "{rest}" as {what}')
        values.append(value)
        rest = rest[len(digits) :]
        if separator and not rest.startswith(separator):
            raise _separator_error(separator, rest)
        rest = rest[len(separator) :]
    year, month, day, hour, minute, second = values
    nanoseconds = 0
    fraction = _FRACTION.match(rest)
    if fraction is not None:
        if strict and rest[0] == ",":
            raise _error('cannot use "," as timestamp segment')
        nanoseconds = int(fraction[1][:9].ljust(9, "0"))
        rest = rest[fraction.end() :]
    offset = _parse_zone(rest, strict=strict)
    if day > _days_in(year, month):
        raise _error("day out of range")
    clock = hour * 3600 + minute * 60 + second
    return Moment(_days_of(year, month, day) * _DAY + clock - offset, nanoseconds, offset)


def _parse_zone(rest: str, *, strict: bool) -> int:
    if rest == "Z":
        return 0
    match = _ZONE.fullmatch(rest)
    highest = (23, 59) if strict else (24, 60)  # as Go's `time.Parse`
    if match is None or int(match[2]) > highest[0] or int(match[3]) > highest[1]:
        raise _error(f'cannot use "{rest}" as UTC offset' if rest else "end of string before UTC offset")
    offset = int(match[2]) * 3600 + int(match[3]) * 60
    return -offset if match[1] == "-" else offset


def _separator_error(separator: str, rest: str) -> MomentError:
    if separator == "T":
        return _error("missing required time introducer 'T'")
    if not rest:
        return _error(f'end of string where "{separator}" is expected')
    return _error(f'found "{rest}" where "{separator}" is expected')


def _error(problem: str) -> MomentError:
    return MomentError(f"not a valid RFC3339 timestamp: {problem}")


def parse_duration(source: str) -> int:
    """The nanoseconds of a duration such as `1h30m` or `-1.5s`. Raises MomentError."""
    rest = source[1:] if source[:1] in ("+", "-") else source
    if rest == "0":
        return 0
    invalid = MomentError(f'invalid duration "{source}"')
    if not rest:
        raise invalid
    total = 0
    while rest:
        match = _STEP.match(rest)
        assert match is not None
        whole, part, unit = match.groups()
        if not whole and not part:
            raise invalid
        if not unit:
            raise MomentError(f'missing unit in duration "{source}"')
        if unit not in _UNITS:
            raise MomentError(f'unknown unit "{unit}" in duration "{source}"')
        scale = _UNITS[unit]
        total += int(whole or 0) * scale
        if part:
            total += int(part) * scale // 10 ** len(part)
        if total > _LONGEST:
            raise invalid
        rest = rest[match.end() :]
    return -total if source[0] == "-" else total
