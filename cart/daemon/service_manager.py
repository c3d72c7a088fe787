"""Tells systemd that the cart is ready and alive: the datagram protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket


class ServiceManager:
    """Does nothing where no NOTIFY_SOCKET is set, as on a laptop."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        watchdog_us = os.environ.get("WATCHDOG_USEC", "")
        self.watchdog_s: float | None = int(watchdog_us) / 1e6 if watchdog_us.isdigit() else None

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify_socket:
            try:
                notify_socket.connect(address)
                notify_socket.send(message.encode())
            except OSError:
                return  # systemd gone: the watchdog will say so louder than a log line could
