"""Diagnostics: each finding from the signal that shows it, and a machine with nothing on it told plainly."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.commands import diag as diag_command
from cart.config import parse_config
from cart.core.calibration import Calibration, CalibrationHistory, CheckResult
from cart.core.problem import Problem
from cart.core.settings import ScaleSettings
from cart.diagnostics import certificate
from cart.diagnostics.calibration_files import history_path
from cart.diagnostics.check import Bench, Check, two_halves
from cart.diagnostics.run import PARTS, checks, prepare
from cart.diagnostics.scale import ScaleFigures, check_scale, judge, measure
from cart.diagnostics.watch import Ears, Heard, WatchApp, Window, figures_line, parts_line, run_watch
from drivers.sim.wire import ScaleFault
from tests.unit.simulated_world import TARE_COUNTS, config_file, config_text, converter, daemon

SETTINGS = ScaleSettings(counts_per_gram=20.0, tare_counts=TARE_COUNTS, capacity_g=30000.0, samples_per_second=80.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has at most 107 bytes; pytest's own folders may be longer.
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


def signal(
    *, rate: float = 80.0, seconds: float = 3.0, noise_g: float = 0.5, gross_g: float = 0.0
) -> list[tuple[int, int]]:
    rng = random.Random(7)
    return [
        (round(i / rate * 1e9), round(TARE_COUNTS + (gross_g + rng.gauss(0, noise_g)) * 20))
        for i in range(round(seconds * rate))
    ]


def measured(samples: list[tuple[int, int]]) -> ScaleFigures:
    figures = measure(samples, SETTINGS)
    assert figures is not None
    return figures


def test_the_figures_of_a_healthy_scale() -> None:
    figures = measured(signal(gross_g=500.0, noise_g=0.8))
    assert figures.rate_measured == pytest.approx(80.0, rel=0.01)
    assert figures.noise_g == pytest.approx(0.8, rel=0.2)
    assert figures.gross_g == pytest.approx(500.0, abs=0.5)
    assert (figures.samples, figures.saturated, figures.glitches) == (240, 0, 0)
    assert judge(figures, SETTINGS).verdict == "ok"


def test_noise_is_told_in_spite_of_a_moving_load_and_glitches() -> None:
    samples = [(t, counts + i * 4) for i, (t, counts) in enumerate(signal(noise_g=0.8))]
    samples[50] = (samples[50][0], 8_000_000)
    samples[90] = (samples[90][0], -300_000)
    figures = measured(samples)
    assert figures.noise_g == pytest.approx(0.8, rel=0.25)
    assert figures.glitches == 2


def test_too_few_samples_give_no_figures() -> None:
    assert measure(signal()[:7], SETTINGS) is None


@pytest.mark.parametrize(
    ("samples", "verdict", "words", "todo"),
    [
        (signal(rate=10.0, seconds=6), "warn", "10.0 samples/s, configured are 80", "scale.samples_per_second"),
        (signal(noise_g=9.0), "warn", "noise", "stand the cart still"),
        (signal(gross_g=-400.0), "warn", "less than an empty basket", "cart calibrate"),
        (signal(gross_g=31000.0), "warn", "its capacity is 30000 g", "unload"),
        ([(t, TARE_COUNTS) for t, _ in signal()], "fail", "stuck", "wires"),
        ([(t, 8388607) for t, _ in signal()], "fail", "out of its range", "wire of the load cell"),
        ([(t, c if i % 20 else 8388607) for i, (t, c) in enumerate(signal())], "warn", "glitches", "clock"),
    ],
)
def test_each_finding_has_its_remedy(samples: list[tuple[int, int]], verdict: str, words: str, todo: str) -> None:
    check = judge(measured(samples), SETTINGS)
    assert check.verdict == verdict
    assert words in check.summary
    assert todo in check.todo


@pytest.mark.parametrize(
    ("line", "halves"),
    [
        ("no scanner ([Errno 2] no: 'x'): plug it in; see", ("no scanner ([Errno 2] no: 'x')", "plug it in; see")),
        ("/etc/cart/cart.toml: no such file; copy one", ("/etc/cart/cart.toml: no such file", "copy one")),
        ("no module RPi.GPIO: on a Pi 5 'pip'; without", ("no module RPi.GPIO", "on a Pi 5 'pip'; without")),
        ("just broken", ("just broken", "")),
    ],
)  # fmt: skip
def test_a_drivers_line_is_parted_into_what_and_todo(line: str, halves: tuple[str, str]) -> None:
    assert two_halves(line) == halves


def test_a_machine_with_nothing_on_it_is_told_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = folder / "cart.toml"
    assert diag_command.run(config_path=missing, as_json=True) == 1
    report = msgspec.json.decode(capsys.readouterr().out)
    by_part = {check["part"]: check for check in report["checks"]}
    assert list(by_part) == list(PARTS)
    assert report["ok"] is False
    assert report["running"] is False
    assert by_part["config"]["verdict"] == "fail"
    assert str(missing) in by_part["config"]["summary"]
    assert by_part["camera"]["verdict"] == "absent"
    for check in report["checks"]:
        assert "Traceback" not in check["summary"]
        assert check["verdict"] != "fail" or check["todo"]


def test_for_people_it_names_what_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diag_command.run("config", config_path=folder / "none.toml") == 1
    out = capsys.readouterr().out
    assert "→ copy systemd/cart.toml.example there" in out
    assert "1 of 1 failed: config" in out


def test_an_unknown_part_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(Problem, match="choose one of config, scale, scanner"):
        prepare(folder / "cart.toml", part="wheel")


def test_a_check_that_breaks_does_not_hide_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(PARTS, "disk", broken)
    config_file(folder)
    found = {check.part: check for check in checks(prepare(folder / "cart.toml"), "disk")}
    assert found["disk"].summary == "the check itself broke: ZeroDivisionError: oops"


def bench_of(folder: Path, *, seconds: float = 1.0, samples_per_second: float = 80.0, **more: Any) -> Bench:
    config = parse_config(config_text(folder, samples_per_second=samples_per_second), source="test")
    return Bench(config_path=folder / "cart.toml", config=config, seconds=seconds, **more)


def heard_well(folder: Path) -> Check:
    """What the check says once the machine had a whole second for it: a starved one loses words, and is told so."""
    check = check_scale(bench_of(folder))
    for _ in range(4):
        if check.verdict == "ok":
            break
        check = check_scale(bench_of(folder))
    return check


def test_a_scale_on_the_wires_is_measured(folder: Path) -> None:
    with converter(folder) as world:
        world.load_g = 750.0
        check = heard_well(folder)
    assert check.verdict == "ok"
    assert check.figures["gross_g"] == pytest.approx(750.0, abs=2.0)
    assert check.figures["rate_measured"] == pytest.approx(80.0, rel=0.1)


@pytest.mark.parametrize("fault", [ScaleFault.UNPLUGGED, ScaleFault.SATURATED_HIGH, ScaleFault.STUCK_LOW])
def test_a_broken_scale_fails_with_something_to_do(folder: Path, fault: ScaleFault) -> None:
    with converter(folder) as world:
        world.wire.set_scale_fault(fault)
        check = check_scale(bench_of(folder))
    assert check.verdict == "fail"
    assert check.todo


def test_no_wire_at_all_fails_with_something_to_do(folder: Path) -> None:
    check = check_scale(bench_of(folder))
    assert check.verdict == "fail"
    assert "cart demo" in check.todo


def test_with_a_daemon_its_samples_are_judged_and_its_word_taken(folder: Path) -> None:
    status = {"parts": {"scale": "ok", "scanner": "lost"}, "figures": {"scale_restarts": 2.0}}
    config_file(folder)
    with daemon(folder, status):
        bench = prepare(folder / "cart.toml", part="scanner")
        (scanner,) = checks(bench, "scanner")
        (scale,) = checks(msgspec.structs.replace(bench, seconds=0.3), "scale")
    assert bench.status == status
    assert (scanner.verdict, scanner.summary) == ("fail", "the running cart says: lost")
    assert scale.verdict == "ok"
    assert scale.figures["restarts"] == 2.0


def test_the_window_keeps_a_curve_of_the_last_seconds() -> None:
    window = Window(SETTINGS)
    for t_ns, counts in signal(seconds=60.0, gross_g=100.0, noise_g=0.1):
        window.hear((t_ns, counts))
    curve = window.curve_g()
    assert len(curve) == 120
    assert all(value == pytest.approx(100.0, abs=1.0) for value in curve)
    window.hear((61_000_000_000, TARE_COUNTS))
    assert window.curve_g()[-1] == pytest.approx(0.0)
    for number in range(9):
        window.hear(str(number))
    assert list(window.scans) == ["4", "5", "6", "7", "8"]


def test_the_lines_of_the_live_view() -> None:
    line = figures_line(measured(signal()))
    assert "80.0 of 80 samples/s" in line
    assert figures_line(None) == "no samples"
    status = {
        "parts": {"scale": "ok"},
        "figures": {"camera_frames_per_second": 4.9},
        "link": {"linked": True, "protocol": "5"},
    }
    assert parts_line(status, running=True) == "scale ok\n4.9 frames/s\nlink up (MQTT 5)"
    assert "no cart is running" in parts_line({}, running=False)


class Deaf(Ears):
    """Ears that hear what the test says."""

    heard: list[Heard]

    def open(self) -> None:
        self.heard = [*signal(gross_g=250.0, noise_g=0.1), "09520000000011"]

    def close(self) -> None:
        self.heard = []

    def take(self) -> list[Heard]:
        taken, self.heard = self.heard, []
        return taken


def test_the_live_view_shows_weight_and_scans(folder: Path) -> None:
    bench = bench_of(folder)

    async def look() -> tuple[str, str, str]:
        app = WatchApp(bench, Deaf(bench))
        async with app.run_test() as pilot:
            app.redraw()
            await pilot.pause()
            return tuple(str(app.query_one(name).render()) for name in ("#gross", "#figures", "#scans"))  # type: ignore[return-value]

    gross, figures, scans = asyncio.run(look())
    assert "+250" in gross
    assert "80.0 of 80 samples/s" in figures
    assert "09520000000011" in scans


def test_the_ears_hear_a_running_cart(folder: Path) -> None:
    from cart.core.observations import ScaleSample

    with daemon(folder, {"parts": {}}) as running:
        ears = Ears(bench_of(folder, status={"parts": {}}))
        ears.open()
        heard: list[Heard] = []
        for number in range(200):
            running.say(ScaleSample(t_ns=number, counts=number))
            running.scanned(number, b"]E09520000000011\r")
            heard += ears.take()
            if "9520000000011" in heard:
                break
            ears._closing.wait(0.02)
        ears.close()
    assert "9520000000011" in heard
    assert any(isinstance(one, tuple) for one in heard)


def test_the_live_view_needs_a_terminal(folder: Path) -> None:
    with pytest.raises(Problem, match="needs a terminal"):
        run_watch(bench_of(folder))


def calibrated(folder: Path, error_g: float, *, position: str = "") -> Bench:
    """A bench whose history says that 5 kg and a corner's 2 kg were checked; e is 5 g."""
    config_file(folder)
    bench = prepare(folder / "cart.toml")
    scale = bench.config.scale
    checks = (CheckResult(5000.0, 1.25, 5.0, 5.0), CheckResult(2000.0, error_g, 2.5, 5.0, position))
    made = Calibration(
        counts_per_gram=scale.counts_per_gram, tare_counts=scale.tare_counts, event=1,
        span_g=10000.0, noise_g=0.5, checks=checks,
    )  # fmt: skip
    history = CalibrationHistory().with_new(made)
    history_path(folder / "cart.toml").write_bytes(msgspec.json.encode(history))
    return msgspec.structs.replace(bench, seconds=0.5)


