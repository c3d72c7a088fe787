"""Scanner, camera, pins and power: is each there, does it answer, and what does it say?"""

from __future__ import annotations

import time
from pathlib import Path

from cart.diagnostics.check import Bench, Check, Figure, from_status, two_halves
from drivers.camera import Camera
from drivers.errors import DeviceLost, DeviceMissing, DriverError
from drivers.gpio import load_gpio
from drivers.power import Power
from drivers.scanner import PortState, Scanned, Scanner, ScanRejected
from drivers.scanner_framing import Framing

SCAN_WAIT_S = 10.0
OPEN_WAIT_S = 2.0
FIRST_FRAME_S = 3.0
RATE_SHARE_MIN = 0.5
TEMPERATURE_WARN_C = 80.0
"""A Raspberry Pi slows down from 80 °C on (documentation: "Frequency management and thermal control")."""


def check_scanner(bench: Bench) -> Check:
    """Open the port; asked for by name, wait for one scan."""
    said = from_status(bench, "scanner")
    if said is not None:
        return said
    table = bench.config.scanner
    try:
        framing = Framing(prefix=table.prefix, suffix=table.suffix, aim_ids=table.aim_ids)
    except ValueError as error:
        return Check(part="scanner", verdict="fail", summary=str(error), todo="correct scanner.suffix")
    scanner = Scanner(table.port, framing, baudrate=table.baudrate)
    scanner.start()
    try:
        return _watch_port(scanner, table.port, wait_s=SCAN_WAIT_S if bench.thorough else 0.0)
    finally:
        scanner.close()


def _watch_port(scanner: Scanner, port: str, *, wait_s: float) -> Check:
    event = scanner.take(OPEN_WAIT_S)
    if not isinstance(event, PortState):
        return Check(
            part="scanner", verdict="fail", summary=f"{port} does not open", todo="unplug it and plug it in again"
        )
    if not event.ok:
        what, todo = two_halves(event.detail)
        return Check(part="scanner", verdict="fail", summary=what, todo=todo)
    if not wait_s:
        return Check(
            part="scanner", verdict="ok", summary=f"{port} opens", todo="to try a scan, run 'cart diag scanner'"
        )
    return _await_scan(scanner, port, wait_s)


def _await_scan(scanner: Scanner, port: str, wait_s: float) -> Check:
    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        event = scanner.take(left)
        if isinstance(event, Scanned):
            frame = event.frame
            figures: dict[str, Figure] = {"text": frame.text, "symbology": frame.symbology}
            return Check(part="scanner", verdict="ok", summary=f"scanned {frame.text}", figures=figures)
        if isinstance(event, ScanRejected):
            return Check(
                part="scanner",
                verdict="warn",
                summary=f"a scan was refused ({event.refused.reason}): {event.refused.shown}",
                todo="set the scanner's prefix, suffix and AIM identifiers as in the table [scanner]",
            )
        if isinstance(event, PortState) and not event.ok:
            return Check(part="scanner", verdict="fail", summary=event.detail, todo="check its plug")
    return Check(
        part="scanner",
        verdict="warn",
        summary=f"{port} opens, but nothing was scanned within {wait_s:.0f} s",
        todo="scan something; if nothing comes, check scanner.suffix and that it is in USB-CDC mode, not keyboard mode",
    )


def check_camera(bench: Bench) -> Check:
    """Grab for a moment and count the frames."""
    table = bench.config.camera
    if not table.source:
        return Check(
            part="camera",
            verdict="absent",
            summary="none configured; the cart decides by weight and scans alone",
            todo="name one in camera.source if the cart has one",
        )
    said = from_status(bench, "camera")
    if said is not None:
        return said
    with Camera(
        table.source, frames_per_second=table.frames_per_second, frame_age_max_s=table.frame_age_max_s
    ) as camera:
        return _count_frames(camera, table.frames_per_second, bench.seconds)


