"""Which versions a call accepts: Terraform's constraints, such as `~> 1.2, != 1.2.5`.

Syntax and meaning are those of https://github.com/hashicorp/go-version, which Terraform uses: a comma between
conditions that must all hold, one to any number of version segments, a `v` before them, and

    =  (or nothing)   that version            != any other
    >  >=  <  <=      in the order of versions
    ~>                the last segment written may grow, and none before it: `~> 1.2` is below 2, `~> 1.2.3` below 1.3

A pre-release is chosen only when a condition names it with `=`, as by Terraform when it installs modules: ranges are
about releases, whatever they mention.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.modules.version import Version, prerelease_order

LONGEST = 1024
"""Characters of the longest constraint that is read."""

_LARGEST = 2**63 - 1
# As in go-version, down to the pre-release that needs no dash before it (`1.0rc1`), but without "~" in names: no
# version can have one.
_CONDITION = re.compile(
    r"[ \t\n\f\r]*(?P<operator><=|>=|!=|~>|<|>|=|)[ \t\n\f\r]*"
    r"v?(?P<numbers>[0-9]+(?:\.[0-9]+)*)"
    r"(?:-(?P<number_first>[0-9]+[0-9A-Za-z-]*(?:\.[0-9A-Za-z-]+)*)"
    r"|-?(?P<word_first>[A-Za-z-]+[0-9A-Za-z-]*(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?[ \t\n\f\r]*"
)
_OPERATOR = re.compile(r"[ \t\n\f\r]*([<>=!~^]*)")
_BLANK = " \t\n\f\r"


class ConstraintError(DiagnosticsError):
    """A text that is no constraint. `column` counts characters of it from 1."""

    def __init__(self, text: str, column: int, reason: str, remedy: str) -> None:
        shown = text if len(text) <= 120 else f"{text[:120]}…"
        detail = f'{reason}, at character {column} of "{shown}".'
        super().__init__(error("Invalid version constraint", detail, remedy=remedy))
        self.column = column


class Operator(Enum):
    EQUAL = "="
    NOT_EQUAL = "!="
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    COMPATIBLE = "~>"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator and the version it compares with: the segments as written, and a pre-release or ""."""

    operator: Operator
    segments: tuple[int, ...]
    prerelease: str = ""

    def holds(self, version: Version) -> bool:
        """Whether the version meets it, by go-version's rules: those about pre-releases included."""
        return _MEANING[self.operator](self, version)

    def __str__(self) -> str:
        numbers = ".".join(map(str, self.segments))
        return f"{self.operator.value} {numbers}{'-' if self.prerelease else ''}{self.prerelease}"


@dataclass(frozen=True, slots=True)
class ReleaseRange:
    """Releases from `lowest` up to but without `below`, but those whose precedences are in `excluded`."""

    lowest: tuple[int, ...]
    below: tuple[int, ...]
    excluded: frozenset[tuple[int, ...]]

    def has(self, release: Version) -> bool:
        """Whether a version that is no pre-release is among them."""
        # A precedence has four numbers: it is above the three that it begins with.
        place = release.precedence
        return self.lowest <= place < self.below and place not in self.excluded


_ENDLESS: tuple[int, ...] = (1 << 64,)


