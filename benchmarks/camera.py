"""What the camera's process costs and gets right.

`python -m benchmarks.camera [--json] [--seconds 20] [--movements 240]`

- cost: the real process on the simulated frame wire at 5 frames/s, over an idle basket and a busy one (a hand is there
  more than half of the time), with a stand-in that takes MODEL_MS of the processor a look, and with the shipped model
  where there is one. Baseline: the same process, but every frame is classified whole.
- directions: movements drawn from seeds, watched in virtual time: which way things went, looks missed, looks at what
  is no change of the basket: rolling, arms, lamps, shadows. Baseline: "the picture got brighter" means in.

Movements are the bench's drawings (cart/bench/basket_scene.py), not films of shoppers.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.footprint import cpu_s, pss_mb
from benchmarks.run_all import machine
from cart.bench.basket_scene import HEIGHT, WIDTH, BasketScene
from cart.bench.demo import DEMO_CATALOG
from cart.bench.pictures import ProductPictures, Sprite
from cart.bench.wilson import wilson
from cart.core.catalog import Item
from cart.core.catalog_reading import read_catalog_json
from cart.daemon.supervisor import ENVIRONMENT
from cart.model_location import SHIPPED, model_folder
from cart.vision.small_frames import small_frame
from cart.vision.watching import BasketWatcher
from drivers.sim.wire import FrameWire

RATE = 5.0
SEED = 7100
"""Movements are drawn from seeds from here on; thresholds were set while looking at seeds below 2000 only."""
MODEL_MS = 15
LEAST_SETTLING_S = 2.2
CHILD = """
import sys, time
import numpy as np
from cart.config import CameraTable
from cart.daemon import camera_process
from cart.daemon.child_messages import ModelState
from cart.vision import pipeline

def stand_in(crop):
    ends = time.process_time() + {model_ms} / 1000
    while time.process_time() < ends:
        np.tanh(crop.astype(np.float32)).sum()
    return {{"something": 0.9, "none": 0.1}}

def load(table):
    return (stand_in, ModelState(0, ok=True, detail="stand-in")) if {model_ms} else camera_process.load_model(table)

if {every_frame}:
    whole = np.s_[:, :]
    pipeline.BasketWatcher.watch = lambda self, frame, image: [pipeline.Sighting(image, frame.t_ns, "unknown", whole)]
    pipeline.LOOKS_A_SECOND_MAX = 1000
sys.exit(camera_process.run(CameraTable(source="sim:" + sys.argv[1], codes=not {every_frame}), load))
"""


class Shelf:
    """The demo's products, as sprites."""

    def __init__(self) -> None:
        catalog = read_catalog_json(DEMO_CATALOG.read_bytes(), str(DEMO_CATALOG))
        # What is larger than a hand can carry over the basket is left out.
        self.items = [item for item in catalog.items if (item.weight_g or 0) < 2500]
        self._pictures = ProductPictures()

    def sprite(self, item: Item) -> Sprite:
        """How it looks on the basket's floor."""
        code = item.gtins[0] if item.gtins else ""
        return self._pictures.sprite(vision_class=item.vision_class, label=item.name, sku=item.sku, code=code)


# -- cost --------------------------------------------------------------------------------------------------------


def expose(wire: FrameWire, busy: bool, stop: threading.Event) -> None:
    """Five frames a second; over a busy basket a hand is there more than half of the time."""
    shelf, scene = Shelf(), BasketScene(SEED)
    rng = np.random.default_rng(SEED)
    for key in range(6):
        scene.lay(key, shelf.sprite(shelf.items[int(rng.integers(len(shelf.items)))]))
    next_s, act_s, key = time.monotonic(), 0.0, 6
    while not stop.is_set():
        now = time.monotonic()
        if busy and now >= act_s:
            act_s = now + 4.0
            if key % 2:
                scene.take(now, [max(scene.things)], 1.0)
            else:
                scene.put(now, [(key, shelf.sprite(shelf.items[int(rng.integers(len(shelf.items)))]))], 1.0)
            key += 1
        wire.show(scene.picture(now).tobytes(), WIDTH, HEIGHT)
        next_s += 1 / RATE
        stop.wait(max(0.0, next_s - time.monotonic()))


