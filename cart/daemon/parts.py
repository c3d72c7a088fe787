"""The daemon's parts: each turns one device into observations, and says when it is lost and when it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from cart.config import Config
from cart.core.effects import Indicate
from cart.core.observations import (
    AnyObservation,
    Look,
    Part,
    PartChanged,
    ScaleSample,
    Scan,
    ScanRefused,
    Temperature,
    Touch,
)
from cart.daemon.child_messages import (
    RECORD_PICTURES,
    AnyChildMessage,
    CodeSeen,
    Conversion,
    DeviceState,
    ModelState,
    PictureTaken,
    Seen,
)
from cart.daemon.clock import SessionClock
from cart.daemon.supervisor import ChildProcess
from cart.held_codes import held_code
from drivers.errors import DriverError
from drivers.gpio import load_gpio
from drivers.indicators import Indicators
from drivers.power import Power, PowerReading
from drivers.scanner import Chunk, PortState, Scanned, Scanner, ScannerEvent, ScanRejected
from drivers.scanner_framing import Framing
from drivers.staff_button import StaffButton
from drivers.thermometer import Thermometer

log = logging.getLogger(__name__)

Submit = Callable[[AnyObservation], None]

BUTTON_POLL_S = 0.04
"""Twice within the shortest press a person makes, and no measurable load."""
POWER_POLL_S = 10.0
"""A battery and a processor change over minutes."""
PICTURE_LINE_MAX_BYTES = 300_000
"""A picture of at most 200,000 bytes (cart/vision/jpegs.py) in base64, and the words around it."""
HOT_C = 80.0
"""Where a Raspberry Pi begins to slow down (its documentation, "Thermal management")."""


class DevicePart:
    """A device in a child process: its samples and its state."""

    def __init__(self, part: Part, module: str, config_path: str, submit: Submit, clock: SessionClock) -> None:
        self.state = "starting"
        self.child = ChildProcess(part, [module, config_path], on_message=self._said, on_lost=self._lost)
        self._part: Part = part
        self._submit = submit
        self._clock = clock

    def _said(self, message: AnyChildMessage) -> None:
        if isinstance(message, Conversion):
            t_ns = self._clock.from_monotonic(message.t_ns)
            self._submit(ScaleSample(t_ns=t_ns, counts=message.counts, cells=message.cells))
        elif isinstance(message, DeviceState):
            self._change(
                self._clock.from_monotonic(message.t_ns), ok=message.ok, fault=message.fault, why=message.detail
            )

    def _lost(self, reason: str) -> None:
        self._change(self._clock.now_ns(), ok=False, fault="process_lost", why=f"the {self._part} process {reason}")

    def _change(self, t_ns: int, *, ok: bool, fault: str, why: str) -> None:
        state = "ok" if ok else fault
        if state == self.state:
            return
        self.state = state
        log.warning("%s: %s", self._part, "is back" if ok else why)
        self._submit(PartChanged(t_ns=t_ns, part=self._part, ok=ok, fault=fault, detail=why))


class CameraPart(DevicePart):
    """The camera's process: what it made of the basket's changes, and codes that were held up to it."""

    def __init__(self, module: str, config_path: str, submit: Submit, clock: SessionClock) -> None:
        super().__init__("camera", module, config_path, submit, clock)
        self.model = "starting"
        """`ok: …` with what runs, or why there is no classifier."""
        self._on_picture: Callable[[int, bytes], None] | None = None

    def record_pictures(self, on_picture: Callable[[int, bytes], None] | None) -> None:
        """Start the process anew so that it tells its pictures, `on_picture(t_ns, jpeg)`; with None, so that it can't.

        While it does, the camera has the fault `recorded`: the screen says so, and the journal keeps it.
        """
        self._on_picture = on_picture
        if on_picture is None:
            self.child.restart()
            self.state = "starting"
            self._submit(PartChanged(t_ns=self._clock.now_ns(), part="camera", ok=True))
        else:
            self.child.restart(RECORD_PICTURES, line_max_bytes=PICTURE_LINE_MAX_BYTES)
            self._tell_recorded(self._clock.now_ns())

    def _tell_recorded(self, t_ns: int) -> None:
        self._submit(
            PartChanged(t_ns=t_ns, part="camera", ok=False, fault="recorded", detail="its pictures are being recorded")
        )

    def _change(self, t_ns: int, *, ok: bool, fault: str, why: str) -> None:
        super()._change(t_ns, ok=ok, fault=fault, why=why)
        if ok and self._on_picture is not None:
            self._tell_recorded(t_ns)  # being well has taken it back

    def _said(self, message: AnyChildMessage) -> None:
        if isinstance(message, Seen):
            self._submit(
                Look(
                    t_ns=self._clock.from_monotonic(message.t_ns),
                    frame_t_ns=self._clock.from_monotonic(message.frame_t_ns),
                    direction=message.direction,
                    scores=message.scores,
                )
            )
        elif isinstance(message, CodeSeen):
            self._submit(held_code(self._clock.from_monotonic(message.t_ns), message.text, message.symbology))
        elif isinstance(message, ModelState):
            self.model = f"ok: {message.detail}" if message.ok else message.detail
            log.log(logging.INFO if message.ok else logging.WARNING, "classifier: %s", message.detail)
        elif isinstance(message, PictureTaken):
            if self._on_picture is not None:
                self._on_picture(self._clock.from_monotonic(message.t_ns), message.jpeg)
        else:
            super()._said(message)


class ScannerPart:
    """The scanner's thread, its events brought to the loop."""

    def __init__(
        self, config: Config, submit: Submit, clock: SessionClock, on_bytes: Callable[[int, bytes], None]
    ) -> None:
        """`on_bytes(t_ns, data)` hears the bytes as they came in, for a recorder."""
        self.state = "starting"
        self._submit = submit
        self._clock = clock
        self._on_bytes = on_bytes
        self._loop = asyncio.get_running_loop()
        table = config.scanner
        framing = Framing(prefix=table.prefix, suffix=table.suffix, aim_ids=table.aim_ids)
        self._scanner = Scanner(table.port, framing, baudrate=table.baudrate, on_event=self._from_thread)

    def start(self) -> None:
        """Begin to look for the port."""
        self._scanner.start()

    def close(self) -> None:
        """End the thread."""
        self._scanner.close()

    def _from_thread(self, event: ScannerEvent) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._happened, event)

    def _happened(self, event: ScannerEvent) -> None:
        t_ns = self._clock.from_monotonic(event.t_ns)
        if isinstance(event, Chunk):
            self._on_bytes(t_ns, event.data)
        elif isinstance(event, Scanned):
            self._submit(Scan(t_ns=t_ns, text=event.frame.text, symbology=event.frame.symbology))
        elif isinstance(event, ScanRejected):
            self._submit(ScanRefused(t_ns=t_ns, reason=event.refused.reason, shown=event.refused.shown))
        elif isinstance(event, PortState):
            self.state = "ok" if event.ok else event.fault
            log.warning("scanner: %s", "is there" if event.ok else event.detail)
            self._submit(PartChanged(t_ns=t_ns, part="scanner", ok=event.ok, fault=event.fault, detail=event.detail))


