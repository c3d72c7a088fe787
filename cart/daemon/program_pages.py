"""Gives back the pages of program files that only a process's start needed.

Loading a library and relocating it touches far more of it than is ever run again, and a kernel that maps files in large
pieces brings its neighbours along. The kernel keeps those pages for whoever maps the file; a process that lets go of
them is lent again what it does touch. Linux only; elsewhere nothing is given back.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

SMAPS: Final = Path("/proc/self/smaps")
_READ_ONLY: Final = {"r-xp", "r--p"}


def release_program_pages() -> int:
    """Let go of this process's unchanged, read-only pages of files; bytes of the mappings they lie in. Call it while
    nothing else loads libraries."""
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None or not SMAPS.exists():
        return 0
    # Line by line: some thousands of them at once would cost what is to be gained.
    with SMAPS.open(encoding="utf-8", errors="replace") as lines:
        mappings = list(unchanged_mappings(lines))
    libc, released = ctypes.CDLL(None, use_errno=True), 0
    for start, end in mappings:
        if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), ctypes.c_int(advice)) == 0:
            released += end - start
    return released


def unchanged_mappings(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where begins and ends what can be read anew from its file: mappings of a file, not writable, and without a page
    that was changed before they became so (proc(5): "Anonymous"), as relocated tables have.
    """
    place, fits = (0, 0), False
    for line in smaps:
        name, *rest = line.split()
        if not name.endswith(":"):
            permissions, _offset, _device, inode = rest[:4]
            first, last = name.split("-")
            place = int(first, 16), int(last, 16)
            fits = permissions in _READ_ONLY and inode != "0"
        elif name == "Anonymous:" and fits and rest[0] == "0":
            yield place
