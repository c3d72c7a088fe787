"""The command line as a whole: what it offers, its exit statuses, one line for a person, and no traceback ever."""

from __future__ import annotations

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
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["replay"], "Missing argument"),
        (["replay", "no-such-file.mcap"], "no such file"),
        (["run", "--config", "no-such.toml"], "no such file"),
        (["run", "--log-level", "loud"], "--log-level loud"),
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


def test_a_problem_inside_a_group_of_errors_is_still_the_line_a_person_gets() -> None:
    problem = Problem("do this")
    group = ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [problem])])
    assert run_command.first_problem(group) is problem
    assert run_command.first_problem(ExceptionGroup("tasks", [ValueError("x")])) is None
