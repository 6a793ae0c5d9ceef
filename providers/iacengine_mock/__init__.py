"""A cloud that exists only in one SQLite file: for demonstrations, tests of stacks, and tests of the engine itself."""

from __future__ import annotations

from iacengine.provider.protocol import Provider, ProviderPlugin


def _create() -> Provider:
    from iacengine_mock.provider import MockProvider  # lazy: a stack that does not use it should not load SQLite

    return MockProvider()


PROVIDER = ProviderPlugin("mock", _create)
