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
"""The apply failed, and what it had done is undone."""
RECOVERY_NEEDED: Final = 5
"""Something is left that is neither done nor undone."""
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
