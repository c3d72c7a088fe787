"""Light, buzzer, card reader's enable line and staff button on simulated pins, and the pins themselves."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import WALL
from drivers.errors import DeviceMissing
from drivers.gpio import clock_of, load_gpio
from drivers.hx711_gpio import Hx711Gpio
from drivers.indicators import Indicators, Light
from drivers.protocols import GpioApi
from drivers.sim.gpio import SimGpio
from drivers.sim.wire import Wire
from drivers.staff_button import StaffButton

RED, GREEN, BUZZER, BUTTON, ENABLE = 17, 27, 22, 23, 24
MS = 1_000_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Wire]:
    with Wire.create(tmp_path / "wire") as wire:
        yield wire


@pytest.fixture
def gpio(world: Wire) -> GpioApi:
    return load_gpio(f"sim:{world.path}")


@pytest.fixture
def indicators(gpio: GpioApi) -> Indicators:
    return Indicators(gpio, light_red_pin=RED, light_green_pin=GREEN, buzzer_pin=BUZZER, reader_enable_pin=ENABLE)


@pytest.mark.parametrize(
    ("light", "levels"),
    [("off", [False, False]), ("red", [True, False]), ("green", [False, True]), ("amber", [True, True])],
)
def test_light_is_seen_by_the_world(world: Wire, indicators: Indicators, light: Light, levels: list[bool]) -> None:
    indicators.light(light)
    assert [world.pin(RED), world.pin(GREEN)] == levels


def test_reader_is_enabled_only_when_told(world: Wire, indicators: Indicators) -> None:
    assert world.pin(ENABLE) is False
    indicators.enable_reader(True)
    assert world.pin(ENABLE) is True
    indicators.close()
    indicators.close()
    assert [world.pin(pin) for pin in (RED, GREEN, BUZZER, ENABLE)] == [None] * 4


def test_buzzer_plays_a_pattern_and_ends(world: Wire, indicators: Indicators) -> None:
    indicators.buzz("attention", 0)
    heard = []
    for t_ms in range(0, 1000, 10):
        indicators.tick(t_ms * MS)
        heard.append(world.pin(BUZZER))
    assert [heard.index(True), heard[20:35], heard[35:55], heard[90:]] == [0, [False] * 15, [True] * 20, [False] * 10]
    assert indicators.next_deadline_ns is None


def test_buzzer_can_be_cut_short(world: Wire, indicators: Indicators) -> None:
    indicators.buzz("ok", 0)
    assert world.pin(BUZZER) is True
    assert indicators.next_deadline_ns == 60 * MS
    indicators.buzz("none", 10 * MS)
    assert world.pin(BUZZER) is False
    assert indicators.next_deadline_ns is None


def test_button_bounces_once_pressed(world: Wire, gpio: GpioApi) -> None:
    button = StaffButton(gpio, BUTTON)
    changes = []
    for t_ms in range(0, 400, 5):
        if 100 <= t_ms < 120:
            world.set_pin(BUTTON, t_ms % 10 == 5)  # bouncing
        elif 120 <= t_ms < 250:
            world.set_pin(BUTTON, False)
        else:
            world.set_pin(BUTTON, None)
        change = button.poll(t_ms * MS)
        if change:
            changes.append((change, t_ms))
    assert changes == [("pressed", 150), ("released", 280)]
    button.close()
    button.close()


def test_a_glitch_is_no_press(world: Wire, gpio: GpioApi) -> None:
    button = StaffButton(gpio, BUTTON)
    world.set_pin(BUTTON, False)
    assert button.poll(0) is None
    world.set_pin(BUTTON, None)
    assert [button.poll(t_ms * MS) for t_ms in range(20, 200, 20)] == [None] * 9
    assert not button.pressed


def test_two_processes_share_one_wire(world: Wire, gpio: GpioApi, indicators: Indicators) -> None:
    scale_side = load_gpio(f"sim:{world.path}")
    indicators.light("green")
    with Hx711Gpio(scale_side, dout_pin=5, sck_pin=6) as reader:
        for n in range(40):
            world.convert(5000 + n)
        assert world.pin(GREEN) is True
        assert reader.statistics.read == 0


def test_live_the_reader_gets_the_worlds_conversions(world: Wire) -> None:
    import threading

    stop = threading.Event()

    def convert() -> None:
        while not stop.wait(0.0125):
            world.convert(84213)

    writer = threading.Thread(target=convert)
    writer.start()
    try:
        with Hx711Gpio(load_gpio(f"sim:{world.path}"), dout_pin=5, sck_pin=6) as reader:
            readings = [reader.read(timeout_s=5) for _ in range(40)]
            assert reader.statistics.overlong == 0
    finally:
        stop.set()
        writer.join()
    assert {reading.counts for reading in readings} == {84213}
    assert 0 <= time.monotonic_ns() - readings[-1].t_ns < 1_000_000_000


def test_pins_refuse_what_the_library_refuses(world: Wire) -> None:
    gpio = SimGpio(world)
    with pytest.raises(RuntimeError, match="setmode"):
        gpio.setup(RED, gpio.OUT)
    with pytest.raises(ValueError, match="BCM"):
        gpio.setmode(gpio.BOARD)
    gpio.setmode(gpio.BCM)
    for act in (lambda: gpio.input(RED), lambda: gpio.output(RED, 1)):
        with pytest.raises(RuntimeError, match=r"set ?up"):
            act()
    with pytest.raises(ValueError, match="channel"):
        gpio.setup(99, gpio.OUT)
    with pytest.raises(RuntimeError, match="edge"):
        gpio.add_event_detect(RED, gpio.RISING)
    gpio.setup([RED, GREEN], gpio.OUT, initial=1)
    gpio.output([RED, GREEN], [0, 1])
    assert [world.pin(RED), world.pin(GREEN)] == [False, True]
    gpio.setup(BUTTON, gpio.IN, pull_up_down=gpio.PUD_DOWN)
    assert gpio.input(BUTTON) == 0
    gpio.cleanup()
    assert world.pin(GREEN) is None


@pytest.mark.parametrize(
    ("module", "said"),
    [("RPi.GPIO", "pip install|Raspberry Pi pins"), ("no_such_gpio", "pip install"), ("sim:/nowhere", "cart demo")],
)
def test_missing_pins_say_what_to_do(module: str, said: str) -> None:
    with pytest.raises(DeviceMissing, match=said) as caught:
        load_gpio(module)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("This module can only be run on a Raspberry Pi!"), OSError("gpiochip0")]
)
def test_a_library_off_a_pi_says_what_to_do(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(_name: str) -> Any:
        raise error

    monkeypatch.setattr("drivers.gpio.importlib.import_module", refuse)
    with pytest.raises(DeviceMissing, match="Raspberry Pi pins"):
        load_gpio("RPi.GPIO")


def test_a_library_is_set_to_bcm_without_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int]] = []
    library: Any = types.ModuleType("a_gpio")
    library.BCM = 11
    library.setmode = lambda mode: calls.append(("setmode", mode))
    library.setwarnings = lambda on: calls.append(("setwarnings", on))
    monkeypatch.setitem(sys.modules, "a_gpio", library)
    gpio = load_gpio("a_gpio")
    assert calls == [("setwarnings", False), ("setmode", 11)]
    assert clock_of(gpio) is WALL
