"""Graphs of configurations written as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.graph.build import ConfigGraph, build_graph


@pytest.fixture(scope="session")
def graph() -> Callable[..., ConfigGraph]:
    """graph(data, **modules): the graph of a root module and of child modules by directory."""

    def build(data: Mapping[str, Any], **modules: Mapping[str, Any]) -> ConfigGraph:
        files = {"main.tf.json": json.dumps(data).encode()}
        files |= {f"{name}/main.tf.json": json.dumps(module).encode() for name, module in modules.items()}
        return build_graph(load(".", files=SnapshotFiles(files)))

    return build


@pytest.fixture(scope="session")
def needs() -> Callable[[ConfigGraph, str], set[str]]:
    """needs(graph, "terraform_data.a"): what it needs directly."""

    def find(graph: ConfigGraph, name: str) -> set[str]:
        (node,) = (node for node in graph if str(node) == name)
        return {str(needed) for needed in graph.needs(node)}

    return find
