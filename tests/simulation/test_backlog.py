"""Fifty carts that come back at once neither flood 10 Mbit/s nor send anything twice."""

from __future__ import annotations

from benchmarks.backlog import come_back


def test_fifty_carts_after_a_day_offline_leave_room_for_what_is_live() -> None:
    back = come_back(rows=250)
    assert back.rows_held == back.rows == 50 * 250
    assert back.sent_twice == 0
    assert back.live_max_s < 1.0


def test_without_flow_control_what_is_live_would_wait_for_all_of_it() -> None:
    flood = come_back(rows=250, paced=False)
    assert flood.live_max_s > 4.0
    assert flood.sent_twice > 0
