-- Version 4: a cart's latest attempts, and the latest of all, are found without looking through every one there ever was.

CREATE INDEX attempt_by_cart ON attempt (cart_id, opened_wall_ms);
CREATE INDEX attempt_by_opening ON attempt (opened_wall_ms);
