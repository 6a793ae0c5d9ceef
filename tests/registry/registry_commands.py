"""A warm process (see tests/warm_process.py) that has imported what `iac registry` and `iac login` need as well."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from warm_process import main

for name in (
    "alembic.command",
    "iacengine.cli.commands.login",
    "iacengine.cli.commands.registry",
    "iacengine.foundation.http",
    "iacengine.modules.wire",
    "iacengine.registry.server",
    "sqlalchemy.dialects.postgresql.psycopg",
):
    importlib.import_module(name)

if __name__ == "__main__":
    main()
