"""The command line as a whole: what it offers, its exit statuses, one line for a person, and no traceback ever."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cart import __main__ as command_line
from cart.commands import run as run_command
from cart.core.problem import Problem


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cart", *arguments])
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert isinstance(left.value.code, int)
    return left.value.code


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    missing = [name for name in command_line.COMMANDS if f" {name} " not in shown]
    assert missing == []


@pytest.mark.parametrize("name", sorted(command_line.COMMANDS))
def test_each_command_has_help_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert call(monkeypatch, name, "--help") == 0
    assert f"cart {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "names"),
    [(["audit"], ["[journal]", "[broker]"]), (["provision", "signing-key"], ["[store]"])],
)
def test_help_that_names_a_table_of_the_configuration_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], names: list[str]
) -> None:
    assert call(monkeypatch, *command, "--help") == 0
    shown = capsys.readouterr().out
    assert [name for name in names if name in shown] == names


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["replay"], "Missing argument"),
        (["replay", "no-such-file.mcap"], "no such file"),
        (["run", "--config", "no-such.toml"], "no such file"),
        (["run", "--log-level", "loud"], "--log-level loud"),
        (["run", "--config", "/"], "(Is a directory)"),
        (["replay", "--wrong"], "Try 'cart replay --help'."),
        (["catalog", "show"], "Try 'cart catalog show --help'."),
        ([], "no command is given. Try 'cart --help'."),
    ],
)
def test_bad_use_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert call(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("cart: ")
    assert error.count("\n") == 1


def test_an_unforeseen_fault_is_one_line_and_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_: str | None) -> None:
        raise ZeroDivisionError("something nobody thought of")

    monkeypatch.setattr(command_line, "build", build)
    assert call(monkeypatch, "status") == 2
    error = capsys.readouterr().err
    assert "ZeroDivisionError: something nobody thought of" in error
    report = error.split()[-1]
    assert "Traceback" in Path(report).read_text()


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("cart ")


def test_a_fault_is_told_though_no_report_of_it_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_: str | None) -> None:
        raise ZeroDivisionError

    def keep() -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command_line, "build", build)
    monkeypatch.setattr(command_line, "keep_traceback", keep)
    assert call(monkeypatch, "status") == 2
    assert capsys.readouterr().err.count("\n") == 1


BARCODE = (sys.executable, "-m", "cart", "barcode", "5011001234566", "--catalog", "cart/demo_catalog/catalog.json")


def test_who_reads_no_further_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(BARCODE, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(BARCODE, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("cart: nothing more can be written to the output (No space left on device)")
    assert done.stderr.count("\n") == 1


def test_a_terminal_without_the_characters_gets_the_line_all_the_same() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = (*BARCODE[:4], "é", *BARCODE[5:])
    done = subprocess.run(code, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    help_ = subprocess.run((*BARCODE[:3], "replay", "--help"), env=environment, capture_output=True, check=False)
    assert help_.returncode == 0


def test_a_problem_inside_a_group_of_errors_is_still_the_line_a_person_gets() -> None:
    problem = Problem("do this")
    group = ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [problem])])
    assert run_command.first_problem(group) is problem
    assert run_command.first_problem(ExceptionGroup("tasks", [ValueError("x")])) is None
