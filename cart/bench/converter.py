"""The load cell's converter in real time: physics in, conversions onto the wire, and what the cart's pins answered.

One thread wakes once a conversion (12.5 ms at 80 samples/s) and does little else, so that the world stays a guest on
the machine. The measured curve is kept at ten points a second for the report.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from cart.bench.corners import CornerPlatform
from cart.bench.platform import Platform
from cart.core.settings import ScaleSettings
from drivers.sim.wire import Wire

# Half an hour at ten points a second; a scenario is minutes long.
CURVE_POINTS_MAX = 18_000
CURVE_PERIOD_NS = 100_000_000
# After a suspended laptop wakes up, the converter goes on from now and does not make up for hours.
LATE_NS_MAX = 1_000_000_000

CurvePoint = tuple[float, float, float]
"""(monotonic seconds, measured grams, grams that lie in the basket)."""


class Converter:
    """Drives a `Platform` by the wall's clock. All methods may be called from any thread."""

    def __init__(
        self,
        platform: Platform,
        wire: Wire,
        settings: ScaleSettings,
        *,
        others: Sequence[Wire] = (),
        each_conversion: Callable[[int], None],
    ) -> None:
        """`others`: the wires of the other three cells of a `CornerPlatform`."""
        self._platform = platform
        self._wires = (wire, *others)
        self._settings = settings
        self._each_conversion = each_conversion
        self._lock = threading.Lock()
        # Physics' own clock begins at 0, where its slow wander of zero does.
        self._origin_ns = time.monotonic_ns()
        self._stopping = threading.Event()
        self._curve: deque[CurvePoint] = deque(maxlen=CURVE_POINTS_MAX)
        self._curve_due_ns = 0
        self._thread = threading.Thread(target=self._run, name="converter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def hands(self, act: Callable[[Platform, int], int | None]) -> float:
        """Let hands act on the platform now; returns seconds until the last touch (0 where nothing is touched)."""
        with self._lock:
            now_ns = time.monotonic_ns() - self._origin_ns
            rest_ns = act(self._platform, now_ns)
        return 0.0 if rest_ns is None else max(0.0, (rest_ns - now_ns) / 1e9)

    @property
    def load_g(self) -> float:
        with self._lock:
            return self._platform.load_g

    def curve(self) -> list[CurvePoint]:
        """The last half hour, oldest first."""
        with self._lock:
            return list(self._curve)

    def convert(self, t_ns: int) -> None:
        """Make the conversion that is ready at `t_ns`."""
        with self._lock:
            words = self._words(max(0, t_ns - self._origin_ns))
            if t_ns >= self._curve_due_ns:
                self._curve_due_ns = t_ns + CURVE_PERIOD_NS
                counts = sum(words) / len(words)
                grams = (counts - self._settings.tare_counts) / self._settings.counts_per_gram
                self._curve.append((t_ns / 1e9, round(grams, 1), round(self._platform.load_g, 1)))
        for wire, word in zip(self._wires, words, strict=True):
            wire.convert(word, t_ns)
        self._each_conversion(t_ns)

    def _words(self, t_ns: int) -> tuple[int, ...]:
        """One word a converter."""
        platform = self._platform
        return platform.cells_at(t_ns) if isinstance(platform, CornerPlatform) else (platform.counts_at(t_ns),)

    def _run(self) -> None:
        period_ns = round(1e9 / self._settings.samples_per_second)
        due_ns = time.monotonic_ns() + period_ns
        while not self._stopping.is_set():
            now_ns = time.monotonic_ns()
            if now_ns < due_ns:
                time.sleep((due_ns - now_ns) / 1e9)
            elif now_ns - due_ns > LATE_NS_MAX:
                due_ns = now_ns
            self.convert(due_ns)
            due_ns += period_ns
