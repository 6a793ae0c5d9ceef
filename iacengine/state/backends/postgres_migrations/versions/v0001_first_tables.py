"""The first tables."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE iac_stack (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
COMMENT ON TABLE iac_stack IS 'The stacks whose state is kept here';

CREATE TABLE iac_lock (
    stack_id bigint PRIMARY KEY REFERENCES iac_stack,
    fencing_token bigint NOT NULL DEFAULT 0,
    lock_id text,
    holder json,
    expires timestamptz
);
COMMENT ON TABLE iac_lock IS 'Who may write: nobody when lock_id is null. fencing_token grows with every holder';

CREATE TABLE iac_state (
    stack_id bigint NOT NULL REFERENCES iac_stack,
    serial bigint NOT NULL,
    lineage text NOT NULL,
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    objects bigint NOT NULL,
    digest bytea NOT NULL,
    header json NOT NULL,
    PRIMARY KEY (stack_id, serial)
);
COMMENT ON TABLE iac_state IS 'Versions of states; the one with the largest serial counts. header is all but objects';

CREATE TABLE iac_object (
    stack_id bigint NOT NULL REFERENCES iac_stack,
    serial_from bigint NOT NULL,
    serial_to bigint,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    address text NOT NULL,
    deposed text NOT NULL,
    wide boolean NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (stack_id, key, serial_from)
);
CREATE UNIQUE INDEX iac_object_present ON iac_object (stack_id, key) WHERE serial_to IS NULL;
CREATE INDEX iac_object_past ON iac_object (stack_id, serial_to) WHERE serial_to IS NOT NULL;
COMMENT ON TABLE iac_object IS
    'Objects of the versions from serial_from up to but without serial_to; of the present one, too, when that is null';

CREATE TABLE iac_journal (
    stack_id bigint NOT NULL REFERENCES iac_stack,
    fencing_token bigint NOT NULL,
    number bigint NOT NULL,
    batch text NOT NULL,
    wide boolean NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (stack_id, fencing_token, number)
);
COMMENT ON TABLE iac_journal IS 'What runs did since the state was written; a batch was appended at once';

CREATE TABLE iac_run (
    stack_id bigint NOT NULL REFERENCES iac_stack,
    id text COLLATE "C" NOT NULL,
    started text COLLATE "C" NOT NULL,
    outcome text NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (stack_id, id)
);
CREATE INDEX iac_run_started ON iac_run (stack_id, started, id);
COMMENT ON TABLE iac_run IS 'Who did what, when, and how it ended';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLES, execution_options={"no_parameters": True})