def drain(stream: Any, lines: list[bytes]) -> None:
    """Read what the process says, so that it never waits."""
    lines.extend(stream)


def cost(seconds: float, *, busy: bool, model_ms: int, every_frame: bool = False) -> dict[str, float]:
    """CPU and memory of one real camera process."""
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames"
        with FrameWire.create(path, width_max=WIDTH, height_max=HEIGHT) as wire:
            world = threading.Thread(target=expose, args=(wire, busy, stop))
            world.start()
            environment = os.environ | ENVIRONMENT
            code = CHILD.format(model_ms=model_ms, every_frame=every_frame)
            with subprocess.Popen(
                [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=environment
            ) as child:
                lines: list[bytes] = []
                reader = threading.Thread(target=drain, args=(child.stdout, lines), daemon=True)
                reader.start()
                time.sleep(6.0)
                began, began_cpu, before = time.monotonic(), cpu_s(child.pid), len(lines)
                time.sleep(seconds)
                took = time.monotonic() - began
                used, size = cpu_s(child.pid) - began_cpu, pss_mb(child.pid)
                said = [json.loads(line) for line in lines[before:]]
                child.kill()
            stop.set()
            world.join()
    rates = [line["figures"]["frames_per_second"] for line in said if line["type"] == "alive"]
    return {
        "cpu_percent_of_a_core": round(100 * used / took, 2),
        "pss_mb": round(size, 1),
        "frames_per_second": round(sum(rates) / max(1, len(rates)), 2),
        "looks_a_second": round(sum(line["type"] == "seen" for line in said) / took, 2),
    }


def costs(seconds: float) -> dict[str, Any]:
    """The process idle and busy, beside one that classifies every frame."""
    found: dict[str, Any] = {
        "idle": cost(seconds, busy=False, model_ms=MODEL_MS),
        "busy": cost(seconds, busy=True, model_ms=MODEL_MS),
        "baseline_every_frame": cost(seconds, busy=True, model_ms=MODEL_MS, every_frame=True),
        "stand_in_model_ms": MODEL_MS,
    }
    folder = model_folder(SHIPPED)
    if folder is not None and (folder / "manifest.json").exists():
        found["busy_with_the_shipped_model"] = cost(seconds, busy=True, model_ms=0)
    found["idle_ratio_to_baseline"] = round(
        found["idle"]["cpu_percent_of_a_core"] / found["baseline_every_frame"]["cpu_percent_of_a_core"], 3
    )
    return found


# -- directions --------------------------------------------------------------------------------------------------

MOVEMENTS = ("put", "put", "take", "take", "move")
DISTURBANCES = ("arm", "roll", "lamps", "shadow")


class Played(NamedTuple):
    """One act, what the watcher said of it, and what a baseline would have."""

    act: str
    said: tuple[str, ...]
    brighter: bool


class Rehearsal:
    """One basket in virtual time."""

    def __init__(self, seed: int, shelf: Shelf) -> None:
        self._rng = np.random.default_rng(seed)
        self._scene = BasketScene(seed, noise=float(self._rng.uniform(1, 4)))
        self._watcher = BasketWatcher()
        self._shelf = shelf
        self._t_s = 0.0
        self._key = 0
        self.frame_s: list[float] = []
        for _ in range(int(self._rng.integers(0, 10))):
            self._key += 1
            self._scene.lay(self._key, self._drawn())
        self._watch(2.0)

    def play(self, acts: tuple[str, ...]) -> Iterator[Played]:
        """Each act in turn, with time to settle after it."""
        for act in acts:
            before = float(self._scene.picture(self._t_s).mean())
            said = self._watch(self._act(act))
            yield Played(act, tuple(said), float(self._scene.picture(self._t_s).mean()) > before)

    def _act(self, act: str) -> float:
        """Begin an act; how long to watch it, seconds."""
        rng, scene, now = self._rng, self._scene, self._t_s
        touch_s = float(rng.uniform(0.5, 2.5))
        if act == "put":
            self._key += 1
            scene.put(now, [(self._key, self._drawn())], touch_s)
        elif act == "take":
            scene.take(now, [int(rng.choice(list(scene.things)))], touch_s)
        elif act == "move":
            scene.move(now, touch_s + 0.8)
        elif act == "arm":
            scene.idle(now, 2 * touch_s)
        elif act == "roll":
            scene.shake(now, 2 * touch_s, float(rng.uniform(1, 5)))
        elif act == "lamps":
            scene.gain, scene.warmth = float(rng.uniform(0.4, 1.8)), float(rng.uniform(-1, 1))
        elif act == "shadow":
            scene.shadow(float(rng.uniform(0, WIDTH)), float(rng.uniform(0, HEIGHT)), float(rng.uniform(0, 0.6)))
        return 2 * touch_s + LEAST_SETTLING_S

    def _drawn(self) -> Sprite:
        return self._shelf.sprite(self._shelf.items[int(self._rng.integers(len(self._shelf.items)))])

    def _watch(self, seconds: float) -> list[str]:
        said: list[str] = []
        ends = self._t_s + seconds
        while self._t_s < ends:
            self._t_s += float(self._rng.normal(1 / RATE, 0.01))
            image = self._scene.picture(self._t_s)
            began = time.process_time()
            found = self._watcher.watch(small_frame(image, int(self._t_s * 1e9)), image)
            self.frame_s.append(time.process_time() - began)
            said += [sighting.direction for sighting in found]
        return said


WANTED = {"put": "in", "take": "out", "move": "moved"}


def directions(movements: int) -> dict[str, Any]:
    """Movements with as many disturbances between them, over seeds."""
    shelf = Shelf()
    played: list[Played] = []
    frame_s: list[float] = []
    seed = SEED
    while sum(one.act in WANTED for one in played) < movements or not WANTED.keys() <= {one.act for one in played}:
        rng = np.random.default_rng(seed)
        rehearsal = Rehearsal(seed, shelf)
        acts = ["put"]
        for _ in range(3):
            acts += [str(rng.choice(DISTURBANCES)), str(rng.choice(MOVEMENTS))]
        # Three things first, so that there is always one to take out.
        played += rehearsal.play(("put", "put", *acts))
        frame_s += rehearsal.frame_s
        seed += 1
    return {**tally(played), "baskets": seed - SEED, "watch_ms_a_frame": round(1000 * float(np.mean(frame_s)), 2)}


def tally(played: list[Played]) -> dict[str, Any]:
    """Rates of what was said, by act."""
    found: dict[str, Any] = {}
    for act, wanted in WANTED.items():
        mine = [one for one in played if one.act == act]
        right = sum(one.said == (wanted,) for one in mine)
        found[act] = {
            "movements": len(mine),
            "right": right,
            "right_rate": round(right / len(mine), 4),
            "right_rate_wilson_low": round(wilson(right, len(mine))[0], 4),
            "missed": sum(not one.said for one in mine),
            "opposite_or_more": sum(bool(set(one.said) - {wanted, "unknown"}) for one in mine),
            "unknown": sum("unknown" in one.said for one in mine),
        }
    in_out = [one for one in played if one.act in {"put", "take"}]
    guessed = sum(one.brighter == (one.act == "put") for one in in_out)
    found["baseline_brighter_means_in"] = round(guessed / len(in_out), 4)
    disturbed = [one for one in played if one.act in DISTURBANCES]
    false = collections.Counter(one.act for one in disturbed if one.said)
    found["disturbances"] = len(disturbed)
    found["false_looks_after"] = {act: false[act] for act in DISTURBANCES}
    found["false_rate_wilson_high"] = round(wilson(sum(false.values()), len(disturbed))[1], 4)
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of cost")
    parser.add_argument("--movements", type=int, default=240)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures = {
        "machine": machine(),
        "cost": costs(arguments.seconds),
        "cpu_target_percent": 6.0,
        "pss_target_mb": 110.0,
        "directions": directions(arguments.movements),
    }
    if not arguments.json:
        print(json.dumps(figures, indent=1))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