def _count_frames(camera: Camera, configured: float, seconds: float) -> Check:
    began = time.monotonic()
    first: float | None = None
    seen: set[int] = set()
    size = ""
    problem: DriverError | None = None
    while time.monotonic() - (began if first is None else first) < (FIRST_FRAME_S if first is None else seconds):
        try:
            frame = camera.newest()
        except DriverError as error:
            problem = error
            if isinstance(error, DeviceMissing | DeviceLost):
                break
        else:
            if first is None:
                first = time.monotonic()
            seen.add(frame.seq)
            size = f"{frame.image.shape[1]}×{frame.image.shape[0]}"
        time.sleep(0.01)
    if first is None:
        what, todo = two_halves(str(problem)) if problem else ("no frame came", "")
        return Check(part="camera", verdict="fail", summary=what, todo=todo or "check its plug and camera.source")
    rate = (len(seen) - 1) / max(time.monotonic() - first, 1e-3)
    figures: dict[str, Figure] = {"frames_per_second": round(rate, 2), "configured": configured, "size": size}
    if rate < RATE_SHARE_MIN * configured:
        return Check(
            part="camera",
            verdict="warn",
            summary=f"{rate:.1f} frames/s, configured are {configured:g}",
            todo="more light shortens its exposure; another USB port may be faster",
            figures=figures,
        )
    return Check(part="camera", verdict="ok", summary=f"{rate:.1f} frames/s of {size}", figures=figures)


def check_pins(bench: Bench) -> Check:
    """Reach the pins and read the staff button; nothing is switched on."""
    gpio_table = bench.config.gpio
    if bench.status is not None:
        return Check(part="pins", verdict="ok", summary="in use by the running cart")
    try:
        gpio = load_gpio(gpio_table.module)
        button = gpio_table.staff_button_pin
        gpio.setup(button, gpio.IN, gpio.PUD_UP)
        pressed = not gpio.input(button)
        gpio.cleanup(button)
    except DriverError as error:
        what, todo = two_halves(str(error))
        return Check(part="pins", verdict="fail", summary=what, todo=todo)
    except (RuntimeError, ValueError, OSError) as error:
        return Check(
            part="pins", verdict="fail", summary=f"{gpio_table.module}: {error}", todo="add this user to group gpio"
        )
    if pressed:
        return Check(
            part="pins",
            verdict="warn",
            summary="the staff button reads as pressed",
            todo="let go of it; if nobody presses it, its wire is shorted to ground",
            figures={"staff_button": "pressed"},
        )
    return Check(
        part="pins", verdict="ok", summary=f"{gpio_table.module} answers", figures={"staff_button": "released"}
    )


def check_power(bench: Bench) -> Check:
    """Battery, temperature, throttling, from sysfs; the daemon needs nothing closed for it."""
    table = bench.config.power
    if not Path(table.sysfs).is_dir():
        return Check(part="power", verdict="fail", summary=f"no folder {table.sysfs}", todo="correct power.sysfs")
    reading = Power(table.sysfs).read()
    percent, celsius = reading.battery_percent, reading.soc_temperature_c
    throttling = reading.throttling.value
    figures: dict[str, Figure] = {
        "battery_percent": percent.value,
        "charging": reading.charging.value,
        "soc_temperature_c": celsius.value,
        "throttled": ", ".join(throttling.now) if throttling else None,
        "throttled_since_boot": ", ".join(throttling.since_boot) if throttling else None,
    }
    known = [
        f"battery {percent.value:.0f} %" if percent.value is not None else "",
        f"{celsius.value:.0f} °C" if celsius.value is not None else "",
    ]
    summary = ", ".join(part for part in known if part)
    if throttling and (throttling.now or throttling.since_boot):
        words = ", ".join(throttling.now or throttling.since_boot)
        todo = "use the 5 V supply and cable that the board asks for; check the fan"
        return Check(part="power", verdict="warn", summary=words, todo=todo, figures=figures)
    if celsius.value is not None and celsius.value >= TEMPERATURE_WARN_C:
        todo = "clear the vents, check the fan"
        return Check(part="power", verdict="warn", summary=summary, todo=todo, figures=figures)
    if percent.value is None:
        what, todo = two_halves(percent.reason)
        return Check(
            part="power",
            verdict="absent",
            summary=f"{what}; {summary}" if summary else what,
            todo=todo,
            figures=figures,
        )
    if percent.value <= table.low_percent and not reading.charging.value:
        return Check(part="power", verdict="warn", summary=summary, todo="put the cart on its charger", figures=figures)
    return Check(part="power", verdict="ok", summary=summary, figures=figures)
