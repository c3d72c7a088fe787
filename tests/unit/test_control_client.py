"""Status and recording over the control socket of a real server."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cart.commands import record as record_command
from cart.commands import status as status_command
from cart.control_client import ControlClient, ControlError, NotRunning, Observed
from cart.core.observations import Look, ScaleSample, Touch
from cart.recordings import RecordingError, open_recording
from cart.recordings.format import LOOK, SCALE, SCANNER, TOUCH, LookMessage, ScaleMessage, ScannerMessage, TouchMessage
from tests.unit.simulated_world import CATALOG, Daemon, config_file, daemon

STATUS = {
    "cart_id": "cart-7",
    "store_id": "store-1",
    "uptime_s": 4000.0,
    "trip": {
        "phase": "shopping",
        "trip_id": "abc",
        "units": 2,
        "total_minor": 298,
        "currency": "EUR",
        "lines": [{"name": "Milk [1 l]", "units": 2, "placed": 1, "state": "pending", "price_minor": 298}],
        "interventions": [{"kind": "extra_unit", "stage": "question", "name": "Milk"}],
    },
    "weight": {"net_g": 1034.2, "stable": True},
    "parts": {"scale": "ok", "scanner": "lost"},
    "figures": {},
    "link": {"linked": False, "protocol": "5"},
    "journal": {"state": "ok", "locked": "", "head_seq": 12},
    "catalog_version": None,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has at most 107 bytes; pytest's own folders may be longer.
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


def test_status_is_what_the_daemon_says(folder: Path) -> None:
    with daemon(folder, STATUS):
        assert ControlClient(folder).status() == STATUS


def test_no_daemon_is_said_in_one_line_with_what_to_do(folder: Path) -> None:
    with pytest.raises(NotRunning, match="systemctl start cart"):
        ControlClient(folder).status()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(folder / "control.sock"))
    with pytest.raises(NotRunning, match="no cart is running"):
        ControlClient(folder).status()


def test_a_daemon_that_hangs_is_said(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(folder / "control.sock"))
        mute.listen()
        with pytest.raises(ControlError, match="does not answer"):
            ControlClient(folder, timeout_s=0.1).status()


def test_nonsense_on_the_socket_is_said(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(folder / "control.sock"))
        odd.listen()

        def answer() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.sendall(b"hello\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ControlError, match="nonsense"):
            ControlClient(folder).status()
        thread.join()


def test_observations_come_as_they_happen_and_silence_as_none(folder: Path) -> None:
    with daemon(folder, STATUS) as running:
        observed = ControlClient(folder).observe()
        assert next(observed) is None
        running.say(ScaleSample(t_ns=5, counts=7))
        running.scanned(6, b"\x00\r")
        got = [next(observed), next(observed)]
        observed.close()  # type: ignore[attr-defined]
    assert got == [Observed("/scale", 5, {"counts": 7}), Observed("/scanner", 6, {"data": "AA0="})]


def test_observing_ends_with_the_daemon(folder: Path) -> None:
    running = Daemon(folder, lambda: STATUS)
    observed = ControlClient(folder).observe()
    assert next(observed) is None
    running.close()
    assert [one for one in observed if one is not None] == []


def test_observing_ends_after_its_time(folder: Path) -> None:
    with daemon(folder, STATUS):
        began = time.monotonic()
        assert set(ControlClient(folder).observe(seconds=0.6)) == {None}
        assert 0.5 < time.monotonic() - began < 3.0


def live(running: Daemon, stop: threading.Event) -> None:
    """A cart in which things happen over and over, on a clock that began at 1,000 s."""
    t_ns = 1_000_000_000_000
    while not stop.is_set():
        t_ns += 10_000_000
        running.say(ScaleSample(t_ns=t_ns, counts=t_ns // 10_000_000 % 1000))
        running.scanned(t_ns + 1, b"]E0952\r")
        running.say(Touch(t_ns=t_ns + 2, action="receipt", to="someone@example.org"))
        running.say(Look(t_ns=t_ns + 4, frame_t_ns=t_ns, direction="in", scores={"apple": 0.9}))
        time.sleep(0.01)


def test_a_recording_of_a_live_cart_reads_back_without_the_address(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_file(folder)
    out = folder / "out.mcap"
    stop = threading.Event()
    with daemon(folder, {**STATUS, "trip": {"phase": "idle"}}) as running:
        world = threading.Thread(target=live, args=(running, stop))
        world.start()
        before_ns = time.time_ns()
        status = record_command.run(out, config_path=config, seconds=0.8)
        stop.set()
        world.join()
    assert status == 0
    recording = open_recording(out)
    messages = list(recording.messages())
    bodies = {message.topic: message.body for message in messages}
    assert set(bodies) == {SCALE, SCANNER, TOUCH, LOOK}
    assert isinstance(bodies[SCALE], ScaleMessage)
    assert bodies[SCANNER] == ScannerMessage(b"]E0952\r")
    assert bodies[TOUCH] == TouchMessage("receipt")
    looks = [message for message in messages if isinstance(message.body, LookMessage)]
    assert {message.t_ns - message.body.frame_t_ns for message in looks if isinstance(message.body, LookMessage)} == {4}
    assert abs(messages[0].t_ns - before_ns) < 2_000_000_000
    assert recording.metadata["phase"] == "idle"
    assert recording.settings.scale.counts_per_gram == 20.0
    assert recording.settings.policy.hint_s == 10.0
    assert recording.catalog == CATALOG
    assert str(out) in capsys.readouterr().out


def test_a_trip_under_way_is_not_recorded_unless_told(folder: Path) -> None:
    config = config_file(folder)
    catalog = folder / "catalog.json"
    catalog.write_bytes(msgspec.json.encode(CATALOG))
    out = folder / "out.mcap"
    with daemon(folder, STATUS):
        with pytest.raises(RecordingError, match="in a trip"):
            record_command.run(out, config_path=config, seconds=0.2, catalog_path=catalog)
        assert not out.exists()
        assert record_command.run(out, config_path=config, seconds=0.2, catalog_path=catalog, mid_trip=True) == 1


def test_status_for_people_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_file(folder)
    with daemon(folder, STATUS):
        assert status_command.run(config_path=config) == 0
        shown = capsys.readouterr().out
        assert status_command.run(config_path=config, as_json=True) == 0
        answer = msgspec.json.decode(capsys.readouterr().out)
    assert answer == STATUS
    for words in (
        "cart-7 of store-1, running for 1 h 06 min",
        "trip: shopping (abc)",
        "Milk [1 l]",
        "1 of 2 in",
        "total: 2.98 EUR, 2 units",
        "open: extra_unit (question) Milk",
        "weight: +1034.2 g net, at rest",
        "scanner: lost",
        "no link",
        "no catalogue yet",
    ):
        assert words in shown


def test_status_without_a_daemon_is_status_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_command.run(config_path=config_file(folder)) == 1
    assert capsys.readouterr().err.startswith("cart: no cart is running here")
