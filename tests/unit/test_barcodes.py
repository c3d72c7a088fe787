"""What codes say, symbology by symbology, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest
from biip.checksums import gs1_price_weight_check_digit

from cart.core.barcodes import TEXT_MAX, BarcodeError, ScannedCode, expiry_date, gtin_14, read_barcode
from cart.core.rcn_layouts import NATIONAL, RcnLayout, check_digit, layout_fault, layouts_for, overlapping


def with_check_digit(digits: str) -> str:
    return digits + check_digit(digits)


@pytest.mark.parametrize(
    ("text", "symbology", "name", "gtin"),
    [
        ("5011001234566", None, "EAN-13", "05011001234566"),
        ("5011001234566", "]E0", "EAN-13", "05011001234566"),
        ("]E05011001234566", None, "EAN-13", "05011001234566"),
        ("042100005264", None, "UPC-A", "00042100005264"),
        ("042100005264", "]E0", "UPC-A", "00042100005264"),
        ("0042100005264", "]E0", "EAN-13", "00042100005264"),
        ("96385074", "]E4", "EAN-8", "00000096385074"),
        ("96385074", None, "EAN-8", "00000096385074"),
        ("04252614", "]E0", "UPC-E", "00042100005264"),
        ("425261", "]E0", "UPC-E", "00042100005264"),
        ("04252614", None, "UPC-E", "00042100005264"),
        ("98765432109213", "]I1", "ITF-14", "98765432109213"),
        ("5011001234566", "]C0", "Code 128", "05011001234566"),
        ("5011001234566", "]E4", "EAN-13", "05011001234566"),
        ("501100123456612", "]E3", "EAN-13", "05011001234566"),
        ("977031784700107", None, "EAN-13", "09770317847001"),
        ("978014103614450799", None, "EAN-13", "09780141036144"),
        ("501100123456654321", "]E3", "EAN-13", "05011001234566"),
        (" 5011001234566 ", None, "EAN-13", "05011001234566"),
    ],
)
def test_the_gtin_family_becomes_fourteen_digits(text: str, symbology: str | None, name: str, gtin: str) -> None:
    code = read_barcode(text, symbology)
    assert (code.symbology, code.gtin, code.kind) == (name, gtin, "gtin")
    assert code.elements == {}


@pytest.mark.parametrize(
    ("text", "name", "gtin", "other"),
    [
        # With a 0 in front no GTIN-8 can be meant, but a store's own number can.
        ("01234565", "UPC-E", "00012345000065", "00000001234565"),
        ("11234562", "EAN-8", "00000011234562", "00112345000062"),
    ],
)
def test_ean_8_and_upc_e_that_both_hold_keep_the_second_reading(text: str, name: str, gtin: str, other: str) -> None:
    code = read_barcode(text)
    assert (code.symbology, code.gtin, code.other_gtins) == (name, gtin, (other,))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("0123450", "01200000345"),
        ("0123451", "01210000345"),
        ("0123452", "01220000345"),
        ("0123453", "01230000045"),
        ("0123454", "01234000005"),
        ("0123455", "01234500005"),
        ("0123456", "01234500006"),
        ("0123457", "01234500007"),
        ("0123458", "01234500008"),
        ("0123459", "01234500009"),
    ],
)
def test_each_kind_of_upc_e_expands_with_and_without_its_symbology(short: str, long: str) -> None:
    upc_a = with_check_digit(long)
    for text, symbology in ((short + upc_a[-1], None), (short + upc_a[-1], "]E0"), (short[1:], "]E0")):
        code = read_barcode(text, symbology)
        assert (code.symbology, code.gtin) == ("UPC-E", upc_a.zfill(14))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("5011001234567", "check digit 7 where 6 is right"),
        ("hello", "is not a product number"),
        ("", "empty code"),
        ("]E0", "empty code"),
        ("123", "has 3 digits"),
        ("123456789", "has 9 digits"),
        ("501100123456600", "has 15 digits"),
        ("00000000000000", "all zeros"),
        ("0000", "no produce number"),
        ("٠١٢٣٤٥٦٧", "characters that no product code has"),
        ("501100\n1234566", "characters that no product code has"),
        ("9" * (TEXT_MAX + 1), "too many"),
        ("https://example.com/hello", "without a product number"),
        ("http://[", "without a product number"),
        ("https://id.gs1.org/01/07032069804980", "check digit 0 where 8 is right"),
        ("(01)07032069804988(17)270231", "does not exist"),
        ("(01)07032069804988(17)271331", "does not exist|breaks the rules"),
        ("(01)07032069804988(7003)2713311200", "date 271331, which does not exist"),
        ("(01)07032069804988(7007)270101270230", "date 270230, which does not exist"),
        ("(01)07032069804988(10)A(10)B", "twice"),
        ("(01)07032069804988(10)A(1", "brackets that are no application identifier's"),
        ("(01)07032069804988(10)A(B)C", "brackets that are no application identifier's"),
        ("(99999)1", "no application identifier's"),
        ("'; DROP TABLE items; --", "is not a product number"),
        ("store/+/cart/#", "is not a product number"),
        ("]C1017032069804988", "breaks the rules|check digit"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, what: str) -> None:
    with pytest.raises(BarcodeError, match=what) as caught:
        read_barcode(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("text", "plu"), [("4011", "4011"), ("04011", "4011"), ("94011", "94011"), ("83119", "83119")])
def test_produce_numbers(text: str, plu: str) -> None:
    code = read_barcode(text)
    assert (code.kind, code.plu, code.gtin) == ("plu", plu, None)


@pytest.mark.parametrize(
    ("text", "symbology", "name"),
    [
        ("01070320698049881527033110AB1", "]C1", "GS1-128"),
        ("01070320698049881527033110AB1", "]d2", "GS1 DataMatrix"),
        ("01070320698049881527033110AB1", "]e0", "GS1 DataBar"),
        ("01070320698049881527033110AB1", None, None),
        ("10AB1\x1d01070320698049881527" + "0331", "]Q3", "GS1 QR Code"),
        ("(01)07032069804988(15)270331(10)AB1", None, None),
        ("https://id.gs1.org/01/07032069804988/10/AB1?15=270331", "]Q1", "QR Code"),
        ("HTTPS://shop.example/x/01/7032069804988/10/AB1?15=270331&utm=1", None, None),
    ],
)
def test_element_strings_come_out_alike_whatever_carries_them(
    text: str, symbology: str | None, name: str | None
) -> None:
    code = read_barcode(text, symbology)
    assert code.elements == {"01": "07032069804988", "15": "270331", "10": "AB1"}
    assert (code.kind, code.symbology, code.gtin, code.lot) == ("gs1", name, "07032069804988", "AB1")


@pytest.mark.parametrize(
    ("text", "weight_g", "price_minor"),
    [
        ("(01)97032069804981(3103)000512", 512.0, None),
        ("(01)97032069804981(3102)000051", 510.0, None),
        ("(01)97032069804981(3201)000010", 453.59237, None),
        ("(01)97032069804981(3571)000160", 453.59237, None),
        ("(01)97032069804981(3561)000100", 311.034768, None),
        ("(01)97032069804981(3103)000512(3922)487", 512.0, 487),
        ("(01)97032069804981(3921)48", None, 480),
        ("(01)97032069804981(3923)4875", None, 488),
        ("(01)97032069804981(3932)978487", None, 487),
    ],
)
def test_weight_and_price_in_element_strings(text: str, weight_g: float | None, price_minor: int | None) -> None:
    code = read_barcode(text)
    assert code.weight_g == pytest.approx(weight_g)
    assert code.price_minor == price_minor


def test_a_databar_from_a_scanner_that_sends_no_symbology_is_a_gtin() -> None:
    code = read_barcode("0107032069804988")
    assert (code.gtin, code.elements) == ("07032069804988", {"01": "07032069804988"})
    with pytest.raises(BarcodeError, match="16 digits"):
        read_barcode("0107032069804989")


def test_a_link_may_end_in_a_slash() -> None:
    assert read_barcode("https://shop.example/01/07032069804988/").gtin == "07032069804988"


def test_a_pallet_label_has_elements_and_no_gtin() -> None:
    code = read_barcode("(00)" + with_check_digit("37032069000000001"))
    assert code.gtin is None
    assert set(code.elements) == {"00"}


def _dated(ai: str, value: str) -> ScannedCode:
    return ScannedCode(text="", symbology=None, kind="gs1", elements={ai: value})


@pytest.mark.parametrize(
    ("ai", "value", "expected"),
    [
        ("17", "270331", date(2027, 3, 31)),
        ("17", "280200", date(2028, 2, 29)),
        ("17", "991231", date(1999, 12, 31)),
        ("7003", "2703311200", date(2027, 3, 31)),
        ("15", "200101", None),
    ],
)
def test_expiry_has_gs1s_century_and_best_before_is_none(ai: str, value: str, expected: date | None) -> None:
    assert expiry_date(_dated(ai, value), date(2026, 11, 22)) == expected


GB_20_PRICE_487 = with_check_digit(f"2012345{gs1_price_weight_check_digit('0487')}0487")


def test_a_price_in_the_number_is_read_by_the_layout_of_the_country() -> None:
    code = read_barcode(GB_20_PRICE_487, layouts=layouts_for("gb"))
    assert (code.kind, code.price_minor, code.weight_g, code.item) == ("rcn", 487, None, "12345")
    assert code.gtin == f"0{GB_20_PRICE_487}"
    assert code.other_gtins == (f"0{with_check_digit('201234500000')}",)


def test_without_a_layout_it_is_a_plain_number() -> None:
    code = read_barcode(GB_20_PRICE_487)
    assert (code.kind, code.price_minor, code.other_gtins) == ("rcn", None, ())


def test_a_wrong_check_digit_of_the_price_is_a_misreading() -> None:
    wrong = (gs1_price_weight_check_digit("0487") + 1) % 10
    with pytest.raises(BarcodeError, match=r"misread.*scan it again"):
        read_barcode(with_check_digit(f"2012345{wrong}0487"), layouts=layouts_for("GB"))


@pytest.mark.parametrize(
    ("country", "number", "weight_g", "price_minor"),
    [
        ("SE", "230123450512", 512.0, None),
        ("SE", "240123450512", 5120.0, None),
        ("SE", "200123451295", None, 1295),
        ("SE", "210123451295", None, 12950),
        ("FI", "230123450512", 512.0, None),
        ("DE", f"280123{gs1_price_weight_check_digit('00512')}00512", 512.0, None),
        ("DE", f"220123{gs1_price_weight_check_digit('01295')}01295", None, 1295),
        ("DK", "260123000512", 512.0, None),
        ("US", f"0212345{gs1_price_weight_check_digit('1295')}1295", None, 1295),
    ],
)
def test_national_layouts(country: str, number: str, weight_g: float | None, price_minor: int | None) -> None:
    code = read_barcode(with_check_digit(number), layouts=NATIONAL[country])
    assert (code.weight_g, code.price_minor) == (weight_g, price_minor)


def test_a_gtin_12_of_number_system_2_is_the_same_as_its_13_digits() -> None:
    thirteen = with_check_digit(f"0212345{gs1_price_weight_check_digit('1295')}1295")
    assert read_barcode(thirteen[1:], layouts=NATIONAL["US"]).price_minor == 1295


def test_company_numbers_are_read_by_no_national_layout() -> None:
    for country, layouts in NATIONAL.items():
        code = read_barcode(with_check_digit("042000007919"), layouts=layouts)
        assert (code.weight_g, code.price_minor, code.count) == (None, None, None), country


def test_national_tables_are_sound() -> None:
    for country, layouts in NATIONAL.items():
        assert [layout_fault(layout) for layout in layouts] == [None] * len(layouts), country
        assert list(overlapping(layouts)) == [], country


@pytest.mark.parametrize(
    "pattern", ["20IIIIICVVVV", "20IIIIICVVVVKK", "50IIIIICVVVVK", "20IIIICVVVVVVK", "20VVVVVVVVVVK", "20IIIIIIIIIIK"]
)
def test_a_layout_that_cannot_be_is_faulted(pattern: str) -> None:
    assert layout_fault(RcnLayout(pattern=pattern, measure="price", decimals=2)) is not None


def test_layouts_that_claim_the_same_numbers_are_found() -> None:
    first = RcnLayout(pattern="2IIIIIICVVVVK", measure="price", decimals=2)
    second = RcnLayout(pattern="21IIIIICVVVVK", measure="price", decimals=2)
    assert list(overlapping([second, first])) == [(first.pattern, second.pattern)]


def test_currencies_without_hundredths() -> None:
    assert read_barcode("(01)97032069804981(3920)487", minor_digits=0).price_minor == 487
    assert read_barcode("(01)97032069804981(3922)48750", minor_digits=0).price_minor == 488


def test_gtin_14_of_each_length() -> None:
    assert gtin_14("96385074") == "00000096385074"
    assert gtin_14("05011001234566") == "05011001234566"
    with pytest.raises(BarcodeError, match="lost zeros"):
        gtin_14("42100005264")


def test_the_century_of_an_expiry_moves_with_the_day_it_is_read() -> None:
    assert expiry_date(_dated("17", "170101"), date(2099, 6, 1)) == date(2117, 1, 1)
    assert expiry_date(_dated("17", "760101"), date(2026, 11, 22)) == date(2076, 1, 1)
    assert expiry_date(_dated("17", "770101"), date(2026, 11, 22)) == date(1977, 1, 1)
