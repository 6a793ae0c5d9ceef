"""A server of states for whole stacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iacengine.testing.services.state_server import StateServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StateServer]:
    pytest.importorskip("httpx2", reason="the extra http is not installed")
    made = StateServer(tmp_path / "server")
    yield made
    made.stop()
