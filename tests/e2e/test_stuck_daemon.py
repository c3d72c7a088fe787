"""A daemon that is stuck, under what stands in for systemd here: it is killed and started anew by the unit's own rules,
the trip is intact, and the store has seen the cart lost, then back.
"""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cart.sync.messages import StatusMessage
from tests.conftest import BrokerProcess, free_port
from tests.e2e.small_cart import make_till, until, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker, pytest.mark.timeout(180)]

UNIT = Path(__file__).parents[2] / "systemd" / "cart.service"
WATCHDOG_S = 6.0
"""Shorter than the unit's, for the test's sake."""

PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600.0))  # the main thread hangs; paho's goes on answering pings
from cart.__main__ import main
sys.argv = ["cart", "run", "--config", sys.argv[1]]
main()
"""


class Manager:
    """What systemd.service(5) says of Type=notify, WatchdogSec= and Restart=always, and no more."""

    def __init__(self, folder: Path, config: Path) -> None:
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(UNIT)
        self.rules = dict(unit["Service"])
        self.deaths: list[int] = []
        self.pid = 0
        self._folder, self._config = folder, config
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            process = self._start()
            try:
                self.deaths.append(await self._watch(process))
            finally:
                process.kill()
                process.wait()
            await asyncio.sleep(float(self.rules["RestartSec"]))

    async def ready(self) -> None:
        await asyncio.wait_for(self._ready.wait(), 60.0)

    def close(self) -> None:
        self._socket.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._folder / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }  # fmt: skip
        with (self._folder / "cart.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self._config)], stdout=log, stderr=log, env=environment
            )
        self.pid = process.pid
        return process

    async def _watch(self, process: subprocess.Popen[bytes]) -> int:
        heard_s = time.monotonic() + 60.0  # a start may take its time
        while process.poll() is None:
            with contextlib.suppress(BlockingIOError):
                said = self._socket.recv(4096).decode()
                heard_s = time.monotonic()
                if "READY=1" in said:
                    self._ready.set()
            if time.monotonic() - heard_s > WATCHDOG_S:
                self._ready.clear()
                process.send_signal(signal.SIGABRT)  # WatchdogSignal='s default
                process.wait(10.0)
            await asyncio.sleep(0.05)
        return process.returncode


@pytest.fixture
def scanner() -> Iterator[tuple[int, str]]:
    """A scanner's cable, and the name of its port."""
    cable, port = pty.openpty()
    tty.setraw(port)
    yield cable, os.ttyname(port)
    os.close(cable)
    os.close(port)


def configure(folder: Path, broker: BrokerProcess, scanner: str, screen: int) -> Path:
    path = folder / "cart.toml"
    path.write_text(
        f'[cart]\nid = "cart-1"\n[store]\nid = "store-1"\n[scale]\ncounts_per_gram = 20.0\ntare_counts = 0\n'
        f'[gpio]\nmodule = "sim:{folder / "none"}"\n[scanner]\nport = "{scanner}"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n[screen]\nport = {screen}\n'
        f'[journal]\nfolder = "{folder / "journal"}"\n'
    )
    (folder / "journal").mkdir()
    return path


def test_a_stuck_daemon_is_started_anew_and_the_store_sees_it_lost_and_back(
    broker: BrokerProcess, tmp_path: Path, scanner: tuple[int, str]
) -> None:
    screen = free_port()
    config = configure(tmp_path, broker, scanner[1], screen)

    def view() -> dict[str, Any]:
        with contextlib.suppress(httpx.HTTPError):
            return dict(httpx.get(f"http://127.0.0.1:{screen}/api/v1/trip", trust_env=False, timeout=2.0).json())
        return {}

    def lines() -> list[tuple[Any, ...]]:
        shown = view()
        return [(shown["trip_id"], line["sku"], line["units"], line["saving"]) for line in shown.get("lines", [])]

    async def scene() -> None:
        till = make_till(tmp_path / "till", broker)
        seen: list[tuple[bool, str]] = []
        heard = till.board.status

        def status(message: StatusMessage) -> None:
            seen.append((message.online, message.reason))
            heard(message)

        till.board.status = status  # type: ignore[method-assign]
        manager = Manager(tmp_path, config)
        assert (manager.rules["Type"], manager.rules["Restart"]) == ("notify", "always")
        assert float(manager.rules["WatchdogSec"]) > 0.0

        async def watch() -> None:
            managing = asyncio.create_task(manager.run())
            try:
                await manager.ready()
                await until(lambda: bool(seen) and view().get("online") is True, 30.0)
                os.write(scanner[0], b"]E05011001234566\r")
                await until(lambda: [line[1:] for line in lines()] == [("0001", 1, False)], 10.0)
                before, stuck = lines(), manager.pid
                os.kill(stuck, signal.SIGUSR1)
                await until(lambda: manager.pid != stuck, 30.0)
                await manager.ready()
                await until(lambda: lines() == before, 10.0)
                await until(lambda: seen[-1] == (True, "started"), 20.0)
                assert manager.deaths == [-signal.SIGABRT]
                there = [online for online, _ in seen]
                assert [one for n, one in enumerate(there) if n == 0 or there[n - 1] != one] == [True, False, True]
                assert (False, "lost") in seen
            finally:
                managing.cancel()
                await asyncio.gather(managing, return_exceptions=True)
                manager.close()

        await with_till(till, watch)

    asyncio.run(asyncio.wait_for(scene(), 150.0))