def test_the_scale_tells_its_errors_as_a_certificate_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = calibrated(folder, -2.5, position="front left")
    heavy, corner = certificate.errors(bench.config_path, bench.config)
    assert (heavy.load_e, heavy.error_e, heavy.permitted_e, heavy.passed) == (1000.0, 0.25, 1.0, True)
    assert (corner.load_e, corner.error_e, corner.permitted_e, corner.passed) == (400.0, -0.5, 0.5, True)
    with converter(folder):
        diag_command.run("scale", config_path=bench.config_path, as_json=True)
        (check,) = msgspec.json.decode(capsys.readouterr().out)["checks"]
    assert [(e["load_g"], e["position"], e["error_g"]) for e in check["errors"]] == [
        (5000.0, "", 1.25),
        (2000.0, "front left", -2.5),
    ]


def test_an_error_beyond_what_e_permits_is_a_warning(folder: Path) -> None:
    bench = calibrated(folder, 2.6)
    with converter(folder):
        check = check_scale(bench)
    assert check.verdict == "warn"
    assert "2000 g (400 e): +2.60 g = +0.52 e, permitted ±0.5 e  BEYOND" in check.summary
    assert "cart calibrate" in check.todo


def test_a_history_that_cannot_be_read_is_told(folder: Path) -> None:
    bench = calibrated(folder, 0.0)
    history_path(bench.config_path).write_text("{", encoding="utf-8")
    (check,) = checks(bench, "scale")
    assert check.verdict == "fail"
    assert "calibrate again" in check.summary + check.todo
