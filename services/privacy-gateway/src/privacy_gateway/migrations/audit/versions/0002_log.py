"""Records by month, the signed batches that hold them, and the log that puts those in order."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

TABLES = """
ALTER TABLE records RENAME TO records_before;
ALTER TABLE records_before RENAME CONSTRAINT records_pkey TO records_before_pkey;
DROP INDEX records_order, records_subject, records_actor, records_purpose, records_kind,
           records_refused;

CREATE TABLE records (
    id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    leaf bytea NOT NULL,
    kind text NOT NULL,
    decision text NOT NULL,
    purpose text NOT NULL,
    role text NOT NULL,
    subject_tag text,
    actor_tag text NOT NULL,
    categories text[] NOT NULL,
    -- Nothing in records that are older than the log.
    process_id text,
    batch bigint,
    position integer,
    PRIMARY KEY (id, recorded_at),
    CONSTRAINT records_leaf_under_2_kb CHECK (octet_length(leaf) < 2048)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX records_order ON records (recorded_at, id);
CREATE INDEX records_subject ON records (subject_tag, recorded_at, id);
CREATE INDEX records_actor ON records (actor_tag, recorded_at, id);
CREATE INDEX records_purpose ON records (purpose, recorded_at, id);
CREATE INDEX records_kind ON records (kind, recorded_at, id);
CREATE INDEX records_refused ON records (recorded_at, id) WHERE decision = 'refuse';
-- Not unique: all records of a batch then share one entry, which makes it a small index.
CREATE INDEX records_batch ON records (process_id, batch);

CREATE TABLE processes (
    process_id text PRIMARY KEY,
    public_key bytea NOT NULL,
    certificate bytea NOT NULL,
    started_at timestamptz NOT NULL
);
CREATE TABLE batches (
    process_id text NOT NULL,
    number bigint NOT NULL,
    previous bytea NOT NULL,
    records integer NOT NULL,
    leaves bytea NOT NULL,
    signature bytea NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (process_id, number)
);
CREATE TABLE log_batches (
    first_index bigint PRIMARY KEY,
    process_id text NOT NULL,
    number bigint NOT NULL,
    records integer NOT NULL,
    CONSTRAINT log_batches_once UNIQUE (process_id, number)
);
CREATE TABLE tiles (
    level smallint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, number)
);
CREATE TABLE checkpoints (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note text NOT NULL,
    cosigned boolean NOT NULL,
    written_at timestamptz NOT NULL
);
-- Its one row is what sequencers lock: whoever holds it works, the others stand by.
CREATE TABLE sequencing (
    one boolean PRIMARY KEY CHECK (one),
    holder text,
    until timestamptz
);
INSERT INTO sequencing (one) VALUES (true);
"""

MONTHS = """
CREATE FUNCTION make_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    first timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    part text := 'records_' || to_char(first, 'YYYY_MM');
BEGIN
    IF moment NOT BETWEEN '2000-01-01 00:00+00' AND now() + interval '5 years' THEN
        RAISE EXCEPTION 'no month for records' USING ERRCODE = 'datetime_field_overflow';
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'public'::regnamespace)
    THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('public.records'));
    -- By a look into the table: a cached answer would not know what was made while we waited.
    IF EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'public'::regnamespace)
    THEN
        RETURN;
    END IF;
    -- Made apart and attached: that waits for nobody who appends or reads.
    EXECUTE format('CREATE TABLE public.%I (LIKE public.records INCLUDING ALL)', part);
    EXECUTE format(
        'ALTER TABLE public.records ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        part, first AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
END $body$;

-- The months around now, so that one that begins finds its place made.
CREATE FUNCTION make_months(ahead integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT public.make_month(now() + make_interval(months => month))
    FROM generate_series(-1, ahead) AS month
$body$;
REVOKE ALL ON FUNCTION make_month(timestamptz), make_months(integer) FROM PUBLIC;
"""

MOVE = """
SELECT make_month(month) FROM (
    SELECT DISTINCT date_trunc('month', recorded_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month
    FROM records_before
) AS months;
INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,
                     categories)
SELECT id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag, categories
FROM records_before;
DROP TABLE records_before;
SELECT make_months(2);
"""

# Whoever may insert into what the owner makes is the gateway; the sequencer is named after it.
GATEWAY = """
SELECT pg_get_userbyid(granted.grantee) FROM pg_default_acl, aclexplode(defaclacl) AS granted
WHERE defaclrole = current_user::regrole AND defaclobjtype = 'r'
  AND granted.privilege_type = 'INSERT' AND granted.grantee <> defaclrole
"""


def upgrade() -> None:
    for statements in (TABLES, MONTHS, MOVE):
        for statement in _single(statements):
            op.execute(statement)
    gateways = op.get_bind().scalars(sa.text(GATEWAY)).all()
    for gateway in gateways:
        for grant in _grants(gateway, f"{gateway}_log"):
            op.execute(grant)


def _single(statements: str) -> list[str]:
    """One by one, as the driver wants them; a function's body is not cut."""
    outside = statements.split("$body$")
    marked = "$body$".join(
        part if number % 2 else part.replace(";", ";\x00") for number, part in enumerate(outside)
    )
    return [each.strip() for each in marked.split("\x00") if each.strip()]


def _grants(gateway: str, sequencer: str) -> list[str]:
    return [
        f"REVOKE ALL ON log_batches, tiles, checkpoints, sequencing FROM {gateway}",
        f"GRANT SELECT ON log_batches, tiles, checkpoints TO {gateway}",
        f"GRANT EXECUTE ON FUNCTION make_month(timestamptz), make_months(integer) TO {gateway}",
        f"GRANT SELECT ON records, processes, batches TO {sequencer}",
        f"GRANT SELECT, INSERT ON log_batches, checkpoints TO {sequencer}",
        f"GRANT SELECT, INSERT, UPDATE ON tiles TO {sequencer}",
        f"GRANT SELECT, UPDATE ON sequencing TO {sequencer}",
    ]
