-- As version 4 on SQLite: a cart's latest attempts are found without looking through every one there ever was.

CREATE INDEX attempt_by_cart ON attempt (cart_id, opened_wall_ms);
