"""The tables of the registry, as Alembic scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from iacengine.foundation.database_schema import SchemaScripts

SCRIPTS: Final = SchemaScripts(Path(__file__).parent, "registry_revision", "0002")
