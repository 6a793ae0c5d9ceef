"""Asking a provider again while it plans and reads, for callers that have nothing else to do meanwhile.

Applying waits in its own loop instead, see `iacengine.apply.retries`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from iacengine.foundation.diagnostics import has_errors
from iacengine.provider.pace import Pace
from iacengine.provider.protocol import PlanRequest, PlanResponse, ReadRequest, ReadResponse
from iacengine.provider.retry import RetryPolicy, Trial, chance

Q = TypeVar("Q", PlanRequest, ReadRequest)
R = TypeVar("R", PlanResponse, ReadResponse)


class Stop:
    """Ends all waiting that goes on when it is asked to; what begins to wait later is not concerned."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        before, self._event = self._event, threading.Event()
        before.set()

    def wait(self, seconds: float) -> bool:
        """Wait; True when that was cut short."""
        return self._event.wait(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Patience:
    """What a provider's calls are tried again by: a policy for each type, the window of its calls, a way to wait."""

    policy: Callable[[str], RetryPolicy]
    pace: Pace
    wait: Callable[[float], bool]
    clock: Callable[[], float] = monotonic
    chance: Callable[[], float] = chance

    def all(self, ask: Callable[[Sequence[Q]], list[R]], requests: Sequence[Q], *, paced: bool = True) -> list[R]:
        """The answers to all requests, those that may pass asked for again, many at once."""
        began = self.clock()
        answers = self._ask(ask, requests, paced)
        trial = None
        while failed := [index for index, answer in enumerate(answers) if self._passes(requests[index].type, answer)]:
            trial = trial or Trial(began)
            throttled = any(answers[index].throttled for index in failed)
            policy = self.policy(requests[failed[0]].type)
            pause = trial.pause(policy, throttled=throttled, now=self.clock(), chance=self.chance())
            if pause is None or self.wait(pause):
                break
            again = self._ask(ask, [requests[index] for index in failed], paced)
            for index, answer in zip(failed, again, strict=True):
                answers[index] = answer
        return answers

    def one(self, type_: str, ask: Callable[[], ReadResponse]) -> ReadResponse:
        """The answer to one question about an object of a type."""
        (answer,) = self.all(lambda _: [ask()], [ReadRequest(type_, None)])
        return answer

    def _ask(self, ask: Callable[[Sequence[Q]], list[R]], requests: Sequence[Q], paced: bool) -> list[R]:
        if not paced:
            return ask(requests)
        number, throttled = self.pace.begin_in_turn(), False
        try:
            answers = ask(requests)
            throttled = any(answer.throttled for answer in answers)
        finally:
            self.pace.end(number, throttled=throttled)
        return answers

    def _passes(self, type_: str, answer: PlanResponse | ReadResponse) -> bool:
        if not has_errors(answer.diagnostics):
            return False
        return answer.retryable or answer.throttled or self.policy(type_).names(answer.diagnostics)
