"""What a cart believes: only what the store's key signed, for this store, this cart, now, and once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.sync.keys import (
    KeyProblem,
    PublicKeys,
    SigningKey,
    new_signing_key,
    read_public_keys,
    read_signing_key,
    write_signing_key,
)
from cart.sync.link import StoreLink
from cart.sync.messages import BadMessage, CommandMessage, PaymentResultMessage, encode
from cart.sync.signatures import (
    COMMANDS_KEPT,
    CommandMemory,
    Trust,
    Untrusted,
    opened,
    sign_catalogue,
    sign_message,
    signed_bytes,
)
from tests.unit.sync_table import TABLE, inbound

KEY = new_signing_key()
NOW = 1_000_000
CATALOGUE = b'{"version": 3,\n "currency": "EUR"}'


def keys(*signers: SigningKey, folder: Path) -> PublicKeys:
    path = folder / "store.pub"
    path.write_bytes(b"".join(signer.public_pem() for signer in signers))
    return read_public_keys(path)


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust("store-1", keys(KEY, folder=tmp_path), now_ms=lambda: NOW)


def command(number: int = 1, signer: SigningKey = KEY, store: str = "store-1", **changes: Any) -> CommandMessage:
    fields = {"cart_id": "cart-1", "command_id": f"c{number}", "action": "lock", "counter": number, "issued_ms": NOW}
    made = msgspec.convert(fields | {"expires_ms": NOW + 1000} | changes, CommandMessage)
    return sign_message(signer, store, made)


def seal(body: bytes = CATALOGUE, signer: SigningKey = KEY, store: str = "store-1", expires_ms: int = 0) -> bytes:
    return sign_catalogue(signer, store, body, issued_ms=NOW, expires_ms=expires_ms)


def what(trust: Trust, act: Any) -> str:
    with pytest.raises(Untrusted) as refused:
        act(trust)
    assert str(refused.value).isprintable()
    return refused.value.what


def test_a_signed_catalogue_is_taken_byte_for_byte(trust: Trust) -> None:
    assert trust.catalogue(seal()) == CATALOGUE
    assert trust.catalogue(seal(expires_ms=NOW)) == CATALOGUE


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (CATALOGUE, "catalogue_unsigned"),
        (seal(signer=new_signing_key()), "catalogue_signature_wrong"),
        (seal(store="store-2"), "catalogue_signature_wrong"),
        (seal().replace(b"store-1", b"store-2"), "catalogue_signature_wrong"),
        (seal().replace(b'"version": 3', b'"version": 4'), "catalogue_signature_wrong"),
        (seal(expires_ms=NOW - 1).replace(b"999999", b"9999999"), "catalogue_signature_wrong"),
        (seal(expires_ms=NOW - 1), "catalogue_expired"),
    ],
    ids=["unsigned", "another_key", "another_store", "renamed_store", "changed", "prolonged", "expired"],
)
def test_any_other_catalogue_is_refused(trust: Trust, payload: bytes, why: str) -> None:
    assert what(trust, lambda trust: trust.catalogue(payload)) == why


def test_a_command_is_carried_out_once(trust: Trust) -> None:
    assert trust.command(command(1)) is True
    assert trust.command(command(1)) is False
    assert trust.command(command(2)) is True


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (CommandMessage(cart_id="cart-1", command_id="c", action="lock"), "command_unsigned"),
        (command(signer=new_signing_key()), "command_signature_wrong"),
        (command(store="store-2"), "command_signature_wrong"),
        (msgspec.structs.replace(command(), cart_id="cart-2"), "command_signature_wrong"),
        (msgspec.structs.replace(command(), action="release"), "command_signature_wrong"),
        (msgspec.structs.replace(command(), expires_ms=NOW + 2000), "command_signature_wrong"),
        (msgspec.structs.replace(command(), key_id=""), "command_signature_wrong"),
        (command(issued_ms=NOW - 200_000, expires_ms=NOW - 100_000), "command_expired"),
        (command(expires_ms=NOW + 10**9), "command_expired"),
        (command(expires_ms=0), "command_expired"),
    ],
)
def test_any_other_command_is_refused(trust: Trust, made: CommandMessage, why: str) -> None:
    assert what(trust, lambda trust: trust.command(made)) == why
    assert not trust.memory.known(made.command_id)


def test_a_withheld_command_does_not_come_after_a_later_one(trust: Trust) -> None:
    assert trust.command(command(5))
    assert what(trust, lambda trust: trust.command(command(4))) == "command_replayed"


def test_each_till_counts_for_itself_and_the_counter_outlives_a_restart(tmp_path: Path) -> None:
    other = new_signing_key()
    both = keys(KEY, other, folder=tmp_path)
    first = Trust("store-1", both, now_ms=lambda: NOW)
    assert first.command(command(9))
    assert first.command(command(3, signer=other))
    again = Trust("store-1", both, memory=CommandMemory([], first.memory.counters), now_ms=lambda: NOW)
    assert what(again, lambda trust: trust.command(command(8))) == "command_replayed"


def test_a_clock_that_starts_years_back_does_not_revive_a_command(tmp_path: Path) -> None:
    memory = CommandMemory(floor_ms=NOW + 10**7)
    trust = Trust("store-1", keys(KEY, folder=tmp_path), memory=memory, now_ms=lambda: 0)
    assert what(trust, lambda trust: trust.command(command())) == "command_expired"


def test_ids_remembered_are_bounded_and_one_that_failed_may_come_again() -> None:
    memory = CommandMemory(str(n) for n in range(3))
    for n in range(COMMANDS_KEPT):
        memory.note(command(number=10 + n))
    assert not memory.known("2")
    assert memory.known("c10")
    memory.forget("c10")
    assert not memory.known("c10")


def test_a_payment_result_that_the_store_did_not_sign_is_refused(trust: Trust) -> None:
    plain = PaymentResultMessage(
        cart_id="cart-1", attempt_id="T.1", status="approved", amount_minor=500, currency="EUR", basket_hash="ab" * 32
    )
    trust.message(sign_message(KEY, "store-1", plain), "payment_result")
    assert what(trust, lambda trust: trust.message(plain, "payment_result")) == "payment_result_unsigned"
    cheaper = msgspec.structs.replace(sign_message(KEY, "store-1", plain), amount_minor=1)
    assert what(trust, lambda trust: trust.message(cheaper, "payment_result")) == "payment_result_signature_wrong"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_two_commands_share_their_signed_bytes(role: str, reason: str) -> None:
    first = CommandMessage(cart_id="cart-1", command_id="c", action="lock", role=role, reason=reason)
    second = msgspec.structs.replace(first, role=role + reason, reason="")
    assert (signed_bytes("s", first) == signed_bytes("s", second)) is (reason == "")


def test_without_keys_everything_of_the_right_form_is_believed_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        trust = Trust("store-1")
        assert trust.catalogue(CATALOGUE) == CATALOGUE
        assert trust.catalogue(seal(signer=new_signing_key())) == CATALOGUE
        assert trust.command(CommandMessage(cart_id="cart-1", command_id="c", action="lock")) is True
        assert trust.command(CommandMessage(cart_id="cart-1", command_id="c", action="lock")) is False
    assert [record.message for record in caplog.records] == [
        "signatures of the store are not checked; set [store] public_key_file to have them checked"
    ]


@settings(deadline=None)
@given(st.binary(max_size=100) | st.dictionaries(st.text(max_size=10), st.integers()).map(msgspec.json.encode))
def test_any_bytes_are_a_catalogue_or_one_line(payload: bytes) -> None:
    said = ""
    try:
        said = repr(opened(payload)[1])
    except BadMessage as problem:
        said = str(problem)
    assert len(said.splitlines()) == 1


def test_what_the_link_refuses_is_a_security_event_and_a_retained_command_never_acts(trust: Trust) -> None:
    noted: list[str] = []
    heard: list[object] = []

    async def scene() -> None:
        async def hear(observation: object) -> None:
            heard.append(observation)

        link = StoreLink(
            TABLE,
            "cart-1",
            "store-1",
            hear,
            lambda _: None,
            trust=trust,
            on_security=lambda what, _: noted.append(what),
        )
        reader = asyncio.create_task(link._read())
        down = "store/store-1/cart/cart-1/down/command"
        for payload, retained in [
            (encode(command(1)), False),
            (encode(command(1)), False),
            (encode(command(2)), True),
            (encode(command(3, cart_id="cart-2")), False),
            (b'{"cart_id":"cart-1","command_id":"x","action":"lock"}', False),
        ]:
            link._enqueue(inbound(down, payload, retained=retained))
        link._enqueue(inbound("store/store-1/catalogue/current", CATALOGUE))
        await asyncio.sleep(0.05)
        reader.cancel()

    asyncio.run(scene())
    assert [getattr(observation, "command_id", None) for observation in heard] == ["c1"]
    assert noted == ["command_retained", "message_for_another_cart", "command_unsigned", "catalogue_unsigned"]


def test_keys_as_files(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    write_signing_key(KEY, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_signing_key(path).key_id == KEY.key_id
    with pytest.raises(KeyProblem, match="already"):
        write_signing_key(KEY, path)
    path.chmod(0o644)
    with pytest.raises(KeyProblem, match="chmod 600"):
        read_signing_key(path)
    public = tmp_path / "store.pub"
    public.write_bytes(b"nothing")
    with pytest.raises(KeyProblem, match="no public key"):
        read_public_keys(public)
    with pytest.raises(KeyProblem, match="cannot be read"):
        read_public_keys(tmp_path / "missing")
