"""The composition root: opens the journal, restores the trip, starts the parts and wires them to the core loop."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import logging
import os
import secrets
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cart.config import Config
from cart.core.catalog import Catalog, Tax
from cart.core.chain import LedgerRow
from cart.core.effects import DrawTripId, Effect, Indicate, Record
from cart.core.ledger import TripStarted
from cart.core.observations import CatalogArrived, DayTold, PartChanged, PowerReturned, TripIdDrawn
from cart.core.session import Session
from cart.core.view import TripView
from cart.daemon.clock import SessionClock, seconds_without_power
from cart.daemon.control import ControlServer
from cart.daemon.core_loop import CoreLoop
from cart.daemon.parts import CameraPart, DevicePart, PinsPart, PowerPart, ScannerPart
from cart.daemon.service_manager import ServiceManager
from cart.daemon.store_part import StorePart
from cart.enrolled_file import EnrolledFileProblem, save_enrolled
from cart.journal import Journal, JournalProblem, Opened
from cart.journal.seal import sealer
from cart.screen.server import ScreenServer, TouchReply, TouchRequest, ViewFeed, as_observation
from cart.screen.touches import ReceiptTo

log = logging.getLogger(__name__)

DAY_S = 3600.0
"""The calendar day is told again each hour, so that a wall clock set late by the network is heard of."""
PRUNE_S = 6 * 3600.0
CLOSING_S = 3.0
"""What a stop may take before the rest is left to systemd."""


class Daemon:
    """One running cart. `run` returns after SIGTERM or SIGINT, or to be run anew on a ledger that has changed."""

    def __init__(self, config: Config, config_path: Path) -> None:
        self._config = config
        self._config_path = str(config_path)
        self._started = time.monotonic()
        self._manager = ServiceManager()
        self._feed = ViewFeed()
        self._started_s = 0.0
        self._phase = ""
        self._boot_id = secrets.token_hex(4)
        self._stopping = asyncio.Event()
        self._lost_rows: list[LedgerRow] = []

    async def run(self) -> bool:
        """Start everything, serve until told to stop, stop everything. Raises Problem when it can't start.

        True where the store has returned rows that this ledger had lost: a new Daemon has to fold it anew.
        """
        config = self._config
        folder = Path(config.journal.folder)
        seal = sealer(config.broker.key_file)
        self.journal = Journal(folder, cart_id=config.cart.id, boot_id=self._boot_id, sign=seal)
        screen = ScreenServer(self._feed, self._touched, port=config.screen.port)
        opened = await self.journal.open()
        try:
            await self.come_up(opened)
            await self.control.start()
            await self._serve(screen, opened)
            return await self.take_back()
        finally:
            with contextlib.suppress(JournalProblem):
                await self.journal.close()

    async def come_up(self, opened: Opened) -> None:
        """From the opened journal to a cart that could go on; nothing speaks yet."""
        off_s = seconds_without_power(opened.last_wall_ms, time.time_ns() // 1_000_000)
        await self._restore(opened, off_s)
        self._build_parts(Path(self._config.journal.folder))
        self._take_up(opened, off_s)

    async def take_back(self) -> bool:
        """Put lost rows that came from the store into the ledger, once nothing else writes; whether there were any."""
        rows = self._lost_rows
        if not rows:
            return False
        try:
            set_aside = await self.journal.take_back(rows)
        except JournalProblem as problem:
            log.error("%s", problem)  # noqa: TRY400  # a message for people
            if problem.state == "tampered":  # anything else passes: the next start is given the rows again
                with contextlib.suppress(JournalProblem):
                    await self.journal.note_about("locked", f"the store holds rows this ledger has lost: {problem}")
            return True
        log.warning("rows %d to %d are back; %d of the cart's own were set aside", rows[0].seq, rows[-1].seq, set_aside)
        return True

    async def _restore(self, opened: Opened, off_s: float | None) -> None:
        config = self._config
        last_ns = max((t_ns for t_ns, _ in opened.events), default=None)
        self.clock = SessionClock(last_event_ns=last_ns, off_s=off_s)
        newest = await self.journal.read_catalog()
        started = [event for _, event in opened.events if isinstance(event, TripStarted)]
        catalog = await self.journal.read_catalog(started[-1].catalog_version) if started else newest
        session = Session(
            cart_id=config.cart.id,
            store_id=config.store.id,
            catalog=catalog or newest or empty_catalog(config),
            scale=config.scale,
            policy=config.policy,
            languages=config.store.languages,
        )
        session.restore(opened.events, opened.earlier)
        self.core = CoreLoop(
            session,
            self.clock,
            commit=self._commit,
            carry_out=self._carry_out,
            on_view=self._viewed,
            on_committed=self._committed,
            commit_errors=(JournalProblem,),
        )
        self._catalog = newest or empty_catalog(config)
        self._trip_catalog = catalog

    def _take_up(self, opened: Opened, off_s: float | None) -> None:
        """What this boot means for the trip, decided before any part speaks.

        Times are rebased first; then this boot supersedes what an earlier one found wrong.
        """
        now_ns = self.clock.now_ns()
        self.core.decide(PowerReturned(t_ns=now_ns, off_s=off_s))
        self.core.decide(TripIdDrawn(t_ns=now_ns, trip_id=secrets.token_hex(8)))
        self.core.decide(PartChanged(t_ns=now_ns, part="journal", ok=True))
        locked = bool(opened.locked)
        fault = "journal_tampered" if locked else ""
        self.core.decide(PartChanged(t_ns=now_ns, part="payment", ok=not locked, fault=fault, detail=opened.locked))
        if self._catalog.version:
            self._feed.publish_catalog(self._catalog)
        if self._trip_catalog is not None and self._trip_catalog.version != self._catalog.version:
            self.core.decide(CatalogArrived(t_ns=now_ns, catalog=self._catalog))
        freeze_what_stays()

    def _build_parts(self, folder: Path) -> None:
        config, submit, clock = self._config, self.core.submit, self.clock
        self.camera: CameraPart | None = None
        self.devices: dict[str, DevicePart] = {
            "scale": DevicePart("scale", "cart.daemon.scale_process", self._config_path, submit, clock)
        }
        if config.camera.source:
            self._teach_camera()
            self.camera = CameraPart("cart.daemon.camera_process", self._config_path, submit, clock)
            self.devices["camera"] = self.camera
        self.control = ControlServer(
            folder / "control.sock",
            self._status,
            lambda: self._catalog,
            phase=lambda: self.core.view.phase,
            camera=self.camera,
        )
        self.core.taps.append(self.control.tap)
        self.scanner = ScannerPart(config, submit, clock, self.control.tap_scanner)
        self.pins = PinsPart(config, submit, clock)
        self.power = PowerPart(config, submit, clock)
        self.store = StorePart(
            config,
            self.journal,
            clock,
            boot_id=self._boot_id,
            decide=self.core.decide,
            committed=self.core.drain,
            on_catalog=self._catalog_arrived,
            on_returned=self._rows_returned,
            health=self._health,
        )
        self.store.catalog_version = self._catalog.version or None

    async def _serve(self, screen: ScreenServer, opened: Opened) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        self.scanner.start()
        self._feed.publish(self.core.view)
        works = [
            self.core.run(),
            self.store.run(),
            self.pins.run(),
            self.power.run(),
            screen.serve(),
            self._tell_day(),
            self._keep_house(),
            self._prove_life(),
            *(device.child.run() for device in self.devices.values()),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in works]
                lines = len(self.core.view.lines)
                log.info("ready: %s, ledger row %d, %d lines restored", screen.url, opened.head.seq, lines)
                self._started_s = seconds_since_exec()
                self._manager.ready(f"{self._config.cart.id} on {screen.url}")
                await self._stopping.wait()
                self._manager.stopping()
                log.info("stopping")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSING_S):
                        await self.core.drain()
                screen.stop()
                for task in tasks:
                    task.cancel()
        finally:
            self.scanner.close()
            self.pins.close()
            await self.control.stop()

    async def _commit(self, records: Sequence[Record]) -> None:
        await self.journal.append(records)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, DrawTripId):
            self.core.submit(TripIdDrawn(t_ns=self.clock.now_ns(), trip_id=secrets.token_hex(8)))
        elif isinstance(effect, Indicate):
            self.pins.indicate(effect)
        else:
            self.store.carry_out(effect)

    def _viewed(self, view: TripView) -> None:
        self._feed.publish(view)
        if view.phase != self._phase:
            self._phase = view.phase
            self.pins.enable_reader(view.phase == "paying")
            self.control.phase_changed(view.phase)

    def _committed(self, view: TripView | None) -> None:
        self.store.committed(view)

    def _teach_camera(self) -> None:
        """What the store enrolled, where the camera's process looks for it."""
        try:
            save_enrolled(self._catalog.enrolled, Path(self._config.journal.folder))
        except EnrolledFileProblem as error:
            log.warning("%s", error)

    def _rows_returned(self, rows: list[LedgerRow]) -> None:
        self._lost_rows = rows
        self._stopping.set()

    def _catalog_arrived(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._feed.publish_catalog(catalog)
        freeze_what_stays()
        if self.camera is not None:
            asyncio.get_running_loop().run_in_executor(None, self._teach_camera)

    async def _touched(self, request: TouchRequest) -> TouchReply:
        if isinstance(request, ReceiptTo) and not self.store.linked:
            return TouchReply(ok=False, message="offline")
        refused = self.core.touch(as_observation(request, self.clock.now_ns()))
        return TouchReply(ok=not refused, message=refused)

    async def _tell_day(self) -> None:
        while True:
            # A Pi without a clock chip starts years back; then it is not asked about expiry dates.
            today = dt.datetime.now().astimezone().date()
            if today.year >= 2025:
                self.core.submit(DayTold(t_ns=self.clock.now_ns(), day=today.isoformat()))
            await asyncio.sleep(DAY_S)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_S)
            with contextlib.suppress(JournalProblem):
                pruned = await self.journal.prune(self._config.journal.keep_days)
                log.info("kept house: %s", pruned)

    async def _prove_life(self) -> None:
        watchdog_s = self._manager.watchdog_s
        while watchdog_s is not None:
            if self.clock.now_ns() - self.core.beat_ns < watchdog_s / 2 * 1e9:
                self._manager.alive()
            await asyncio.sleep(watchdog_s / 4)

    def _health(self) -> tuple[dict[str, str], dict[str, float]]:
        parts = {name: device.state for name, device in self.devices.items()}
        parts |= {"scanner": self.scanner.state, "pins": self.pins.state, "journal": self.journal.state}
        figures = dict(self.power.figures)
        for name, device in self.devices.items():
            figures |= {f"{name}_{key}": value for key, value in device.child.figures.items()}
            figures[f"{name}_restarts"] = float(device.child.restarts)
        return parts, figures

    def _status(self) -> dict[str, Any]:
        """The answer to `cart status`. No personal data: the view has none."""
        view, head = self.core.view, self.journal.head
        parts, figures = self._health()
        return {
            "cart_id": self._config.cart.id,
            "store_id": self._config.store.id,
            "pid": os.getpid(),
            "started_s": round(self._started_s, 3),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "trip": {
                "phase": view.phase,
                "trip_id": view.trip_id,
                "units": view.units,
                "total_minor": view.total_minor,
                "currency": view.currency,
                "lines": view.lines,
                "interventions": view.interventions,
            },
            "weight": view.weight,
            "parts": parts,
            "figures": figures,
            "link": {"linked": self.store.linked, "protocol": self.store.protocol},
            "outbox": {"waiting": self.store.waiting_rows},
            "journal": {"state": self.journal.state, "locked": self.journal.locked, "head_seq": head.seq},
            "catalog_version": self.store.catalog_version,
            "classifier": self.camera.model if self.camera is not None else "none: no camera is configured",
            "dropped_samples": self.core.dropped_samples,
            "pids": {name: device.child.pid for name, device in self.devices.items()},
        }


def freeze_what_stays() -> None:
    """Take modules and catalogue out of the collector's rounds: they stay, and would cost each decision its pauses."""
    gc.collect()
    gc.freeze()


def seconds_since_exec() -> float:
    """How long ago this process was started (proc(5): field 22 of stat, in clock ticks since boot); 0 where unknown."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def empty_catalog(config: Config) -> Catalog:
    """What a cart knows before its store has spoken: nothing, in the store's currency."""
    return Catalog(
        version=0,
        currency=config.store.currency,
        locale=config.store.locale,
        taxes={"A": Tax(rate_bp=0)},
        items=(),
    )


def run_daemon(config: Config, config_path: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises Problem when it can't start."""
    while asyncio.run(Daemon(config, config_path).run()):
        log.info("starting anew on what the store returned")
