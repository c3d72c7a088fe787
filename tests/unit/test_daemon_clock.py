"""The session's clock goes on over a restart, whatever the wall clock says."""

from __future__ import annotations

import time

from cart.core.observations import PowerReturned
from cart.daemon.clock import NS_PER_S, SessionClock, seconds_without_power
from tests.unit.shopper import Shopper, revived


def test_a_fresh_clock_is_the_machines_monotonic_one() -> None:
    before = time.monotonic_ns()
    assert before <= SessionClock().now_ns() <= time.monotonic_ns()


def test_after_a_restart_time_goes_on_from_the_last_event_and_the_time_without_power() -> None:
    last = 10**18
    clock = SessionClock(last_event_ns=last, off_s=5.0)
    assert 5 * NS_PER_S < clock.now_ns() - last < 6 * NS_PER_S


def test_an_unknown_time_without_power_still_never_runs_backwards() -> None:
    last = 10**18
    assert SessionClock(last_event_ns=last, off_s=None).now_ns() > last


def test_a_wall_clock_that_comes_up_a_day_ahead_abandons_no_trip() -> None:
    day_s = 86_400.0
    before = Shopper()
    before.scan(1).put(1034.0)
    records = before.records()
    clock = SessionClock(last_event_ns=before.t_ns, off_s=day_s)
    later = Shopper(session=revived(before, records), t_ns=clock.now_ns())
    later.mass_g = before.mass_g
    later.tell(PowerReturned(t_ns=later.t_ns, off_s=day_s))
    later.wait(3.0)
    assert later.phase() == "shopping"
    assert list(later.lines) == ["S1"]


def test_another_process_stamps_fit_the_same_clock() -> None:
    clock = SessionClock(last_event_ns=10**18)
    stamped = time.monotonic_ns()
    assert 0 <= clock.now_ns() - clock.from_monotonic(stamped) < NS_PER_S


def test_a_wall_clock_that_went_back_says_nothing_about_the_time_without_power() -> None:
    assert seconds_without_power(1_000_000, 900_000) is None
    assert seconds_without_power(None, 900_000) is None
    assert seconds_without_power(900_000, 907_500) == 7.5
