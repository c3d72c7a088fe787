"""`cart calibrate` on four cells, over the temperature, and at the hands of a technician who gets things wrong."""

from __future__ import annotations

import math
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cart import __main__ as command_line
from cart.bench.corners import CORNER_XY
from cart.commands import calibrate as command
from cart.commands import calibrate_temperature
from cart.config import ConfigError, load_config, parse_config
from cart.core.calibration import Calibration, CalibrationRefused
from cart.core.calibration_procedure import Ask, CalibrationProcedure
from cart.core.calibration_thermal import WarmReading
from cart.core.problem import Problem
from cart.core.weighing.cells import CORNERS
from cart.diagnostics.calibration_files import CalibrationFileError, read_history, store
from cart.diagnostics.check import Bench
from cart.diagnostics.scale import check_scale
from drivers.sim.cells import create_wires
from tests.unit.simulated_world import TARE_COUNTS, config_file, config_text, converter
from tests.unit.test_calibration import counts

PINS = ((5, 6), (13, 12), (19, 16), (26, 20))
GAINS = (1.04, 0.97, 1.0, 0.99)
FOUR_KEYS = "cell_dout_pins = [5, 13, 19, 26]  # front left, front right, rear left, rear right\ncell_sck_pins = [6, 12, 16, 20]\n"  # noqa: E501


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has at most 107 bytes; pytest's own folders may be longer.
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


class FourConverters:
    """Four converters in real time under `load_g` at `at`."""

    def __init__(self, folder: Path) -> None:
        self.wires = create_wires(folder / "wire", PINS, samples_per_second=80.0)
        self.load_g = 0.0
        self.at = (0.0, 0.0)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rng = random.Random(5)
        due = time.monotonic()
        while not self._closing.is_set():
            for wire, (a, b), gain in zip(self.wires, CORNER_XY, GAINS, strict=True):
                grams = self.load_g * (1 + a * self.at[0] + b * self.at[1]) / 4
                wire.convert(round(TARE_COUNTS + 80.0 * gain * (grams + rng.gauss(0.0, 0.25))))
            due += 1 / 80
            time.sleep(max(0.0, due - time.monotonic()))

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        for wire in self.wires:
            wire.close()


@pytest.fixture
def four(folder: Path) -> Iterator[FourConverters]:
    made = FourConverters(folder)
    yield made
    made.close()


def four_config(folder: Path) -> Path:
    path = folder / "cart.toml"
    path.write_text(config_text(folder).replace("[gpio]", FOUR_KEYS + "[gpio]"))
    return path


