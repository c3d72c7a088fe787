"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cart.core.problem import Problem


class FileProblem(Problem):
    """A file that can't be read or written."""


def read(path: Path) -> bytes:
    """Raises FileProblem."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileProblem(f"{path}: cannot be read ({error.strerror}); give the right path, or run as root") from None


def write_public(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file that is no secret; a reader sees the old one or the new one. Raises FileProblem."""
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a pipe or a device is written, never replaced
            path.write_bytes(content)
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        if beside is not None:
            beside.unlink(missing_ok=True)
        raise FileProblem(f"{path}: cannot be written ({error.strerror}); run as root, or give --root") from None
