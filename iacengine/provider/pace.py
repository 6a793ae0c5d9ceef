"""How many calls one provider configuration bears at once: found out by additive increase, multiplicative decrease.

After D. Chiu and R. Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance (1989), as TCP does
it: one more call a round of answers that came well, half as many after an answer that says to slow down.
"""

from __future__ import annotations

import threading


class Pace:
    """The window of one provider configuration. Thread-safe.

    `limit`: how many calls may run at once, from 1 to `most`. Answers to calls that had begun before the limit was
    lowered last do not lower it again: they tell of the same crowd.
    """

    __slots__ = ("_begun", "_changed", "_lowered", "limit", "most", "resume_at", "running")

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.limit = float(self.most)
        self.running = 0
        self.resume_at = 0.0
        """Nothing is begun before: even one call at a time was too many."""
        self._begun = 0
        self._lowered = 0
        self._changed = threading.Condition(threading.Lock())

    def room(self, now: float) -> int:
        """How many calls may begin now."""
        return max(0, int(self.limit) - self.running) if now >= self.resume_at else 0

    def begin(self) -> int:
        """A call begins; the number to end it with."""
        with self._changed:
            self.running += 1
            self._begun += 1
            return self._begun

    def end(self, number: int, *, throttled: bool = False) -> None:
        """A call has ended."""
        with self._changed:
            self.running -= 1
            if not throttled:
                if self.limit < self.most:
                    self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
            elif number > self._lowered:
                self.limit = max(1.0, self.limit / 2)
                self._lowered = self._begun
            self._changed.notify_all()

    def hold(self, until: float) -> None:
        """A throttled call is made again at a time: where one at once was too many, nothing else goes before."""
        if self.limit <= 1.0:
            self.resume_at = max(self.resume_at, until)

    def begin_in_turn(self) -> int:
        """As `begin`, after waiting for room: for callers that have a thread to spare."""
        with self._changed:
            while self.running >= int(self.limit):
                self._changed.wait()
            self.running += 1
            self._begun += 1
            return self._begun
