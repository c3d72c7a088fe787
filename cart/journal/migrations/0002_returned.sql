-- Version 2: rows that the store has never seen, and that its own rows took the place of (journal.py, `take_back`).
CREATE TABLE set_aside (
    hash TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    boot TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    t_ns INTEGER NOT NULL,
    trip_id TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL
) STRICT;

DROP TRIGGER ledger_is_deleted_only_under_a_tombstone;
CREATE TRIGGER ledger_is_deleted_only_under_a_tombstone BEFORE DELETE ON ledger
WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE OLD.seq BETWEEN first_seq AND last_seq)
    AND NOT EXISTS (SELECT 1 FROM set_aside WHERE set_aside.hash = OLD.hash)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
