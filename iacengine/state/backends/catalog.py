"""Which backends there are. Each is a module that is imported when a stack asks for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from iacengine.state.backends.base import Backend
from iacengine.state.backends.settings import BackendSettings

BACKENDS: Final[dict[str, str]] = {
    "local": "iacengine.state.backends.local",
    "postgres": "iacengine.state.backends.postgres",
    "pg": "iacengine.state.backends.postgres",
    "s3": "iacengine.state.backends.s3",
    "http": "iacengine.state.backends.http",
}
"""The names of backends, and the modules that have them: each has `open_backend(BackendSettings) -> Backend`."""


def open_backend(settings: BackendSettings) -> Backend:
    """The backend that a block asks for. It connects when it is first used.

    Raises DiagnosticsError when there is no such backend, a setting is wrong, or a library that it needs is missing.
    """
    module = BACKENDS.get(settings.type)
    if module is None:
        raise settings.wrong(
            None,
            f'There is no backend "{settings.type}".',
            f"Use one of: {', '.join(BACKENDS)}; or leave the block out to keep the state in a file.",
        )
    try:
        opener = import_module(module).open_backend  # lazy: each needs libraries of its own
        return cast("Callable[[BackendSettings], Backend]", opener)(settings)
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.startswith("iacengine."):
            raise
        raise settings.wrong(
            None,
            f'The backend "{settings.type}" needs the library {missing.name}, which is not installed.',
            f"Install it with: pip install 'iacengine[{settings.type}]'",
        ) from None
