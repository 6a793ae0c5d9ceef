"""What must be true of every state and journal. `iac state verify` reports what is violated, by number.

Whatever writes a state keeps these; tests look at them after every step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from iacengine.addresses import Mode, parse_config_resource, parse_provider_reference, parse_resource_instance
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.types import type_from_json
from iacengine.schema import Path
from iacengine.schema.errors import SchemaError
from iacengine.schema.paths import path_text
from iacengine.schema.values import decode_type
from iacengine.state.journal_entries import Begun, Failed, JournalEntry, Opened, Sealed, Succeeded
from iacengine.state.model import ObjectKey, ResourceObject, State
from iacengine.state.replay import replay
from iacengine.state.statefile import decode_state, encode_state

INVARIANTS: Final[Mapping[int, str]] = {
    1: "The state can be read: its format is known, and its digest fits its content.",
    2: "What is sealed can be opened, each with its key and at its own place.",
    3: "The lineage is not empty, and the serial is not negative.",
    4: "Each object is filed under its own address and deposed key, and its address can be written and read back.",
    5: "A deposed key is 8 lower-case hexadecimal digits.",
    6: "Each object names its provider, in a reference that can be read.",
    7: "Dependencies are addresses of blocks, each once.",
    8: "Sensitive paths are each there once, and fit the attributes.",
    9: "The state comes back the same when it is written and read.",
    10: "Only managed objects are deposed, tainted, protected or created before they are destroyed; "
    "ephemeral ones are not stored.",
    11: "Each output has a type that can be read, and a value of that type.",
    12: "Check results are of a known kind and status.",
    13: "Nothing sealed is left in a state that was opened.",
    14: "Schema versions are not negative.",
    15: "No two objects were created by one operation.",
    16: "A rollback that is pending leads to an earlier serial.",
    17: "The journal can be read: its records are whole and numbered without a gap.",
    18: "Every run of the journal is over this lineage, and over this serial or an earlier one.",
    19: "Fencing tokens never become smaller from run to run of the journal.",
    20: "Each end of an operation in the journal follows one beginning of it, and each beginning has one end at most.",
    21: "Every version that is kept can be read, and has the lineage of the state and its own serial.",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: its number, and what is wrong. It holds no sensitive value."""

    number: int
    detail: str

    def __str__(self) -> str:
        return f"{self.number}: {self.detail}"


def state_violations(state: State) -> tuple[Violation, ...]:
    """What is wrong with a state that was opened (invariants 3 to 16)."""
    found = list(_whole(state))
    tokens: dict[str, str] = {}
    for key, object_ in state.objects.items():
        found.extend(_of_object(key, object_))
        if object_.token is not None:
            where = _named(object_)
            other = tokens.setdefault(object_.token, where)
            if other != where:
                found.append(Violation(15, f"{other} and {where} have the same token"))
    found.extend(_round_trip(state))
    return tuple(sorted(found, key=lambda violation: violation.number))


def journal_violations(state: State | None, entries: Sequence[JournalEntry]) -> tuple[Violation, ...]:
    """What is wrong with a journal that was opened, over its state (invariants 13 and 18 to 20)."""
    return (*_replayed(state, entries), *_in_order(entries))


# --- states ---------------------------------------------------------------------------------------------------------


def _whole(state: State) -> Iterator[Violation]:
    if not state.lineage:
        yield Violation(3, "the lineage is empty")
    if state.serial < 0:
        yield Violation(3, f"the serial is {state.serial}")
    if state.encryption is not None or state.sealed is not None:
        yield Violation(13, "the state says that it is sealed")
    for name, output in state.outputs.items():
        try:
            decode_type(output.value, type_from_json(output.type))
        except (SchemaError, DiagnosticsError, ValueError, TypeError, KeyError, LookupError):
            yield Violation(11, f'the output "{name}" is not of its type')
    for check in state.checks:
        if check.kind not in ("resource", "output_value", "check", "var"):
            yield Violation(12, f"{check.address} is of the kind {check.kind}")
        if check.status not in ("pass", "fail", "error", "unknown"):
            yield Violation(12, f"{check.address} has the status {check.status}")
    pending = state.pending_rollback
    if pending is not None and pending.serial is not None and pending.serial >= state.serial:
        yield Violation(16, f"the serial is {state.serial}, and the rollback leads to {pending.serial}")


_DEPOSED = re.compile(r"(?:[0-9a-f]{8})?")


def _named(object_: ResourceObject) -> str:
    return f"{object_.address} (deposed {object_.deposed})" if object_.deposed else str(object_.address)


