"""What is asked of the planner."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.addresses import ResourceInstance, Target
from iacengine.plan.model import PlanMode


@dataclass(frozen=True, slots=True)
class PlanRequestOptions:
    """`allow_deferral`: blocks whose instances are not known yet wait for a later wave, instead of being an error.

    `targets` and `excludes` narrow the plan; `replace` forces replacements. `timestamp` is RFC 3339 in UTC."""

    mode: PlanMode = PlanMode.NORMAL
    targets: tuple[Target, ...] = ()
    excludes: tuple[Target, ...] = ()
    replace: tuple[Target, ...] = ()
    refresh: bool = True
    on_failure: str = "pause"
    timestamp: str = ""
    parallelism: int = 32
    allow_deferral: bool = False

    def forces_replacement(self, address: ResourceInstance) -> bool:
        return any(
            target.resource == address.resource and target.key == address.key and target.module == address.module
            for target in self.replace
        )
