"""How an apply ended."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from iacengine.addresses import ResourceInstance
from iacengine.foundation.diagnostics import Diagnostic, has_errors
from iacengine.plan.model import ChangeCounts
from iacengine.state.model import State


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`counts` of what was really done; `failed` and `skipped` addresses; `interrupted` by the user.

    `unsettled`: whose calls were still running when the user insisted on stopping, or ended so that nobody could find
    out what became of them. The journal knows of them, the state was not written, and the next run finds out.
    `rollback`: how undoing all this ended.
    `renamed`: what was put back under another id, because it had been deleted. `waves`: how many there were before the
    last one, which alone is undone when it fails.
    """

    state: State
    counts: ChangeCounts
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: tuple[ResourceInstance, ...] = ()
    skipped: tuple[ResourceInstance, ...] = ()
    interrupted: bool = False
    unsettled: tuple[ResourceInstance, ...] = ()
    rollback: Outcome | None = None
    renamed: tuple[ResourceInstance, ...] = ()
    waves: int = 0

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
            later.rollback,
            waves=self.waves + 1,
        )

    def rolled_back(self, undone: Outcome) -> Outcome:
        """This outcome, after what was done has been undone."""
        return replace(
            self,
            state=undone.state,
            diagnostics=(*self.diagnostics, *undone.diagnostics),
            interrupted=self.interrupted or undone.interrupted,
            unsettled=undone.unsettled,
            rollback=undone,
        )

    @property
    def is_rolled_back(self) -> bool:
        """True when the run failed and all that it had done is undone."""
        return self.rollback is not None and self.rollback.ok

    @property
    def needs_recovery(self) -> bool:
        """True when something is left that is neither done nor undone."""
        return bool(self.unsettled) or self.state.pending_rollback is not None

    @property
    def ok(self) -> bool:
        return not self.interrupted and not has_errors(self.diagnostics)
