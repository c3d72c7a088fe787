"""Laws of reading codes that hold for every text."""

from __future__ import annotations

import string

import pytest
from biip.checksums import gs1_price_weight_check_digit
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.barcodes import SYMBOLOGIES, BarcodeError, gtin_14, read_barcode
from cart.core.rcn_layouts import NATIONAL, check_digit

numbers = st.text(string.digits, min_size=12, max_size=12).filter(lambda digits: digits.strip("0") != "")
symbologies = st.none() | st.sampled_from(sorted(SYMBOLOGIES))
messages = st.text(string.digits + string.ascii_letters + "\x1d()/:?=&%.-+ ]", max_size=60)


@given(
    st.text(max_size=60) | messages | messages.map(lambda text: f"01{text}") | messages.map(lambda t: f"http://{t}"),
    symbologies,
)
@settings(max_examples=500, deadline=None)
def test_a_text_is_read_or_refused_and_nothing_else(text: str, symbology: str | None) -> None:
    refusal, code = "", None
    try:
        code = read_barcode(text, symbology, layouts=NATIONAL["SE"])
    except BarcodeError as error:
        refusal = str(error)
    if code is None:
        assert refusal.isprintable()
        assert ";" in refusal
        return
    assert code.gtin is None or gtin_14(code.gtin) == code.gtin
    assert code.weight_g is None or code.weight_g >= 0
    assert code.price_minor is None or code.price_minor >= 0
    assert code.gtin is not None or code.plu is not None or code.elements


@given(numbers)
def test_one_wrong_digit_never_passes(number: str) -> None:
    whole = number + check_digit(number)
    assert read_barcode(whole).gtin == whole.zfill(14)
    for place, digit in enumerate(whole):
        broken = f"{whole[:place]}{(int(digit) + 1) % 10}{whole[place + 1 :]}"
        with pytest.raises(BarcodeError):
            read_barcode(broken)


@given(st.text(string.digits, min_size=11, max_size=11).filter(lambda digits: len(digits.lstrip("0")) > 7))
def test_leading_zeros_do_not_make_another_product(number: str) -> None:
    twelve = number + check_digit(number)
    assert read_barcode(twelve).gtin == read_barcode(f"0{twelve}").gtin == read_barcode(f"00{twelve}").gtin


@given(st.integers(0, 99999), st.integers(0, 9999))
def test_a_price_printed_into_a_number_is_read_back(item: int, price_minor: int) -> None:
    value = f"{price_minor:04d}"
    number = f"20{item:05d}{gs1_price_weight_check_digit(value)}{value}"
    code = read_barcode(number + check_digit(number), layouts=NATIONAL["GB"])
    base = read_barcode(code.other_gtins[0], layouts=NATIONAL["GB"])
    assert (code.price_minor, code.item) == (price_minor, f"{item:05d}")
    assert (base.price_minor, base.item) == (0, f"{item:05d}")
