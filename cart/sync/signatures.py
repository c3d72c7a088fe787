"""What the store signs, and what a cart believes: signed bytes, expiry, replay and rollback, apart from any key.

Ed25519 (RFC 8032) over UTF-8 bytes that anyone can put together again:

- a message on `down/…`: the JSON array, without spaces, `["cart-command-1", store id, cart id, field, …]`; name and
  fields of each kind, in order, stand in `COVERED`;
- a catalogue: `cart-catalogue-1`, store id, `issued_ms`, `expires_ms` and the catalogue's bytes as sent, joined by one
  line feed each.

A broker can then withhold what the store says, but not make it up, change it, or say it again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec

from cart.sync.messages import (
    BadMessage,
    CommandMessage,
    LedgerAckMessage,
    PaymentResultMessage,
    SignedCatalogue,
    SignedMessage,
)

log = logging.getLogger(__name__)

COVERED: Final[Mapping[type[SignedMessage], tuple[str, tuple[str, ...]]]] = {
    CommandMessage: (
        "cart-command-1",
        (
            "command_id", "action", "intervention", "line", "choice", "role", "reason", "counter", "issued_ms",
            "expires_ms",
        ),
    ),
    PaymentResultMessage: (
        "cart-payment-result-2",
        ("attempt_id", "status", "amount_minor", "currency", "basket_hash", "reference", "reason", "refunded_minor"),
    ),
    LedgerAckMessage: ("cart-ledger-ack-2", ("chain", "seq", "hash", "resend_from", "asked")),
}  # fmt: skip

COMMAND_LIFE_MS: Final = 120_000
"""How long a command is worth carrying out: a decision about a shopper who stands there."""
COMMAND_LIFE_MAX_MS: Final = 3_600_000
"""A longer one is refused: what is remembered of commands must outlast it."""
COMMANDS_KEPT: Final = 1000
"""Command ids remembered: at one a minute all day, far more than an hour's."""
CLOCK_SKEW_MS: Final = 60_000
"""Clocks of till and cart may differ by a minute."""

S = TypeVar("S", bound=SignedMessage)


class Signs(Protocol):
    """A store's secret key (cart/sync/keys.py)."""

    @property
    def key_id(self) -> str: ...
    def sign(self, data: bytes) -> str: ...


class Verifies(Protocol):
    """The store's public keys."""

    def verify(self, key_id: str, signature: str, data: bytes) -> bool: ...


class Untrusted(BadMessage):
    """Refused for what it is, not for its form: a security event. `what` is its public name."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what = what


def signed_bytes(store_id: str, message: SignedMessage) -> bytes:
    """What the signature of a message covers."""
    name, fields = COVERED[type(message)]
    return msgspec.json.encode([name, store_id, message.cart_id, *(getattr(message, field) for field in fields)])


def sign_message(signer: Signs, store_id: str, message: S) -> S:
    """The message with its signature."""
    signature = signer.sign(signed_bytes(store_id, message))
    return msgspec.structs.replace(message, key_id=signer.key_id, signature=signature)


def sign_catalogue(signer: Signs, store_id: str, catalogue: bytes, *, issued_ms: int, expires_ms: int) -> bytes:
    """The envelope as it is published. `catalogue` is JSON as it shall be sent."""
    covered = _catalogue_bytes(store_id, issued_ms, expires_ms, catalogue)
    envelope = SignedCatalogue(
        store_id=store_id, key_id=signer.key_id, issued_ms=issued_ms, expires_ms=expires_ms,
        signature=signer.sign(covered), catalogue=msgspec.Raw(catalogue),
    )  # fmt: skip
    return msgspec.json.encode(envelope)


def opened(payload: bytes) -> tuple[SignedCatalogue | None, bytes]:
    """The envelope, None around a plain catalogue, and the catalogue's own bytes. Raises BadMessage."""
    try:
        found = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        if "catalogue" not in found or "signature" not in found:
            return None, payload
        envelope = msgspec.json.decode(payload, type=SignedCatalogue)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"the catalogue is not what it should be ({error}); ignored") from None
    return envelope, bytes(envelope.catalogue)


