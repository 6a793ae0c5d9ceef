"""What is wrong with a value that should conform to a schema."""

from __future__ import annotations

from dataclasses import dataclass, replace

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.schema import Path
from iacengine.schema.paths import path_text


@dataclass(frozen=True, slots=True)
class SchemaFinding:
    """One thing wrong: `message` never holds a value, `path` is where in the object it stands."""

    summary: str
    message: str
    path: Path = ()
    remedy: str | None = None

    def under(self, *steps: str | int) -> SchemaFinding:
        """The same finding seen from the value that holds this one at the steps."""
        return replace(self, path=(*steps, *self.path)) if steps else self

    def diagnostic(self, address: str | None = None) -> Diagnostic:
        """The finding as a diagnostic without a place in a file."""
        where = f"At {path_text(self.path)}: " if len(self.path) > 1 else ""
        return error(self.summary, where + self.message, remedy=self.remedy, address=address)


class SchemaError(Exception):
    """A value does not conform to a schema. `findings` has everything found; `message` and `path` are of the first."""

    def __init__(self, *findings: SchemaFinding) -> None:
        first = findings[0]
        where = f"{path_text(first.path)}: " if first.path else ""
        super().__init__(f"{where}{first.message}")
        self.findings = findings
        self.message = first.message
        self.path = first.path

    def under(self, *steps: str | int) -> SchemaError:
        """The same error seen from the value that holds the wrong one at the steps."""
        return SchemaError(*(finding.under(*steps) for finding in self.findings))


def schema_error(message: str, path: Path = (), *, summary: str = "Invalid value") -> SchemaError:
    """An error with a single finding."""
    return SchemaError(SchemaFinding(summary, message, path))
