"""Packages that are kept, or about to be, and that no version has: so that a crash leaves none behind for good."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLE = """
CREATE TABLE loose_package (
    id text COLLATE "C" PRIMARY KEY,
    digest text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX loose_package_digest ON loose_package (digest);
COMMENT ON TABLE loose_package IS 'Packages on their way to a version, or whose version was deleted';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLE, execution_options={"no_parameters": True})
