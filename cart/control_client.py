"""The other end of the running daemon's control socket (`cart.daemon.control`): its status, and what it observes."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from cart.core.problem import UNREADABLE_JSON, Problem

SOCKET_NAME = "control.sock"
ANSWER_TIMEOUT_S = 5.0
LINE_BYTES_MAX = 128 << 20
"""A catalogue of 100,000 items is 30 MB; anything far beyond is not our daemon."""


class NotRunning(Problem):
    """No daemon answers on this machine. One line: how to start one."""


class ControlError(Problem):
    """The daemon is there but does not answer as it should. One line: what to do."""


class Observed(msgspec.Struct, frozen=True):
    """One line of a recording in the making; `t_ns` is the daemon's monotonic clock."""

    topic: str
    t_ns: int
    body: dict[str, Any]


class ControlClient:
    """Asks one daemon. Each call opens its own connection."""

    def __init__(self, folder: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self.path = folder / SOCKET_NAME
        self._timeout_s = timeout_s

    def status(self) -> dict[str, Any]:
        """What the daemon is doing. Raises NotRunning or ControlError."""
        try:
            return msgspec.json.decode(self._answer("status"), type=dict[str, Any])
        except UNREADABLE_JSON:
            raise ControlError(f"the cart at {self.path} answers nonsense; is another version running there?") from None

    def catalog(self) -> bytes | None:
        """The catalogue the daemon runs on, as catalog.json; None where it cannot give one."""
        answer = self._answer("catalog")
        return None if not answer or answer.startswith(b'{"error"') else answer

    def _answer(self, do: str) -> bytes:
        with self._connect() as connection:
            _ask(connection, do)
            try:
                return next(_lines(connection), b"")
            except TimeoutError:
                raise ControlError(
                    f"the cart at {self.path} does not answer within {self._timeout_s:.0f} s; "
                    "see 'journalctl -u cart', then 'systemctl restart cart'"
                ) from None

    def observe(self, *, seconds: float | None = None, pictures: bool = False) -> Iterator[Observed | None]:
        """What the cart observes from now on; None at least twice a second when nothing does.

        `pictures`: the camera's frames too, which a cart gives in maintenance only. Ends after `seconds`, or when the
        daemon leaves. Raises NotRunning or ControlError.
        """
        until_s = None if seconds is None else time.monotonic() + seconds
        decoder = msgspec.json.Decoder(Observed)
        with self._connect() as connection:
            _ask(connection, "record", **({"pictures": True} if pictures else {}))
            connection.settimeout(0.5)
            lines = _lines(connection, silences=True)
            while until_s is None or time.monotonic() < until_s:
                line = next(lines, b"")
                if line is None:
                    yield None
                    continue
                if not line:
                    return
                if line.startswith(b'{"error"'):
                    raise ControlError(msgspec.json.decode(line, type=dict[str, str])["error"])
                try:
                    yield decoder.decode(line)
                except UNREADABLE_JSON as error:
                    raise ControlError(
                        f"the cart at {self.path} sends what this version cannot read ({error}); update the older one"
                    ) from None

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_s)
        try:
            connection.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            connection.close()
            raise NotRunning(
                f"no cart is running here (nothing answers at {self.path}); start it with 'systemctl start cart' "
                "or 'cart run', or name its configuration with --config"
            ) from None
        except PermissionError:
            connection.close()
            raise ControlError(f"{self.path} is the cart's own; run this as its user: 'sudo -u cart cart …'") from None
        except OSError as error:
            connection.close()
            raise ControlError(f"{self.path}: {error}; check journal.folder in the configuration") from None
        return connection


def _ask(connection: socket.socket, do: str, **more: bool) -> None:
    # Who hangs up on the question may have said something first; reading shows what.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(msgspec.json.encode({"do": do, **more}) + b"\n")


def _lines(connection: socket.socket, *, silences: bool = False) -> Iterator[Any]:
    """Lines without their end. With `silences`, None whenever the socket's timeout passes without one."""
    waiting = bytearray()
    searched = 0
    while True:
        end = waiting.find(b"\n", searched)
        if end >= 0:
            line = bytes(waiting[:end])
            del waiting[: end + 1]
            searched = 0
            yield line
            continue
        searched = len(waiting)
        if len(waiting) > LINE_BYTES_MAX:
            raise ControlError("the answer is longer than any of a cart's; is something else on its control socket?")
        try:
            more = connection.recv(65536)
        except TimeoutError:
            if not silences:
                raise
            yield None
            continue
        except OSError:
            return
        if not more:
            return
        waiting += more
