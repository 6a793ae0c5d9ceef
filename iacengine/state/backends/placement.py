"""Where a stack keeps its state now, and where it kept it when it was last used.

A backend block that is changed leads to a place where nothing is, and a plan from nothing would make everything again.
So `.iac/backend.json` remembers the place that was last locked (no secrets are in it), and a new place that is
empty is refused while the one before holds a state. The default, a file beside the stack, needs no such record.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import Backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Opened
from iacengine.state.moved import COMMAND, StateMovedError, migration_cut_off

_SECRETS: Final = (
    "password",
    "secret",
    "token",
    "access_key",
    "private_key",
    "client_key",
    "customer_key",
    "external_id",
)
"""Settings whose name has one of these in it are not written down."""


@dataclass(frozen=True, slots=True)
class Placement:
    """`settings`: the block of the stack, or the default. `default`: the path that the default has, from the stack's
    folder. `opened` makes a backend of settings."""

    settings: BackendSettings
    default: str
    opened: Callable[[BackendSettings], Backend]

    @property
    def record(self) -> str:
        """Where it is written down which place was last used."""
        stem = self.default.removesuffix(".state.json")
        name = "backend.json" if stem == "iac" else f"{stem}.backend.json"
        return os.path.join(self.settings.directory, ".iac", name)  # noqa: PTH118 - text in, text out

    @property
    def is_default(self) -> bool:
        return self.settings.type == "local" and self._path(self.settings) == self._path(self._default_settings())

    def _default_settings(self) -> BackendSettings:
        return BackendSettings("local", {"path": self.default}, self.settings.directory, self.settings.environment)

    def _path(self, settings: BackendSettings) -> str:
        return os.path.normpath(str(settings.values.get("path", self.default)))

    def identity(self, backend: Backend) -> str:
        """Which place it is: the same text for the same place, whatever else the block says."""
        return self._path(self.settings) if self.settings.type == "local" else backend.describe()

    # --- the one before ---------------------------------------------------------------------------------------------

    def previous(self, backend: Backend) -> BackendSettings | None:
        """The place that was used before, if it is another one than `backend`, that of the settings."""
        known = self._remembered()
        if known is None:
            return self._default_settings() if not self.is_default and self._has_default() else None
        if (known["type"], known["place"]) == (self.settings.type, self.identity(backend)):
            return None
        return BackendSettings(known["type"], known["settings"], self.settings.directory, self.settings.environment)

    def _has_default(self) -> bool:
        path = os.path.join(self.settings.directory, self.default)  # noqa: PTH118 - text in, text out
        return os.path.lexists(path) or os.path.lexists(f"{path}.journal")

    def _remembered(self) -> dict[str, Any] | None:
        try:
            data = read_regular_file(self.record)
            found = orjson.loads(data) if data else None
        except (OSError, ValueError):
            return None  # it protects from a mistake, and is not worth failing for
        fits = (
            isinstance(found, dict) and isinstance(found.get("type"), str) and isinstance(found.get("settings"), dict)
        )
        return {"place": "", **found} if found is not None and fits else None

    def require_unmoved(self, backend: Backend) -> None:
        """Raise DiagnosticsError when this place is empty and the one that was used before holds the state.

        Nothing is asked of a server as long as the place is the one that was used before.
        """
        before = self.previous(backend)
        if before is None:
            return
        there = backend.read()
        if there is not None and there.moved_to:
            raise StateMovedError(backend.describe(), there.moved_to)
        journal = backend.read_journal()
        serial = there.serial if there is not None else 0
        for entry in journal:
            if isinstance(entry, Opened) and entry.command == COMMAND and entry.serial > serial:
                raise migration_cut_off(entry.time)
        if there is not None or journal:
            return
        try:
            source = self.opened(before)
            stored, journal = source.read(), source.read_journal()
        except DiagnosticsError as problem:
            told = problem.diagnostics[0]
            raise _changed(
                backend, f'the one before, of type "{before.type}", cannot be looked at ({told.summary}: {told.detail})'
            ) from None
        if stored is not None and stored.moved_to:
            raise StateMovedError(source.describe(), stored.moved_to)
        if stored is not None or journal:
            raise _changed(backend, f"{source.describe()}, where it was before, holds the state")

    def remember(self, backend: Backend) -> None:
        """Write down that this place is in use. A folder that cannot be written to is no failure."""
        known = self._remembered()
        with suppress(OSError):
            if self.is_default:
                if known is not None:
                    os.unlink(self.record)  # noqa: PTH108 - text in
                return
            now = {
                "type": self.settings.type,
                "place": self.identity(backend),
                "settings": {
                    name: _without_secrets(value) for name, value in self.settings.values.items() if _open(name)
                },
            }
            if known != now:
                make_folders(os.path.dirname(self.record))  # noqa: PTH120 - text in
                write_atomically(self.record, orjson.dumps(now, option=orjson.OPT_INDENT_2) + b"\n")


def _open(name: str) -> bool:
    """Whether a setting of this name may be written down."""
    return not any(secret in name.lower() for secret in _SECRETS)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items() if _open(str(name))}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    if isinstance(value, str) and "://" in value:
        try:
            parts = urlsplit(value)
        except ValueError:
            return ""
        user = f"{parts.username}@" if parts.username and parts.scheme not in ("http", "https") else ""
        return urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2], query=_open_query(parts.query)))
    if isinstance(value, str) and "password" in value.lower():
        return ""  # a libpq connection string
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _open_query(query: str) -> str:
    return "&".join(part for part in query.split("&") if _open(part.partition("=")[0]))


def _changed(backend: Backend, why: str) -> DiagnosticsError:
    return failure(
        "Backend changed",
        f"The stack now keeps its state in {backend.describe()}, where nothing is yet; {why}. A plan from here would "
        "make everything a second time.",
        remedy="Run `iac state migrate` to move the state, or put the former backend block back.",
    )
