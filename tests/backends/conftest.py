"""Stacks that keep their state on a server, and that several operators work on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from iacengine.state.backends.base import Backend
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal import entry_to_json
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.statefile import encode_state
from iacengine.testing.services.state_server import StateServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StateServer]:
    pytest.importorskip("httpx2", reason="the extra http is not installed")
    made = StateServer(tmp_path / "server")
    yield made
    made.stop()


@dataclass(frozen=True, slots=True)
class SharedStack:
    """One stack, its state on a backend and its objects in one cloud, and `folders` of operators who work on it."""

    folders: tuple[Any, ...]
    kind: str
    settings: Mapping[str, Any]

    def write(
        self,
        resources: Mapping[str, Any],
        *,
        only: int | None = None,
        latency: Any = 0.0,
        faults: Any = (),
        **stack: Any,
    ) -> None:
        """Write the stack file into each folder, or into one; `stack` are settings of the block of that name."""
        cloud = str(self.folders[0].folder / ".iac" / "mock-cloud.sqlite")
        data = {
            "provider": {"mock": {"cloud": cloud, "latency": latency, "faults": list(faults)}},
            "terraform": {"backend": {self.kind: dict(self.settings)}, **stack},
            "variable": {"n": {"default": 0}},
            "resource": resources,
        }
        for stack_ in self.folders if only is None else [self.folders[only]]:
            stack_.write(data)

    @property
    def backend(self) -> Backend:
        return open_backend(BackendSettings(self.kind, dict(self.settings), str(self.folders[0].folder)))

    def journal(self) -> list[JournalEntry]:
        backend = self.backend
        try:
            return list(backend.read_journal())
        finally:
            backend.close()

    def cloud(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.folders[0].cloud()
        return found

    def snapshot(self) -> dict[str, Any]:
        """All that the backend holds but for records of runs, as plain data."""
        backend = self.backend
        try:
            state, holder = backend.read(), backend.lock_holder()
            return {
                "state": None if state is None else encode_state(state),
                "journal": [entry_to_json(entry) for entry in backend.read_journal()],
                "versions": list(backend.versions()),
                "lock": None if holder is None else (holder.id, holder.fencing_token),
            }
        finally:
            backend.close()

    def assert_settled(self) -> None:
        """Nothing is in flight or locked, and the cloud holds exactly what the state says."""
        backend = self.backend
        try:
            state = backend.read()
            assert state is not None
            assert state.pending_rollback is None
            assert backend.read_journal() == ()
            assert backend.lock_holder() is None
        finally:
            backend.close()
        known = Counter(stored.attributes["id"] for stored in state.objects.values())
        cloud = self.cloud()
        assert known == Counter(cloud.keys()), f"in the state {known}, in the cloud {cloud.keys()}"
        for stored in state.objects.values():
            assert json.loads(json.dumps(dict(stored.attributes))) == cloud[stored.attributes["id"]], stored.address


@pytest.fixture
def shared_stack(new_stack: Callable[[str], Any], places: Callable[[str], dict[str, Any]], tmp_path: Path) -> Any:
    """shared_stack(KIND, operators=2, **settings): a stack on a new place of that kind of backend."""

    def make(kind: str, operators: int = 2, **settings: Any) -> SharedStack:
        place = {"path": str(tmp_path / "shared" / "state.json")} if kind == "local" else places(kind)
        folders = tuple(new_stack(f"operator{number}") for number in range(operators))
        return SharedStack(folders, kind, {**place, **settings})

    return make
