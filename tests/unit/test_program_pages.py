"""What a process gives back of its program files, and that it goes on as before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cart.daemon.program_pages import release_program_pages, unchanged_mappings

SMAPS = """\
55d0c0a00000-55d0c0a10000 r-xp 00001000 fe:00 1311                       /usr/bin/a program
Rss:                  64 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000004000 r--p 00000000 fe:00 1312                       /usr/lib/tables.so
Anonymous:             0 kB
7f0000004000-7f0000008000 r--p 00004000 fe:00 1312                       /usr/lib/tables.so
Anonymous:             8 kB
7f0000008000-7f000000c000 rw-p 00008000 fe:00 1312                       /usr/lib/tables.so
Anonymous:             0 kB
7f000000c000-7f0000010000 r--s 00000000 fe:00 1313                       /usr/lib/shared
Anonymous:             0 kB
7f0000010000-7f0000014000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
7f0000014000-7f0000018000 r--p 00000000 00:00 0
Anonymous:             0 kB
"""

LOADED_AND_RELEASED = """
import cv2, numpy as np
from pathlib import Path
from cart.daemon.program_pages import SMAPS, release_program_pages

def of_files_kb():
    found, held = 0, False
    for line in SMAPS.read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            held = rest[3] != "0" and rest[0] in {"r-xp", "r--p"}
        elif name == "Rss:" and held:
            found += int(rest[0])
    return found

def worked_out():
    picture = np.random.default_rng(1).integers(0, 255, (99, 99, 3), np.uint8)
    small = cv2.resize(cv2.GaussianBlur(picture, (5, 5), 1.5), (40, 40))
    return small.tobytes() + np.linalg.inv(np.eye(9) + 1).tobytes()

before, first = of_files_kb(), worked_out()
released = release_program_pages()
print(before, of_files_kb(), released, first == worked_out())
"""


def test_only_what_a_file_still_holds_is_given_back() -> None:
    assert list(unchanged_mappings(SMAPS.splitlines())) == [
        (0x55D0C0A00000, 0x55D0C0A10000),
        (0x7F0000000000, 0x7F0000004000),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process its mappings")
def test_a_process_that_gave_its_program_pages_back_holds_fewer_and_works_out_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED_AND_RELEASED], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    before_kb, after_kb, released, same = done.stdout.split()
    assert int(released) > 0
    assert int(after_kb) < 0.7 * int(before_kb)
    assert same == "True"


def test_where_the_mappings_can_not_be_read_nothing_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cart.daemon.program_pages.SMAPS", Path("/nowhere/smaps"))
    assert release_program_pages() == 0
