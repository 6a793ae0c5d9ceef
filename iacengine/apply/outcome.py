"""How an apply ended."""

from __future__ import annotations

from dataclasses import dataclass, fields

from iacengine.addresses import ResourceInstance
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.plan.model import ChangeCounts
from iacengine.state.model import State


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`counts` of what was really done; `failed` and `skipped` addresses; `interrupted` by the user.

    `unsettled`: whose calls were still running when the user insisted on stopping. The journal knows of them, the
    state was not written, and the next run finds out what became of them.
    """

    state: State
    counts: ChangeCounts
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: tuple[ResourceInstance, ...] = ()
    skipped: tuple[ResourceInstance, ...] = ()
    interrupted: bool = False
    unsettled: tuple[ResourceInstance, ...] = ()

    def followed_by(self, later: Outcome) -> Outcome:
        """This outcome and that of a later wave, as one."""
        counts = ChangeCounts(
            *(getattr(self.counts, field.name) + getattr(later.counts, field.name) for field in fields(ChangeCounts))
        )
        return Outcome(
            later.state,
            counts,
            (*self.diagnostics, *later.diagnostics),
            (*self.failed, *later.failed),
            (*self.skipped, *later.skipped),
            later.interrupted,
            later.unsettled,
        )

    @property
    def ok(self) -> bool:
        return not self.interrupted and not any(diagnostic.is_error for diagnostic in self.diagnostics)
