"""Functions of time: `timestamp`, `plantimestamp`, `formatdate`, `timeadd`, `timecmp`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from iacengine.lang.functions.arguments import go_quote, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.moments import Moment, MomentError, parse_duration, parse_moment
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.text import nfc
from iacengine.lang.types import NUMBER, STRING
from iacengine.lang.values import Unknown, Value

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

# a quoted literal (with its quotes doubled), a run of one letter, or anything else
_TOKEN = re.compile(r"''|'(?:[^']|'')*'(?!')|'.*|([A-Za-z])\1*|[^A-Za-z']+", re.DOTALL)
_ALLOWED = {  # how often a verb may repeat its letter, and how the message puts it
    "Y": ((2, 4), 'year must either be "YY" or "YYYY"'),
    "M": ((1, 2, 3, 4), 'month must be "M", "MM", "MMM", or "MMMM"'),
    "D": ((1, 2), 'day of month must either be "D" or "DD"'),
    "E": ((3, 4), 'day of week must either be "EEE" or "EEEE"'),
    "h": ((1, 2), '24-hour must either be "h" or "hh"'),
    "H": ((1, 2), '12-hour must either be "H" or "HH"'),
    "A": ((2,), 'must be "AA"'),
    "a": ((2,), 'must be "aa"'),
    "m": ((1, 2), 'minute must either be "m" or "mm"'),
    "s": ((1, 2), 'second must either be "s" or "ss"'),
    "Z": ((1, 3, 4, 5), "timezone must be Z, ZZZZ, or ZZZZZ"),
}


def _formatdate(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    try:
        moment = parse_moment(arguments[1], strict=True)
    except MomentError as error:
        raise FunctionError(str(error), 1) from None
    pieces: list[str] = []
    for match in _TOKEN.finditer(arguments[0]):
        part = match[0]
        if match[1]:
            pieces.append(_verb(part, moment))
        elif part[0] != "'":
            pieces.append(part)
        elif part == "''":
            pieces.append("'")
        elif len(part) < 2 or part[-1] != "'":
            raise FunctionError("unterminated literal '", 0)
        else:
            pieces.append(part[1:-1].replace("''", "'"))
    return nfc("".join(pieces))


def _verb(token: str, moment: Moment) -> str:
    letter, count = token[0], len(token)
    if letter not in _ALLOWED:
        raise FunctionError(f"invalid date format verb {go_quote(token)}", 0)
    counts, rule = _ALLOWED[letter]
    if count not in counts:
        raise FunctionError(f"invalid date format verb {go_quote(token)}: {rule}", 0)
    year, month, day, hour, minute, second = moment.fields()
    match letter:
        case "Y":
            return f"{year % 100:02}" if count == 2 else f"{year:04}"
        case "M" if count > 2:
            return _MONTHS[month - 1][: 3 if count == 3 else None]
        case "E":
            return _DAYS[moment.weekday][: 3 if count == 3 else None]
        case "A" | "a":
            half = "AM" if hour < 12 else "PM"
            return half if letter == "A" else half.lower()
        case "Z":
            return _zone(count, moment)
    number = {"M": month, "D": day, "h": hour, "H": hour % 12 or 12, "m": minute, "s": second}[letter]
    return f"{number:02}" if count == 2 else str(number)


def _zone(count: int, moment: Moment) -> str:
    if moment.offset == 0 and count in (1, 3):
        return "Z" if count == 1 else "UTC"
    return moment.zone(":" if count in (1, 5) else "")


def _timeadd(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    try:
        return str(parse_moment(arguments[0], strict=True).later(parse_duration(arguments[1])))
    except MomentError as error:
        raise FunctionError(str(error)) from None


def _timecmp(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    moments: list[tuple[int, int]] = []
    for index, source in enumerate(arguments):
        try:
            moment = parse_moment(source, strict=False)
        except MomentError as error:
            raise FunctionError(str(error), index) from None
        moments.append((moment.seconds, moment.nanoseconds))
    a, b = moments
    return (a > b) - (a < b)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _timestamp(_arguments: Sequence[Value], context: FunctionContext) -> Value:
    return Unknown(STRING) if context.pure_only else _shown(context.timestamp())


def _plantimestamp(_arguments: Sequence[Value], context: FunctionContext) -> Value:
    return Unknown(STRING) if context.plan_timestamp is None else _shown(context.plan_timestamp)


FUNCTIONS = (
    Function("formatdate", (text("format"), text("time")), None, STRING, _formatdate),
    Function("plantimestamp", (), None, STRING, _plantimestamp),
    Function("timeadd", (text("timestamp"), text("duration")), None, STRING, _timeadd),
    Function("timecmp", (text("timestamp_a"), text("timestamp_b")), None, NUMBER, _timecmp),
    Function("timestamp", (), None, STRING, _timestamp),
)
