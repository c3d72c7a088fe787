"""The camera over the basket: exposes the scene onto the wire, five frames a second, until stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import cv2

from cart.bench.basket_scene import HEIGHT, WIDTH, BasketScene, Lens
from cart.bench.pictures import Picture, ProductPictures, Sprite
from cart.bench.product_kinds import kind_of
from cart.bench.things import Thing
from cart.core.catalog import Item
from drivers.sim.wire import FrameWire

FRAMES_PER_SECOND: Final = 5.0
SHOWN_WIDTH_PX: Final = 300
"""How wide a product looks that is held up: near enough to read its code."""
ROLL_PX, BUMP_PX = 3.0, 5.0
JPEG_QUALITY: Final = 80


def look_of(vision_class: str | None, label: str) -> tuple[tuple[int, int, int], int]:
    """Colour (BGR) and shape number (0 disc, 1 box, 2 round from above) of a product, for the bench page's swatches."""
    kind = kind_of(vision_class, label)
    shape = 1 if kind.shape in {"carton", "box", "bag"} else 2 if kind.shape in {"cup", "can", "bottle"} else 0
    return kind.colour, shape


class Eye:
    """A thread that draws. What hands do comes in by verbs, from any thread."""

    def __init__(
        self, wire: FrameWire, item: Callable[[str], Item], pictures: ProductPictures, *, seed: int = 1
    ) -> None:
        """`item` is the shelf: the catalogue's item of a SKU."""
        cv2.setNumThreads(1)
        self._wire = wire
        self._item = item
        self._pictures = pictures
        self._lock = threading.Lock()
        self._scene = BasketScene(seed)
        self._newest: Picture | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eye", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        self._thread.join()

    # -- verbs: `rest_s` is in how many seconds the hand lets go of it ------------------------------------------

    def put(self, things: Sequence[Thing], rest_s: float) -> None:
        """A hand brings things in."""
        sprites = [(thing.thing, self._sprite(thing.sku, thing.label, thing.thing)) for thing in things]
        with self._lock:
            self._scene.put(time.monotonic(), sprites, rest_s)

    def take(self, things: Sequence[Thing], rest_s: float) -> None:
        """A hand takes things out."""
        with self._lock:
            self._scene.take(time.monotonic(), [thing.thing for thing in things], rest_s)

    def move(self, seconds: float) -> None:
        """A hand moves something about in the basket."""
        with self._lock:
            self._scene.move(time.monotonic(), seconds)

    def lean(self, seconds: float) -> None:
        """An arm over the basket."""
        with self._lock:
            self._scene.idle(time.monotonic(), seconds)

    def shake(self, seconds: float, pixels: float) -> None:
        """Wheels or a kerb."""
        with self._lock:
            self._scene.shake(time.monotonic(), seconds, pixels)

    def show(self, sku: str, label: str, seconds: float) -> None:
        """Hold a product before the lens, its barcode towards it."""
        item = self._item(sku)
        width = kind_of(item.vision_class, item.name).width
        sprite = self._sprite(sku, label, 0, scale=min(4.5, max(2.0, SHOWN_WIDTH_PX / width)))
        with self._lock:
            self._scene.show(time.monotonic(), sprite, seconds)

    def light(self, gain: float, warmth: float) -> None:
        """Other lamps."""
        with self._lock:
            self._scene.gain, self._scene.warmth = gain, warmth

    def lens(self, lens: Lens) -> None:
        """What is wrong between light and sensor."""
        with self._lock:
            self._scene.lens = lens

    # -- the picture ---------------------------------------------------------------------------------------------------

    def frame(self) -> Picture:
        """The scene now, HEIGHT × WIDTH × 3, BGR."""
        with self._lock:
            self._newest = self._scene.picture(time.monotonic())
            return self._newest

    def jpeg(self) -> bytes:
        """What the camera saw last, for a person at the bench page."""
        picture = self._newest if self._newest is not None else self.frame()
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return data.tobytes() if done else b""

    def _sprite(self, sku: str | None, label: str, number: int, *, scale: float = 1.0) -> Sprite:
        if sku is None:
            return self._pictures.sprite(vision_class=None, label=label, number=number, scale=scale)
        item = self._item(sku)
        code = item.gtins[0] if item.gtins else ""
        return self._pictures.sprite(
            vision_class=item.vision_class, label=item.name, sku=sku, code=code, number=number, scale=scale
        )

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._stopping.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s + 1 / FRAMES_PER_SECOND, time.monotonic())
            picture = self.frame()
            if self._wire.plugged:
                self._wire.show(picture.tobytes(), WIDTH, HEIGHT)
