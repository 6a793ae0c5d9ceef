"""Plans without a command line: configurations from texts, and steps of hand-made changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from iacengine import engine
from iacengine.addresses import parse_resource_instance
from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.model import Configuration
from iacengine.graph.build import build_graph
from iacengine.plan.model import Action, Change, Plan, Step
from iacengine.plan.order import order_steps
from iacengine.state.journal_entries import Operation
from iacengine.state.model import ResourceObject, State

PROVIDER = 'provider["terraform.io/builtin/terraform"]'


def _load(data: Mapping[str, Any] | str) -> Configuration:
    name, text = ("main.iac.yaml", data) if isinstance(data, str) else ("main.tf.json", json.dumps(data))
    return load(".", files=SnapshotFiles({name: text.encode()}))


@dataclass(frozen=True, slots=True)
class Ordered:
    """The steps of changes, and what comes before what."""

    steps: tuple[Step, ...]
    changes: tuple[Change, ...]

    def number(self, operation: str, name: str, deposed: str = "") -> int:
        (found,) = (
            number
            for number, step in enumerate(self.steps)
            if step.operation is Operation(operation)
            and str(self.changes[step.change].address) == f"terraform_data.{name}"
            and self.changes[step.change].deposed == deposed
        )
        return found

    def before(self, first: int, second: int) -> bool:
        """True when the second step has to await the first."""
        return bool(self.awaited()[second] >> first & 1)

    def awaited(self) -> list[int]:
        """For each step the steps it awaits in the end, as bits. Fails on a cycle."""
        found: dict[int, int] = {}
        waiting = {number: len(step.awaits) for number, step in enumerate(self.steps)}
        dependents: dict[int, list[int]] = {number: [] for number in waiting}
        for number, step in enumerate(self.steps):
            for awaited in step.awaits:
                dependents[awaited].append(number)
        ready = [number for number, count in waiting.items() if not count]
        while ready:
            number = ready.pop()
            bits = 0
            for awaited in self.steps[number].awaits:
                bits |= found[awaited] | 1 << awaited
            found[number] = bits
            for dependent in dependents[number]:
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)
        assert len(found) == len(self.steps), "the steps await each other in a circle"
        return [found[number] for number in range(len(self.steps))]

    @property
    def edges(self) -> int:
        return sum(len(step.awaits) for step in self.steps)


def _order(
    blocks: Mapping[str, Iterable[str]],
    actions: Mapping[str, Action],
    *,
    stored: Mapping[str, Iterable[str]] | None = None,
    late: Iterable[str] = (),
    deposed: Iterable[str] = (),
    commit_last: bool = False,
) -> Ordered:
    late = set(late)
    stored = {name: needs for name, needs in blocks.items() if name in actions} if stored is None else stored
    resources = {
        name: {"input": [f"${{terraform_data.{needed}.id}}" for needed in needs]} for name, needs in blocks.items()
    }
    configuration = _load({"resource": {"terraform_data": resources}} if resources else {"locals": {"x": 1}})
    objects = {}
    for name, needs in stored.items():
        if actions.get(name) is Action.CREATE:
            continue
        address = parse_resource_instance(f"terraform_data.{name}")
        dependencies = tuple(f"terraform_data.{needed}" for needed in needs)
        made = ResourceObject(address, PROVIDER, {"id": name}, dependencies=dependencies)
        objects[made.key] = made
    changes = []
    for name, action in actions.items():
        address = parse_resource_instance(f"terraform_data.{name}")
        prior = objects.get((address, ""))
        changes.append(Change(address, PROVIDER, action, {}, {}, prior=prior, create_before_destroy=name in late))
    for name in deposed:
        address = parse_resource_instance(f"terraform_data.{name}")
        old = ResourceObject(address, PROVIDER, {"id": f"old {name}"}, deposed="0badcafe")
        objects[old.key] = old
        changes.append(Change(address, PROVIDER, Action.DELETE, {}, None, prior=old, deposed="0badcafe"))
    steps = order_steps(
        build_graph(configuration), tuple(changes), State("lineage", 1, objects), commit_last=commit_last
    )
    return Ordered(steps, tuple(changes))


class Planner:
    """A stack in a folder, planned and applied in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, data: Mapping[str, Any]) -> None:
        (self.folder / "main.tf.json").write_text(json.dumps(data), encoding="utf-8")

    @property
    def engine(self) -> engine.Engine:
        return engine.open_stack(str(self.folder))

    def plan(
        self, data: Mapping[str, Any] | None = None, variables: Mapping[str, Any] | None = None, **options: Any
    ) -> Plan:
        if data is not None:
            self.write(data)
        return engine.plan(self.engine, engine.PlanOptions(**options), engine.VariableSources(values=variables or {}))

    def apply(self, plan: Plan | Mapping[str, Any] | None = None, **options: Any) -> State:
        """Apply a plan, or plan and apply; it has to go well."""
        if not isinstance(plan, Plan):
            plan = self.plan(plan, **options)
        outcome = engine.apply(self.engine, plan)
        assert outcome.ok, outcome.diagnostics
        return outcome.state

    @staticmethod
    def actions(plan: Plan) -> dict[str, Action]:
        return {str(change.address): change.action for change in plan.changes if change.action is not Action.NO_OP}


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    """planner.plan(data), planner.apply(data): a stack in an empty folder."""
    return Planner(tmp_path)


@pytest.fixture(scope="session")
def order() -> Callable[..., Ordered]:
    """order(blocks, actions, stored=, late=, deposed=): the steps of terraform_data blocks.

    `blocks` says for each block of the configuration what it refers to, `stored` the same for what is in the state
    (left out: as configured); `late` are those created before they are destroyed.
    """
    return _order
