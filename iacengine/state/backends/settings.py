"""The settings of a backend, as its block in the stack file gives them, and the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error


def _nowhere(diagnostic: Diagnostic, name: str | None) -> Diagnostic:
    return diagnostic


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """The body of a `backend` block: `type` and constant `values`. `place` puts a diagnostic at the setting's place in
    its file (at the block's, for None). `directory` is the stack's folder, which relative paths start from."""

    type: str
    values: Mapping[str, object]
    directory: str = "."
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    place: Callable[[Diagnostic, str | None], Diagnostic] = _nowhere

    def refuse_others(self, known: tuple[str, ...]) -> None:
        """Raise DiagnosticsError when a setting is none of these."""
        for name in self.values:
            if name not in known:
                near = get_close_matches(name, known, 1)
                remedy = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(known)}."
                raise self.wrong(name, f'The backend "{self.type}" has no setting "{name}".', remedy)

    def text(self, name: str, *variables: str, default: str | None = None) -> str | None:
        """A setting that is text; else the first of the environment's `variables` that is set; else the default."""
        value = self.values.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise self.wrong(name, f'The setting "{name}" must be text.', "Write it in quotes.")
        for variable in variables:
            if self.environment.get(variable):
                return self.environment[variable]
        return default

    def required(self, name: str, *variables: str) -> str:
        """As `text`; raises DiagnosticsError when it is set nowhere, or empty."""
        value = self.text(name, *variables)
        if not value:
            where = f"Give it in the block{', or in ' + ' or '.join(variables) if variables else ''}."
            raise self.wrong(None, f'The backend "{self.type}" needs the setting "{name}".', where)
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        raise self.wrong(name, f'The setting "{name}" must be true or false.', "Write true or false.")

    def number(self, name: str, default: float, *, least: float = 0) -> float:
        value = self.values.get(name)
        if value is None:
            return default
        try:
            found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
        except ValueError:
            found = None
        if found is None or not least <= found < float("inf"):
            raise self.wrong(name, f'The setting "{name}" must be a number of at least {least:g}.', "Write a number.")
        return found

    def wrong(self, name: str | None, detail: str, remedy: str) -> DiagnosticsError:
        """The error to raise for what is wrong with a setting, or with the block (None)."""
        found = error("Invalid backend configuration", detail, remedy=remedy)
        return DiagnosticsError(self.place(found, name))

    def with_values(self, **values: object) -> BackendSettings:
        return replace(self, values={**self.values, **values})
