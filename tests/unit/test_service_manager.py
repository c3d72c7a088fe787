"""What systemd is told: ready, alive while the core decides, stopping; and nothing where there is no systemd."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cart.daemon.composition import Daemon
from cart.daemon.service_manager import ServiceManager


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    yield heard
    heard.close()


def said(systemd: socket.socket) -> list[str]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(4096).decode())
    return found


def test_ready_alive_and_stopping_are_datagrams(systemd: socket.socket) -> None:
    manager = ServiceManager()
    manager.ready("cart-1 on http://127.0.0.1:8080/")
    manager.alive()
    manager.stopping()
    assert said(systemd) == ["READY=1\nSTATUS=cart-1 on http://127.0.0.1:8080/", "WATCHDOG=1", "STOPPING=1"]
    assert manager.watchdog_s == 0.2


def test_without_systemd_nothing_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    silent = ServiceManager()
    silent.ready("x")
    assert silent.watchdog_s is None
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    ServiceManager().alive()


@pytest.mark.parametrize(("stuck", "alive"), [(False, True), (True, False)])
def test_a_core_that_no_longer_decides_is_not_called_alive(systemd: socket.socket, *, stuck: bool, alive: bool) -> None:
    """The loop may go on turning while the task that decides hangs."""
    now_ns = 10_000_000_000
    daemon: Any = Daemon.__new__(Daemon)
    daemon._manager = ServiceManager()
    daemon.clock = SimpleNamespace(now_ns=lambda: now_ns)
    daemon.core = SimpleNamespace(beat_ns=now_ns - 150_000_000 * stuck)

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.12):
                await daemon._prove_life()

    asyncio.run(run())
    assert ("WATCHDOG=1" in said(systemd)) is alive
