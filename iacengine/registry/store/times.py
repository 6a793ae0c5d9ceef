"""Times as messages have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(time: datetime) -> str: ...
@overload
def rfc3339(time: datetime | None) -> str | None: ...
def rfc3339(time: datetime | None) -> str | None:
    """The time as RFC 3339 has it, in UTC, to the second."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
