from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value


@pytest.fixture
def context() -> FunctionContext:
    """Real files; a clock that stands still; bytes counted up for chance."""
    return FunctionContext(
        files=DiskFiles(),
        timestamp=lambda: datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC),
        plan_timestamp=datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC),
        random_bytes=lambda count: bytes(range(count)),
    )


@pytest.fixture
def call(context: FunctionContext) -> Callable[..., Value]:
    """`call("upper", "a")` is what the function answers."""

    def invoke(name: str, *arguments: Value, **changes: Any) -> Value:
        function = registry.lookup(name)
        assert function is not None, name
        return registry.call(function, arguments, with_changes(context, changes))

    return invoke


def with_changes(context: FunctionContext, changes: dict[str, Any]) -> FunctionContext:
    from dataclasses import replace

    return replace(context, **changes) if changes else context


@pytest.fixture
def refusal(call: Callable[..., Value]) -> Callable[..., registry.FunctionError]:
    """The error that a call ends in."""

    def invoke(name: str, *arguments: Value, **changes: Any) -> registry.FunctionError:
        with pytest.raises(registry.FunctionError) as caught:
            call(name, *arguments, **changes)
        return caught.value

    return invoke


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a few files."""
    for name, text in {
        "hello.txt": "Hello, é!\n",
        "empty.txt": "",
        "data.json": "{}",
        "sub/inner.txt": "inner",
        "sub/deep/er/leaf.md": "leaf",
        "[x].txt": "brackets",
        ".hidden": "h",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "binary.bin").write_bytes(b"\x00\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    return tmp_path
