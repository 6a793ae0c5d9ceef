"""The tables of the postgres backend, as queries name them; `postgres_migrations` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, MetaData, Table, Text, cast
from sqlalchemy.types import UserDefinedType


class JsonText(UserDefinedType[str]):
    """A column of the type `json`, written and read as text: numbers and escapes stay as they were written, as they
    would not in `jsonb`, which has no NUL in texts either."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"

    def column_expression(self, column: Any) -> Any:
        return cast(column, Text)


METADATA = MetaData()

STACK = Table(
    "iac_stack",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
)
LOCK = Table(
    "iac_lock",
    METADATA,
    Column("stack_id", BigInteger, primary_key=True),
    Column("fencing_token", BigInteger),
    Column("lock_id", Text),
    Column("holder", JsonText),
    Column("expires", DateTime(timezone=True)),
)
STATE = Table(
    "iac_state",
    METADATA,
    Column("stack_id", BigInteger, primary_key=True),
    Column("serial", BigInteger, primary_key=True),
    Column("lineage", Text),
    Column("time", DateTime(timezone=True)),
    Column("objects", BigInteger),
    Column("digest", LargeBinary),
    Column("header", JsonText),
)
OBJECT = Table(
    "iac_object",
    METADATA,
    Column("stack_id", BigInteger, primary_key=True),
    Column("serial_from", BigInteger, primary_key=True),
    Column("serial_to", BigInteger),
    Column("key", LargeBinary, primary_key=True),
    Column("digest", LargeBinary),
    Column("address", Text),
    Column("deposed", Text),
    Column("wide", Boolean),
    Column("body", JsonText),
)
JOURNAL = Table(
    "iac_journal",
    METADATA,
    Column("stack_id", BigInteger, primary_key=True),
    Column("fencing_token", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("batch", Text),
    Column("wide", Boolean),
    Column("body", JsonText),
)
RUN = Table(
    "iac_run",
    METADATA,
    Column("stack_id", BigInteger, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("started", Text),
    Column("outcome", Text),
    Column("body", JsonText),
)