def put_where_asked(four: FourConverters, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def prompt(ask: Ask) -> None:
        asked.append(f"{ask.step} {ask.position}".strip())
        four.load_g = ask.load_g
        x, y = CORNER_XY[CORNERS.index(ask.position)] if ask.position else (0.0, 0.0)
        four.at = (0.8 * x, 0.8 * y)

    monkeypatch.setattr(command, "_settle", lambda _settle_s: prompt)
    return asked


def test_four_cells_are_trimmed_spanned_and_checked(
    folder: Path, four: FourConverters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = four_config(folder)
    asked = put_where_asked(four, monkeypatch)
    assert command.run(config_path=path, yes=True, read_s=1.0, span_g=10000.0, check_g=[5000.0]) == 0
    corners = [f"corner {corner}" for corner in CORNERS]
    assert asked == ["zero", *corners, "span", "check", "repeat", "zero_again"]
    scale = load_config(path).scale
    assert sum(scale.cell_trims) == pytest.approx(4.0, abs=1e-5)
    trimmed = [trim * gain for trim, gain in zip(scale.cell_trims, GAINS, strict=True)]
    for x, y in ((0.8, 0.8), (-0.5, 0.3), (0.0, -0.9)):
        shares = [(1 + a * x + b * y) / 4 for a, b in CORNER_XY]
        seen = sum(f * 80.0 * share for f, share in zip(trimmed, shares, strict=True)) / 4
        assert seen / scale.counts_per_gram == pytest.approx(1.0, abs=3e-4)
    assert scale.cell_tare_counts == pytest.approx((TARE_COUNTS,) * 4, abs=20)
    assert "cell_dout_pins = [5, 13, 19, 26]  # front left" in path.read_text()
    made = read_history(path, load_config(path)).current
    assert made is not None
    assert [check.position for check in made.checks] == [*CORNERS, "", ""]
    assert all(check.passed for check in made.checks)
    assert "trims of the four cells" in capsys.readouterr().out
    four.load_g, four.at = 4000.0, (0.5, 0.5)
    figures = check_scale(Bench(config_path=path, config=load_config(path), seconds=0.5)).figures
    assert [figures[f"{corner.replace(' ', '_')}_g"] for corner in CORNERS] == pytest.approx(
        [1000.0, 2000.0, 0.0, 1000.0], abs=30.0
    )
    assert figures["calibration_event"] == 2


def four_words(load_g: float, at: tuple[float, float], *, leant_g: float = 0.0) -> list[tuple[int, ...]]:
    rng = random.Random(round(load_g))
    rows = []
    for _ in range(80):
        grams = [load_g * (1 + a * at[0] + b * at[1]) / 4 + leant_g * ((a, b) == (-1, 1)) for a, b in CORNER_XY]
        rows.append(
            tuple(round(TARE_COUNTS + 80 * k * (g + rng.gauss(0, 0.3))) for k, g in zip(GAINS, grams, strict=True))
        )
    return rows


@pytest.mark.parametrize("lean_g", [40.0, 400.0])
def test_who_leans_on_one_corner_is_noticed(lean_g: float) -> None:
    work = CalibrationProcedure(capacity_g=30_000.0, span_g=10_000.0, check_g=(5000.0,), cells=True)
    told = ""
    for _ in range(6):
        ask = work.next
        assert ask is not None
        x, y = CORNER_XY[CORNERS.index(ask.position)] if ask.position else (0.0, 0.0)
        words = four_words(ask.load_g, (0.8 * x, 0.8 * y), leant_g=lean_g if ask.position == "front left" else 0.0)
        try:
            work.take([round(sum(row) / 4) for row in words], words)
        except CalibrationRefused as refused:
            told = str(refused)
            break
    assert "same weight" in told
    again = work.next
    assert again is not None
    assert again.step in {"zero", "corner"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("cell_dout_pins = [5, 13, 19]\ncell_sck_pins = [6, 12, 16]\n", "cell_dout_pins has 3 values"),
        ("cell_dout_pins = [5, 13, 19, 26]\n", "cell_sck_pins has 0 values"),
        ("cell_trims = [1.0, 1.0, 1.0, 1.0]\n", "cell_trims is of four cells"),
        (FOUR_KEYS + "cell_trims = [1.0, 1.0]\n", "cell_trims has 2 values"),
        ("cell_dout_pins = [5, 13, 19, 17]\ncell_sck_pins = [6, 12, 16, 20]\n", "pin 17 is used twice"),
    ],
)
def test_a_wiring_that_cannot_be_is_refused_by_its_key(folder: Path, keys: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_config(config_text(folder).replace("[gpio]", keys + "[gpio]"), source="cart.toml")


# -- the temperature ----------------------------------------------------------------------------------------------


def warm_config(folder: Path) -> Path:
    path = folder / "cart.toml"
    sensor = folder / "temperature"
    sensor.write_text("21500\n")
    path.write_text(config_text(folder).replace("[gpio]", f'thermometer = "{sensor}"\n[gpio]'))
    return path


def calibrated(path: Path) -> None:
    """Put a calibration in force as if it had been made at 21.5 °C."""
    history = read_history(path, load_config(path))
    made = Calibration(
        counts_per_gram=20.0, tare_counts=TARE_COUNTS, event=history.events + 1, span_g=1e4, noise_g=1.0,
        made_at="2026-01-02T03:04:05Z", celsius=21.5, reference_celsius=21.5,
    )  # fmt: skip
    store(path, history.with_new(made))


def write_log(path: Path, *, event: int, slope: float, noise_g: float = 0.5) -> None:
    rng = random.Random(2)
    lines = []
    for minute in range(300):
        celsius = 21.5 - 8 * math.sin(math.pi * minute / 300)
        grams = slope * (celsius - 21.5) + rng.gauss(0.0, noise_g)
        reading = WarmReading(60.0 * minute, celsius, TARE_COUNTS + 20.0 * grams)
        lines.append(msgspec.json.encode(calibrate_temperature.Logged(event, reading)) + b"\n")
    path.with_name("temperature.jsonl").write_bytes(b"".join(lines) + b'{"event":2,"rea')


def test_a_logged_night_is_fitted_stored_and_undone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = warm_config(folder)
    calibrated(path)
    assert load_config(path).scale.reference_celsius == 21.5
    write_log(path, event=2, slope=4.0)
    assert command.run(config_path=path, temperature=True, hours=0.0) == 0
    scale = load_config(path).scale
    assert scale.zero_g_per_kelvin == pytest.approx(4.0, rel=0.15)
    assert scale.reference_celsius == 21.5
    assert "between 13." in capsys.readouterr().out
    figures = check_scale(Bench(config_path=path, config=load_config(path), seconds=0.2)).figures
    assert figures["compensates_g"] == 0.0
    # The next span keeps what was fitted, and reckons it from the new temperature
    (folder / "temperature").write_text("25000\n")
    with converter(folder) as world:
        monkeypatch.setattr(command, "_settle", lambda _s: lambda ask: setattr(world, "load_g", ask.load_g))
        command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0)
    again = load_config(path).scale
    assert (again.zero_g_per_kelvin, again.reference_celsius) == (scale.zero_g_per_kelvin, 25.0)
    for _ in range(2):
        command.run(config_path=path, undo=True)
    assert [one.event for one in read_history(path, load_config(path)).kept] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("slope", "noise_g", "event", "why"), [(0.0, 1.0, 2, "too little"), (4.0, 0.5, 9, "0 readings")]
)
def test_a_log_that_says_nothing_changes_nothing(
    folder: Path, slope: float, noise_g: float, event: int, why: str
) -> None:
    path = warm_config(folder)
    calibrated(path)
    before = path.read_bytes()
    write_log(path, event=event, slope=slope, noise_g=noise_g)
    with pytest.raises(CalibrationRefused, match=why):
        command.run(config_path=path, temperature=True, hours=0.0)
    assert path.read_bytes() == before


