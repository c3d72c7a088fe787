"""A PostgreSQL server of a test's own: real binaries, a fresh cluster on a unix socket, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql")


def executables() -> Path | None:
    """The newest installed server's folder; None where there is none."""
    found = [folder / "bin" for folder in BINARIES.glob("*") if (folder / "bin" / "initdb").is_file()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


class Cluster:
    """PostgreSQL refuses to run as root; started by root it runs as the package's own user."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder
        self.root = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a unix socket's path is short
        self._as: list[str] = []
        if os.getuid() == 0:
            shutil.chown(self.root, "postgres", "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "till", "-E", "UTF8", "--locale=C", "-D", "data")
        self.start()

    def url(self, database: str) -> str:
        """A fresh database's URL."""
        self._run("createdb", "-h", str(self.root), "-U", "till", database)
        return f"postgresql://till@/{database}?host={self.root}"

    def start(self) -> None:
        """Returns when it answers."""
        self._run("pg_ctl", "-w", "-D", "data", "-l", "log", "-o", f"-k {self.root} -c listen_addresses=", "start")

    def stop(self, how: str = "immediate") -> None:
        """`immediate` is a crash: what was not on disk is lost."""
        self._run("pg_ctl", "-w", "-m", how, "-D", "data", "stop")

    def remove(self) -> None:
        """Stop it and take its files away."""
        self.stop()
        for _ in range(20):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return
            time.sleep(0.1)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._bin / name), *arguments], cwd=self.root, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
