"""A provider with defects, installed for the commands of one test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_MODULE = Path(__file__).with_name("defective_provider.py")


@pytest.fixture
def defective(stack: Any, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """defective(DEFECT, *arguments): run a command while the provider `defective` has that defect ("": none)."""
    folder = tmp_path / "site"
    metadata = folder / "defective-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: defective\nVersion: 1\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[iacengine.providers]\ndefective = defective_provider:PROVIDER\n", encoding="utf-8"
    )
    (folder / _MODULE.name).write_text(_MODULE.read_text(encoding="utf-8"), encoding="utf-8")

    def run(defect: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "iacengine.cli.main", *arguments],
            cwd=stack.folder,
            env=os.environ | {"NO_COLOR": "1", "PYTHONPATH": str(folder), "DEFECT": defect},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
