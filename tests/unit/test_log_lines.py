"""No card number reaches a log or passes as a word of staff."""

from __future__ import annotations

import logging

import pytest

from cart.core.card_numbers import redact_text
from cart.log_lines import no_card_numbers
from cart.sync.messages import BadMessage, CommandMessage, PaymentRequestMessage, decode, shown

CARD = "4111 1111 1111 1111"


def test_a_log_line_bears_no_card_number_and_no_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(no_card_numbers)
    log = logging.getLogger("a part")
    log.warning("refused %r of %s", CARD, "ann@example.org")
    log.warning("refused 4111111111111111")
    log.warning("weight %d g, EAN %s", 1034, "5011001234566")
    caplog.handler.removeFilter(no_card_numbers)
    assert [record.getMessage() for record in caplog.records] == [
        "refused '[card number]' of [address]",
        "refused [card number]",
        "weight 1034 g, EAN 5011001234566",
    ]


@pytest.mark.parametrize("where", ["reason", "role"])
@pytest.mark.parametrize("digits", [CARD, "4111-1111-1111-1111", "see\n4111111111111111", "37828224631000"])
def test_the_schema_refuses_card_numbers_in_what_people_type(where: str, digits: str) -> None:
    escaped = digits.replace("\n", "\\n")
    payload = f'{{"cart_id":"c","command_id":"x","action":"lock","{where}":"{escaped}"}}'.encode()
    with pytest.raises(BadMessage) as refused:
        decode(payload, CommandMessage)
    assert "4111" not in str(refused.value)


def test_the_schema_lets_ordinary_words_pass() -> None:
    payload = b'{"cart_id":"c","command_id":"x","action":"lock","reason":"EAN 5011001234566, 2 units, line 12"}'
    assert decode(payload, CommandMessage).reason.startswith("EAN")
    method = b'{"cart_id":"c","attempt_id":"T.1","trip_id":"T","amount_minor":1,"currency":"EUR",'
    method += b'"basket_hash":"' + b"ab" * 32 + b'","method":"4111111111111111"}'
    with pytest.raises(BadMessage):
        decode(method, PaymentRequestMessage)


def test_an_excerpt_shows_none() -> None:
    assert "4111" not in shown(f'{{"reason":"{CARD}"}}'.encode())
    assert redact_text("GTIN 04006381333931") == ("GTIN 04006381333931", 0)
