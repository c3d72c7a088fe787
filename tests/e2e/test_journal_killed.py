"""A real process is SIGKILLed while it writes its journal: what it had acknowledged is there, in one whole chain."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cart.journal import Journal

pytestmark = pytest.mark.e2e

PROGRAM = """
import asyncio, sys
from pathlib import Path
from cart.core.effects import Record
from cart.core.ledger import GrossNoted
from cart.journal import Journal
async def write():
    journal = Journal(Path(sys.argv[1]), cart_id="cart-1")
    await journal.open()
    while True:
        records = [Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0)) for n in range(3)]
        head = await journal.append(records)
        print(head.seq, flush=True)
asyncio.run(write())
"""


def test_killed_again_and_again_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    acknowledged = 0
    for round_ in range(5):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            first = int(writer.stdout.readline())
            assert first == acknowledged + 3
            time.sleep(0.03 + 0.017 * round_)
            writer.kill()
            said = [first, *map(int, writer.stdout.read().split())]
        held, report = asyncio.run(look(tmp_path))
        assert report == (True, "")
        assert held >= said[-1]
        assert held % 3 == 0, "a batch is whole or not there"
        assert held > acknowledged
        acknowledged = held


async def look(folder: Path) -> tuple[int, tuple[bool, str]]:
    journal = Journal(folder, cart_id="cart-1")
    opened = await journal.open()
    report = await journal.verify()
    waiting = await journal.waiting()
    await journal.close()
    assert waiting == report.rows == opened.head.seq
    return opened.head.seq, (report.ok, opened.locked)
