-- Version 1: payment attempts, codes paid by hand, the carts' ledgers.

-- One row an attempt id, for ever: the till's promise that an attempt is charged at most once.
CREATE TABLE attempt (
    attempt_id TEXT PRIMARY KEY,
    cart_id TEXT NOT NULL,
    trip_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    basket_hash TEXT NOT NULL,
    method TEXT NOT NULL,
    code TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status IN ('pending', 'at_till', 'approved', 'declined', 'cancelled', 'voided', 'not_found')
    ),
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
    reference TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    opened_wall_ms INTEGER NOT NULL,
    changed_wall_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX attempt_by_code ON attempt (code);
CREATE INDEX attempt_by_status ON attempt (status);

-- Codes paid at the till before the till had heard of the attempt.
CREATE TABLE paid_code (
    code TEXT PRIMARY KEY,
    amount_minor INTEGER NOT NULL,
    reference TEXT NOT NULL,
    paid_wall_ms INTEGER NOT NULL,
    attempt_id TEXT UNIQUE
) STRICT;

CREATE TABLE cart_row (
    cart_id TEXT NOT NULL,
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    boot TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    t_ns INTEGER NOT NULL,
    trip_id TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (cart_id, chain, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE security_note (
    id INTEGER PRIMARY KEY,
    wall_ms INTEGER NOT NULL,
    cart_id TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
