"""The basket as the camera above it sees it: things, hands, light and lens, composed into one picture at any moment.

Pure but for its own random numbers: time comes in as seconds of the caller's clock, so the demo draws it live and a
benchmark draws an hour in virtual time. What makes real pictures hard is in it: a hand that covers what it carries,
blur while it moves, shadows, lamps passing by, exposure that follows them, noise, the floor sliding past under the
mesh, things that slip when the cart rolls.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np

from cart.bench.layers import HEIGHT, SKINS, SLEEVES, WIDTH, draw_arm, paste, paste_arm
from cart.bench.pictures import Picture, Sprite

__all__ = ["HEIGHT", "WIDTH", "BasketScene", "Lens", "Placed", "Reach"]

Lens = Literal["clear", "dark", "dirty", "covered", "frozen"]
"""What is wrong between light and sensor: no light, a smeared glass, something stuck on it, a sensor that hangs."""

EDGE_PX: Final = 70
"""Things lie at least so far from the picture's edge: the basket's rim."""
APPROACH_S: Final = 0.55
LEAVE_S: Final = 0.5
"""How long a hand is on its way through the picture, half a metre at some 1 m/s (Jeannerod 1984, J. Motor Behav. 16:235
has 0.6–1 s for a whole reach)."""
EXPOSURE_S: Final = 0.6
MEAN_WANTED: Final = 112.0
TILE_PX: Final = 150
FLOOR_LEVELS: Final = (55.0, 150.0)
"""A shop's tiles, from slate to pale: what goes in must not always be brighter than what it covers."""
NOISE_ROWS: Final = 61
"""A frame's noise is a random window of a larger sheet: 122 different ones, and none costs a random number a pixel."""


class Placed(NamedTuple):
    """A thing's place: centre in pixels, turn in degrees."""

    key: int
    sprite: Sprite
    x: float
    y: float
    turn: float


@dataclasses.dataclass
class Reach:
    """One movement of an arm. `carried` is in the hand until `touch_s` (put), or from then on (take)."""

    kind: Literal["put", "take", "move", "show", "idle"]
    begin_s: float
    touch_s: float
    leave_s: float
    end_s: float
    x: float
    y: float
    angle: float
    arm: Picture
    carried: tuple[Placed, ...] = ()
    until: tuple[Placed, ...] = ()
    to_x: float = 0.0
    to_y: float = 0.0
    seed: float = 0.0


