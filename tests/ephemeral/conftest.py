"""What the mock cloud noted of ephemeral resources and of the secrets that it was given."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def leases() -> Callable[[Any], dict[str, int]]:
    """leases(stack): how often each token was opened, renewed and closed, as `{"open NAME": 2}`."""

    def count(stack: Any) -> dict[str, int]:
        with closing(sqlite3.connect(_cloud(stack))) as connection:
            rows = connection.execute("SELECT pattern, count FROM counters WHERE pattern LIKE '% mock_token %'")
            return {pattern.replace("mock_token ", ""): number for pattern, number in rows if "*" not in pattern}

    return count


@pytest.fixture
def was_given() -> Callable[[Any, str, str], bool]:
    """was_given(stack, id, secret): true when this was the last write-only password of an object."""

    def compare(stack: Any, id_: str, secret: str) -> bool:
        with closing(sqlite3.connect(_cloud(stack))) as connection:
            ((digest,),) = connection.execute("SELECT digest FROM secrets WHERE id = ?", (id_,))
        return bool(digest == hashlib.sha256(secret.encode()).hexdigest())

    return compare


def _cloud(stack: Any) -> Path:
    return Path(stack.folder) / ".iac" / "mock-cloud.sqlite"
