"""The tables of the postgres backend, as Alembic scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from iacengine.foundation.database_schema import SchemaScripts

SCRIPTS: Final = SchemaScripts(Path(__file__).parent, "iac_revision", "0001")
