"""One simulated computer: its clocks, its disk, and its death at any step."""

from __future__ import annotations

import asyncio
import contextvars
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import msgspec

from cart.bench.faults.broker import SimulatedBroker
from cart.bench.faults.disk import Disk, DiskChances, Image, read_image, write_image
from cart.bench.faults.virtual_time import EPOCH_MS, MACHINE


class MachineChances(msgspec.Struct):
    """Chances of dying a step, and how long the power stays off; changed while a run goes on."""

    die_a_step: float = 0.0
    off_max_s: float = 8.0
    wall_jumps: float = 0.0
    """Chance that the wall clock comes up wrong at a boot."""
    restored: float = 0.0
    """Chance that a boot finds the disk as it was at an earlier one, as from a copy: only where `may_restore` allows,
    and once a run: what an older copy set aside for the store's rows, a second one would lose for good."""


class Boot:
    """One machine from power on to power off. What its program still does after that has no effect."""

    def __init__(self, machine: Machine, number: int, folder: Path) -> None:
        self.name = machine.name
        self.broker = machine.broker
        self.rng = machine.rng
        self.alive = True
        self.disk = Disk(folder, machine.rng, machine.disk_chances, lambda: machine.die("in a commit"))
        self.context = contextvars.copy_context()
        self.number = number
        self._machine = machine
        self._began_s = asyncio.get_running_loop().time()

    def monotonic_ns(self) -> int:
        """From 1 s at each boot, as a kernel's does."""
        return 1_000_000_000 + round((asyncio.get_running_loop().time() - self._began_s) * 1e9)

    def wall_ms(self) -> int:
        return EPOCH_MS + self._machine.wall_wrong_ms + round(asyncio.get_running_loop().time() * 1000)

    def step(self, what: str) -> bool:
        """Called wherever the machine might die; True where it has."""
        if self.alive and self.rng.random() < self._machine.chances.die_a_step:
            self._machine.die(what)
        return not self.alive

    async def stop_here(self) -> NoReturn:
        """What a dead program's next instruction is."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody sets this future")

    async def pause(self, seconds: float) -> None:
        """Time passes; a machine that died meanwhile does not go on."""
        await asyncio.sleep(seconds)
        if not self.alive:
            await self.stop_here()


class Machine:
    """Boots a program, dies, boots it again from what its disk held."""

    def __init__(
        self,
        name: str,
        root: Path,
        broker: SimulatedBroker,
        rng: random.Random,
        *,
        chances: MachineChances,
        disk_chances: DiskChances,
        program: Callable[[Boot], Coroutine[Any, Any, None]],
    ) -> None:
        self.name = name
        self.broker = broker
        self.rng = rng
        self.chances = chances
        self.disk_chances = disk_chances
        self.wall_wrong_ms = 0
        self.deaths: Counter[str] = Counter()
        self.crashes: list[str] = []
        """Programs that ended with an exception."""
        self._root = root
        self._program = program
        self._image: Image = {}
        self._boots: list[Boot] = []
        self._task: asyncio.Task[None] | None = None
        self._earlier: list[Image] = []
        self.worth_copying: Callable[[Image], bool] = lambda _: False
        self.may_restore: Callable[[Image], bool] = lambda _: False
        self.restorations = 0

    @property
    def boot(self) -> Boot | None:
        """The present boot; None while the power is off."""
        latest = self._boots[-1] if self._boots else None
        return latest if latest is not None and latest.alive else None

    @property
    def hits(self) -> Counter[str]:
        """Faults of its disks, by kind."""
        return sum((Counter(boot.disk.hits) for boot in self._boots), Counter())

    @property
    def commits(self) -> int:
        return sum(boot.disk.commits for boot in self._boots)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall_wrong_ms += round(seconds * 1000)

    def power_on(self) -> None:
        """Boot from what the disk holds."""
        if self.boot is not None:
            return
        if self._boots and self.rng.random() < self.chances.wall_jumps:
            self.wall_wrong_ms = self.rng.choice([-300_000_000_000, -3_000_000, -60_000, 45_000, 7_200_000, 86_400_000])
        once = bool(self._earlier) and self.restorations == 0
        if once and self.rng.random() < self.chances.restored and self.may_restore(self._image):
            self._image = self.rng.choice(self._earlier)
            self.restorations += 1
        if self.chances.restored > 0.0 and self.worth_copying(self._image):
            self._earlier.append(self._image)
        number = len(self._boots) + 1
        folder = self._root / f"{self.name}-{number}"
        write_image(folder, self._image)
        boot = Boot(self, number, folder)
        boot.context.run(MACHINE.set, boot)
        self._boots.append(boot)
        self._task = asyncio.get_running_loop().create_task(self._run(boot), context=boot.context)

    def die(self, why: str) -> None:
        """Power off, now."""
        boot = self.boot
        if boot is None:
            return
        self.deaths[why] += 1
        self._end(boot)
        self.broker.lose_machine(boot)
        asyncio.get_running_loop().call_later(self.rng.uniform(0.2, self.chances.off_max_s), self.power_on)

    def held_image(self) -> Image:
        """What would be on the disk if the power went now."""
        return read_image(self._boots[-1].disk.folder) if self.boot is not None else self._image

    def shut_down(self) -> Image:
        """The end of the run: what the disk holds then."""
        if self.boot is not None:
            self._end(self.boot)
        return self._image

    def release(self) -> None:
        """Close what is still open."""
        for boot in self._boots:
            boot.disk.release()

    def _end(self, boot: Boot) -> None:
        boot.alive = False
        self._image = boot.disk.take()
        if self._task is not None:
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _run(self, boot: Boot) -> None:
        try:
            await self._program(boot)
        except Exception as error:  # noqa: BLE001  # whatever a program dies of is told, and it is started again
            if boot.alive:
                self.crashes.append(repr(_innermost(error)))
                self.die("crashed")


class FailingSqlite(ModuleType):
    """The module `sqlite3` as cart and till use it, on the disk of the machine that runs."""

    def __init__(self) -> None:
        super().__init__("sqlite3")

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        """On the disk of the running machine."""
        boot = MACHINE.get()
        assert isinstance(boot, Boot)  # noqa: S101  # nobody else opens databases by this name
        return boot.disk.connect(path, **options)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