def _of_object(key: ObjectKey, object_: ResourceObject) -> Iterator[Violation]:
    where = _named(object_)
    if key != object_.key:
        yield Violation(4, f"{where} is filed under {key[0]}{f' (deposed {key[1]})' if key[1] else ''}")
    if _raises(lambda: parse_resource_instance(str(object_.address)), object_.address):
        yield Violation(4, f"{where} is no address that can be read back")
    if _DEPOSED.fullmatch(object_.deposed) is None:
        yield Violation(5, f"{where} has the deposed key {object_.deposed!r}")
    if _raises(lambda: parse_provider_reference(object_.provider)):
        yield Violation(6, f"{where} has the provider {object_.provider!r}")
    if len(set(object_.dependencies)) != len(object_.dependencies):
        yield Violation(7, f"{where} has a dependency twice")
    for dependency in object_.dependencies:
        if _raises(lambda text=dependency: parse_config_resource(text)):  # type: ignore[misc]
            yield Violation(7, f"{where} depends on {dependency!r}")
    if len(set(object_.sensitive_paths)) != len(object_.sensitive_paths):
        yield Violation(8, f"{where} has a sensitive path twice")
    for path in object_.sensitive_paths:
        if not _fits(object_.attributes, path):
            yield Violation(8, f"{where} has the sensitive path {path_text(path)}, which does not fit it")
    mode = object_.address.resource.mode
    flags = (object_.deposed, object_.tainted, object_.protected, object_.create_before_destroy)
    if mode is Mode.EPHEMERAL or (mode is Mode.DATA and any(flags)):
        yield Violation(10, f"{where} is {'ephemeral' if mode is Mode.EPHEMERAL else 'a data source'}")
    if object_.schema_version < 0:
        yield Violation(14, f"{where} has the schema version {object_.schema_version}")


def _raises(parse: Callable[[], object], expected: object = None) -> bool:
    try:
        found = parse()
    except (DiagnosticsError, ValueError):
        return True
    return expected is not None and found != expected


def _fits(value: Any, path: Path) -> bool:
    """Whether a path can be followed, until it comes to what is null or not there."""
    for length, step in enumerate(path):
        if value is None:
            return True
        if isinstance(value, Mapping):
            if value.keys() == {"value", "type"} and _fits(value["value"], path[length:]):
                return True  # a stored `dynamic` value: paths lead through the value
            if not isinstance(step, str):
                return False
            if step not in value:
                return True
            value = value[step]
        elif isinstance(value, list | tuple):
            if not isinstance(step, int):
                return False
            if not 0 <= step < len(value):
                return True
            value = value[step]
        else:
            return False
    return True


def _round_trip(state: State) -> Iterable[Violation]:
    if any(key != object_.key for key, object_ in state.objects.items()):
        return ()  # told already
    try:
        text = encode_state(state)
        same = encode_state(decode_state(text, "the state")) == text
    except (DiagnosticsError, TypeError, ValueError):
        same = False
    return () if same else (Violation(9, "what is read back is something else"),)


# --- journals -------------------------------------------------------------------------------------------------------


def _replayed(state: State | None, entries: Sequence[JournalEntry]) -> Iterator[Violation]:
    if any(isinstance(entry, Sealed) for entry in entries):
        yield Violation(13, "the journal holds a sealed entry")
        return
    if state is None and entries:
        first = entries[0]
        state = State(first.lineage) if isinstance(first, Opened) and first.serial == 0 else None
    try:
        problems = replay(state, entries).problems
    except DiagnosticsError as found:
        yield Violation(18, found.diagnostics[0].detail)
        return
    for problem in problems:
        yield Violation(18, problem.detail)


def _in_order(entries: Sequence[JournalEntry]) -> Iterator[Violation]:
    token, run = 0, ""
    begun: set[int] = set()
    ended: set[int] = set()
    for number, entry in enumerate(entries, 1):
        match entry:
            case Opened():
                if entry.fencing_token < token:
                    yield Violation(19, f"entry {number} has the token {entry.fencing_token}, after {token}")
                token = max(token, entry.fencing_token)
                if entry.run != run:
                    run, begun, ended = entry.run, set(), set()
            case Begun():
                if entry.step in begun - ended:
                    yield Violation(20, f"entry {number} begins step {entry.step} again")
                begun.add(entry.step)
                ended.discard(entry.step)
            case Succeeded() | Failed():
                if entry.step not in begun or entry.step in ended:
                    yield Violation(20, f"entry {number} ends step {entry.step}, which is not going on")
                ended.add(entry.step)
            case _:
                pass
