"""A directory of its own for every stack, with a mock cloud in it."""

import pytest

from iacengine import Stack


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stack(place):
    """An empty stack that was declared in Python, whose provider is a mock cloud."""
    stack = Stack("shop")
    stack.provider("mock", cloud="cloud.sqlite")
    return stack