@dataclass(frozen=True, slots=True)
class Constraint:
    """Conditions that must all hold; with none of them, every release will do. `text` is as written."""

    conditions: tuple[Condition, ...] = ()
    text: str = ""

    def holds(self, version: Version) -> bool:
        """Whether the version meets every condition. Of a pre-release this does not yet say that it may be chosen."""
        return all(condition.holds(version) for condition in self.conditions)

    def accepts(self, version: Version) -> bool:
        """Whether a module of this version may be chosen: it meets every condition, and a pre-release is named."""
        return (not version.prerelease or self.names(version)) and self.holds(version)

    def releases(self) -> ReleaseRange | None:
        """The releases that are accepted, for asking about many of them; None where only `accepts` can tell."""
        lowest, below = (0, 0, 0), _ENDLESS
        excluded: list[tuple[int, ...]] = []
        for condition in self.conditions:
            if condition.prerelease or len(condition.segments) > 3:
                return None
            major, minor, patch = condition.segments + (0,) * (3 - len(condition.segments))
            own, following = (major, minor, patch), (major, minor, patch + 1)
            match condition.operator:
                case Operator.EQUAL:
                    lowest, below = max(lowest, own), min(below, following)
                case Operator.NOT_EQUAL:
                    excluded.append((*own, 1))
                case Operator.ABOVE:
                    lowest = max(lowest, following)
                case Operator.AT_LEAST:
                    lowest = max(lowest, own)
                case Operator.BELOW:
                    below = min(below, own)
                case Operator.AT_MOST:
                    below = min(below, following)
                case Operator.COMPATIBLE:
                    lowest = max(lowest, own)
                    if len(condition.segments) == 3:
                        below = min(below, (major, minor + 1, 0))
                    elif len(condition.segments) == 2:
                        below = min(below, (major + 1, 0, 0))
                case _:
                    assert_never(condition.operator)
        return ReleaseRange(lowest, below, frozenset(excluded))

    def names(self, version: Version) -> bool:
        """Whether a condition names exactly this version with `=`."""
        return any(c.operator is Operator.EQUAL and _equal(c, version) for c in self.conditions)

    def __str__(self) -> str:
        return ", ".join(map(str, self.conditions))


ANY = Constraint()
"""No constraint: every release."""


def parse_constraint(text: str) -> Constraint:
    """The constraint that a text holds. An empty text is none (`ANY`). Raises ConstraintError."""
    if not text:
        return ANY
    if len(text) > LONGEST:
        raise ConstraintError(
            text, LONGEST + 1, f"A constraint has at most {LONGEST} characters, not {len(text)}", _REMEDY
        )
    conditions = []
    start = 0
    for part in text.split(","):
        conditions.append(_condition(text, part, start))
        start += len(part) + 1
    return Constraint(tuple(conditions), text)


def exactly(version: Version) -> Constraint:
    """The constraint that this version alone meets (and what differs from it in build metadata)."""
    text = str(version).partition("+")[0]
    return Constraint(
        (Condition(Operator.EQUAL, (version.major, version.minor, version.patch), version.prerelease),), text
    )


_REMEDY = 'Write one such as "1.2.0", ">= 1.2" or "~> 1.2, != 1.2.5".'
_CORRECTIONS = {"=>": ">=", "=<": "<=", "==": "=", "~": "~>", "^": "~>", "<>": "!=", "=~": "~>", "~=": "~>", "!": "!="}


def _condition(whole: str, part: str, start: int) -> Condition:
    match = _CONDITION.fullmatch(part)
    if match is None:
        raise _mistake(whole, part, start)
    segments = tuple(_segment(whole, number, start + place) for number, place in _numbers(match))
    prerelease = match["number_first"] or match["word_first"] or ""
    return Condition(Operator(match["operator"] or "="), segments, prerelease)


def _numbers(match: re.Match[str]) -> list[tuple[str, int]]:
    place = match.start("numbers")
    found = []
    for number in match["numbers"].split("."):
        found.append((number, place))
        place += len(number) + 1
    return found


def _segment(whole: str, number: str, place: int) -> int:
    value = int(number)
    if value > _LARGEST:
        raise ConstraintError(whole, place + 1, f"The number {number[:20]}… is too large", _REMEDY)
    return value


