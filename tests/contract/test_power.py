"""Battery, temperature and throttling from a folder: what is not known is None with a reason, never 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.power import THROTTLED_FILE, Power, Throttling
from drivers.sim.sysfs import SimSysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> SimSysfs:
    return SimSysfs(tmp_path)


def test_a_sound_cart(sysfs: SimSysfs) -> None:
    sysfs.set_battery(83, status="Charging")
    sysfs.set_temperature(51.25)
    reading = Power(sysfs.root).read()
    assert reading.battery_percent.value == 83
    assert reading.charging.value is True
    assert reading.soc_temperature_c.value == 51.25
    assert reading.throttling.value == Throttling((), ())


def test_an_empty_battery_is_zero_and_a_missing_one_is_none(sysfs: SimSysfs) -> None:
    sysfs.set_battery(0)
    assert Power(sysfs.root).read().battery_percent.value == 0
    sysfs.set_battery(None)
    reading = Power(sysfs.root).read()
    assert (reading.battery_percent.value, reading.charging.value) == (None, None)
    assert "gauge" in reading.battery_percent.reason


def test_nothing_at_all_is_all_none_with_reasons(tmp_path: Path) -> None:
    reading = Power(tmp_path / "nothing").read()
    for known in (reading.battery_percent, reading.charging, reading.soc_temperature_c, reading.throttling):
        assert known.value is None
        assert str(tmp_path) in known.reason


@pytest.mark.parametrize("text", ["", "-1", "101", "garbage", "\xff"])
def test_a_lying_gauge_is_none(sysfs: SimSysfs, text: str) -> None:
    (sysfs.root / "class/power_supply/battery/capacity").write_text(text, encoding="utf-8")
    known = Power(sysfs.root).read().battery_percent
    assert known.value is None
    assert "capacity" in known.reason


@pytest.mark.parametrize("text", ["", "-273000", "999000", "hot"])
def test_an_impossible_temperature_is_none(sysfs: SimSysfs, text: str) -> None:
    (sysfs.root / "class/thermal/thermal_zone0/temp").write_text(text)
    known = Power(sysfs.root).read().soc_temperature_c
    assert known.value is None
    assert "temp" in known.reason


def test_a_scanners_own_battery_is_not_the_carts(sysfs: SimSysfs) -> None:
    other = sysfs.root / "class/power_supply/a-scanner"
    other.mkdir()
    for name, text in {"type": "Battery", "scope": "Device", "capacity": "3"}.items():
        (other / name).write_text(text)
    assert Power(sysfs.root).read().battery_percent.value == 100


def test_the_processors_zone_is_found_among_others(sysfs: SimSysfs) -> None:
    other = sysfs.root / "class/thermal/thermal_zone1"
    other.mkdir()
    (other / "type").write_text("rp1_adc")
    (other / "temp").write_text("99000")
    assert Power(sysfs.root).read().soc_temperature_c.value == 45.0
    sysfs.set_temperature(None)
    assert Power(sysfs.root).read().soc_temperature_c.value is None


def test_throttling_bits_have_names(sysfs: SimSysfs) -> None:
    sysfs.set_throttled(0x50005)
    assert Power(sysfs.root).read().throttling.value == Throttling(
        now=("under-voltage", "throttled"), since_boot=("under-voltage has occurred", "throttling has occurred")
    )
    (sysfs.root / THROTTLED_FILE).write_text("throttled=0x0")
    assert Power(sysfs.root).read().throttling.value is None
    sysfs.set_throttled(None)
    assert Power(sysfs.root).read().throttling.value is None


def test_it_comes_back_by_itself(sysfs: SimSysfs) -> None:
    power = Power(sysfs.root)
    sysfs.set_battery(None)
    assert power.read().battery_percent.value is None
    sysfs.set_battery(55)
    assert power.read().battery_percent.value == 55
