-- Version 3: several tenders a basket, parts given back, counters that never fall, and which till is at work on a row.

-- The till whose task has the attempt in hand; empty: none has.
ALTER TABLE attempt ADD COLUMN worker TEXT NOT NULL DEFAULT '';
-- What the whole frozen basket costs; 0: the amount is all of it.
ALTER TABLE attempt ADD COLUMN basket_minor INTEGER NOT NULL DEFAULT 0;
-- The cart takes a smaller approval.
ALTER TABLE attempt ADD COLUMN partial INTEGER NOT NULL DEFAULT 0 CHECK (partial IN (0, 1));
-- What was captured, where it is less than was asked for; 0: all of it.
ALTER TABLE attempt ADD COLUMN captured_minor INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempt_by_change ON attempt (changed_wall_ms);

-- One row a refund id, for ever: repeated, it gives nothing back a second time.
CREATE TABLE refund (
    refund_id TEXT PRIMARY KEY,
    attempt_id TEXT NOT NULL REFERENCES attempt (attempt_id),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    reason TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('asked', 'done', 'refused')),
    worker TEXT NOT NULL DEFAULT '',
    wall_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX refund_by_attempt ON refund (attempt_id);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