def _catalogue_bytes(store_id: str, issued_ms: int, expires_ms: int, catalogue: bytes) -> bytes:
    return b"\n".join([b"cart-catalogue-1", store_id.encode(), b"%d" % issued_ms, b"%d" % expires_ms, catalogue])


class CommandMemory:
    """Which commands were carried out, across restarts: the ids come out of the ledger, where carrying out is noted."""

    def __init__(self, ids: Iterable[str] = (), counters: Mapping[str, int] | None = None, floor_ms: int = 0) -> None:
        """`floor_ms`: a time on the wall that has passed for certain, for carts whose clock starts years back."""
        self._ids = dict.fromkeys(ids)
        self.counters = dict(counters or {})
        self.floor_ms = floor_ms

    def known(self, command_id: str) -> bool:
        return command_id in self._ids

    def note(self, command: CommandMessage) -> None:
        """It is about to be carried out."""
        self._ids[command.command_id] = None
        while len(self._ids) > COMMANDS_KEPT:
            del self._ids[next(iter(self._ids))]
        if command.key_id:
            self.counters[command.key_id] = command.counter

    def forget(self, command_id: str) -> None:
        """It was not carried out after all, and may come again."""
        self._ids.pop(command_id, None)


class Trust:
    """What one cart believes. Without keys everything of the right form is; that is said once, in the log."""

    def __init__(
        self,
        store_id: str,
        keys: Verifies | None = None,
        *,
        memory: CommandMemory | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store_id = store_id
        self._keys = keys
        self._now_ms = now_ms
        self.memory = memory or CommandMemory()
        if keys is None:
            log.warning("signatures of the store are not checked; set [store] public_key_file to have them checked")

    def catalogue(self, payload: bytes) -> bytes:
        """The catalogue's bytes. Raises Untrusted, BadMessage."""
        envelope, body = opened(payload)
        if self._keys is None:
            return body
        if envelope is None:
            raise Untrusted("catalogue_unsigned", "a catalogue without the store's signature; refused")
        covered = _catalogue_bytes(self._store_id, envelope.issued_ms, envelope.expires_ms, body)
        if envelope.store_id != self._store_id or not self._keys.verify(envelope.key_id, envelope.signature, covered):
            raise Untrusted("catalogue_signature_wrong", f"not signed by this store (key {envelope.key_id}); refused")
        if envelope.expires_ms and self._now() > envelope.expires_ms:
            raise Untrusted("catalogue_expired", "a catalogue that has expired; refused: sign a new one")
        return body

    def message(self, message: SignedMessage, kind: str) -> None:
        """Raises Untrusted for what the store has not signed."""
        if self._keys is None:
            return
        if not message.signature:
            raise Untrusted(f"{kind}_unsigned", f"a {kind} without the store's signature; refused")
        if not self._keys.verify(message.key_id, message.signature, signed_bytes(self._store_id, message)):
            raise Untrusted(f"{kind}_signature_wrong", f"a {kind} not signed by this store; refused")

    def command(self, command: CommandMessage) -> bool:
        """True where it is to be carried out, False for one that was carried out before. Raises Untrusted."""
        self.message(command, "command")
        if self.memory.known(command.command_id):
            return False
        if self._keys is not None:
            self._must_be_fresh(command)
        self.memory.note(command)
        return True

    def _must_be_fresh(self, command: CommandMessage) -> None:
        if not 0 < command.expires_ms - command.issued_ms <= COMMAND_LIFE_MAX_MS:
            raise Untrusted("command_expired", f"command {command.command_id} bears no believable expiry; refused")
        if self._now() > command.expires_ms + CLOCK_SKEW_MS:
            raise Untrusted("command_expired", f"command {command.command_id} has expired; refused")
        if command.counter <= self.memory.counters.get(command.key_id, -1):
            raise Untrusted("command_replayed", f"command {command.command_id} is older than one carried out; refused")

    def _now(self) -> int:
        return max(self._now_ms(), self.memory.floor_ms)


def as_signed(signer: Signs | None, store_id: str, message: Any) -> Any:
    """A message as the till sends it: signed where it can sign and the message can be signed."""
    return sign_message(signer, store_id, message) if signer and isinstance(message, SignedMessage) else message
