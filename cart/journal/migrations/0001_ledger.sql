-- Version 1: the ledger, its outbox, tombstones, catalogues, and what is known of the journal itself.
CREATE TABLE about (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Append-only; rows are numbered 1, 2, 3… without gaps and chained (cart/core/chain.py says how).
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    t_ns INTEGER NOT NULL,
    trip_id TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    -- Read out of the hashed body, so that there is nothing beside the hash to tamper with.
    kind TEXT GENERATED ALWAYS AS (body ->> '$.kind') VIRTUAL,
    phase TEXT GENERATED ALWAYS AS (body ->> '$.phase') VIRTUAL
) STRICT;
CREATE INDEX ledger_by_trip ON ledger (trip_id, seq);
CREATE INDEX ledger_by_kind ON ledger (kind, phase, seq);

-- What the store has not acknowledged yet; written in the transaction of the row itself.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES ledger (seq)
) STRICT;

CREATE TABLE tombstone (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    trip_id TEXT NOT NULL,
    prev TEXT NOT NULL,
    first_hash TEXT NOT NULL,
    last_hash TEXT NOT NULL,
    deleted_wall_ms INTEGER NOT NULL,
    signature TEXT NOT NULL
) STRICT;

CREATE TABLE catalogue (
    version INTEGER PRIMARY KEY,
    stored_wall_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TRIGGER ledger_is_never_edited BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER ledger_is_deleted_only_under_a_tombstone BEFORE DELETE ON ledger
WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE OLD.seq BETWEEN first_seq AND last_seq)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
