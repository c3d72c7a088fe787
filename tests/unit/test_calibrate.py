"""Calibrating on simulated wires: what is stored, what is refused, and that the old calibration is never lost."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cart.commands import calibrate as command
from cart.config import load_config, parse_config
from cart.core.calibration import Calibration, CalibrationHistory, CalibrationRefused
from cart.core.calibration_procedure import Ask
from cart.core.problem import Problem
from cart.diagnostics.calibration_files import (
    CalibrationFileError,
    history_path,
    read_history,
    store,
    with_calibration,
)
from drivers.errors import NotReady
from drivers.sim.wire import ScaleFault
from tests.unit.simulated_world import TARE_COUNTS, Converter, config_file, config_text, converter, daemon

TRUE_COUNTS_PER_GRAM = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    # A Unix socket's path has at most 107 bytes; pytest's own folders may be longer.
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


@pytest.fixture
def world(folder: Path) -> Iterator[Converter]:
    with converter(folder) as made:
        yield made


def miscalibrated(folder: Path) -> Path:
    path = config_file(folder)
    path.write_text(path.read_text().replace("counts_per_gram = 20.0", "counts_per_gram = 17.5"))
    return path


def machine(world: Converter, monkeypatch: pytest.MonkeyPatch, *, error_g: float = 0.0) -> list[str]:
    """Whoever changes the loads: puts on what is asked for, `error_g` too much on check weights."""
    asked: list[str] = []

    def prompt(ask: Ask) -> None:
        asked.append(ask.step)
        world.load_g = ask.load_g + error_g * (ask.step == "check")

    monkeypatch.setattr(command, "_settle", lambda _settle_s: prompt)
    return asked


def kept(path: Path) -> CalibrationHistory:
    return msgspec.json.decode(history_path(path).read_bytes(), type=CalibrationHistory)


def test_a_calibration_is_found_stored_and_the_old_one_kept(
    folder: Path, world: Converter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = miscalibrated(folder)
    asked = machine(world, monkeypatch)
    assert command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0, check_g=[5000.0], as_json=True) == 0
    scale = load_config(path).scale
    assert asked == ["zero", "span", "check", "repeat", "zero_again"]
    assert scale.counts_per_gram == pytest.approx(TRUE_COUNTS_PER_GRAM, rel=1e-3)
    assert scale.tare_counts == pytest.approx(TARE_COUNTS, abs=20)
    told = msgspec.json.decode(capsys.readouterr().out, type=Calibration)
    assert told.counts_per_gram == pytest.approx(scale.counts_per_gram, abs=1e-6)
    history = kept(path)
    assert [one.counts_per_gram for one in history.kept] == [17.5, pytest.approx(TRUE_COUNTS_PER_GRAM, rel=1e-3)]
    assert [one.event for one in history.kept] == [1, 2]
    assert history.kept[0].made_by == "found in cart.toml"


def test_undo_goes_back_and_forgets_nothing(
    folder: Path, world: Converter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = miscalibrated(folder)
    machine(world, monkeypatch)
    command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0)
    assert command.run(config_path=path, undo=True) == 0
    assert load_config(path).scale.counts_per_gram == 17.5
    assert [one.event for one in kept(path).kept] == [1, 2, 3]
    capsys.readouterr()
    assert command.run(config_path=path, show=True) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert shown[2].startswith("→   3")


def test_a_check_weight_that_is_off_is_refused_and_nothing_changes(
    folder: Path, world: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = miscalibrated(folder)
    before = path.read_bytes()
    machine(world, monkeypatch, error_g=40.0)
    with pytest.raises(CalibrationRefused, match=r"is off by \+40"):
        command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0, check_g=[5000.0])
    assert path.read_bytes() == before
    assert not history_path(path).exists()


def test_an_unplugged_cell_ends_it_with_the_drivers_line(
    folder: Path, world: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = miscalibrated(folder)
    before = path.read_bytes()
    machine(world, monkeypatch)
    world.wire.set_scale_fault(ScaleFault.UNPLUGGED)
    with pytest.raises(NotReady):
        command.run(config_path=path, yes=True, read_s=0.5, span_g=10000.0)
    assert path.read_bytes() == before


def test_a_running_cart_is_not_disturbed(folder: Path) -> None:
    path = config_file(folder)
    with daemon(folder, {}), pytest.raises(Problem, match="systemctl stop cart"):
        command.run(config_path=path, yes=True)


def test_without_a_terminal_it_asks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(Problem, match="--yes"):
            command.run(config_path=config_file(folder))


def test_a_span_weight_that_is_too_light_is_refused_before_anything_is_asked(folder: Path) -> None:
    with pytest.raises(CalibrationRefused, match="span weight of 100 g"):
        command.run(config_path=config_file(folder), yes=True, span_g=100.0)


NEW = Calibration(counts_per_gram=-31.25, tare_counts=-4242, event=2, span_g=1.0, noise_g=1.0)


def test_only_the_two_keys_of_the_file_change(folder: Path) -> None:
    text = config_text(folder)
    changed = with_calibration(text, NEW, source="cart.toml")
    assert changed.replace("-31.25", "20.0").replace("-4242", str(TARE_COUNTS)) == text
    told = parse_config(changed, source="cart.toml").scale
    assert (told.counts_per_gram, told.tare_counts) == (-31.25, -4242)


def test_keys_of_the_same_name_elsewhere_are_left_alone(folder: Path) -> None:
    text = config_text(folder).replace("[scanner]", "# tare_counts = 1\n[scanner]")
    assert "# tare_counts = 1" in with_calibration(text, NEW, source="x")


def test_a_table_written_otherwise_is_left_to_a_person() -> None:
    text = '[cart]\nid = "a"\n[store]\nid = "b"\n'
    inline = f"scale = {{ counts_per_gram = 20.0, tare_counts = 1 }}\n{text}"
    with pytest.raises(CalibrationFileError, match=r"set counts_per_gram = -31\.25, tare_counts = -4242, .* by hand"):
        with_calibration(inline, NEW, source="x")


def test_mode_of_the_file_stays(folder: Path) -> None:
    path = config_file(folder)
    path.chmod(0o640)
    store(path, read_history(path, load_config(path)).with_new(NEW))
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_config(path).scale.counts_per_gram == -31.25
    assert sorted(file.name for file in folder.iterdir()) == ["calibration.json", "cart.toml"]


def test_what_was_edited_by_hand_is_kept_too(folder: Path) -> None:
    path = config_file(folder)
    store(path, read_history(path, load_config(path)).with_new(NEW))
    path.write_text(path.read_text().replace("-31.25", "19.0"))
    history = read_history(path, load_config(path))
    assert [one.counts_per_gram for one in history.kept] == [20.0, -31.25, 19.0]
    assert history.events == 3


def test_a_broken_history_is_said_and_not_overwritten(folder: Path) -> None:
    path = config_file(folder)
    history_path(path).write_text("{")
    with pytest.raises(CalibrationFileError, match="move it away"):
        read_history(path, load_config(path))
    assert history_path(path).read_text() == "{"


def test_undo_without_an_earlier_one_says_so(folder: Path) -> None:
    with pytest.raises(Problem, match="no earlier calibration"):
        command.run(config_path=config_file(folder), undo=True)