def _mistake(whole: str, part: str, start: int) -> ConstraintError:
    blank = len(part) - len(part.lstrip(_BLANK))
    if not part.strip(_BLANK):
        remedy = "Remove the comma." if "," in whole else _REMEDY
        return ConstraintError(whole, start + 1, "A condition is empty", remedy)
    match = _OPERATOR.match(part)
    operator = match[1] if match else ""
    if operator and operator not in _BY_TEXT:
        near = _CORRECTIONS.get(operator)
        remedy = f'Write "{near}".' if near else f"There are {', '.join(_BY_TEXT)}."
        return ConstraintError(whole, start + blank + 1, f'There is no operator "{operator}"', remedy)
    if "||" in part:
        remedy = "All conditions of a constraint must hold; write the narrowest range that has both."
        return ConstraintError(whole, start + part.index("||") + 1, 'There is no "||"', remedy)
    place = _where(part, match.end() if match else 0)
    if place < len(part) and part[place] in "xX*":
        remedy = "Leave the number out: ~> 1.2 is every 1 from 1.2 on."
        return ConstraintError(whole, start + place + 1, f'"{part[place]}" stands for no number', remedy)
    if place >= len(part):
        return ConstraintError(whole, start + len(part) + 1, "A version number is missing", _REMEDY)
    if part[place] in "<>=!~":
        return ConstraintError(whole, start + place + 1, "A comma is missing", "Put a comma between conditions.")
    return ConstraintError(whole, start + place + 1, f'"{part[place]}" does not belong there', _REMEDY)


def _where(part: str, start: int) -> int:
    """Where reading a version stops, from an operator's end on."""
    while start < len(part) and part[start] in _BLANK:
        start += 1
    match = re.compile(r"v?[0-9]+(\.[0-9]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?").match(part, start)
    place = match.end() if match else start
    if place < len(part) and part[place] == ".":
        place += 1
    while place < len(part) and part[place] in _BLANK:
        place += 1
    return place


# What the operators mean, after go-version's constraint.go. A version has three segments, a condition any number.


def _order(condition: Condition, version: Version) -> int:
    """Below, at or above 0 as the version is below, at or above the condition's."""
    own, theirs = condition.segments, (version.major, version.minor, version.patch)
    width = max(len(own), 3)
    padded = own + (0,) * (width - len(own))
    release = theirs + (0,) * (width - 3)
    if padded != release:
        return 1 if release > padded else -1
    if width > 3 or condition.prerelease == version.prerelease:
        # go-version compares pre-releases only where there are equally many segments.
        return 0
    if not version.prerelease or not condition.prerelease:
        return 1 if not version.prerelease else -1
    return 1 if prerelease_order(version.prerelease) > prerelease_order(condition.prerelease) else -1


def _comparable(condition: Condition, version: Version) -> bool:
    """Pre-releases compare with conditions that mention one of the same release, and with no others."""
    if not version.prerelease:
        return True
    padded = condition.segments + (0,) * (3 - len(condition.segments))
    return bool(condition.prerelease) and padded == (version.major, version.minor, version.patch)


def _equal(condition: Condition, version: Version) -> bool:
    return _order(condition, version) == 0


def _compatible(condition: Condition, version: Version) -> bool:
    own, theirs = condition.segments, (version.major, version.minor, version.patch)
    if not _comparable(condition, version) or (condition.prerelease and not version.prerelease):
        return False
    if len(own) > 3 or _order(condition, version) < 0:
        return False
    return theirs[: len(own) - 1] == own[:-1]


_MEANING: dict[Operator, Callable[[Condition, Version], bool]] = {
    Operator.EQUAL: _equal,
    Operator.NOT_EQUAL: lambda condition, version: _order(condition, version) != 0,
    Operator.ABOVE: lambda condition, version: _comparable(condition, version) and _order(condition, version) > 0,
    Operator.AT_LEAST: lambda condition, version: _comparable(condition, version) and _order(condition, version) >= 0,
    Operator.BELOW: lambda condition, version: _comparable(condition, version) and _order(condition, version) < 0,
    Operator.AT_MOST: lambda condition, version: _comparable(condition, version) and _order(condition, version) <= 0,
    Operator.COMPATIBLE: _compatible,
}
_BY_TEXT = tuple(operator.value for operator in Operator)
