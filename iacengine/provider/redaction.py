"""Keeping secrets out of what providers say: an error of theirs may quote any value that they were given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.secrets import hide, secrets_of
from iacengine.lang.values import Value


def redacted(diagnostics: Iterable[Diagnostic], *values: Value) -> tuple[Diagnostic, ...]:
    """The diagnostics of a provider without the texts and numbers that are sensitive in the values it was given."""
    found = tuple(diagnostics)
    return without(found, secrets_of(*values)) if found else found


def without(diagnostics: Iterable[Diagnostic], secrets: tuple[str, ...]) -> tuple[Diagnostic, ...]:
    """The diagnostics with these secrets hidden."""
    return tuple(_without(each, secrets) if secrets else each for each in diagnostics)


def _without(diagnostic: Diagnostic, secrets: tuple[str, ...]) -> Diagnostic:
    return replace(
        diagnostic,
        summary=hide(diagnostic.summary, secrets),
        detail=hide(diagnostic.detail, secrets),
        remedy=hide(diagnostic.remedy, secrets) if diagnostic.remedy else diagnostic.remedy,
    )
