"""Stacks with wrecks: what state and cloud hold, compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from iacengine.state.statefile import decode_state


@pytest.fixture
def assert_settled() -> Callable[[Any], None]:
    """assert_settled(stack): nothing is in flight, and the mock cloud holds exactly what the state says."""

    def check(stack: Any) -> None:
        assert not stack.journal_path.exists()
        if not stack.state_path.exists():  # nothing was ever asked for
            assert stack.cloud() == {}
            return
        state = decode_state(stack.state_path.read_bytes(), "the state")
        known = Counter(stored.attributes["id"] for stored in state.objects.values())
        cloud = stack.cloud()
        lost, orphans = known.keys() - cloud.keys(), cloud.keys() - known.keys()
        twice = [id_ for id_, count in known.items() if count > 1]
        assert [*lost, *orphans, *twice] == [], f"lost {lost}, orphans {orphans}, twice in the state {twice}"
        for stored in state.objects.values():
            there = cloud[stored.attributes["id"]]
            assert json.loads(json.dumps(dict(stored.attributes))) == there, stored.address

    return check
