"""Writing files whole or not at all."""

from __future__ import annotations

from pathlib import Path

from cart.core.problem import Problem
from cart.replaced_file import replace_file


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, mode)
    except OSError as error:
        raise FileProblem(f"{path}: cannot be written ({error.strerror}); run as root, or give --root") from None
