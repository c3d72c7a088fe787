"""A child process that dies, hangs or babbles is started again; what it says reaches the daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cart.daemon import supervisor
from cart.daemon.child_messages import Alive, AnyChildMessage, Conversion
from cart.daemon.supervisor import ChildProcess

SPEAKS = """
import sys, time
print('{"type":"conversion","t_ns":1,"counts":42}', flush=True)
print('{"type":"alive","t_ns":2,"figures":{"rate":80.0}}', flush=True)
time.sleep(60)
"""
DIES = "import sys; sys.exit(3)"
HANGS = """
import time
print('{"type":"alive","t_ns":2,"figures":{}}', flush=True)
time.sleep(60)
"""
BABBLES = "print('segmentation', flush=True); import time; time.sleep(60)"


async def watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, enough: int
) -> tuple[ChildProcess, list[AnyChildMessage], list[str]]:
    """Run `program` as a supervised module until `enough` things were said or lost."""
    (tmp_path / "child_under_test.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(supervisor, "PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(supervisor, "SILENCE_MAX_S", 0.3)
    messages: list[AnyChildMessage] = []
    losses: list[str] = []
    happened = asyncio.Event()

    def count() -> None:
        if len(messages) + len(losses) >= enough:
            happened.set()

    def said(message: AnyChildMessage) -> None:
        messages.append(message)
        count()

    def lost(reason: str) -> None:
        losses.append(reason)
        count()

    child = ChildProcess("test", ["child_under_test"], on_message=said, on_lost=lost)
    task = asyncio.create_task(child.run())
    async with asyncio.timeout(20):
        await happened.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return child, messages, losses


def test_what_a_child_says_arrives_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child, messages, losses = asyncio.run(watch(tmp_path, monkeypatch, SPEAKS, 2))
    assert messages == [Conversion(1, 42), Alive(2, {"rate": 80.0})]
    assert losses == []
    assert child.figures == {"rate": 80.0}
    assert child.pid is None


def test_a_child_that_dies_is_started_again_and_its_status_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, _, losses = asyncio.run(watch(tmp_path, monkeypatch, DIES, 2))
    assert losses == ["ended with status 3", "ended with status 3"]
    assert child.restarts >= 1


def test_a_child_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, messages, losses = asyncio.run(watch(tmp_path, monkeypatch, HANGS, 2))
    assert len(messages) == 1
    assert losses[0].startswith("said nothing for")


def test_a_child_that_babbles_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, messages, losses = asyncio.run(watch(tmp_path, monkeypatch, BABBLES, 1))
    assert messages == []
    assert losses == ["sent a line that is no message"]


ECHOES = """
import sys, time
print('{"type":"alive","t_ns":2,"figures":{"arguments":%d}}' % len(sys.argv), flush=True)
print('{"type":"model","t_ns":2,"ok":true,"detail":"' + "x" * (100000 if len(sys.argv) > 1 else 9) + '"}', flush=True)
time.sleep(60)
"""


def test_a_restart_that_was_asked_for_is_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "child_under_test.py").write_text(ECHOES)
    said: list[AnyChildMessage] = []
    losses: list[str] = []
    lost = asyncio.Event()

    def on_message(message: AnyChildMessage) -> None:
        said.append(message)
        if len(said) == 2:
            child.restart()
        elif len(said) == 4:
            child.restart("--even", "--more")

    def on_lost(reason: str) -> None:
        losses.append(reason)
        lost.set()

    child = ChildProcess("test", ["child_under_test"], on_message=on_message, on_lost=on_lost)

    async def script() -> None:
        task = asyncio.create_task(child.run())
        child.restart("--more", line_max_bytes=200_000)  # before it runs
        async with asyncio.timeout(20):
            await lost.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(script())
    assert [one.figures["arguments"] for one in said if isinstance(one, Alive)] == [2, 1, 3]
    # The third has no leave for its long line.
    assert losses == ["sent a line that never ended"]
