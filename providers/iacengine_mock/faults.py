"""Operations that fail, or kill the process, on demand.

A fault is an object:

| key | meaning |
| --- | --- |
| `type`, `name` | which objects: the type, and the object's `name` attribute; left out: any |
| `operation` | `create`, `read`, `update`, `delete`; `find` (by type alone); `open`, `renew`, `close` of ephemerals |
| `nth` | which of the matching operations, counted from 1 (the default); 0: every one |
| `error` | the message it fails with |
| `when` | `before` (the default) the cloud did anything, or `after`: a create then leaves a half-made object |
| `retryable` | true: the engine may try again; with `when: after` the change was made, and the answer to it got lost |
| `throttled` | true: it fails because of too many requests, so that the engine also makes fewer of them at once |
| `crash` | instead of `error`: `before` or `after` the change in the cloud the process is killed with SIGKILL |

Matching operations are counted in the cloud's file, per combination of `type`, `name` and `operation`. A count is
stored before its fault fires, so a crash does not fire again when the operation is repeated.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iacengine.foundation.diagnostics import near_match
from iacengine_mock.cloud import Cloud

OPERATIONS = ("create", "read", "update", "delete", "find", "open", "renew", "close")
_KEYS = ("type", "name", "operation", "nth", "error", "when", "retryable", "throttled", "crash")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; see the module."""

    operation: str
    type: str | None = None
    name: str | None = None
    nth: int = 1
    error: str | None = None
    when: str = "before"
    retryable: bool = False
    throttled: bool = False
    crash: str | None = None

    @property
    def pattern(self) -> str:
        """What its matching operations are counted under."""
        return f"{self.type or '*'} {self.name or '*'} {self.operation}"

    def matches(self, operation: str, type_: str, name: str | None) -> bool:
        return self.operation == operation and self.type in (None, type_) and self.name in (None, name)


@dataclass(frozen=True, slots=True)
class Firing:
    """The faults that one operation meets."""

    faults: tuple[Fault, ...] = ()

    def at(self, when: str) -> Fault | None:
        """Called just before and just after the change: may kill the process; answers the error to fail with."""
        for fault in self.faults:
            if fault.crash == when:
                os.kill(os.getpid(), signal.SIGKILL)
        return next((fault for fault in self.faults if fault.crash is None and fault.when == when), None)


NOTHING = Firing()


def firing(faults: Sequence[Fault], cloud: Cloud, operation: str, type_: str, name: str | None) -> Firing:
    """Count the operation, and answer the faults that it meets."""
    matching = [fault for fault in faults if fault.matches(operation, type_, name)]
    if not matching:
        return NOTHING
    counts = {pattern: cloud.count(pattern) for pattern in sorted({fault.pattern for fault in matching})}
    return Firing(tuple(fault for fault in matching if fault.nth in (0, counts[fault.pattern])))


def parse_faults(data: Any) -> tuple[Fault, ...]:
    """The faults of a configuration, from plain data. Raises ValueError that says what is wrong with which."""
    if data is None:
        return ()
    if not isinstance(data, list):
        raise ValueError("faults must be a list of objects")
    return tuple(_parse(fault, f"faults[{index}]") for index, fault in enumerate(data))


def _parse(data: Any, where: str) -> Fault:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object")
    given = {key: value for key, value in data.items() if value is not None}
    for key in given:
        if key not in _KEYS:
            near = near_match(key, _KEYS)
            raise ValueError(f'{where} has no key "{key}"' + (f'; did you mean "{near}"?' if near else ""))
    if given.get("operation") not in OPERATIONS:
        raise ValueError(f"{where}.operation must be one of {', '.join(OPERATIONS)}")
    if ("error" in given) == ("crash" in given):
        raise ValueError(f"{where} needs either an error or a crash")
    for key in ("when", "crash"):
        if given.get(key, "before") not in ("before", "after"):
            raise ValueError(f'{where}.{key} must be "before" or "after"')
    nth = given.get("nth", 1)
    if not isinstance(nth, int) or isinstance(nth, bool) or nth < 0:
        raise ValueError(f"{where}.nth must be a whole number: 1 for the first, 0 for every one")
    for key in ("type", "name", "error"):
        if not isinstance(given.get(key, ""), str):
            raise ValueError(f"{where}.{key} must be a string")
    for key in ("retryable", "throttled"):
        if not isinstance(given.get(key, False), bool):
            raise ValueError(f"{where}.{key} must be true or false")
    return Fault(**given)