def test_logging_reads_the_scale_beside_its_thermometer_and_stops_where_it_was_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = warm_config(folder)
    calibrated(path)
    monkeypatch.setattr(calibrate_temperature, "EVERY_S", 0.1)
    with converter(folder) as world:
        with pytest.raises(CalibrationRefused, match="log on until"):
            command.run(config_path=path, temperature=True, hours=1 / 3600, read_s=0.5)
        logged = calibrate_temperature.read_log(path.with_name("temperature.jsonl"), 2)
        world.load_g = 700.0
        with pytest.raises(CalibrationRefused, match="it reads 700 g, not 0 g"):
            command.run(config_path=path, temperature=True, hours=1 / 3600, read_s=0.5)
    assert logged[0].celsius == 21.5
    assert logged[0].counts == pytest.approx(TARE_COUNTS, abs=10)
    assert calibrate_temperature.read_log(path.with_name("temperature.jsonl"), 2) == logged


def test_a_temperature_run_says_what_it_misses(folder: Path) -> None:
    path = config_file(folder)
    with pytest.raises(Problem, match="no thermometer"):
        command.run(config_path=path, temperature=True)
    path = warm_config(folder)
    with pytest.raises(Problem, match="calibrate zero and span first"):
        command.run(config_path=path, temperature=True)
    calibrated(path)
    path.with_name("temperature.jsonl").write_text("nonsense\n{}\n")
    with pytest.raises(CalibrationFileError, match="line 1 is no reading"):
        command.run(config_path=path, temperature=True, hours=0.0)


# -- a technician's mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--span", "10"], "10 kg is --span 10000"),
        (["--span", "10000", "--check", "5"], "5 kg is 5000"),
        (["--span", "10000", "--check", "10000"], "says nothing of what lies between"),
        (["--span", "10000", "--check", "5000", "--check", "5000"], "named twice"),
        (["--span", "40000"], "between 10% and 100 % of 30000 g"),
        (["--span", "-5"], "span weight of -5 g"),
    ],
)
def test_loads_that_cannot_be_meant_are_refused_before_anything_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    path = config_file(folder)
    monkeypatch.setattr(sys, "argv", ["cart", "calibrate", "--config", str(path), "--yes", *arguments])
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert left.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert says in told
    assert "Traceback" not in told


def taken(loads: list[float], **changes: object) -> CalibrationProcedure:
    settings: dict[str, object] = {"capacity_g": 30_000.0, "span_g": 10_000.0, "check_g": (5000.0,), **changes}
    work = CalibrationProcedure(**settings)  # type: ignore[arg-type]
    for at, load_g in enumerate(loads):
        work.take(counts(load_g, seed=at))
    return work


def test_the_weight_before_left_on_is_told_as_that() -> None:
    work = taken([0.0, 10_000.0])
    with pytest.raises(CalibrationRefused, match=r"still reads 10000\.\d g; replace the 10000 g by 5000 g"):
        work.take(counts(10_000.0, seed=8))
    work.take(counts(5000.0, seed=9))


def test_who_leans_steadily_is_found_by_the_check_weight() -> None:
    work = taken([0.0, 10_300.0])
    with pytest.raises(CalibrationRefused, match="nobody leans"):
        work.take(counts(5000.0, seed=8))


def test_a_load_left_on_is_known_from_the_calibration_before() -> None:
    first = taken([0.0, 10_000.0, 5000.0, 10_000.0, 0.0])
    history = first.history.with_new(first.finish(made_at="2026-01-02T03:04:05Z", made_by="t"))
    again = taken([], history=history)
    with pytest.raises(CalibrationRefused, match=r"by the calibration in force \+5000 g lie on it.*--new-cell"):
        again.take(counts(5000.0))
    again.take(counts(3.0))
    taken([5000.0], history=history, new_cell=True)


def test_an_empty_platform_that_was_touched_is_read_again() -> None:
    work = taken([])
    work.take([c + 40 * i for i, c in enumerate(counts(0.0))])
    with pytest.raises(CalibrationRefused, match="the empty platform was not at rest"):
        work.take(counts(10_000.0, seed=2))
    ask = work.next
    assert ask is not None
    assert ask.step == "zero"


@pytest.mark.parametrize("leaves", [KeyboardInterrupt, EOFError])
def test_who_leaves_midway_has_changed_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, leaves: type[BaseException]
) -> None:
    path = config_file(folder)
    before = path.read_bytes()
    asked = []

    def prompt(ask: Ask) -> None:
        asked.append(ask.step)
        if len(asked) == 3:
            raise leaves
        world.load_g = ask.load_g

    with converter(folder) as world:
        monkeypatch.setattr(command, "_settle", lambda _s: prompt)
        with pytest.raises(Problem, match="nothing was changed"):
            command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0)
    assert path.read_bytes() == before
    assert [file.name for file in folder.glob("calibration*")] == []
