"""The scanner over a pseudo-terminal: through pyserial as with hardware, unplugged and plugged as at a store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from drivers import scanner as scanner_module
from drivers.scanner import Chunk, PortState, Scanned, Scanner, ScannerEvent, ScanRejected
from drivers.scanner_framing import Frame, Framing
from drivers.sim.serial_port import SimSerialPort

E = TypeVar("E", bound=ScannerEvent)


def wait_for(scanner: Scanner, kind: type[E], seconds: float = 5.0) -> E:
    """The next event of that kind."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        event = scanner.take(0.1)
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} within {seconds} s")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SimSerialPort]:
    with SimSerialPort(tmp_path / "cart-scanner") as port:
        yield port


@pytest.fixture
def scanner(device: SimSerialPort, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scanner]:
    monkeypatch.setattr(scanner_module, "REOPEN_S", 0.05)
    one = Scanner(str(device.link), Framing())
    one.start()
    yield one
    one.close()
    assert not one.alive


def test_a_scan_comes_through_with_its_bytes(device: SimSerialPort, scanner: Scanner) -> None:
    assert wait_for(scanner, PortState).ok
    before_ns = time.monotonic_ns()
    device.write(b"]E05011001234566\r")
    chunks = b""
    while True:
        event = scanner.take(5)
        assert event is not None
        if isinstance(event, Scanned):
            break
        assert isinstance(event, Chunk)
        assert event.t_ns >= before_ns
        chunks += event.data
    assert chunks == b"]E05011001234566\r"
    assert event.frame == Frame("5011001234566", "]E0")


def test_unplugged_in_mid_code_drops_it_and_reconnects(device: SimSerialPort, scanner: Scanner) -> None:
    assert wait_for(scanner, PortState).ok
    device.write(b"]E0501100")
    wait_for(scanner, Chunk)
    device.unplug()
    assert wait_for(scanner, ScanRejected).refused.reason == "cut_off"
    lost = wait_for(scanner, PortState)
    assert (lost.ok, lost.fault) == (False, "lost")
    assert "check its plug" in lost.detail
    device.plug()
    assert wait_for(scanner, PortState).ok
    device.write(b"1234566\r]E496385074\r")
    assert wait_for(scanner, ScanRejected).refused.shown == "1234566"
    assert wait_for(scanner, Scanned).frame == Frame("96385074", "]E4")


def test_a_missing_scanner_is_said_once_and_found_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "REOPEN_S", 0.02)
    scanner = Scanner(str(tmp_path / "cart-scanner"), Framing())
    scanner.start()
    try:
        missing = wait_for(scanner, PortState)
        assert (missing.ok, missing.fault) == (False, "missing")
        assert "[scanner] port" in missing.detail
        assert scanner.take(0.2) is None
        with SimSerialPort(tmp_path / "cart-scanner") as device:
            assert wait_for(scanner, PortState).ok
            device.write(b"]E0123\r")
            assert wait_for(scanner, Scanned).frame.text == "123"
    finally:
        scanner.close()


def test_an_unfinished_code_is_dropped_without_an_unplug(device: SimSerialPort, scanner: Scanner) -> None:
    wait_for(scanner, PortState)
    device.write(b"]E0501")
    assert wait_for(scanner, ScanRejected).refused.reason == "cut_off"


@pytest.mark.parametrize("error", scanner_module.LOST)
def test_every_way_of_losing_a_port_is_survived(error: type[Exception]) -> None:
    class Failing:
        in_waiting = 0
        closed = 0

        def read(self, _size: int = 1) -> bytes:
            raise error(5, "Input/output error")

        def close(self) -> None:
            self.closed += 1
            raise error(5, "Input/output error")

    port = Failing()
    scanner = Scanner("/dev/cart-scanner", Framing(), open_port=lambda _port, _rate: port)
    scanner.start()
    states = [wait_for(scanner, PortState).ok, wait_for(scanner, PortState).ok]
    scanner.close()
    assert states == [True, False]
    assert port.closed >= 1


def test_a_full_queue_drops_and_counts(device: SimSerialPort) -> None:
    scanner = Scanner(str(device.link), Framing())
    for n in range(300):
        scanner._enqueue(PortState(n, ok=True))
    assert scanner.events.qsize() == scanner_module.QUEUE_MAX
    assert scanner.dropped == 300 - scanner_module.QUEUE_MAX


def test_the_device_has_a_stable_name_only_while_plugged(device: SimSerialPort) -> None:
    assert device.link.is_symlink()
    assert device.plugged
    device.unplug()
    device.unplug()
    assert not device.link.is_symlink()
    assert device.write(b"lost") == 0
    device.plug()
    first = device.link.readlink()
    device.plug()
    assert device.link.readlink() == first
