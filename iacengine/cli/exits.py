"""Exit codes."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
ERROR: Final = 1
CHANGES: Final = 2
"""With `--detailed-exitcode`: the plan holds changes."""
LOCKED: Final = 3
"""Somebody else holds the lock of the state."""
ROLLED_BACK: Final = 4
RECOVERY_NEEDED: Final = 5
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
