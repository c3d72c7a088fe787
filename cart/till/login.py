"""Who may decide on the staff's page: whoever knows its password. On loopback it may do without one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from cart.till.database import TillProblem

CREDENTIAL: Final = "till-password"
"""Name of the systemd credential (systemd.exec(5), LoadCredential=)."""

COOKIE: Final = "till"
PASSWORD_MIN: Final = 12
"""Letters. With one try a second that is out of reach of guessing."""
WRONG_S: Final = 1.0
"""A wrong password is answered after so long, one at a time, whoever tries."""
SESSION_S: Final = 12 * 3600.0
"""A working day."""
SESSIONS_MAX: Final = 200
"""More than a store has people; the oldest ends first."""


class Login:
    """For one event loop. Without a password everybody is in."""

    def __init__(self, password: str = "") -> None:
        """Raises TillProblem for a password that is too short."""
        if password and len(password) < PASSWORD_MIN:
            raise TillProblem(f"the page's password has {len(password)} characters; write {PASSWORD_MIN} or more")
        self.required = bool(password)
        self._digest = _digest(password)
        self._sessions: dict[str, float] = {}
        self._one = asyncio.Lock()

    def knows(self, headers: Mapping[str, str]) -> bool:
        """True for a browser that has logged in, and for a program that bears the password."""
        if not self.required:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._is(given)
        until_s = self._sessions.get(_cookie(headers.get("cookie", "")), 0.0)
        return until_s > time.monotonic()

    async def enter(self, password: str) -> str | None:
        """A new session's name for the cookie; None, a second later, where that is not the password."""
        if self.required and not self._is(password):
            async with self._one:
                await asyncio.sleep(WRONG_S)
            return None
        name = secrets.token_urlsafe(24)
        self._sessions[name] = time.monotonic() + SESSION_S
        while len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        return name

    def leave(self, headers: Mapping[str, str]) -> None:
        """Log this browser out."""
        self._sessions.pop(_cookie(headers.get("cookie", "")), None)

    def _is(self, password: str) -> bool:
        return hmac.compare_digest(_digest(password), self._digest)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
