"""What the camera over the basket would see, drawn: a coloured shape a product, and a hand while something moves.

A modest picture, not a photograph: enough for the camera's path through the cart, for stale and frozen frames, and for
telling products apart by look. It is drawn anew only when something changed.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cart.bench.things import Thing
from drivers.sim.wire import FrameWire

WIDTH, HEIGHT = 320, 240
FRAMES_PER_SECOND = 5.0
COLUMNS, ROWS = 6, 4
FLOOR_BGR = (66, 62, 58)
BARS_BGR = (92, 88, 84)
HAND_BGR = (138, 170, 224)
SHOWN_RADIUS = 84

Picture = npt.NDArray[np.uint8]


def look_of(sku: str | None, label: str) -> tuple[tuple[int, int, int], int]:
    """Colour (BGR) and shape number of a product; the same for each of its units, on every machine."""
    number = zlib.crc32((sku or label).encode())
    return (60 + number % 180, 60 + (number >> 8) % 180, 60 + (number >> 16) % 180), (number >> 24) % 3


def empty_basket() -> Picture:
    """The basket's floor with its bars."""
    picture: Picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = FLOOR_BGR
    picture[::20] = BARS_BGR
    picture[:, ::20] = BARS_BGR
    return picture


def draw(picture: Picture, x: int, y: int, radius: int, colour: tuple[int, int, int], shape: int) -> None:
    """A disc (0), a box (1) or a bottle seen from above, a ring (2), centred on (x, y) pixels."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    squared = (columns - x) ** 2 + (rows - y) ** 2
    box = (abs(columns - x) < radius) & (abs(rows - y) < radius * 0.8)
    picture[box if shape == 1 else squared < radius**2] = colour
    if shape == 2:
        picture[squared < (radius // 2) ** 2] = tuple(channel // 2 for channel in colour)


def basket_picture(things: Sequence[Thing], shown: Thing | None, hand: bool) -> Picture:
    """The whole scene. Things lie in a grid, the newest on top where it is full."""
    picture = empty_basket()
    for index, thing in enumerate(things):
        place = index % (COLUMNS * ROWS)
        x = WIDTH * (2 * (place % COLUMNS) + 1) // (2 * COLUMNS)
        y = HEIGHT * (2 * (place // COLUMNS) + 1) // (2 * ROWS)
        colour, shape = look_of(thing.sku, thing.label)
        draw(picture, x, y, 22, colour, shape)
    if hand:
        picture[HEIGHT // 2 :, WIDTH // 2 - 26 : WIDTH // 2 + 26] = HAND_BGR
        draw(picture, WIDTH // 2, HEIGHT // 2, 38, HAND_BGR, 0)
    if shown is not None:
        colour, shape = look_of(shown.sku, shown.label)
        draw(picture, WIDTH // 2, HEIGHT // 2, SHOWN_RADIUS, colour, shape)
    return picture


class Eye:
    """Exposes frames onto the wire in a thread of its own, five a second, until stopped."""

    def __init__(self, wire: FrameWire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._things: list[Thing] = []
        self._shown: Thing | None = None
        self._shown_until = self._hand_until = 0.0
        self._drawn: tuple[object, ...] | None = None
        self._pixels = b""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eye", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        self._thread.join()

    def see(self, things: Sequence[Thing], *, hand_s: float = 0.0) -> None:
        """What lies in the basket from now on, and how long a hand is over it."""
        with self._lock:
            self._things = list(things)
            self._hand_until = max(self._hand_until, time.monotonic() + hand_s)

    def show(self, thing: Thing, seconds: float) -> None:
        """Hold a product before the lens."""
        with self._lock:
            self._shown, self._shown_until = thing, time.monotonic() + seconds

    def frame(self) -> bytes:
        """The scene now, BGR, `WIDTH` × `HEIGHT`; drawn anew only when it differs from the last."""
        now = time.monotonic()
        with self._lock:
            shown = self._shown if now < self._shown_until else None
            scene = (tuple(thing.thing for thing in self._things), shown, now < self._hand_until)
            things = self._things
        if scene != self._drawn:
            self._pixels = basket_picture(things, shown, scene[2]).tobytes()
            self._drawn = scene
        return self._pixels

    def _run(self) -> None:
        while not self._stopping.wait(1 / FRAMES_PER_SECOND):
            if self._wire.plugged:
                self._wire.show(self.frame(), WIDTH, HEIGHT)
