"""The broker's log, followed: what was refused is noted once, whatever else is in it and however it is rotated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.till import broker_log
from cart.till.broker_log import NOTES_MAX, BrokerLog, refusal

DENIED = b"1796063346: Denied PUBLISH from cart-a (d0, q1, r0, m1, 'store/s/cart/cart-b/up/total', ... (3 bytes))\n"
NOTE = ("cart-a", "broker_refused_publish", "store/s/cart/cart-b/up/total")


class Followed:
    """A log, and what was noted of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[tuple[str, str, str]] = []
        self.now_s = 100.0
        self.log = BrokerLog(path, lambda *note: self.notes.append(note), lambda: self.now_s)
        self.log.open(at_end=True)

    def write(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    path = tmp_path / "broker.log"
    path.write_bytes(DENIED)
    made = Followed(path)
    yield made
    made.log.close()


def test_a_refusal_is_noted_once_and_what_was_there_before_is_passed_over(followed: Followed) -> None:
    followed.log.look()
    assert followed.notes == []
    followed.write(b"1: Sending PUBACK to till-1 (m2, rc16)\n" + DENIED[:40])
    followed.log.look()
    assert followed.notes == []
    followed.write(DENIED[40:])
    followed.log.look()
    followed.log.look()
    assert followed.notes == [NOTE]


def test_a_rotated_and_a_cut_log_are_followed(followed: Followed, tmp_path: Path) -> None:
    followed.write(DENIED)
    followed.path.rename(tmp_path / "broker.log.1")
    followed.path.write_bytes(DENIED)
    followed.log.look()
    followed.path.write_bytes(b"")
    followed.log.look()
    followed.write(DENIED)
    followed.log.look()
    assert followed.notes == [NOTE] * 3


def test_a_flood_is_counted_a_minute_and_no_more(followed: Followed) -> None:
    followed.write(DENIED * (NOTES_MAX + 50))
    followed.log.look()
    assert len(followed.notes) == NOTES_MAX + 1
    assert followed.notes[-1][1] == "broker_refused_more"
    followed.now_s += 60.0
    followed.write(DENIED)
    followed.log.look()
    assert followed.notes[-1] == NOTE


def test_a_line_without_an_end_fills_no_memory(followed: Followed) -> None:
    for _ in range(4):
        followed.write(b"x" * 1_000_000)
        followed.log.look()
    assert len(followed.log._rest) == broker_log.LINE_MAX_BYTES


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_log, "LOOK_S", 0.01)
    late = Followed(tmp_path / "late")

    async def run() -> None:
        task = asyncio.create_task(late.log.run())
        await asyncio.sleep(0.05)
        late.write(DENIED)
        while not late.notes and not task.done():  # noqa: ASYNC110  # the log has no event for it
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10.0))
    assert late.notes == [NOTE]


@given(
    st.binary()
    | st.binary().map(lambda tail: DENIED[:-1] + tail)
    | st.binary().map(lambda name: b"Denied PUBLISH from " + name)
)
def test_whatever_is_in_a_line_a_note_is_plain_text(line: bytes) -> None:
    found = refusal(line)
    assert found is None or all(part.isascii() and part.isprintable() for part in found)
