"""The first tables.

Names of modules are looked up by `label`, NAMESPACE/NAME/SYSTEM. What a list of versions needs stands in `version`;
what only the page of one needs, in `version_contents`, so that rows of the former stay small.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created timestamptz NOT NULL DEFAULT now(),
    disabled timestamptz
);
COMMENT ON TABLE account IS 'Users';

CREATE TABLE token (
    id text COLLATE "C" PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    name text NOT NULL,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    last_used timestamptz,
    last_address text,
    revoked timestamptz
);
CREATE INDEX token_account ON token (account_id, created);
COMMENT ON TABLE token IS 'digest is the SHA-256 of the whole token, whose secret half has 256 random bits';

CREATE TABLE namespace (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX namespace_folded ON namespace (lower(name));

CREATE TABLE module (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id bigint NOT NULL REFERENCES namespace,
    label text COLLATE "C" NOT NULL UNIQUE,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL,
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    resource_types text[] NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    latest_id bigint,
    deprecated timestamptz,
    deprecation_reason text NOT NULL DEFAULT '',
    successor text NOT NULL DEFAULT '',
    heading tsvector NOT NULL DEFAULT '',
    words tsvector NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX module_folded ON module (lower(label));
CREATE INDEX module_namespace ON module (namespace, label);
CREATE INDEX module_latest ON module (latest_id);
CREATE INDEX module_words ON module USING gin (words) WITH (fastupdate = off);
CREATE INDEX module_tags ON module USING gin (tags) WITH (fastupdate = off);
CREATE INDEX module_resource_types ON module USING gin (resource_types) WITH (fastupdate = off);
COMMENT ON TABLE module IS 'latest_id: the newest version that is neither yanked nor deleted; releases go first';
COMMENT ON COLUMN module.heading IS 'Of name, tags and description: what is found is ranked by it';
COMMENT ON COLUMN module.words IS 'heading, with the README: so long that it is kept apart, and reading it takes time';

CREATE TABLE module_downloads (
    module_id bigint PRIMARY KEY REFERENCES module,
    downloads bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE module_downloads IS 'Beside module, whose many indexes every count would change otherwise';

CREATE TABLE version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    module_id bigint NOT NULL REFERENCES module,
    version text COLLATE "C" NOT NULL,
    precedence text COLLATE "C" NOT NULL,
    published timestamptz NOT NULL DEFAULT clock_timestamp(),
    account_id bigint NOT NULL REFERENCES account,
    size bigint NOT NULL,
    package_digest text COLLATE "C" NOT NULL,
    tree_digest text COLLATE "C" NOT NULL,
    signers text[] NOT NULL DEFAULT '{}',
    dependencies json NOT NULL,
    yanked timestamptz,
    yank_reason text NOT NULL DEFAULT '',
    deleted timestamptz,
    UNIQUE (module_id, precedence)
);
CREATE INDEX version_package ON version (package_digest);
COMMENT ON TABLE version IS 'precedence is the version without build metadata. A deleted one keeps its number taken';

CREATE TABLE version_contents (
    version_id bigint PRIMARY KEY REFERENCES version,
    description text NOT NULL,
    tags text[] NOT NULL,
    source_revision text NOT NULL,
    contents json NOT NULL,
    downloads bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE TABLE envelope (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version_id bigint NOT NULL REFERENCES version,
    digest bytea NOT NULL,
    signers text[] NOT NULL,
    body text NOT NULL,
    account_id bigint NOT NULL REFERENCES account,
    added timestamptz NOT NULL DEFAULT now(),
    UNIQUE (version_id, digest)
);

CREATE TABLE dependency (
    version_id bigint NOT NULL REFERENCES version,
    position int NOT NULL,
    source text NOT NULL,
    version_constraint text NOT NULL,
    label text COLLATE "C",
    PRIMARY KEY (version_id, position)
);
CREATE INDEX dependency_label ON dependency (label, version_id) WHERE label IS NOT NULL;
COMMENT ON TABLE dependency IS 'What versions call; label when it is a module of this registry';

CREATE TABLE word_trigram (
    trigram text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    size int NOT NULL,
    PRIMARY KEY (trigram, word)
);
COMMENT ON TABLE word_trigram IS 'The trigrams of words in names and tags; size is how many the word has';

CREATE TABLE revocation (
    key text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    revoked timestamptz NOT NULL DEFAULT now(),
    account_id bigint NOT NULL REFERENCES account
);
COMMENT ON TABLE revocation IS 'Keys whose signatures count no more';

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    account text NOT NULL,
    token text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail json NOT NULL
);
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit log is only written to'; END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

CREATE TABLE secret (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);
COMMENT ON TABLE secret IS 'Keys that all processes of the service share';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLES, execution_options={"no_parameters": True})
