"""Versions of a state, as far as every backend has them."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import StateVersion


def no_such_version(where: str, serial: int, kept: Sequence[StateVersion]) -> DiagnosticsError:
    """What to raise when a version is asked for that is not kept."""
    there = f"those from {kept[0].serial} to {kept[-1].serial} are" if kept else "none is"
    return failure(
        "No such version of the state",
        f"{where} has no version with serial {serial}: {there} kept.",
        remedy="Look at what is kept with `iac state history`.",
    )
