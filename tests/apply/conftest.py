"""An apply that is watched: what went to the journal, what the provider was asked, in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from iacengine import engine
from iacengine.apply.outcome import Outcome
from iacengine.provider.protocol import ApplyRequest, ApplyResponse
from iacengine.state.backends.base import StateLock
from iacengine.state.backends.local import LocalBackend
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.model import State
from iacengine_mock.provider import MockProvider


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One thing that happened. `entries` of an append, `state` of a write, `token` of a call."""

    kind: Literal["append", "write", "clear", "call", "answer"]
    entries: tuple[JournalEntry, ...] = ()
    state: State | None = None
    token: str = ""


class WatchedBackend(LocalBackend):
    """A local backend that notes what is durable, once it is."""

    def __init__(self, path: Path, events: list[Event]) -> None:
        super().__init__(path)
        self._events = events

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        super().append(entries, lock)
        self._events.append(Event("append", tuple(entries)))

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        super().write(state, expected_serial, lock)
        self._events.append(Event("write", state=state))

    def clear_journal(self, lock: StateLock) -> None:
        super().clear_journal(lock)
        self._events.append(Event("clear"))


@dataclass(slots=True)
class Watched:
    """A stack on the mock cloud, planned and applied in this process."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    @property
    def backend(self) -> WatchedBackend:
        return WatchedBackend(self.folder / "iac.state.json", self.events)

    def apply(self, data: Mapping[str, Any], *, parallelism: int = 32, on_failure: str = "pause") -> Outcome:
        """Plan and apply; `events` then holds those of the apply alone."""
        (self.folder / "main.tf.json").write_text(json.dumps(data), encoding="utf-8")
        stack = replace(engine.open_stack(str(self.folder)), backend=self.backend)
        plan = engine.plan(stack, engine.PlanOptions(on_failure=on_failure), engine.VariableSources())
        self.events.clear()
        return engine.apply(stack, plan, parallelism=parallelism)

    def entries(self) -> list[JournalEntry]:
        return [entry for event in self.events for entry in event.entries]

    def kinds(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """watched.apply(data): an apply whose journal and provider calls are noted in `watched.events`."""
    stack = Watched(tmp_path)
    call = MockProvider.apply

    def apply(provider: MockProvider, request: ApplyRequest) -> ApplyResponse:
        stack.events.append(Event("call", token=request.token))
        response = call(provider, request)
        stack.events.append(Event("answer", token=request.token))
        return response

    monkeypatch.setattr(MockProvider, "apply", apply)
    return stack
