"""Versions of modules: Semantic Versioning 2.0.0 (https://semver.org/spec/v2.0.0.html), parsed, ordered, printed."""

from __future__ import annotations

import re
from functools import total_ordering

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error

LONGEST = 256
"""Characters of the longest version that is read: what is longer is an accident or an attack."""

_NUMBER = "(?:0|[1-9][0-9]*)"
_SEMVER = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-((?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_LOOSE = re.compile(r"[vV]?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?((?:[-+][0-9A-Za-z.+-]*)?)")
_SIGN = re.compile(r"[0-9A-Za-z.+-]")

Precedence = tuple[object, ...]
"""Compares as clause 11 of the specification says. Build metadata has no part in it."""


class VersionError(DiagnosticsError):
    """A text that is no version."""


@total_ordering
class Version:
    """One version; never changed once it is made. `prerelease` and `build` are "" where there is none.

    Equality and order are those of the precedence; versions that differ in their build metadata alone follow the text
    of it, so that sorting is deterministic. Where metadata must not count, compare `precedence`.

    A plain class with slots, because a frozen dataclass would take twice the time to make: a registry's lists are long.
    """

    __slots__ = ("build", "major", "minor", "patch", "precedence", "prerelease")

    major: int
    minor: int
    patch: int
    prerelease: str
    build: str
    precedence: Precedence

    def __init__(self, major: int, minor: int, patch: int, prerelease: str = "", build: str = "") -> None:
        self.major = major
        self.minor = minor
        self.patch = patch
        self.prerelease = prerelease
        self.build = build
        if prerelease:
            self.precedence = (major, minor, patch, 0, *prerelease_order(prerelease))
        else:
            self.precedence = (major, minor, patch, 1)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not Version:
            return NotImplemented
        return self.precedence == other.precedence and self.build == other.build

    def __lt__(self, other: Version) -> bool:
        if self.precedence == other.precedence:
            return self.build < other.build
        return self.precedence < other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease:
            text += f"-{self.prerelease}"
        return f"{text}+{self.build}" if self.build else text

    def __repr__(self) -> str:
        return f"Version({self})"


def prerelease_order(prerelease: str) -> list[tuple[int, int | str]]:
    """What orders pre-releases: numbers by value, before words, which go by their ASCII text; fewer fields first."""
    return [(0, int(field)) if field.isdigit() else (1, field) for field in prerelease.split(".")]


def parse_version(text: str) -> Version:
    """The version that a text names, such as `1.2.3-rc.1+build.5`. Raises VersionError."""
    version = version_or_none(text)
    if version is None:
        raise VersionError(_mistake(text))
    return version


def version_or_none(text: str) -> Version | None:
    """The version that a text names, or None when it names none: for lists that others wrote."""
    if len(text) > LONGEST:
        return None
    match = _SEMVER.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, prerelease, build = match.groups()
    return Version(int(major), int(minor), int(patch), prerelease or "", build or "")


def _mistake(text: str) -> Diagnostic:
    if len(text) > LONGEST:
        detail = f"It has {len(text)} characters; a version has at most {LONGEST}."
        return error("Invalid version", detail, remedy='Write MAJOR.MINOR.PATCH, such as "1.2.0".')
    near = _near(text)
    remedy = f'Write "{near}".' if near else 'Write MAJOR.MINOR.PATCH, such as "1.2.0" or "2.0.0-rc.1".'
    return error("Invalid version", f'"{text}" is no version: {_reason(text)}.', remedy=remedy)


def _near(text: str) -> str | None:
    """The version that was probably meant."""
    match = _LOOSE.fullmatch(text.strip())
    if match is None:
        return None
    numbers = ".".join(str(int(number or "0")) for number in match.groups()[:3])
    return numbers + match[4] if version_or_none(numbers + match[4]) else None


def _reason(text: str) -> str:
    if not text:
        return "it is empty"
    if text != text.strip():
        return "there is a space around it"
    if text[0] in "vV":
        return f'it begins with "{text[0]}"'
    release, _, _ = text.partition("+")
    numbers, _, prerelease = release.partition("-")
    parts = numbers.split(".")
    if len(parts) != 3:
        return f"it has {_count(len(parts), 'number')}, not three"
    for kind, fields in (("number", parts), ("pre-release field", prerelease.split(".") if prerelease else [])):
        for field in fields:
            if len(field) > 1 and field[0] == "0" and field.isdigit():
                return f'the {kind} "{field}" begins with a zero'
    wrong = next((place for place, sign in enumerate(text, 1) if not _SIGN.fullmatch(sign)), None)
    if wrong is not None:
        return f'"{text[wrong - 1]}" at character {wrong} does not belong there'
    return "a part of it is empty or no number"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
