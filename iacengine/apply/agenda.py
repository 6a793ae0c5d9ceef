"""Which steps of a plan may begin: those that await nothing any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

from iacengine.plan.model import Step
from iacengine.provider.pace import Pace


class Agenda:
    """The steps by their numbers. `ready`: what may begin, first come first served. `blocked`: what must not any more,
    and the address whose failure is the reason."""

    __slots__ = ("_dependents", "_held", "_waiting", "blocked", "ready")

    def __init__(self, steps: Sequence[Step]) -> None:
        self._waiting = [len(step.awaits) for step in steps]
        self._dependents: list[list[int]] = [[] for _ in steps]
        for number, step in enumerate(steps):
            for awaited in step.awaits:
                self._dependents[awaited].append(number)
        self.ready: deque[int] = deque(number for number, count in enumerate(self._waiting) if not count)
        self.blocked: dict[int, str] = {}
        self._held: dict[Pace, deque[int]] = {}

    def finish(self, number: int) -> None:
        """A step has come to its end, well or not: what awaited nothing else is ready, or blocked as it was."""
        waiting, blocked = self._waiting, self.blocked
        for dependent in self._dependents[number]:
            waiting[dependent] -= 1
            if number in blocked:
                blocked.setdefault(dependent, blocked[number])
            if not waiting[dependent]:
                self.ready.append(dependent)

    @property
    def has_held(self) -> bool:
        return bool(self._held)

    def hold(self, number: int, pace: Pace) -> None:
        """Set a ready step aside until its provider bears another call."""
        self._held.setdefault(pace, deque()).append(number)

    def release(self, now: float) -> None:
        """Make ready again, before all others, what was set aside and has room now."""
        for pace in [*self._held]:
            held = self._held[pace]
            room = min(pace.room(now), len(held))
            self.ready.extendleft(reversed([held.popleft() for _ in range(room)]))
            if not held:
                del self._held[pace]

    def left(self) -> Iterator[int]:
        """The steps that have not begun."""
        ready = {*self.ready, *chain.from_iterable(self._held.values())}
        return (number for number, count in enumerate(self._waiting) if count or number in ready)
