"""Keys and passwords: out of a file that only its owner can read, or out of a systemd credential; from nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from cart.till.database import TillProblem


def credential(name: str) -> Path | None:
    """systemd's file of that credential (systemd.exec(5), LoadCredential=); None where it gave none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / name
    return path if folder and path.is_file() else None


def read_secret(path: Path) -> str:
    """The one line of a file. Raises TillProblem where others can read it, it can't be read, or it is empty."""
    try:
        # systemd's own folder is its user's alone, whatever the modes within it say.
        ours = path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
        if path.stat().st_mode & 0o077 and not ours:
            raise TillProblem(f"{path}: others can read it; run chmod 600 on it")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TillProblem(f"{path}: cannot be read ({type(error).__name__}); write it there, on one line") from None
    if not secret:
        raise TillProblem(f"{path}: is empty; write it there, on one line")
    return secret
