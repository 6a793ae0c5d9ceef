"""The corpus of what a real Terraform answers: beside the project, or where IACENGINE_CONFORMANCE says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of the corpus. Skips without one."""
    named = os.environ.get("IACENGINE_CONFORMANCE")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "conformance"
    if not (folder / "plan-public.json").is_file():
        pytest.skip(f"no conformance corpus in {folder}; set IACENGINE_CONFORMANCE to one")
    return folder
