"""The devices of a real cart, wired as docs/hil.md says. An empty basket; nobody touches the cart meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from cart.config import Config
from drivers.camera import Camera
from drivers.errors import NotReady
from drivers.gpio import load_gpio
from drivers.hx711 import PinReader
from drivers.indicators import Indicators
from drivers.power import Power
from drivers.protocols import GpioApi, ScaleReader
from drivers.scale import open_scale_reader
from drivers.scanner import PortState, Scanned, Scanner
from drivers.scanner_framing import Framing

pytestmark = pytest.mark.hil

LOOPS = {17: 12, 27: 16, 22: 20, 24: 21}
"""Output pin to the input pin it is wired to for the loop-back test (BCM numbers)."""


@pytest.fixture
def reader(cart: Config) -> Iterator[ScaleReader]:
    with open_scale_reader(cart.gpio.module, cart.scale) as one:
        yield one


def test_scale_gives_every_conversion_and_none_is_garbled(cart: Config, reader: ScaleReader) -> None:
    rate = cart.scale.samples_per_second
    readings = [reader.read() for _ in range(int(rate * 30))]
    took_s = (readings[-1].t_ns - readings[0].t_ns) / 1e9
    assert len(readings) / took_s == pytest.approx(rate, rel=0.2)  # the chip's own oscillator is up to a fifth off
    counted = reader.statistics
    bad = counted.overlong + counted.desync + counted.stuck_low + counted.late + counted.garbled
    assert bad <= len(readings) / 1000


def test_scale_is_alive_and_quiet(cart: Config, reader: ScaleReader) -> None:
    counts = [reader.read().counts for _ in range(200)]
    assert len(set(counts)) > 10
    noise_g = statistics.median(abs(one - statistics.median(counts)) for one in counts) / abs(
        cart.scale.counts_per_gram
    )
    assert noise_g < 3


def test_scale_comes_back_from_a_reset_to_the_same_weight(cart: Config, reader: ScaleReader) -> None:
    before = statistics.median(reader.read().counts for _ in range(20))
    reader.reset()
    after = statistics.median(reader.read().counts for _ in range(20))
    assert abs(after - before) < 5 * abs(cart.scale.counts_per_gram)


def test_scale_sleeps_and_wakes(reader: ScaleReader) -> None:
    if not isinstance(reader, PinReader):
        pytest.skip("the kernel's driver has no power-down")
    reader.power_down()
    with pytest.raises(NotReady):
        reader.read()
    reader.power_up()
    assert reader.read().counts != 0


@pytest.fixture
def gpio(cart: Config) -> GpioApi:
    return load_gpio(cart.gpio.module)


def test_outputs_reach_their_loops(cart: Config, gpio: GpioApi) -> None:
    pins = cart.gpio
    outputs = (pins.light_red_pin, pins.light_green_pin, pins.buzzer_pin, pins.reader_enable_pin)
    if set(outputs) != set(LOOPS):
        pytest.skip("the loop-back wires are for the default pins")
    for pin in LOOPS.values():
        gpio.setup(pin, gpio.IN, pull_up_down=gpio.PUD_DOWN)
    indicators = Indicators(
        gpio,
        light_red_pin=pins.light_red_pin,
        light_green_pin=pins.light_green_pin,
        buzzer_pin=pins.buzzer_pin,
        reader_enable_pin=pins.reader_enable_pin,
    )
    try:
        indicators.light("red")
        assert [gpio.input(LOOPS[pin]) for pin in outputs] == [1, 0, 0, 0]
        indicators.light("green")
        indicators.buzz("ok", time.monotonic_ns())
        indicators.enable_reader(True)
        assert [gpio.input(LOOPS[pin]) for pin in outputs] == [0, 1, 1, 1]
    finally:
        indicators.close()
        gpio.cleanup(list(LOOPS.values()))


def test_scanner_reads_the_test_code(cart: Config) -> None:
    """Somebody scans any product within 30 s, or the scanner looks at one in presentation mode."""
    table = cart.scanner
    framing = Framing(prefix=table.prefix, suffix=table.suffix, aim_ids=table.aim_ids)
    scanner = Scanner(table.port, framing, baudrate=table.baudrate)
    scanner.start()
    try:
        state = scanner.take(5)
        assert isinstance(state, PortState)
        assert state.ok, state.detail
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            event = scanner.take(1)
            if isinstance(event, Scanned):
                assert event.frame.text
                return
        pytest.fail("nothing was scanned within 30 s")
    finally:
        scanner.close()


def test_camera_gives_fresh_frames_that_differ(cart: Config) -> None:
    table = cart.camera
    if not table.source:
        pytest.skip("this cart has no camera")
    with Camera(table.source, frames_per_second=table.frames_per_second) as camera:
        seen: set[bytes] = set()
        deadline = time.monotonic() + 20
        while len(seen) < 10 and time.monotonic() < deadline:
            time.sleep(0.1)
            try:
                frame = camera.newest()
            except NotReady:
                continue
            assert time.monotonic_ns() - frame.t_ns < 1_000_000_000
            seen.add(frame.image.tobytes())
    assert len(seen) >= 10


def test_power_is_known(cart: Config) -> None:
    reading = Power(cart.power.sysfs).read()
    for known in (reading.battery_percent, reading.soc_temperature_c, reading.throttling):
        assert known.value is not None, known.reason
