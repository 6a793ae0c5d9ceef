"""What differs between two versions of a module, and what of it may break who calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from iacengine.modules.wire import InputEntry, OutputEntry, VersionDetail


class Kind(Enum):
    """What became of an entry."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Detail:
    """One property that differs; "" where there is none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that differs. `breaking` says what may break, or is ""."""

    name: str
    kind: Kind
    details: tuple[Detail, ...] = ()
    breaking: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The differences of one kind of thing, and how many of these are the same in both."""

    title: str
    differences: tuple[Difference, ...]
    same: int


def compare(before: VersionDetail, after: VersionDetail) -> tuple[Section, ...]:
    """The differences in inputs, outputs, providers and called modules, by name."""
    old, new = before.contents, after.contents
    return (
        _section("Inputs", _inputs(old.inputs), _inputs(new.inputs), _input_breaks),
        _section("Outputs", _outputs(old.outputs), _outputs(new.outputs), _output_breaks),
        _section(
            "Providers",
            {one.name: {"source": one.source, "version": one.constraint or "any"} for one in old.providers},
            {one.name: {"source": one.source, "version": one.constraint or "any"} for one in new.providers},
            _nothing_breaks,
        ),
        _section("Called modules", _called(before), _called(after), _nothing_breaks),
    )


_Entry = Mapping[str, str]
_Entries = Mapping[str, _Entry]
_Breaks = Callable[[_Entry | None, _Entry | None], str]


def _inputs(entries: Iterable[InputEntry]) -> _Entries:
    return {
        one.name: {
            "type": one.type,
            "default": "required" if one.default is None else one.default,
            "description": one.description,
            "sensitive": "yes" if one.sensitive else "",
        }
        for one in entries
    }


def _outputs(entries: Iterable[OutputEntry]) -> _Entries:
    return {one.name: {"description": one.description, "sensitive": "yes" if one.sensitive else ""} for one in entries}


def _called(detail: VersionDetail) -> _Entries:
    called: dict[str, set[str]] = {}
    for one in detail.entry.dependencies:
        called.setdefault(one.source, set()).add(one.constraint or "any")
    return {source: {"version": ", ".join(sorted(versions))} for source, versions in called.items()}


def _section(title: str, old: _Entries, new: _Entries, breaks: _Breaks) -> Section:
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        kind = Kind.ADDED if before is None else Kind.REMOVED if after is None else Kind.CHANGED
        was, now = before or {}, after or {}
        details = tuple(
            Detail(part, was.get(part, ""), now.get(part, ""))
            for part in (now or was)
            if was.get(part, "") != now.get(part, "")
        )
        found.append(Difference(name, kind, details, breaks(before, after)))
    return Section(title, tuple(found), sum(1 for name, one in old.items() if new.get(name) == one))


def _input_breaks(before: _Entry | None, after: _Entry | None) -> str:
    if after is None:
        return "callers that set it have to stop"
    if after["default"] == "required" and (before is None or before["default"] != "required"):
        return "callers have to set it"
    if before is not None and before["type"] != after["type"]:
        return "what callers set may not fit any more"
    return ""


def _output_breaks(before: _Entry | None, after: _Entry | None) -> str:
    return "callers that use it will not find it" if after is None else ""


def _nothing_breaks(before: _Entry | None, after: _Entry | None) -> str:
    return ""
