"""Calls that failed with what may pass, and wait to be made again.

Nobody sleeps for them: the executor's loop asks when the next one is due.

Retries are no business of the journal: an operation that is tried again has begun, and has not ended.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from time import monotonic
from typing import Any

from iacengine.apply.operations import Task
from iacengine.apply.preparing import Job
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, has_errors
from iacengine.provider.protocol import ApplyResponse
from iacengine.provider.retry import PassingError, RetryPolicy, Trial, chance
from iacengine.state.journal_entries import Operation

Answer = Any
"""What a call came to: an `ApplyResponse` for a task; the value, or a DiagnosticsError, for a reading; what went wrong
for a provisioner, and before that the lines it prints, as `ProvisionOutput`."""


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """An answer that says that something went wrong. `state`: it also says what is there all the same."""

    diagnostics: tuple[Diagnostic, ...]
    retryable: bool
    throttled: bool
    state: bool

    @property
    def because(self) -> str:
        return "throttled" if self.throttled else next(found.summary for found in self.diagnostics if found.is_error)


@dataclass(frozen=True, slots=True, eq=False)
class Retrying:
    """A call that is to be made again: when it is due, in how many seconds that is, what it answered last."""

    job: Job
    answer: Answer
    failure: Failure
    due: float
    wait: float
    attempt: int
    attempts: int | None


def failure_of(answer: Answer) -> Failure | None:
    """What went wrong; None when all is well."""
    if isinstance(answer, ApplyResponse):
        if not has_errors(answer.diagnostics):
            return None
        retryable = answer.retryable or answer.throttled
        return Failure(answer.diagnostics, retryable, answer.throttled, answer.state is not None)
    if isinstance(answer, DiagnosticsError):
        if isinstance(answer, PassingError):
            return Failure(answer.diagnostics, True, answer.throttled, state=False)
        return Failure(answer.diagnostics, False, False, state=False)
    return None


class Retries:
    """What waits. `due`: calls whose time has come, by provider configuration, first come first served."""

    __slots__ = ("_absent", "_chance", "_clock", "_count", "_seen", "_trials", "_waiting", "due")

    def __init__(self, clock: Callable[[], float] = monotonic, chance: Callable[[], float] = chance) -> None:
        self.due: dict[str, deque[Retrying]] = {}
        self._waiting: list[tuple[float, int, Retrying]] = []
        self._trials: dict[int, Trial] = {}
        self._seen: dict[int, ApplyResponse] = {}
        self._absent: set[int] = set()
        self._count = 0
        self._clock = clock
        self._chance = chance

    def __bool__(self) -> bool:
        return bool(self._waiting or self.due)

    def wait(
        self, job: Job, answer: Answer, failure: Failure, policy: RetryPolicy, began: float, *, ending: bool = False
    ) -> Retrying | None:
        """Let a call that failed wait for its next try; None when there is none. `began`: when it was made first.

        `ending`: nothing is tried again any more.
        """
        if not failure.throttled:
            self._absent.discard(job.step)
        if isinstance(job, Task) and job.operation is Operation.CREATE and failure.state:
            return None  # it is there, half made: another try would make another one, or go on from who knows where
        if not (failure.retryable or policy.names(failure.diagnostics)):
            return None
        trial = self._trials.get(job.step) or self._trials.setdefault(job.step, Trial(began))
        now = self._clock()
        timeout = job.request.timeout if isinstance(job, Task) else None
        pause = trial.pause(policy, throttled=failure.throttled, now=now, chance=self._chance(), timeout=timeout)
        if failure.state:
            self._seen[job.step] = answer
        if pause is None or ending:
            return None
        attempts = None if failure.throttled else policy.attempts + trial.throttled
        retrying = Retrying(job, answer, failure, now + pause, pause, trial.tries + 1, attempts)
        self._count += 1
        heapq.heappush(self._waiting, (retrying.due, self._count, retrying))
        return retrying

    def next_due(self) -> float | None:
        """Seconds until the next call that waits is due, None when none does."""
        return max(0.0, self._waiting[0][0] - self._clock()) if self._waiting else None

    def move_due(self) -> None:
        """Move to `due` what is due now."""
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            retrying = heapq.heappop(self._waiting)[2]
            self.due.setdefault(retrying.job.change.provider, deque()).append(retrying)

    def take(self, provider: str) -> Job:
        """The call of a provider configuration that is due first, with what is left of its time."""
        due = self.due[provider]
        retrying = due.popleft()
        if not due:
            del self.due[provider]
        return self._again(retrying)

    def _again(self, retrying: Retrying) -> Job:
        job = retrying.job
        if not isinstance(job, Task) or job.request.timeout is None:
            return job
        left = job.request.timeout - (self._clock() - self._trials[job.step].began)
        return replace(job, request=replace(job.request, timeout=max(left, 0.001)))

    def may_be_done(self, job: Job) -> bool:
        """True for an operation that failed in a way which leaves open whether it was done, and what is there now."""
        trial = self._trials.get(job.step)
        if not isinstance(job, Task) or trial is None or not trial.failures:
            return False
        return job.step not in self._seen and job.step not in self._absent

    def absent(self, step: int) -> None:
        """It was looked up that a step has made nothing. As long as it is only throttled after that, it need not be
        looked up again: where requests are few, looking would use up those that are needed for the call itself."""
        self._absent.add(step)

    def give_up(self) -> list[Retrying]:
        """Let nothing wait any more; what did."""
        due = chain.from_iterable(self.due.values())
        given_up = [*due, *(retrying for _, _, retrying in sorted(self._waiting, key=lambda entry: entry[:2]))]
        self.due.clear()
        self._waiting.clear()
        return given_up

    def end(self, step: int, answer: Answer) -> Answer:
        """The step has come to its end. Its answer; when that does not say what is there, what an earlier one said."""
        self._trials.pop(step, None)
        self._absent.discard(step)
        seen = self._seen.pop(step, None)
        if seen is not None and isinstance(answer, ApplyResponse) and answer.state is None and failure_of(answer):
            return replace(answer, state=seen.state, private=seen.private)
        return answer