class BasketScene:
    """Things in a basket under a camera. Call its verbs, then `picture` with a time that never runs backwards."""

    def __init__(self, seed: int = 1, *, noise: float = 2.2) -> None:
        """`noise`: standard deviation of a pixel, in 8-bit steps; a cheap sensor indoors has 1 to 5."""
        self._random = np.random.default_rng(seed)
        self._things: dict[int, Placed] = {}
        self._reaches: list[Reach] = []
        self._shakes: list[tuple[float, float, float]] = []
        self.lens: Lens = "clear"
        self.gain = 1.0
        """Brightness of the lamps, 1 in the middle of an aisle."""
        self.warmth = 0.0
        """−1 … 1: how much redder than the exposure's white balance expects."""
        self.auto_exposure = True
        self._exposure = 1.0
        self._exposed_s: float | None = None
        self._floor = _floor(self._random)
        self._phase = 0.0
        self._rest: tuple[tuple[Placed, ...], float, Picture] | None = None
        self._field = _light_field(self._random)
        self._shadow: tuple[float, float, float] | None = None
        self._noise = [
            np.clip(self._random.normal(0, noise, (HEIGHT + NOISE_ROWS, WIDTH, 3)), -60, 60).round().astype(np.int8)
            for _ in range(2)
        ]
        self._frozen: Picture | None = None

    @property
    def things(self) -> dict[int, Placed]:
        """What lies where, by key, as it will be when all hands have gone."""
        return dict(self._things)

    # -- verbs -------------------------------------------------------------------------------------------------------

    def lay(self, key: int, sprite: Sprite) -> Placed:
        """Put a thing down without a hand, where there is most room."""
        placed = self._free_place(key, sprite)
        self._things[key] = placed
        return placed

    def put(self, t_s: float, things: Sequence[tuple[int, Sprite]], touch_s: float) -> tuple[Placed, ...]:
        """A hand brings things in and lets go of them `touch_s` seconds from now."""
        placed = tuple(self.lay(key, sprite) for key, sprite in things)
        if placed:
            self._reach("put", t_s, touch_s, placed[0].x, placed[0].y, carried=placed)
        return placed

    def take(self, t_s: float, keys: Sequence[int], touch_s: float) -> None:
        """A hand takes things out; they leave the basket's floor `touch_s` seconds from now."""
        taken = tuple(self._things.pop(key) for key in keys if key in self._things)
        if taken:
            self._reach("take", t_s, touch_s, taken[0].x, taken[0].y, carried=taken, until=taken)

    def move(self, t_s: float, seconds: float) -> tuple[Placed, Placed] | None:
        """A hand takes one thing elsewhere in the basket; in an empty one it only feels about. (before, after)."""
        if not self._things:
            self.idle(t_s, seconds)
            return None
        keys = sorted(self._things)
        before = self._things.pop(keys[int(self._random.integers(len(keys)))])
        after = self._free_place(before.key, before.sprite)
        self._things[before.key] = after
        self._reach(
            "move", t_s, min(0.7, 0.4 * seconds), before.x, before.y, carried=(after,), until=(before,), hold_s=seconds
        )
        return before, after

    def idle(self, t_s: float, seconds: float) -> None:
        """An arm over the basket that takes and brings nothing: leaning, pointing, a child's hand."""
        x, y = self._random.uniform(120, WIDTH - 120), self._random.uniform(140, HEIGHT - 60)
        self._reach("idle", t_s, min(0.6, seconds / 2), float(x), float(y), hold_s=seconds)

    def show(self, t_s: float, sprite: Sprite, seconds: float) -> None:
        """Hold a product close to the lens. `sprite` is as large as it then looks."""
        # A barcode stands at the foot of a package: what is too tall for the picture is held so that it is in it.
        y = HEIGHT / 2 - max(0.0, sprite.alpha.shape[0] - 0.88 * HEIGHT) / 2
        held = Placed(-1, sprite, WIDTH / 2, y, float(self._random.uniform(-6, 6)))
        self._reach("show", t_s, APPROACH_S, WIDTH / 2, y, carried=(held,), hold_s=seconds)

    def shake(self, t_s: float, seconds: float, pixels: float) -> None:
        """The cart rolls or bumps: the picture trembles by `pixels`, the floor passes by, loose things slip."""
        self._shakes.append((t_s, t_s + seconds, pixels))
        for key, placed in self._things.items():
            slip = self._random.normal(0, 0.5 * pixels, 3)
            self._things[key] = placed._replace(x=placed.x + slip[0], y=placed.y + slip[1], turn=placed.turn + slip[2])

    def shadow(self, x: float, y: float, depth: float) -> None:
        """Somebody's shadow around (x, y) pixels, `depth` 0 (none) to 0.7."""
        self._shadow = None if depth <= 0 else (x, y, depth)

    # -- the picture -------------------------------------------------------------------------------------------------

    def picture(self, t_s: float) -> Picture:
        """480 × 640 × 3 bytes: blue, green, red."""
        if self.lens == "frozen" and self._frozen is not None:
            return self._frozen
        self._reaches = [reach for reach in self._reaches if t_s < reach.end_s]
        self._shakes = [shake for shake in self._shakes if t_s < shake[1]]
        image = self._resting(t_s)
        for reach in self._reaches:
            if t_s >= reach.begin_s:
                image = self._with_arm(image, reach, t_s)
        image = self._tremble(image, t_s)
        image = self._lit(image, t_s)
        image = self._through_lens(image)
        top = int(self._random.integers(NOISE_ROWS))
        grain = self._noise[int(self._random.integers(2))][top : top + HEIGHT]
        self._frozen = cv2.add(image, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
        return self._frozen

    def _resting(self, t_s: float) -> Picture:
        """Everything that no hand holds, drawn anew only when it differs."""
        on_the_way = {
            thing.key
            for reach in self._reaches
            for thing in reach.carried
            if reach.kind in {"put", "move"} and t_s < self._down_s(reach)
        }
        lying = [thing for thing in self._things.values() if thing.key not in on_the_way]
        lying += [thing for reach in self._reaches for thing in reach.until if t_s < reach.touch_s]
        scene = tuple(lying)
        if self._rest is None or self._rest[0] != scene or self._rest[1] != self._phase:
            image = self._basket()
            for thing in scene:
                paste(image, thing.sprite, thing.x, thing.y, thing.turn, shadow=0.45)
            self._rest = (scene, self._phase, image)
        return self._rest[2]

    @staticmethod
    def _down_s(reach: Reach) -> float:
        return reach.leave_s if reach.kind == "move" else reach.touch_s

    def _basket(self) -> Picture:
        """The floor of the shop under the basket's mesh."""
        offset = int(self._phase) % TILE_PX
        image: Picture = self._floor[offset : offset + HEIGHT].copy()
        cv2.rectangle(image, (14, 14), (WIDTH - 15, HEIGHT - 15), (120, 118, 116), 9, cv2.LINE_AA)
        for at in range(40, WIDTH, 40):
            cv2.line(image, (at, 0), (at, HEIGHT), (112, 110, 108), 3, cv2.LINE_AA)
        for at in range(40, HEIGHT, 40):
            cv2.line(image, (0, at), (WIDTH, at), (122, 120, 118), 3, cv2.LINE_AA)
        return image

    def _with_arm(self, image: Picture, reach: Reach, t_s: float) -> Picture:
        """The arm where it is now, with what it holds; drawn twice while it is fast, as half an exposure apart."""
        image = image.copy()
        for share, back_s in ((1.0, 0.0), (0.5, 0.02)):
            layer = image if share == 1.0 else image.copy()
            x, y = _hand_at(reach, t_s - back_s)
            if share != 1.0 and abs(x - _hand_at(reach, t_s)[0]) + abs(y - _hand_at(reach, t_s)[1]) < 2.0:
                continue
            if reach.carried and _carries(reach, t_s):
                first = reach.carried[0]
                for thing in reach.carried:
                    beside = np.clip((thing.x - first.x, thing.y - first.y), -50, 50)
                    paste(layer, thing.sprite, x + beside[0], y + beside[1], thing.turn, shadow=0.25)
            grip = _grip(reach)
            out_x, out_y = math.sin(math.radians(reach.angle)), math.cos(math.radians(reach.angle))
            paste_arm(layer, reach.arm, x + out_x * grip, y + out_y * grip, reach.angle)
            if share != 1.0:
                cv2.addWeighted(image, 0.55, layer, 0.45, 0, dst=image)
        return image

    def _tremble(self, image: Picture, t_s: float) -> Picture:
        pixels = max((shake[2] for shake in self._shakes if shake[0] <= t_s), default=0.0)
        if not pixels:
            return image
        self._phase += float(self._random.uniform(0, 40))
        shift = self._random.normal(0, 0.5 * pixels, 2)
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
        return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE).astype(
            np.uint8, copy=False
        )

    def _lit(self, image: Picture, t_s: float) -> Picture:
        lit = cv2.multiply(image, self._field, scale=1 / 128)
        if self._shadow is not None:
            x, y, depth = self._shadow
            rows, columns = np.mgrid[0:HEIGHT:8, 0:WIDTH:8].astype(np.float32)
            dark = 1 - depth * np.exp(-((((columns - x) / 150) ** 2 + ((rows - y) / 130) ** 2) ** 2))
            lit = cv2.multiply(
                lit, cv2.merge([cv2.resize(dark * 255, (WIDTH, HEIGHT)).astype(np.uint8)] * 3), scale=1 / 255
            )
        wanted = self.gain * self._exposed(image, t_s)
        lamp = np.array([1 - 0.12 * self.warmth, 1.0, 1 + 0.12 * self.warmth], np.float32) * wanted
        curve = np.clip(np.arange(256, dtype=np.float32)[:, None] * lamp, 0, 255).astype(np.uint8)
        return cv2.LUT(lit, curve[None]).astype(np.uint8, copy=False)

    def _exposed(self, image: Picture, t_s: float) -> float:
        """The exposure follows the mean with a lag, and only so far: half of each change, as in cheap cameras."""
        if not self.auto_exposure:
            return 1.0
        mean = float(image[::16, ::16].mean()) * self.gain + 1.0
        wanted = min(6.0, (MEAN_WANTED / mean)) ** 0.7
        if self._exposed_s is None:
            self._exposure = wanted
        else:
            share = 1 - math.exp(-max(0.0, t_s - self._exposed_s) / EXPOSURE_S)
            self._exposure += share * (wanted - self._exposure)
        self._exposed_s = t_s
        return self._exposure

    def _through_lens(self, image: Picture) -> Picture:
        if self.lens == "dark":
            return (image // 40).astype(np.uint8)
        if self.lens == "covered":
            covered: Picture = np.full_like(image, 74)
            return cv2.addWeighted(covered, 0.97, cv2.blur(image, (161, 161)), 0.03, 0).astype(np.uint8, copy=False)
        if self.lens == "dirty":
            return cv2.addWeighted(cv2.GaussianBlur(image, (0, 0), 11), 0.6, np.full_like(image, 150), 0.4, 0).astype(
                np.uint8, copy=False
            )
        return cv2.GaussianBlur(image, (3, 3), 0.7).astype(np.uint8, copy=False)

    # -- places ------------------------------------------------------------------------------------------------------

    def _free_place(self, key: int, sprite: Sprite) -> Placed:
        """The best of some random places: the one with most room around it. Later things may lie on earlier ones."""
        best, room = None, -1.0
        for _ in range(14):
            x = float(self._random.uniform(EDGE_PX, WIDTH - EDGE_PX))
            y = float(self._random.uniform(EDGE_PX, HEIGHT - EDGE_PX))
            nearest = min((math.hypot(x - other.x, y - other.y) for other in self._things.values()), default=500.0)
            if nearest > room:
                best, room = (x, y), nearest
        x, y = best or (WIDTH / 2, HEIGHT / 2)
        half = max(sprite.alpha.shape) / 2 + 20
        x, y = min(max(x, half), WIDTH - half), min(max(y, half), HEIGHT - half)
        return Placed(key, sprite, x, y, float(self._random.uniform(-180, 180)))

    def _reach(
        self,
        kind: Literal["put", "take", "move", "show", "idle"],
        t_s: float,
        touch_s: float,
        x: float,
        y: float,
        *,
        carried: tuple[Placed, ...] = (),
        until: tuple[Placed, ...] = (),
        hold_s: float = 0.0,
    ) -> None:
        """Shoppers stand behind the cart, at the picture's lower edge, and reach in from there or from a side."""
        touch_s = max(touch_s, 0.3)
        hold_s = max(hold_s, touch_s + 0.15)
        arm = draw_arm(SKINS[int(self._random.integers(len(SKINS)))], SLEEVES[int(self._random.integers(len(SLEEVES)))])
        reach = Reach(
            kind, t_s, t_s + touch_s, t_s + hold_s, t_s + hold_s + LEAVE_S,
            x, y, float(self._random.uniform(-50, 50)), arm, carried, until, seed=float(self._random.uniform(0, 9)),
        )  # fmt: skip
        if kind == "move":
            reach.to_x, reach.to_y = carried[0].x, carried[0].y
        self._reaches.append(reach)


def _hand_at(reach: Reach, t_s: float) -> tuple[float, float]:
    """The fingertips' place. A reach comes in along the arm's own direction and leaves the way it came."""
    coming = _smooth((t_s - reach.begin_s) / min(APPROACH_S, max(0.2, reach.touch_s - reach.begin_s - 0.1)))
    going = _smooth((t_s - reach.leave_s) / LEAVE_S)
    away = (1 - coming + going) * (WIDTH if reach.kind != "show" else 1.4 * WIDTH) * 0.8
    x, y = reach.x, reach.y
    if reach.kind == "move":
        part = _smooth((t_s - reach.touch_s) / max(0.1, reach.leave_s - reach.touch_s - 0.1))
        x, y = x + part * (reach.to_x - x), y + part * (reach.to_y - y)
    elif reach.kind in {"idle", "show"}:
        x += 7 * math.sin(2.3 * t_s + reach.seed)
        y += 6 * math.sin(1.7 * t_s + 2 * reach.seed)
    return x + away * math.sin(math.radians(reach.angle)), y + away * math.cos(math.radians(reach.angle))


def _carries(reach: Reach, t_s: float) -> bool:
    """Whether the hand holds its things now."""
    if reach.kind == "take":
        return t_s >= reach.touch_s
    if reach.kind == "move":
        return reach.touch_s <= t_s < reach.leave_s
    return reach.kind == "show" or t_s < reach.touch_s


def _grip(reach: Reach) -> float:
    """How far from a thing's middle the fingers hold it, pixels: by its end when it is shown, else over its side."""
    if not reach.carried:
        return 0.0
    shape = reach.carried[0].sprite.alpha.shape
    return 0.5 * shape[0] - 6 if reach.kind == "show" else 0.3 * min(shape)


def _smooth(part: float) -> float:
    """Smooth step from 0 to 1: a hand's speed is bell-shaped."""
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


def _floor(rng: np.random.Generator) -> Picture:
    """The shop's tiles as they show through the mesh, out of focus; one tile longer than the picture."""
    floor = np.full((HEIGHT + TILE_PX, WIDTH, 3), rng.uniform(*FLOOR_LEVELS), np.float32)
    floor *= np.array([1.02, 1.0, 0.98], np.float32)
    for at in range(0, floor.shape[0], TILE_PX):
        floor[at : at + 5] *= 0.8
    for at in range(60, WIDTH, TILE_PX):
        floor[:, at : at + 5] *= 0.8
    grain = cv2.resize(rng.normal(0, 2.5, (TILE_PX // 5, WIDTH // 5)).astype(np.float32), (WIDTH, TILE_PX))
    floor += np.tile(grain, (floor.shape[0] // TILE_PX + 1, 1))[: floor.shape[0], :, None]
    return np.clip(cv2.GaussianBlur(floor, (0, 0), 2.5), 0, 255).astype(np.uint8)


def _light_field(rng: np.random.Generator) -> Picture:
    """Lamps off to one side and the lens's own fall-off, height × width × 3; 128 is 1."""
    rows, columns = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    lean = rng.uniform(-0.12, 0.12, 2)
    field = (1 + lean[0] * columns + lean[1] * rows) * (1.04 - 0.16 * (rows**2 + columns**2))
    return np.repeat((128 * field).astype(np.uint8)[..., None], 3, axis=2)
