"""How an apply ended."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.addresses import ResourceInstance
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.plan.model import ChangeCounts
from iacengine.state.model import State


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`counts` of what was really done; `failed` and `skipped` addresses; `interrupted` by the user."""

    state: State
    counts: ChangeCounts
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: tuple[ResourceInstance, ...] = ()
    skipped: tuple[ResourceInstance, ...] = ()
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        return not self.interrupted and not any(diagnostic.is_error for diagnostic in self.diagnostics)
