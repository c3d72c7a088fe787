"""A process takes from itself, for good, what it never needs: files that grow, sockets, other programs.

The camera's process has pictures of people. That it writes none is reviewed; that it can't is what this is for: a
mistake in it, in OpenCV or in a codec then has nowhere to put them. Linux only; elsewhere it answers what it could not
do.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
import sys
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_SET_MODE_FILTER: Final = 1
_ALL_THREADS: Final = 1
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IS_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

# machine: audit number (linux/audit.h), seccomp's own number, then those of socket, execve, execveat, io_uring_setup
_CALLS: Final[dict[str, tuple[int, int, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, 317, (41, 59, 322, 425)),
    "aarch64": (0xC00000B7, 277, (198, 221, 281, 425)),
}
_X32_BIT: Final = 0x40000000
"""x86-64's second call table: its numbers begin here, and none of ours is known there."""


def confine() -> list[str]:
    """No file of this process can grow from now on, it can open no socket and run no program. What could not be taken,
    in words; empty when all is."""
    sys.dont_write_bytecode = True
    missing = []
    try:
        # Writing to a file beyond size 0 fails with EFBIG (Python ignores SIGXFSZ); pipes have no size.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the last frame
    except (OSError, ValueError) as error:
        missing.append(f"files can still be written ({error})")
    if not _filter_calls():
        missing.append("sockets can still be opened")
    return missing


def _filter_calls() -> bool:
    known = _CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    architecture, seccomp, refused = known
    count = len(refused)
    program = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_IS_EQUAL, 0, count + 3, architecture),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_AT_LEAST, count + 1, 0, _X32_BIT),
        *((_IS_EQUAL, count - index, 0, number) for index, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    steps = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = struct.pack("HP", len(program), ctypes.addressof(steps))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done = libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.create_string_buffer(wanted))
    return int(done) == 0
