"""Scopes of small stacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value


@pytest.fixture(scope="session")
def working() -> Callable[..., WorkingValues]:
    """working(data, variables, modules=, **options): nothing expanded, no object known yet."""

    def make(
        data: Mapping[str, Any],
        variables: Mapping[str, Value] | None = None,
        modules: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> WorkingValues:
        files = {"main.tf.json": json.dumps(data).encode()}
        files |= {f"{name}/main.tf.json": json.dumps(module).encode() for name, module in (modules or {}).items()}
        configuration = load(".", files=SnapshotFiles(files))
        return WorkingValues(configuration, variables or {}, FunctionContext(DiskFiles()), **options)

    return make
