"""`cart diag --watch`: the weight curve, noise, rate, scans, frames/s and link, live in the terminal.

Where a daemon runs it listens to that; otherwise it reads scale and scanner itself. One thread a source puts what it
hears into a bounded queue; the view empties it five times a second.
"""

from __future__ import annotations

import base64
import queue
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Header, Sparkline, Static

from cart.control_client import ControlClient, Observed
from cart.core.problem import Problem
from cart.core.settings import ScaleSettings
from cart.core.weighing.cells import scale_counts
from cart.diagnostics.check import Bench
from cart.diagnostics.scale import Sample, ScaleFigures, measure
from drivers.errors import DriverError
from drivers.scale import open_scale_reader
from drivers.scanner import PortState, Scanned, Scanner, ScannerEvent, ScanRejected
from drivers.scanner_framing import Frame, Framing, ScannerFramer

QUEUE_MAX = 4000
"""Fifty seconds of samples: a view that falls further behind drops what comes on top."""
CURVE_S = 20.0
CURVE_POINTS = 120
FIGURES_S = 2.0
SCANS_SHOWN = 5
REDRAW_S = 0.2
STATUS_S = 1.0

Heard = Sample | str
"""A sample, or a line about the scanner or a lost device."""


class Window:
    """The last CURVE_S of samples and the last scans. Constant memory."""

    def __init__(self, settings: ScaleSettings) -> None:
        self._settings = settings
        self._samples: deque[Sample] = deque(maxlen=round(CURVE_S * 100))
        self.scans: deque[str] = deque(maxlen=SCANS_SHOWN)
        self.status: dict[str, Any] = {}

    def hear(self, heard: Heard) -> None:
        if isinstance(heard, str):
            self.scans.append(heard)
        else:
            self._samples.append(heard)

    def grams(self, counts: int) -> float:
        return (counts - self._settings.tare_counts) / self._settings.counts_per_gram

    def curve_g(self) -> list[float]:
        """Mean weight in each of CURVE_POINTS slices of the last CURVE_S, oldest first; gaps repeat the last."""
        if not self._samples:
            return []
        end_ns = self._samples[-1][0]
        width_ns = CURVE_S * 1e9 / CURVE_POINTS
        sums = [(0.0, 0)] * CURVE_POINTS
        for t_ns, counts in self._samples:
            index = CURVE_POINTS - 1 - int((end_ns - t_ns) / width_ns)
            if index >= 0:
                total, number = sums[index]
                sums[index] = (total + self.grams(counts), number + 1)
        curve: list[float] = []
        for total, number in sums:
            if number:
                curve.append(total / number)
            elif curve:
                curve.append(curve[-1])
        return curve

    def figures(self) -> ScaleFigures | None:
        """Of the last FIGURES_S."""
        if not self._samples:
            return None
        begin_ns = self._samples[-1][0] - round(FIGURES_S * 1e9)
        return measure([sample for sample in self._samples if sample[0] >= begin_ns], self._settings)


