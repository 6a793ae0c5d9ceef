"""Trying again: errors that pass by themselves, and states that are reached after a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.spec import Retry

A = TypeVar("A")

FIRST_DELAY = 0.1  # seconds; doubles up to the longest
LONGEST_DELAY = 5.0


def patiently(session: Session, retries: Iterable[Retry], patience: float, attempt: Callable[[], A]) -> A:
    """The result of the attempt, made again while it fails with one of the errors, for so many seconds.

    Raises the last ApiError.
    """
    known = tuple(retries)
    return until(session, patience, attempt, lambda problem: any(passes(retry, problem) for retry in known))


def passes(retry: Retry, problem: ApiError) -> bool:
    return problem.code == retry.code and retry.message in problem.message


def until(session: Session, patience: float, attempt: Callable[[], A], retry: Callable[[ApiError], bool]) -> A:
    """As `patiently`, with a function that says whether an error passes by itself."""
    deadline = session.clock() + patience
    delay = FIRST_DELAY
    while True:
        try:
            return attempt()
        except ApiError as problem:
            if not retry(problem) or session.clock() + delay > deadline:
                raise
        session.pause(delay)
        delay = min(delay * 2, LONGEST_DELAY)
