"""The tables of a database, made and changed by Alembic scripts that are part of the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from iacengine.foundation.database import Database
from iacengine.foundation.diagnostics import DiagnosticsError, failure


@dataclass(frozen=True, slots=True)
class SchemaScripts:
    """Alembic scripts: their folder, the table that says how far a database is, and the newest revision.

    The folder's env.py takes the connection and the table from the attributes `connection` and `version_table` of
    Alembic's configuration. Scripts name tables without a schema.
    """

    folder: Path
    version_table: str
    head: str


def ensure_tables(
    database: Database, scripts: SchemaScripts, *, make_schema: bool = True, make_tables: bool = True
) -> None:
    """Bring the tables to the newest revision; of several programs that try at once, one does it.

    Raises DiagnosticsError when the database was made by a newer program, is not in UTF-8, or when tables are to be
    made and `make_tables` forbids it.
    """
    where = database.settings.where
    revision = database.transact(lambda connection: _revision(connection, scripts), "look at the tables")
    if revision == scripts.head:
        return
    if revision is not None and revision not in _known(scripts):
        raise newer_tables(where, revision, scripts.head)
    if not make_tables:
        what = "has no tables of iacengine" if revision is None else "has tables of an older iacengine"
        raise failure(
            "Tables are missing",
            f'{where}: the schema "{database.settings.schema}" {what}, and the settings forbid making them.',
            remedy="Leave skip_table_creation out once, with a user who may make tables.",
        )
    database.transact(lambda connection: _upgrade(connection, database, scripts, make_schema), "make the tables")


def tables_are_current(connection: Connection, scripts: SchemaScripts) -> bool:
    """Whether the tables are there, and of the newest revision."""
    return _revision(connection, scripts) == scripts.head


def newer_tables(where: str, revision: str, head: str) -> DiagnosticsError:
    return failure(
        "Tables of a newer iacengine",
        f"{where}: the tables have revision {revision}; this iacengine knows them up to {head}.",
        remedy="Use the version of iacengine that made them, or a newer one.",
    )


def _revision(connection: Connection, scripts: SchemaScripts) -> str | None:
    there = connection.execute(text("SELECT to_regclass(:name)"), {"name": scripts.version_table}).scalar()
    if there is None:
        return None
    return connection.execute(text(f"SELECT version_num FROM {scripts.version_table}")).scalar()  # noqa: S608 - ours


def _known(scripts: SchemaScripts) -> set[str]:
    from alembic.script import ScriptDirectory  # lazy: most often there is nothing to change

    return {script.revision for script in ScriptDirectory(str(scripts.folder)).walk_revisions()}


def _upgrade(connection: Connection, database: Database, scripts: SchemaScripts, make_schema: bool) -> None:
    from alembic.command import upgrade  # lazy: as above
    from alembic.config import Config

    schema = database.settings.schema
    # The number is ours, "iac" in ASCII; the other half tells schemas apart.
    connection.execute(text("SELECT pg_advisory_xact_lock(6906211, hashtext(:schema))"), {"schema": schema})
    if _revision(connection, scripts) == scripts.head:
        return  # somebody else was faster
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise failure(
            "Database of another encoding",
            f"{database.settings.where}: the database is encoded in {encoding}, which cannot hold every text.",
            remedy="Make a database with `createdb --encoding=UTF8 --template=template0`, and name that one.",
        )
    known = connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema}).scalar()
    if known is None:
        if not make_schema:
            raise failure(
                "No such schema",
                f'{database.settings.where}: there is no schema "{schema}", and the settings forbid making it.',
                remedy="Make it, or leave skip_schema_creation out once, with a user who may make schemas.",
            )
        quoted = schema.replace('"', '""')
        connection.exec_driver_sql(f'CREATE SCHEMA "{quoted}"', execution_options={"no_parameters": True})
    config = Config()
    config.set_main_option("script_location", str(scripts.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = scripts.version_table
    upgrade(config, scripts.head)
