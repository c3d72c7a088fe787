"""`cart catalog` and `cart barcode`, the files they read and write, and the schema that describes them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import typer

from cart.catalog_file import demo_catalog, demo_catalog_json, load_catalog, save_catalog
from cart.catalog_schema import SCHEMA, schema_json
from cart.commands import barcode, catalog
from cart.core.barcodes import read_barcode
from cart.core.catalog import CatalogIndex
from cart.core.catalog_checks import CatalogError, catalog_warnings
from cart.core.problem import Problem

CSV = "sku,name,gtins,price_minor,tax\n1,Milk,5011001234566,149,A\n"


def run(*arguments: str) -> int:
    app = typer.Typer()
    app.add_typer(catalog.app, name="catalog")
    app.command("barcode")(barcode.run)
    status = typer.main.get_command(app).main(args=list(arguments), standalone_mode=False)
    assert isinstance(status, int)
    return status


@pytest.fixture
def demo_file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.json"
    path.write_bytes(demo_catalog_json())
    return path


def test_import_of_csv_then_check_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "range.csv", tmp_path / "catalog.json"
    source.write_text(CSV)
    assert run("catalog", "import", str(source), "--out", str(out), "--tax", "A=1350") == 0
    assert run("catalog", "check", str(out)) == 0
    assert run("catalog", "show", str(out), "--find", "5011") == 0
    shown = capsys.readouterr().out
    assert "fine; version 1, 1 items, 0 promotions" in shown
    assert "€1.49" in shown
    assert load_catalog(out).taxes["A"].rate_bp == 1350


def test_import_keeps_the_promotions_of_its_base(tmp_path: Path, demo_file: Path) -> None:
    source, out = tmp_path / "range.csv", tmp_path / "catalog.json"
    source.write_text(CSV)
    assert run("catalog", "import", str(source), "--out", str(out), "--base", str(demo_file)) == 0
    imported = load_catalog(out)
    assert imported.version == demo_catalog().version + 1
    assert imported.promotions == demo_catalog().promotions


def test_a_wrong_file_is_listed_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "range.csv", tmp_path / "catalog.json"
    source.write_text(CSV + "2,Bread,,1.49,A\n3,Jam,,1,Z\n")
    assert run("catalog", "import", str(source), "--out", str(out), "--tax", "A=0") == 1
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == ["line 3", "line 4"]
    assert not out.exists()
    assert run("catalog", "import", str(source), "--out", str(out), "--tax", "A=0", "--json") == 1
    assert json.loads(capsys.readouterr().out)["count"] == 2


def test_a_file_that_is_no_catalogue_is_bad_input(tmp_path: Path, demo_file: Path) -> None:
    demo_file.write_bytes(demo_file.read_bytes()[:3000])
    with pytest.raises(CatalogError, match="cut off after 3000 bytes"):
        run("catalog", "check", str(demo_file))
    with pytest.raises(CatalogError, match="no such file"):
        run("catalog", "show", str(tmp_path / "absent.json"))
    with pytest.raises(CatalogError, match="cannot be read"):
        run("catalog", "show", str(tmp_path))
    with pytest.raises(Problem, match="CODE=RATE"):
        run("catalog", "import", str(_csv(tmp_path)), "--tax", "A")


def _csv(folder: Path) -> Path:
    path = folder / "one.csv"
    path.write_text(CSV)
    return path


def test_show_says_when_nothing_is_found(demo_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("catalog", "show", str(demo_file), "--find", "caviar") == 1
    assert "no item has 'caviar'" in capsys.readouterr().out
    assert run("catalog", "show", str(demo_file), "--json", "--find", "schokolade") == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) == 3


def test_show_lays_out_no_more_rows_than_are_read(
    demo_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "SHOWN_MAX", 2)
    assert run("catalog", "show", str(demo_file)) == 0
    assert f"… and {len(demo_catalog().items) - 2} more; narrow them with --find" in capsys.readouterr().out


def test_saving_replaces_the_whole_file_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text("old")
    save_catalog(demo_catalog(), path)
    assert load_catalog(path) == demo_catalog()
    assert [file.name for file in tmp_path.iterdir()] == ["catalog.json"]
    with pytest.raises(CatalogError, match="cannot be written"):
        save_catalog(demo_catalog(), tmp_path / "absent" / "catalog.json")


def test_a_device_is_written_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    small = msgspec.structs.replace(demo_catalog(), items=(), promotions=(), blocked_lots=())
    save_catalog(small, pipe)
    assert pipe.is_fifo()
    assert os.read(reader, 1 << 16).startswith(b"{")
    os.close(reader)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "by").write_text("a folder")
    with pytest.raises(CatalogError, match="cannot be written"):
        save_catalog(demo_catalog(), tmp_path / "taken")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_brackets_in_a_name_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = demo_catalog()
    tea = msgspec.structs.replace(catalog.items[0], name="Tea [bio] [/b]")
    save_catalog(msgspec.structs.replace(catalog, items=(tea, *catalog.items[1:])), tmp_path / "catalog.json")
    assert run("catalog", "show", str(tmp_path / "catalog.json"), "--find", "tea [bio]") == 0
    assert "Tea [bio] [/b]" in capsys.readouterr().out


def _barcodes(capsys: pytest.CaptureFixture[str], *texts: str) -> tuple[int, list[dict[str, Any]]]:
    status = run("barcode", "--json", *texts)
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_barcode_json_is_one_object_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    milk = demo_catalog().items[0]
    status, (known, unknown, wrong, digital) = _barcodes(
        capsys, milk.gtins[0][1:], "]E05011001234566", "5011001234567", "(01)07032069804988(10)AB1"
    )
    assert status == 1
    assert known == {"symbology": "EAN-13", "gtin": milk.gtins[0], "elements": {}, "sku": milk.sku}
    assert unknown == {"symbology": "EAN-13", "gtin": "05011001234566", "elements": {}, "sku": None}
    assert list(wrong) == ["error"]
    assert digital["elements"] == {"01": "07032069804988", "10": "AB1"}


def test_barcode_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    lot = demo_catalog().blocked_lots[0]
    assert run("barcode", "4011", "2800101204875", f"(01){lot.gtin}(10){lot.lot}") == 0
    bananas, cheddar, chicken = capsys.readouterr().out.splitlines()
    assert bananas == "code, PLU 4011, 0028 Bananas"
    assert cheddar == "EAN-13, GTIN 02800101204875, €4.87, 0010 Mature cheddar, cut"
    assert "this lot is blocked" in chicken


def test_barcode_with_another_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "catalog.json"
    run("catalog", "import", str(_csv(tmp_path)), "--out", str(out), "--tax", "A=0")
    capsys.readouterr()
    assert run("barcode", "--json", "--catalog", str(out), "5011001234566") == 0
    assert json.loads(capsys.readouterr().out)["sku"] == "1"


def test_the_schema_in_the_repository_is_current() -> None:
    assert schema_json() == SCHEMA.read_bytes(), f"run {sys.executable} -m cart.catalog_schema"


def test_the_schema_accepts_the_demo_and_refuses_what_reading_refuses() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes()))
    jsonschema.Draft202012Validator.check_schema(validator.schema)
    document = json.loads(demo_catalog_json())
    assert list(validator.iter_errors(document)) == []
    document["items"][0]["price_minor"] = -1
    document["promotions"][0]["kind"] = "free"
    assert len(list(validator.iter_errors(document))) == 2


def test_the_demo_range_is_what_a_demonstration_needs() -> None:
    demo = demo_catalog()
    index = CatalogIndex(demo)
    assert len(demo.items) >= 60
    assert list(catalog_warnings(demo)) == []
    assert [item.name for item in demo.items if {"de", "fr", "es"} - item.names.keys()] == []
    assert any(item.age_min == 18 for item in demo.items)
    assert any(item.deposit_minor for item in demo.items)
    assert min(item.weight_g for item in demo.items if item.weight_g is not None) < 5.0
    assert max(item.weight_g for item in demo.items if item.weight_g is not None) > 9000.0
    weights = [item.weight_g for item in demo.items if item.department == "sweets"]
    assert len(weights) > len(set(weights))
    assert {promotion.__struct_config__.tag for promotion in demo.promotions} == {
        "multi_buy",
        "percent",
        "amount_off",
        "bundle",
        "member_price",
        "coupon",
    }
    assert index.blocked(index.read(f"(01){demo.blocked_lots[0].gtin}(10){demo.blocked_lots[0].lot}"))


def test_demo_numbers_are_of_the_internal_ranges_and_read_back() -> None:
    demo = demo_catalog()
    index = CatalogIndex(demo)
    for item in demo.items:
        for gtin in item.gtins:
            # Company-internal GTIN-13 (04) and GTIN-8 (2), or this store's variable-measure layouts (21, 28).
            assert re.match(r"004|0000002|02[18]", gtin), gtin
            printed = gtin[6:] if gtin.startswith("000000") else gtin[1:]
            code = read_barcode(printed)
            assert index.find(code) is item
            assert index.find(index.read(printed)) is item
        if item.plu is not None:
            assert index.find(index.read(item.plu)) is item


def test_a_number_the_catalogue_lists_is_that_product_and_nothing_is_read_out_of_it() -> None:
    index = CatalogIndex(demo_catalog())
    listed = index.by_sku["0010"].gtins[0]
    assert index.read(listed[1:]).price_minor is None
    assert index.read("2800101204875").price_minor == 487
    plain = CatalogIndex(msgspec.structs.replace(index.catalog, rcn_layouts=None))
    assert plain.read("2800101204875").price_minor is None
