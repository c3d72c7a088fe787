"""What Mosquitto refused, out of its log: nobody else hears of it. Each refusal is a security note on the staff's page.

A certificate that is not taken is logged as it comes; a message that the access list refuses only with
`log_type debug`. What is in the log before this begins is passed over; a log that is rotated is followed.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from cart.till.ledger import FAILURES

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
READ_MAX_BYTES: Final = 4 * 1024 * 1024
"""Of a log each second; what is beyond is read in the next one."""
NOTES_MAX: Final = 60
"""A minute; a flood of refusals beyond that is counted in one note more."""
MINUTE_S: Final = 60.0
LINE_MAX_BYTES: Final = 64 * 1024
"""What is kept of a line that has not ended yet."""

_PUBLISH: Final = re.compile(rb"Denied PUBLISH from (\S{1,128}) \(d\d, q\d, r\d, m\d+, '([^']{1,200})'")
_TLS: Final = re.compile(
    rb"(?:Client connection from (\S{1,64}) failed|OpenSSL Error\[\d+\]): "
    rb"error:[0-9A-F]+:SSL routines:[^:]*:([a-z ]*certificate[a-z ]*|unknown ca)"
)
"""As mosquitto 2.0 words them: with the address, or without, as the handshake ends before or after it has answered."""


def refusal(line: bytes) -> tuple[str, str, str] | None:
    """A log line → client, what was refused, about what; None where nothing was."""
    denied = _PUBLISH.search(line)
    if denied is not None:
        return _text(denied[1]), "broker_refused_publish", _text(denied[2])
    refused = _TLS.search(line)
    if refused is not None:
        return (
            "",
            "broker_refused_certificate",
            _text(refused[2]) + (f", from {_text(refused[1])}" if refused[1] else ""),
        )
    return None


def _text(found: bytes) -> str:
    return ascii(found.decode("utf-8", "replace"))[1:-1]


class BrokerLog:
    """Follows one log file. `note(client, what, detail)` writes a security note."""

    def __init__(self, path: Path, note: Callable[[str, str, str], object], now_s: Callable[[], float]) -> None:
        self._path = path
        self._note = note
        self._now_s = now_s
        self._file: BinaryIO | None = None
        self._inode = 0
        self._rest = b""
        self._noted = 0
        self._minute_s = 0.0
        self._said_missing = False

    async def run(self) -> None:
        """Until cancelled."""
        try:
            self.open(at_end=True)
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    self.look()
                except FAILURES as error:
                    log.warning("a refusal of the broker's could not be noted: %s", error)
        finally:
            self.close()

    def look(self) -> None:
        """Note what has come since the last time."""
        self._read()
        if self._moved():  # all of the old one has been read
            self.close()
            self.open(at_end=False)
            self._read()

    def open(self, *, at_end: bool) -> None:
        """Begin with what comes from now on, or with all that is in it; a log that isn't there yet is waited for."""
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            if not self._said_missing:
                log.warning("%s: cannot be read (%s); what the broker refuses is not noted", self._path, error.strerror)
            self._said_missing = True
            return
        self._said_missing = False
        self._inode = self._path.stat().st_ino
        self._rest = b""
        if at_end:
            self._file.seek(0, 2)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _moved(self) -> bool:
        """True where the path is another file by now, or a shorter one."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return self._file is None or found.st_ino != self._inode or found.st_size < self._file.tell()

    def _read(self) -> None:
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read(READ_MAX_BYTES)).split(b"\n")
        self._rest = self._rest[-LINE_MAX_BYTES:]
        for line in lines:
            found = refusal(line)
            if found is not None:
                self._tell(*found)

    def _tell(self, client: str, what: str, detail: str) -> None:
        if self._now_s() - self._minute_s >= MINUTE_S:
            self._minute_s, self._noted = self._now_s(), 0
        self._noted += 1
        if self._noted <= NOTES_MAX:
            self._note(client, what, detail)
        elif self._noted == NOTES_MAX + 1:
            self._note("", "broker_refused_more", f"more than {NOTES_MAX} in a minute; see {self._path}")