class Ears:
    """The threads that listen; `take` gives what they heard since."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._heard: queue.Queue[Heard] = queue.Queue(QUEUE_MAX)
        self._closing = threading.Event()
        self._scanner: Scanner | None = None
        table = bench.config.scanner
        self._framing = Framing(prefix=table.prefix, suffix=table.suffix, aim_ids=table.aim_ids)
        work = self._listen_to_daemon if bench.status is not None else self._read_scale
        self._thread = threading.Thread(target=work, name="ears", daemon=True)

    def open(self) -> None:
        self._thread.start()
        if self._bench.status is None:
            table = self._bench.config.scanner
            self._scanner = Scanner(table.port, self._framing, baudrate=table.baudrate, on_event=self._scanner_said)
            self._scanner.start()

    def close(self) -> None:
        self._closing.set()
        if self._scanner is not None:
            self._scanner.close()
        self._thread.join(timeout=2.0)

    def take(self) -> list[Heard]:
        heard: list[Heard] = []
        while not self._heard.empty():
            heard.append(self._heard.get_nowait())
        return heard

    def _put(self, heard: Heard) -> None:
        if not self._heard.full():
            self._heard.put_nowait(heard)

    def _listen_to_daemon(self) -> None:
        framer = ScannerFramer(self._framing)
        try:
            for observed in ControlClient(Path(self._bench.config.journal.folder)).observe():
                if self._closing.is_set():
                    return
                if observed is not None:
                    self._observed(observed, framer)
        except Problem as error:
            self._put(str(error))
        self._put("the cart was stopped")

    def _observed(self, observed: Observed, framer: ScannerFramer) -> None:
        if observed.topic == "/scale":
            self._put((observed.t_ns, int(observed.body.get("counts", 0))))
        elif observed.topic == "/scanner":
            for framed in framer.feed(base64.b64decode(observed.body.get("data", "")), observed.t_ns):
                self._put(framed.text if isinstance(framed, Frame) else f"refused ({framed.reason}): {framed.shown}")

    def _read_scale(self) -> None:
        config = self._bench.config
        while not self._closing.is_set():
            try:
                with open_scale_reader(config.gpio.module, config.scale) as reader:
                    while not self._closing.is_set():
                        reading = reader.read()
                        self._put((reading.t_ns, scale_counts(reading, config.scale)))
            except DriverError as error:
                self._put(f"scale: {error}")
                self._closing.wait(1.0)

    def _scanner_said(self, event: ScannerEvent) -> None:
        if isinstance(event, Scanned):
            self._put(event.frame.text)
        elif isinstance(event, ScanRejected):
            self._put(f"refused ({event.refused.reason}): {event.refused.shown}")
        elif isinstance(event, PortState):
            self._put("the scanner is there" if event.ok else event.detail)


class WatchApp(App[None]):
    """The live view."""

    TITLE = "cart diag"
    CSS = """
    #gross { text-style: bold; padding: 1 2 0 2; }
    #curve { height: 8; margin: 1 2; }
    #figures, #parts, #scans { padding: 0 2; margin-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "quit", "Quit")]

    def __init__(self, bench: Bench, ears: Ears) -> None:
        super().__init__()
        self.bench = bench
        self.ears = ears
        self.window = Window(bench.config.scale)
        self.window.status = bench.status or {}
        self._asked_s = time.monotonic()

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("waiting for the scale …", id="gross", markup=False)
        yield Sparkline([0.0, 0.0], id="curve")
        yield Static("", id="figures", markup=False)
        yield Static("", id="parts", markup=False)
        yield Static("", id="scans", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = self.bench.config.cart.id
        self.ears.open()
        self.set_interval(REDRAW_S, self.redraw)

    def on_unmount(self) -> None:
        self.ears.close()

    def redraw(self) -> None:
        """Empty the queue and show what there is."""
        for heard in self.ears.take():
            self.window.hear(heard)
        curve = self.window.curve_g()
        if curve:
            self.query_one("#gross", Static).update(f"{curve[-1]:+10.1f} g")
            lowest = min(curve)
            # A sparkline's bars begin at its least value; shown above that, so that a still cart isn't a wall of noise.
            self.query_one("#curve", Sparkline).data = [value - lowest for value in curve]
        self.query_one("#figures", Static).update(figures_line(self.window.figures()))
        self.query_one("#parts", Static).update(parts_line(self.window.status, running=self.bench.status is not None))
        self.query_one("#scans", Static).update("\n".join(["scans", *self.window.scans]))
        if self.bench.status is not None and time.monotonic() - self._asked_s > STATUS_S:
            self._asked_s = time.monotonic()
            self.run_worker(self._ask, thread=True, exclusive=True)

    def _ask(self) -> None:
        try:
            self.window.status = ControlClient(Path(self.bench.config.journal.folder)).status()
        except Problem as error:
            self.window.status = {"parts": {"cart": str(error)}}


def figures_line(figures: ScaleFigures | None) -> str:
    """Rate, noise and glitches in one line."""
    if figures is None:
        return "no samples"
    return (
        f"{figures.rate_measured:6.1f} of {figures.rate_configured:g} samples/s   noise {figures.noise_g:6.2f} g   "
        f"spread {figures.spread_g:8.1f} g   glitches {figures.glitches}   saturated {figures.saturated}   "
        f"longest gap {figures.longest_gap_s:.2f} s"
    )


def parts_line(status: dict[str, Any], *, running: bool) -> str:
    """What the daemon says of its parts, frames and link."""
    if not running:
        return "no cart is running: scale and scanner are read directly"
    parts, figures, link = status.get("parts", {}), status.get("figures", {}), status.get("link", {})
    lines = ["   ".join(f"{name} {state}" for name, state in parts.items())]
    frames = figures.get("camera_frames_per_second")
    if frames is not None:
        lines.append(f"{frames:.1f} frames/s")
    lines.append(f"link {'up' if link.get('linked') else 'down'} (MQTT {link.get('protocol', '?')})")
    return "\n".join(lines)


def run_watch(bench: Bench) -> int:
    """Show until 'q'. Raises Problem without a terminal."""
    if not sys.stdout.isatty():
        raise Problem("--watch needs a terminal; without one use 'cart diag --json'")
    WatchApp(bench, Ears(bench)).run()
    return 0
