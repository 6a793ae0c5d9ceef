"""What a run over the steps of a plan has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from iacengine.addresses import ResourceInstance
from iacengine.plan.model import ChangeCounts
from iacengine.state.journal_entries import Operation
from iacengine.state.model import Identity


@dataclass(slots=True, eq=False)
class Progress:
    """What a run has done so far."""

    add: int = 0
    change: int = 0
    remove: int = 0
    forget: int = 0
    failed: list[ResourceInstance] = field(default_factory=list)
    skipped: list[ResourceInstance] = field(default_factory=list)
    interrupted: bool = False
    broken_off: bool = False
    """A step failed, and all is to be undone: no more steps are begun."""
    committed: bool = False
    """The commit phase has begun."""
    destroyed: list[Identity] = field(default_factory=list)
    """What was destroyed."""

    @property
    def is_ending(self) -> bool:
        return self.interrupted or self.broken_off

    def counts(self, imported: int) -> ChangeCounts:
        return ChangeCounts(self.add, self.change, self.remove, imported, self.forget)

    def count(self, operation: Operation) -> None:
        """One more step of a kind came to a good end."""
        match operation:
            case Operation.CREATE:
                self.add += 1
            case Operation.UPDATE:
                self.change += 1
            case Operation.DELETE:
                self.remove += 1
            case Operation.FORGET:
                self.forget += 1
            case Operation.READ:
                pass