class PinsPart:
    """Light, buzzer, the card reader's enable line and the staff-call button. A cart without pins goes on without."""

    def __init__(self, config: Config, submit: Submit, clock: SessionClock) -> None:
        self.state = "ok"
        self._submit = submit
        self._clock = clock
        self._indicators: Indicators | None = None
        self._button: StaffButton | None = None
        table = config.gpio
        try:
            gpio = load_gpio(table.module)
            self._indicators = Indicators(
                gpio,
                light_red_pin=table.light_red_pin,
                light_green_pin=table.light_green_pin,
                buzzer_pin=table.buzzer_pin,
                reader_enable_pin=table.reader_enable_pin,
            )
            self._button = StaffButton(gpio, table.staff_button_pin)
        except DriverError as error:
            self.state = error.fault
            log.warning("pins: %s; light, buzzer and staff button are off", error)

    def indicate(self, effect: Indicate) -> None:
        """Show a colour, begin a sound."""
        if self._indicators is not None:
            self._indicators.light(effect.light)
            if effect.buzzer != "none":
                self._indicators.buzz(effect.buzzer, time.monotonic_ns())

    def enable_reader(self, enabled: bool) -> None:
        """The card reader takes cards only while a payment is open."""
        if self._indicators is not None:
            self._indicators.enable_reader(enabled)

    async def run(self) -> None:
        """Poll the button and move the buzzer on until cancelled."""
        while self._indicators is not None and self._button is not None:
            await asyncio.sleep(BUTTON_POLL_S)
            now_ns = time.monotonic_ns()
            self._indicators.tick(now_ns)
            if self._button.poll(now_ns) == "pressed":
                self._submit(Touch(t_ns=self._clock.now_ns(), action="help"))

    def close(self) -> None:
        """All off."""
        if self._indicators is not None:
            self._indicators.close()
        if self._button is not None:
            self._button.close()


class PowerPart:
    """Battery, heat and throttling, as faults where they need somebody; and how warm the scale is."""

    def __init__(self, config: Config, submit: Submit, clock: SessionClock) -> None:
        self.figures: dict[str, float] = {}
        self._power = Power(config.power.sysfs)
        source = config.scale.thermometer
        self._thermometer = Thermometer(source, sysfs=config.power.sysfs) if source else None
        self._low_percent = config.power.low_percent
        self._submit = submit
        self._clock = clock
        self._ok: dict[Part, bool] = {}
        """What was last said of each; nothing at first, so that an earlier boot's fault is taken back or said again."""

    async def run(self) -> None:
        """Look every ten seconds, in a thread: a gauge's bus may hang."""
        while True:
            reading = await asyncio.to_thread(self._power.read)
            warm = await asyncio.to_thread(self._thermometer.read) if self._thermometer is not None else None
            self._look(reading, None if warm is None else warm.value)
            await asyncio.sleep(POWER_POLL_S)

    def _look(self, reading: PowerReading, scale_celsius: float | None = None) -> None:
        percent, heat = reading.battery_percent.value, reading.soc_temperature_c.value
        throttled = reading.throttling.value
        self.figures = {
            name: value
            for name, value in (("battery_percent", percent), ("soc_celsius", heat), ("scale_celsius", scale_celsius))
            if value is not None
        }
        if scale_celsius is not None:
            self._submit(Temperature(t_ns=self._clock.now_ns(), celsius=scale_celsius))
        if percent is not None:
            low = percent < self._low_percent and not reading.charging.value
            self._say("battery", ok=not low, fault="low", detail=f"{percent:.0f} %")
        if heat is not None:
            self._say("processor", ok=heat < HOT_C, fault="hot", detail=f"{heat:.0f} °C")
        if throttled is not None:
            self._say("power", ok=not throttled.now, fault="throttled", detail=", ".join(throttled.now))

    def _say(self, part: Part, *, ok: bool, fault: str, detail: str) -> None:
        if self._ok.get(part) != ok:
            self._ok[part] = ok
            self._submit(PartChanged(t_ns=self._clock.now_ns(), part=part, ok=ok, fault=fault, detail=detail))
