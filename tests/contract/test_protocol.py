"""The protocol: topics that no id can leave, payloads refused in one line, and a document that says what is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.chain import GENESIS, LedgerRow
from cart.core.effects import RequestPayment
from cart.sync.describe import DOCUMENT, TYPES, schema_of, text
from cart.sync.link import StoreLink
from cart.sync.messages import (
    BadMessage,
    LedgerMessage,
    Message,
    PaymentRequestMessage,
    decode,
    encode,
    ledger_message,
    ledger_row,
    payment_request,
)
from cart.sync.topics import CHANNELS, TopicProblem, address, everything_up, parse

ROOT = Path(__file__).parents[2]


def test_the_document_in_the_repository_is_current() -> None:
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == text(), "run: python -m cart.sync.describe"


def test_every_channel_has_a_message_and_its_topic_comes_back() -> None:
    assert set(TYPES) == set(CHANNELS)
    cart = address("store-1", "cart-1")
    assert [parse(cart.topic(channel)) for channel in CHANNELS] == [(cart, channel) for channel in CHANNELS]


@pytest.mark.parametrize("bad", ["", "a/b", "+", "#", "a b", "ä", "a\n", "x" * 64, ".hidden", "$SYS"])
def test_an_id_that_could_leave_its_topic_is_refused(bad: str) -> None:
    with pytest.raises(TopicProblem, match="rename it"):
        address("store-1", bad)
    assert parse(f"store/store-1/cart/{bad}/up/total") is None


def test_a_cart_is_subscribed_to_its_own_topics_only() -> None:
    async def hear(_: object) -> None:
        raise AssertionError

    class Table:
        host, port, others, protocol, ca_file, cert_file, key_file = "127.0.0.1", 1, (), "auto", "", "", ""
        keepalive_s = 15

    link = StoreLink(Table(), "cart-1", "store-1", hear, lambda _: None)
    assert link._connection._subscriptions.own == [
        "store/store-1/cart/cart-1/down/#",
        "store/store-1/catalogue/current",
    ]
    assert everything_up("store-1") == "store/store-1/cart/+/up/#"


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(TYPES)))
def test_any_bytes_are_a_message_or_one_escaped_line(payload: bytes, channel: Any) -> None:
    said: object
    try:
        said = decode(payload, TYPES[channel])
    except BadMessage as problem:
        said = str(problem)
    assert isinstance(said, Message) or str(said).isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 0},
        {"amount_minor": 10**9},
        {"amount_minor": 4.5},
        {"currency": "eur"},
        {"basket_hash": "4111111111111111"},
        {"method": "x" * 33},
        {"attempt_id": ""},
    ],
)
def test_a_request_out_of_bounds_is_refused(change: dict[str, Any]) -> None:
    good = payment_request("cart-1", RequestPayment("T.1", "T", 500, "EUR", "ab" * 32, "wallet"))
    assert decode(encode(good), PaymentRequestMessage) == good
    with pytest.raises(BadMessage):
        decode(msgspec.json.encode(msgspec.to_builtins(good) | change), PaymentRequestMessage)


def test_unknown_fields_are_ignored_and_too_long_payloads_are_not_read() -> None:
    good = msgspec.to_builtins(payment_request("cart-1", RequestPayment("T.1", "T", 500, "EUR", "ab" * 32, "wallet")))
    assert decode(msgspec.json.encode(good | {"colour": "blue"}), PaymentRequestMessage).attempt_id == "T.1"
    with pytest.raises(BadMessage, match="more than"):
        decode(b" " * 300_000, PaymentRequestMessage)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_ledger_row_arrives_byte_for_byte(name: str) -> None:
    body = msgspec.json.encode({"kind": "security_noted", "what": name, "detail": "…"}).decode()
    row = LedgerRow(seq=1, boot="b", wall_ms=1, t_ns=2, trip_id="T", body=body, prev=GENESIS, hash="ab" * 32)
    message = decode(encode(ledger_message("cart-1", "c0", row)), LedgerMessage)
    assert ledger_row(message) == row
    jsonschema.validate(msgspec.json.decode(encode(message)), schema_of("up/ledger"))
