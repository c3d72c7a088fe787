-- Version 2: what the till has published, and the rows that say something of weights.

-- A catalogue's number only grows: carts refuse an older one. `content` is the SHA-256 of all of it but its number.
CREATE TABLE published (
    version INTEGER PRIMARY KEY,
    content TEXT NOT NULL,
    wall_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX weight_row ON cart_row (cart_id, chain, seq) WHERE substr(body, 1, 13) IN (
    '{"kind":"item', '{"kind":"own_', '{"kind":"weig'
);
