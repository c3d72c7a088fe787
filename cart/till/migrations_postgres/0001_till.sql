-- The till's database on PostgreSQL, as version 3 on SQLite (cart/till/migrations); what each column means is told there.
-- Codes and ids compare by bytes, as on SQLite.

CREATE TABLE attempt (
    attempt_id TEXT COLLATE "C" PRIMARY KEY,
    cart_id TEXT COLLATE "C" NOT NULL,
    trip_id TEXT COLLATE "C" NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    basket_hash TEXT NOT NULL,
    method TEXT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    status TEXT NOT NULL CHECK (
        status IN ('pending', 'at_till', 'approved', 'declined', 'cancelled', 'voided', 'not_found')
    ),
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
    reference TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    opened_wall_ms BIGINT NOT NULL,
    changed_wall_ms BIGINT NOT NULL,
    worker TEXT COLLATE "C" NOT NULL DEFAULT '',
    basket_minor BIGINT NOT NULL DEFAULT 0,
    partial INTEGER NOT NULL DEFAULT 0 CHECK (partial IN (0, 1)),
    captured_minor BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX attempt_by_code ON attempt (code);
CREATE INDEX attempt_by_status ON attempt (status);
CREATE INDEX attempt_by_change ON attempt (changed_wall_ms);
CREATE INDEX attempt_by_opening ON attempt (opened_wall_ms);

CREATE TABLE paid_code (
    code TEXT COLLATE "C" PRIMARY KEY,
    amount_minor BIGINT NOT NULL,
    reference TEXT NOT NULL,
    paid_wall_ms BIGINT NOT NULL,
    attempt_id TEXT COLLATE "C" UNIQUE
);

CREATE TABLE refund (
    refund_id TEXT COLLATE "C" PRIMARY KEY,
    attempt_id TEXT COLLATE "C" NOT NULL REFERENCES attempt (attempt_id),
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    reason TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('asked', 'done', 'refused')),
    worker TEXT COLLATE "C" NOT NULL DEFAULT '',
    wall_ms BIGINT NOT NULL
);
CREATE INDEX refund_by_attempt ON refund (attempt_id);

CREATE TABLE cart_row (
    cart_id TEXT COLLATE "C" NOT NULL,
    chain TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    boot TEXT NOT NULL,
    wall_ms BIGINT NOT NULL,
    t_ns BIGINT NOT NULL,
    trip_id TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (cart_id, chain, seq)
);
CREATE INDEX weight_row ON cart_row (cart_id, chain, seq) WHERE substr(body, 1, 13) IN (
    '{"kind":"item', '{"kind":"own_', '{"kind":"weig'
);

CREATE TABLE security_note (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wall_ms BIGINT NOT NULL,
    cart_id TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE published (
    version BIGINT PRIMARY KEY,
    content TEXT NOT NULL,
    wall_ms BIGINT NOT NULL
);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Tills at work, by the database's clock: who has not been seen for a while is dead, and its work is taken over.
CREATE TABLE member (
    name TEXT COLLATE "C" PRIMARY KEY,
    since_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL
);

-- What providers know by attempt id, where their own answers don't tell.
CREATE TABLE intent (
    key TEXT COLLATE "C" PRIMARY KEY,
    id TEXT NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1))
);

-- The simulated acquirer, one bank for all tills.
CREATE TABLE tender (
    key TEXT COLLATE "C" PRIMARY KEY,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('approved', 'declined', 'cancelled', 'voided'))
);
CREATE TABLE tender_refund (
    key TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    amount_minor BIGINT NOT NULL,
    PRIMARY KEY (key, refund_id)
);
