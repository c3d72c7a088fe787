"""Catalogue files: what is read, and how each thing wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cart.core.catalog import Catalog, Tax
from cart.core.catalog_checks import PROBLEMS_MAX, catalog_warnings
from cart.core.catalog_reading import CatalogError, read_catalog_csv, read_catalog_json
from cart.core.rcn_layouts import check_digit

TAXES = {"A": Tax(rate_bp=1350)}


def gtin(number: int) -> str:
    digits = f"0042{number:09d}"
    return digits + check_digit(digits)


def item(number: int, **fields: Any) -> dict[str, Any]:
    base = {"sku": f"{number:04d}", "name": f"Thing {number}", "gtins": [gtin(number)], "price_minor": 100, "tax": "A"}
    return base | fields


def document(*items: dict[str, Any], **fields: Any) -> str:
    base = {"version": 3, "currency": "EUR", "locale": "en_IE", "taxes": {"A": {"rate_bp": 1350, "included": True}}}
    return json.dumps(base | {"items": list(items)} | fields)


def problems_of(text: str | bytes) -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        read_catalog_json(text, "catalog.json")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("catalog.json: ")
    return caught.value


def test_the_shape_of_the_interface_is_read_whole() -> None:
    text = """{"version": 12, "currency": "EUR", "locale": "en_IE",
     "taxes": {"A": {"rate_bp": 1350, "included": true}},
     "items": [{"sku":"0001","name":"Whole milk 1 l","gtins":["05011001234566"],"plu":null,"unit":"each",
                "price_minor":149,"weight_g":1034.0,"weight_sd_g":8.0,"tax":"A","department":"dairy","age_min":0,"deposit_minor":0,
                "vision_class":null,"names":{"de":"Vollmilch 1 l"},"unheard_of":1}],
     "promotions": [{"id":"p","kind":"percent","skus":["0001"],"rate_bp":2000}],
     "blocked_lots": [{"gtin":"05011001234566","lot":"L1"}]}"""
    catalog = read_catalog_json(text, "catalog.json")
    assert catalog.items[0].name_in("de") == "Vollmilch 1 l"
    assert catalog.items[0].name_in("fr") == "Whole milk 1 l"
    assert (catalog.version, catalog.promotions[0].id, catalog.blocked_lots[0].lot) == (12, "p", "L1")
    assert read_catalog_json(b"\xef\xbb\xbf" + text.encode(), "catalog.json") == catalog


def test_shorter_gtins_become_fourteen_digits() -> None:
    catalog = read_catalog_json(document(item(1, gtins=["96385074", "5011001234566"]), item(2)), "catalog.json")
    assert catalog.items[0].gtins == ("00000096385074", "05011001234566")
    assert catalog.items[1].gtins == (gtin(2),)


@pytest.mark.parametrize(
    ("fields", "field", "what"),
    [
        ({"price_minor": -1}, "price_minor", ">= 0"),
        ({"price_minor": 1.49}, "price_minor", "expected `int`"),
        ({"price_minor": 10**9}, "price_minor", "<="),
        ({"unit": "lb"}, "unit", "each or kg"),
        ({"gtins": ["5011001234567"]}, "gtins", "check digit 7 where 6 is right"),
        ({"gtins": [gtin(9)[:-1] + "x"]}, "gtins", "digits only"),
        ({"gtins": ["42100005264"]}, "gtins", "11 digits"),
        ({"gtins": [gtin(1)]}, "gtins", "belongs to 0001 already"),
        ({"sku": "0001"}, "sku", "another item has this sku"),
        ({"sku": ""}, "sku", "length >= 1"),
        ({"plu": "04011"}, "plu", "without a leading zero"),
        ({"plu": "4011"}, "plu", "belongs to 0001 already"),
        ({"tax": "Z"}, "tax", "not among the taxes (A)"),
        ({"weight_g": 0}, "weight_g", "> 0"),
        ({"weight_sd_g": -1}, "weight_sd_g", ">= 0"),
        ({"age_min": 200}, "age_min", "<= 99"),
        ({"names": ["x"]}, "names", "expected `object`"),
        ({"name": "Milk\n1 l"}, "name", "an end of line"),
        ({"names": {"de": "Milch\x1b[31m"}}, "names", "control character"),
    ],
)
def test_a_wrong_row_is_named_with_its_sku_and_field(fields: dict[str, Any], field: str, what: str) -> None:
    error = problems_of(document(item(1, plu="4011"), item(2, **fields), item(3)))
    (problem,) = error.problems
    assert (problem.where, problem.row, problem.field) == ("items", 2, field)
    assert problem.sku == fields.get("sku", "0002")
    assert what in problem.what


def test_a_missing_field_is_named() -> None:
    broken = item(2)
    del broken["price_minor"]
    (problem,) = problems_of(document(item(1), broken)).problems
    assert (problem.row, problem.sku, problem.field, problem.what) == (2, "0002", "price_minor", "is missing")


def test_all_wrong_rows_are_reported_up_to_a_bound() -> None:
    error = problems_of(document(*(item(number, price_minor=-1) for number in range(PROBLEMS_MAX + 7))))
    assert error.count == PROBLEMS_MAX + 7
    assert len(error.problems) == PROBLEMS_MAX
    assert f"and {PROBLEMS_MAX + 6} more" in str(error)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (document(item(1))[:-40].encode(), "cut off after"),
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"sku,name\n", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"x": ' + b"[" * 100_000, "cut off after"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
        (b"[]", "expected `object`, got `array`"),
        (b"{}", "version: is missing"),
        (document(item(1), currency="eur").encode(), "three capital letters"),
        (document(item(1), locale="Ireland").encode(), "no locale"),
        (document(item(1), version=-1).encode(), "version: expected `int` >= 0"),
        (document(item(1), version=2**53).encode(), "version: expected `int` <="),
        (document(item(1), promotions=[{"id": "p", "kind": "free"}]).encode(), "promotions row 1 (p), kind"),
        (document(item(1), blocked_lots=[{"gtin": gtin(1)[:-1] + "x", "lot": "1"}]).encode(), "blocked_lots row 1"),
        (
            document(item(1), rcn_layouts=[{"pattern": "50IIIIICVVVVK", "measure": "price", "decimals": 2}]).encode(),
            "belong",
        ),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_one_line(text: bytes, what: str) -> None:
    assert what in str(problems_of(text))


@pytest.mark.parametrize(
    ("promotion", "what"),
    [
        ({"kind": "multi_buy", "skus": ["0001"], "take": 3}, "needs price_minor or pay"),
        ({"kind": "multi_buy", "skus": ["0001"], "take": 3, "pay": 3}, "must be less than take"),
        ({"kind": "multi_buy", "skus": ["0001"], "take": 3, "pay": 2, "price_minor": 1}, "not both"),
        ({"kind": "multi_buy", "take": 3, "pay": 2}, "names no product"),
        ({"kind": "multi_buy", "skus": ["0001"], "take": 1, "pay": 0}, ">= 2"),
        ({"kind": "percent", "skus": ["0001"], "rate_bp": 10001}, "<= 10000"),
        ({"kind": "amount_off", "skus": ["0001"], "amount_minor": 0}, ">= 1"),
        ({"kind": "bundle", "groups": [["0001"], []], "price_minor": 1}, "at least one sku"),
        ({"kind": "bundle", "groups": [["0001"]], "price_minor": 1}, "length >= 2"),
        ({"kind": "member_price", "skus": [], "price_minor": 1}, "names no product"),
        ({"kind": "coupon", "code": "X"}, "needs amount_minor or rate_bp"),
        ({"kind": "coupon", "code": "X", "amount_minor": 1, "rate_bp": 1}, "not both"),
    ],
)
def test_a_promotion_that_cannot_be_is_named(promotion: dict[str, Any], what: str) -> None:
    (problem,) = problems_of(document(item(1), promotions=[{"id": "p"} | promotion])).problems
    assert (problem.where, problem.row, problem.sku) == ("promotions", 1, "p")
    assert what in problem.what


def test_two_promotions_of_one_id_and_two_coupons_of_one_code() -> None:
    coupon = {"kind": "coupon", "amount_minor": 1}
    error = problems_of(
        document(item(1), promotions=[coupon | {"id": "p", "code": "X"}, coupon | {"id": "p", "code": "x"}])
    )
    assert [problem.field for problem in error.problems] == ["id", "code"]


CSV = """sku,name,gtins,plu,unit,price_minor,weight_g,tax,names.de,shelf
0001,Whole milk 1 l,5011001234566 96385074,,each,149,1034.0,A,Vollmilch,7
0002,Bananas,,4011,kg,169,,A,,
"""


@pytest.mark.parametrize(
    "text", [CSV, CSV.encode("utf-8-sig"), CSV.replace("\n", "\r\n").encode(), CSV.replace(",", ";")]
)
def test_csv_in_its_usual_forms(text: str | bytes) -> None:
    catalog = read_catalog_csv(text, "range.csv", taxes=TAXES)
    milk, bananas = catalog.items
    assert milk.gtins == ("05011001234566", "00000096385074")
    assert (milk.price_minor, milk.weight_g, milk.names) == (149, 1034.0, {"de": "Vollmilch"})
    assert (bananas.plu, bananas.unit, bananas.weight_g) == ("4011", "kg", None)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_parted_by_semicolons_may_write_decimals_with_commas(delimiter: str) -> None:
    lines = ("sku,name,price_minor,weight_g,weight_sd_g,tax", "1,Milk,149,1034.5,8,A")
    text = "\n".join(lines).replace(",", delimiter).replace(".", ",")
    [item] = read_catalog_csv(text, "range.csv", taxes={"A": Tax(rate_bp=0)}).items
    assert (item.weight_g, item.weight_sd_g) == (1034.5, 8.0)
    with pytest.raises(CatalogError, match=r"weight_g: expected .*it holds '1\.034,5'"):
        read_catalog_csv(text.replace("1034,5", "1.034,5"), "range.csv", taxes={"A": Tax(rate_bp=0)})


def test_csv_keeps_what_a_table_cannot_say_from_its_base() -> None:
    promotions = [{"id": "p", "kind": "percent", "skus": ["0001"], "rate_bp": 2000}]
    base = read_catalog_json(document(item(1), promotions=promotions), "catalog.json")
    catalog = read_catalog_csv(CSV, "range.csv", base=base)
    assert (catalog.version, catalog.promotions, catalog.taxes) == (base.version + 1, base.promotions, base.taxes)
    assert [one.sku for one in catalog.items] == ["0001", "0002"]


def test_csv_rows_are_named_by_their_line() -> None:
    text = (
        "sku,name,gtins,price_minor,tax\n"
        "1,One,5.011E+12,1,A\n"
        '2,"Two\nlines",,1.49,A\n'
        "3,Three,,2,A,more\n"
        "\n"
        "4,Four,,2,B\n"
        "4,Again,,2,A\n"
    )
    with pytest.raises(CatalogError) as caught:
        read_catalog_csv(text, "range.csv", taxes=TAXES)
    found = [(problem.row, problem.sku, problem.field) for problem in caught.value.problems]
    assert found == [(2, "1", "gtins"), (4, "2", "price_minor"), (5, "3", ""), (7, "4", "tax"), (8, "4", "sku")]
    assert "it holds '1.49'" in caught.value.problems[1].what


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"name,price_minor\n", "lacks the column sku"),
        (b"", "lacks the column sku"),
        (b"sku,name,price_minor\n1,M\xfcsli,2\n", "not UTF-8"),
        (b'sku,name,price_minor\n1,"Muesli,2', "line 2"),
        (b"sku,name,price_minor\n", "holds no items"),
        (b"sku,name,price_minor,price_minor\n1,Muesli,2,3\n", "column price_minor twice"),
    ],
)
def test_a_csv_that_is_wrong_as_a_whole_is_one_line(data: bytes, what: str) -> None:
    with pytest.raises(CatalogError, match=what) as caught:
        read_catalog_csv(data, "range.csv", taxes=TAXES)
    assert "\n" not in str(caught.value)


def test_the_currency_given_for_a_csv_is_checked_too() -> None:
    with pytest.raises(CatalogError, match="currency: expected three capital letters"):
        read_catalog_csv(CSV, "range.csv", taxes=TAXES, currency="euro")


def test_a_no_break_space_in_a_name_is_fine() -> None:
    assert read_catalog_json(document(item(1, name="Milk 1\u00a0l")), "catalog.json").items[0].name == "Milk 1\u00a0l"


def test_warnings_do_not_refuse() -> None:
    promotions = [{"id": "p", "kind": "percent", "skus": ["gone"], "departments": ["none"], "rate_bp": 2000}]
    catalog: Catalog = read_catalog_json(
        document(item(1, gtins=[]), item(2, unit="kg", deposit_minor=5), promotions=promotions), "catalog.json"
    )
    fields = [(warning.sku, warning.field) for warning in catalog_warnings(catalog)]
    assert fields == [
        ("0001", "weight_g"),
        ("0001", "gtins"),
        ("0002", "deposit_minor"),
        ("p", "skus"),
        ("p", "departments"),
    ]


def test_a_wrong_field_before_broken_json_is_one_clear_line_too() -> None:
    with pytest.raises(CatalogError, match="not JSON"):
        read_catalog_json(b'{"version": 1, "currency": "EUR", "items": [{"sku": 1}], x}', "catalog.json")
