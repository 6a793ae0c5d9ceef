"""When an operation that failed is tried again, and after how long.

Pauses are those of M. Brooker, Exponential Backoff And Jitter (2015), with full jitter: anywhere between nothing and a
bound that doubles, so that many operations that failed together do not come back together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient to be with one kind of object. Times are in seconds.

    `attempts`: tries in all of an operation that fails with what may pass; 1: it is never tried again. A try that was
    throttled does not count: those go on for `patience`, after which nothing is begun again in any case.
    `first_wait` bounds the first pause, `longest_wait` every later one. `errors`: regular expressions; an error whose
    text (summary and detail) holds one of them may pass, whatever the provider says of it.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    patience: float = 600.0
    errors: tuple[str, ...] = ()

    def wait(self, failure: int, chance: float) -> float:
        """The pause after a failure, counted from 1; `chance` is from 0 to 1."""
        return chance * min(self.longest_wait, self.first_wait * 2.0 ** min(failure - 1, 60))

    def names(self, diagnostics: Iterable[Diagnostic]) -> bool:
        """True when one of the errors is among those that the policy says may pass."""
        return bool(self.errors) and any(
            re.search(pattern, f"{found.summary}: {found.detail}")
            for found in diagnostics
            if found.is_error
            for pattern in self.errors
        )


def chance() -> float:
    """From 0 to 1, at random."""
    from random import random  # lazy: 2 ms that are spent only when something failed

    return random()  # noqa: S311 - it scatters pauses


DEFAULT = RetryPolicy()


@dataclass(frozen=True, slots=True, eq=False)
class RetryRules:
    """What a stack wants otherwise than its providers: fields of `RetryPolicy`, by the source address of a provider
    and by resource type, which goes before."""

    by_source: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_type: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def policy(self, declared: Mapping[str, RetryPolicy], source: str, type_: str) -> RetryPolicy:
        """The policy for a type. `declared`: those of its provider, by type, under "" that for all others."""
        policy = declared.get(type_) or declared.get("") or DEFAULT
        wanted = {**self.by_source.get(source, {}), **self.by_type.get(type_, {})}
        return replace(policy, **wanted) if wanted else policy


NO_RULES = RetryRules()


@dataclass(slots=True, eq=False)
class Trial:
    """One operation that is tried more than once: when it began, how often it failed, and was throttled."""

    began: float
    failures: int = 0
    throttled: int = 0

    @property
    def tries(self) -> int:
        return self.failures + self.throttled

    def pause(
        self, policy: RetryPolicy, *, throttled: bool, now: float, chance: float, timeout: float | None = None
    ) -> float | None:
        """Count a try that failed. Seconds after which to try again; None when that is enough.

        `timeout`: seconds that all tries have together, beside what the policy allows.
        """
        if throttled:
            self.throttled += 1
        else:
            self.failures += 1
        if policy.attempts <= 1 or self.failures >= policy.attempts:
            return None
        pause = policy.wait(self.throttled if throttled else self.failures, chance)
        allowed = policy.patience if timeout is None else min(policy.patience, timeout)
        return None if now + pause - self.began >= allowed else pause


class PassingError(DiagnosticsError):
    """A failure that may pass. `throttled`: because the other side asked for less."""

    def __init__(self, *diagnostics: Diagnostic, throttled: bool = False) -> None:
        super().__init__(*diagnostics)
        self.throttled = throttled
