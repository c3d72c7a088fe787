"""A converter on simulated wires that makes conversions in real time, and a control socket like the daemon's."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cart.core.catalog import Catalog, Tax
from cart.core.observations import AnyObservation
from cart.daemon.control import ControlServer
from drivers.sim.wire import Wire

COUNTS_PER_GRAM = 20.0
TARE_COUNTS = 100_000
CATALOG = Catalog(version=1, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=())


class Converter:
    """Conversions at `samples_per_second` of `load_g` with a little noise, until closed."""

    def __init__(self, folder: Path, *, samples_per_second: float = 80.0, noise_g: float = 0.5) -> None:
        self.path = folder / "wire"
        self.wire = Wire.create(self.path, samples_per_second=samples_per_second)
        self.load_g = 0.0
        self.noise_g = noise_g
        self._rng = random.Random(1)
        self._period_s = 1 / samples_per_second
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._closing.is_set():
            grams = self.load_g + self._rng.gauss(0.0, self.noise_g)
            self.wire.convert(round(TARE_COUNTS + grams * COUNTS_PER_GRAM))
            due += self._period_s
            time.sleep(max(0.0, due - time.monotonic()))


@contextlib.contextmanager
def converter(folder: Path, *, samples_per_second: float = 80.0, noise_g: float = 0.5) -> Iterator[Converter]:
    made = Converter(folder, samples_per_second=samples_per_second, noise_g=noise_g)
    try:
        yield made
    finally:
        made.close()


def config_text(folder: Path, *, wire: Path | None = None, samples_per_second: float = 80.0) -> str:
    """A cart.toml of a cart on simulated wires, with comments that must survive."""
    return (
        '[cart]\nid = "cart-7"\n[store]\nid = "store-1"\n'
        f"[scale]  # the cell under the basket\ncounts_per_gram = 20.0  # span\ntare_counts = {TARE_COUNTS}\n"
        f"samples_per_second = {samples_per_second}\n"
        f'[gpio]\nmodule = "sim:{wire or folder / "wire"}"\n'
        f'[scanner]\nport = "{folder / "scanner"}"\n'
        f'[power]\nsysfs = "{folder}"\n'
        f'[journal]\nfolder = "{folder}"\n'
    )


def config_file(folder: Path, **options: Any) -> Path:
    path = folder / "cart.toml"
    path.write_text(config_text(folder, **options))
    return path


class Daemon:
    """The daemon's control socket with a given status; `say` hands it an observation."""

    def __init__(self, folder: Path, status: Callable[[], dict[str, Any]]) -> None:
        self._loop = asyncio.new_event_loop()
        self.server = ControlServer(folder / "control.sock", status, lambda: CATALOG)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(5)

    def say(self, observation: AnyObservation) -> None:
        self._loop.call_soon_threadsafe(self.server.tap, observation)

    def scanned(self, t_ns: int, data: bytes) -> None:
        self._loop.call_soon_threadsafe(self.server.tap_scanner, t_ns, data)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _leave(self) -> None:
        await self.server.stop()
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def daemon(folder: Path, status: dict[str, Any]) -> Iterator[Daemon]:
    running = Daemon(folder, lambda: status)
    try:
        yield running
    finally:
        running.close()
