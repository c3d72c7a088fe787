"""A serial device that can be plugged and unplugged: a pseudo-terminal behind a stable name, as udev would make it."""

from __future__ import annotations

import contextlib
import os
import pty
import tty
from pathlib import Path
from types import TracebackType
from typing import Self


class SimSerialPort:
    """The device's side. The cart opens `link`, which is there only while the device is plugged in."""

    def __init__(self, link: Path | str) -> None:
        self.link = Path(link)
        self._device_fd: int | None = None
        self._host_fd: int | None = None
        self.plug()

    @property
    def plugged(self) -> bool:
        return self._device_fd is not None

    def plug(self) -> None:
        """Makes a new terminal under the same name; plugging twice does no harm."""
        if self._device_fd is not None:
            return
        self._device_fd, self._host_fd = pty.openpty()
        tty.setraw(self._host_fd)
        os.set_blocking(self._device_fd, False)
        temporary = self.link.with_name(f".{self.link.name}.new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.ttyname(self._host_fd))
        temporary.replace(self.link)

    def unplug(self) -> None:
        """The name goes and whoever reads gets an I/O error, what it has not read is lost."""
        if self._device_fd is None or self._host_fd is None:
            return
        self.link.unlink(missing_ok=True)
        os.close(self._host_fd)
        os.close(self._device_fd)
        self._device_fd = self._host_fd = None

    def write(self, data: bytes) -> int:
        """The device sends; returns how many bytes the line took (0 when unplugged, not all when nobody reads)."""
        if self._device_fd is None:
            return 0
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(data):
                sent += os.write(self._device_fd, data[sent : sent + 1024])
        return sent

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
