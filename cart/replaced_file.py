"""A file is replaced whole: who reads it sees the old one or the new one, and a full disk leaves the old one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `content` beside `path`, to the disk, and put it in its place. Raises OSError, with nothing left beside."""
    if path.exists() and not path.is_file():  # a pipe or a device is written, never replaced
        path.write_bytes(content)
        return
    beside = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)  # until here it is the owner's alone
        beside.replace(path)
    except OSError:
        if beside is not None:
            beside.unlink(missing_ok=True)
        raise
