"""Enrolling a product from pictures: the arithmetic, the command, and what each refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from cart.catalog_file import load_catalog, save_catalog
from cart.commands import catalog as command
from cart.core.catalog import Catalog, Item, Tax
from cart.core.catalog_checks import CatalogError, catalog_warnings
from cart.core.catalog_reading import read_catalog_json
from cart.core.enrolled import EnrolledClass, EnrolledTable, own_class
from cart.core.problem import Problem
from cart.enrolled_file import FILE, EnrolledFileProblem, load_enrolled, save_enrolled
from cart.vision.enrolment import EnrolmentProblem, Prototypes, check_new, check_pictures, direction, enrol
from drivers.classifier import NONE, available_runtimes
from drivers.model_folder import Margin, Verification
from tests.stand_in_model import NET, picture_of, write_stand_in

CALIBRATION = Verification(threshold=0.9, offset=-36.0, slope=40.0, margin=Margin(offset=2.0, slope=30.0))
MODEL = "ab" * 32

Embedding = npt.NDArray[np.float32]


def unit(*numbers: float) -> Embedding:
    vector = np.array(numbers, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def near(axis: int, seed: int, spread: float = 0.1) -> Embedding:
    """One of a product's pictures: close to an axis of 32 dimensions."""
    vector = np.random.default_rng(seed).normal(0.0, spread / np.sqrt(32), 32)
    vector[axis] += 1.0
    return unit(*vector)


def table(*embeddings: list[Embedding]) -> EnrolledTable:
    return EnrolledTable(model=MODEL, classes={f"sku:{n}": enrol(one) for n, one in enumerate(embeddings)})


# -- arithmetic --------------------------------------------------------------------------------------------------------


def test_a_prototype_points_where_its_pictures_do() -> None:
    pictures = [near(3, seed) for seed in range(5)]
    mean = np.mean(pictures, axis=0)
    enrolled = enrol(pictures)
    assert enrolled.pictures == 5
    assert float(direction(enrolled) @ mean) / float(np.linalg.norm(mean)) > 0.9999
    assert float(np.linalg.norm(direction(enrolled))) == pytest.approx(1.0, abs=1e-6)


def test_likeness_and_verification_go_by_the_manifest() -> None:
    known = Prototypes(table([near(0, 1), near(0, 2), near(0, 3)]), CALIBRATION)
    same, other = known.likeness(near(0, 9))["sku:0"], known.likeness(near(1, 9))["sku:0"]
    assert same.cosine > 0.95
    assert abs(other.cosine) < 0.3
    assert same.log_odds == pytest.approx(-36.0 + 40.0 * same.cosine)
    assert known.verified("sku:0", near(0, 9))
    assert not known.verified("sku:0", near(1, 9))


def test_an_enrolled_product_is_named_where_no_known_class_is_as_near() -> None:
    known = Prototypes(table([near(0, 1), near(0, 2)], [near(5, 1), near(5, 2)]), CALIBRATION)
    merged = known.merged({"Apple": 0.6, NONE: 0.4}, near(5, 9), 0.5)
    assert max(merged, key=lambda name: merged[name]) == "sku:1"
    assert merged["sku:1"] > 0.8
    assert merged["sku:0"] < 1e-6


def test_a_photo_nearer_to_a_known_class_keeps_its_name() -> None:
    known = Prototypes(table([near(0, 1), near(0, 2)]), CALIBRATION)
    alike = unit(0.91, *([0.0] * 30), 0.4146)
    assert known.verified("sku:0", alike)
    merged = known.merged({"Apple": 0.9, NONE: 0.1}, alike, 0.995)
    assert max(merged, key=lambda name: merged[name]) == "Apple"


def test_what_nobody_knows_is_not_taken_for_the_nearest_enrolled_product() -> None:
    known = Prototypes(table([near(0, 1), near(0, 2)]), CALIBRATION)
    unlike = unit(0.7, *([0.0] * 30), 0.714)
    assert known.merged({"Apple": 0.1, NONE: 0.9}, unlike, 0.1)["sku:0"] < 0.01


def test_without_a_measured_margin_the_cosine_has_to_do() -> None:
    bare = Verification(threshold=0.9, offset=-36.0, slope=40.0)
    known = Prototypes(table([near(0, 1), near(0, 2)]), bare)
    for nearness in (0.1, 0.9):
        assert known.merged({"Apple": 0.6, NONE: 0.4}, near(0, 9), nearness)["sku:0"] > 0.7


@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6).filter(lambda shares: sum(shares) > 0.01),
    st.integers(1, 4),
    st.integers(0, 31),
    st.floats(0.01, 1.0),
)
def test_merged_scores_are_probabilities(shares: list[float], products: int, axis: int, nearness: float) -> None:
    scores = {f"class {n}": share / sum(shares) for n, share in enumerate(shares[1:])}
    scores[NONE] = shares[0] / sum(shares)
    known = Prototypes(table(*([near(n, 1), near(n, 2)] for n in range(products))), CALIBRATION)
    merged = known.merged(scores, near(axis, 7), nearness)
    assert sum(merged.values()) == pytest.approx(1.0)
    assert min(merged.values()) >= 0.0
    assert set(merged) == {*scores, *known.names}
    # enrolled products take from all alike, and nothing where nothing is like them
    for name, score in scores.items():
        assert merged[name] <= score + 1e-9
        assert merged[name] * scores[NONE] == pytest.approx(score * merged[NONE])


def test_what_is_like_no_enrolled_product_keeps_its_scores() -> None:
    known = Prototypes(table([near(0, 1), near(0, 2)]), CALIBRATION)
    merged = known.merged({"Apple": 0.3, NONE: 0.7}, near(9, 3), 0.4)
    assert merged["Apple"] == pytest.approx(0.3, abs=1e-9)
    assert merged[NONE] == pytest.approx(0.7, abs=1e-9)


def test_nothing_enrolled_changes_nothing() -> None:
    none = Prototypes(EnrolledTable(model=MODEL, classes={}), CALIBRATION)
    assert none.merged({"Apple": 0.4, NONE: 0.6}, near(0, 1), 0.4) == {"Apple": 0.4, NONE: 0.6}


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_pictures_must_be_some_and_different_and_agree() -> None:
    names = [f"{n}.jpg" for n in range(11)]
    alike = [near(0, seed) for seed in range(11)]
    check_pictures(names[:3], alike[:3], CALIBRATION)
    check_pictures(names[:10], alike[:10], CALIBRATION)
    for count in (2, 11):
        with pytest.raises(EnrolmentProblem, match=f"{count} pictures: give 3 to 10"):
            check_pictures(names[:count], alike[:count], CALIBRATION)
    with pytest.raises(EnrolmentProblem, match=r"2\.jpg is the same picture as 0\.jpg"):
        check_pictures(names[:3], [*alike[:2], alike[0]], CALIBRATION)
    with pytest.raises(EnrolmentProblem, match=r"1\.jpg does not look like the other pictures"):
        check_pictures(names[:4], [alike[0], near(7, 1), *alike[2:4]], CALIBRATION)


def test_a_product_that_is_known_already_is_refused() -> None:
    pictures = [near(0, seed) for seed in range(3)]
    others = Prototypes(table([near(0, 8), near(0, 9)]), CALIBRATION)
    nobody = Prototypes(EnrolledTable(model=MODEL, classes={}), CALIBRATION)
    unsure, sure = {"Apple": 0.3, "Pear": 0.1, NONE: 0.6}, {"Apple": 0.95, "Pear": 0.05, NONE: 0.0}
    check_new([unsure] * 3, pictures, nobody, "7")
    with pytest.raises(EnrolmentProblem, match="show Apple, which the net knows: give 7 the vision_class 'Apple'"):
        check_new([sure] * 3, pictures, nobody, "7")
    with pytest.raises(EnrolmentProblem, match="look like sku:0, which is enrolled"):
        check_new([unsure] * 3, pictures, others, "7")


# -- the catalogue and the cart's file ---------------------------------------------------------------------------------


def a_catalog(enrolled: EnrolledTable | None = None, vision_class: str | None = None) -> Catalog:
    items = (
        Item(sku="7", name="Dragon fruit", price_minor=299, weight_g=400.0, plu="3040", vision_class=vision_class),
        Item(sku="8", name="Star fruit", price_minor=99, weight_g=100.0, plu="4256"),
        Item(sku="9", name="Red thing", price_minor=99, weight_g=100.0, plu="4257", vision_class="Red"),
    )
    return Catalog(
        version=4, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=items, enrolled=enrolled
    )


def test_the_catalogue_carries_prototypes_and_old_readers_ignore_them() -> None:
    enrolled = table([near(0, 1), near(0, 2)])
    data = msgspec.json.encode(a_catalog(enrolled, "sku:0"))
    assert read_catalog_json(data, "here").enrolled == enrolled
    plain = json.loads(data)
    assert isinstance(plain["enrolled"]["classes"]["sku:0"]["prototype"], str)
    del plain["enrolled"]
    assert read_catalog_json(json.dumps(plain), "here").enrolled is None


def test_a_catalogue_with_broken_prototypes_is_refused_by_name() -> None:
    sound, short = enrol([near(0, 1)]), EnrolledClass(prototype=b"\x01\x02", pictures=3)
    broken = EnrolledTable(model=MODEL, classes={"sku:7": sound, "sku:8": short})
    with pytest.raises(CatalogError, match=r"enrolled \(sku:8\), prototype: .*2 numbers, another 32"):
        read_catalog_json(msgspec.json.encode(a_catalog(broken)), "here")
    zero = EnrolledTable(model=MODEL, classes={"sku:7": EnrolledClass(prototype=bytes(32), pictures=3)})
    with pytest.raises(CatalogError, match="is zero"):
        read_catalog_json(msgspec.json.encode(a_catalog(zero)), "here")


def test_an_enrolment_without_an_item_is_a_warning() -> None:
    enrolled = table([near(0, 1), near(0, 2)])
    assert any("no item has this vision_class" in str(one) for one in catalog_warnings(a_catalog(enrolled)))
    assert not any("vision_class" in str(one) for one in catalog_warnings(a_catalog(enrolled, "sku:0")))


def test_the_carts_file_follows_the_catalogue(tmp_path: Path) -> None:
    enrolled = table([near(0, 1), near(0, 2)])
    assert load_enrolled(tmp_path) is None
    assert save_enrolled(enrolled, tmp_path)
    assert not save_enrolled(enrolled, tmp_path)
    assert load_enrolled(tmp_path) == enrolled
    (tmp_path / FILE).write_bytes(b'{"model": 3')
    with pytest.raises(EnrolledFileProblem, match="the next catalogue writes it again"):
        load_enrolled(tmp_path)
    assert save_enrolled(enrolled, tmp_path)
    assert save_enrolled(None, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EnrolledFileProblem, match="cannot be written"):
        save_enrolled(enrolled, tmp_path / "nowhere")


# -- the command -------------------------------------------------------------------------------------------------------


class Shop:
    """A catalogue, a stand-in model and pictures of purple things, a colour that the model does not know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # the stand-in is to be sure of nothing between its colours
        self.model = write_stand_in(folder / "model", none={"offset": 4.0, "weights": {"margin": -4.0}})
        self.catalog = folder / "catalog.json"
        save_catalog(a_catalog(), self.catalog)

    def pictures(self, *rgbs: tuple[int, int, int]) -> list[str]:
        paths = []
        for number, rgb in enumerate(rgbs):
            path = self.folder / f"{number}-{'-'.join(map(str, rgb))}.png"
            cv2.imwrite(str(path), picture_of(rgb, noise=25.0, seed=number))
            paths.append(str(path))
        return paths

    def enrol(self, sku: str, pictures: list[str], *more: str) -> int:
        app = typer.Typer()
        app.add_typer(command.app, name="catalog")
        given_to = ["--catalog", str(self.catalog), "--model", str(self.model)]
        arguments = ["catalog", "enrol", sku, *pictures, *given_to, *more]
        status = typer.main.get_command(app).main(args=arguments, standalone_mode=False)
        return int(status or 0)


PURPLE = ((200, 40, 200), (190, 50, 210), (210, 60, 190), (180, 30, 180))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    if not available_runtimes():
        pytest.skip("no interpreter is installed here")
    return Shop(tmp_path)


def test_enrol_writes_numbers_into_the_catalogue(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.enrol("7", shop.pictures(*PURPLE), "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["vision_class"] == own_class("7")
    written = load_catalog(shop.catalog)
    assert written.version == 5
    assert written.items[0].vision_class == own_class("7")
    assert written.enrolled is not None
    assert written.enrolled.model == hashlib.sha256(NET.read_bytes()).hexdigest()
    assert written.enrolled.classes[own_class("7")].pictures == 4


def test_enrol_again_replaces_and_another_product_is_added(shop: Shop) -> None:
    out = shop.folder / "out.json"
    shop.enrol("7", shop.pictures(*PURPLE), "--out", str(out))
    assert load_catalog(shop.catalog).enrolled is None
    shop.catalog = out
    shop.enrol("7", shop.pictures(*PURPLE[:3]))
    shop.enrol("8", shop.pictures((230, 230, 30), (240, 220, 40), (220, 240, 50)))
    written = load_catalog(out)
    assert written.version == 7
    assert written.enrolled is not None
    assert {name: one.pictures for name, one in written.enrolled.classes.items()} == {"sku:7": 3, "sku:8": 3}


REFUSED: dict[str, tuple[str, tuple[tuple[int, int, int], ...], str]] = {
    "unknown item": ("70", PURPLE, "has no item 70"),
    "too few": ("7", PURPLE[:2], "2 pictures: give 3 to 10"),
    "a stranger among them": ("7", (*PURPLE, (40, 200, 40)), "4-40-200-40.png does not look like the other"),
    "a class of the net": ("9", PURPLE, "9 is the net's class Red already"),
    "looks like a class": ("7", ((200, 40, 40), (198, 42, 41), (204, 38, 44)), "show Red, which the net knows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_enrol_refuses_in_one_line_and_writes_nothing(shop: Shop, name: str) -> None:
    sku, rgbs, wanted = REFUSED[name]
    before = shop.catalog.read_bytes()
    with pytest.raises(Problem, match=wanted) as caught:
        shop.enrol(sku, shop.pictures(*rgbs))
    assert "\n" not in str(caught.value)
    assert shop.catalog.read_bytes() == before


def test_even_so_enrols_what_looks_like_a_known_product(shop: Shop) -> None:
    pictures = shop.pictures(*REFUSED["looks like a class"][1])
    assert shop.enrol("7", pictures, "--even-so") == 0
    assert load_catalog(shop.catalog).items[0].vision_class == own_class("7")


def test_unreadable_pictures_are_named(shop: Shop) -> None:
    good = shop.pictures(*PURPLE)
    text, dot = shop.folder / "text.jpg", shop.folder / "dot.png"
    text.write_text("no picture")
    cv2.imwrite(str(dot), picture_of(PURPLE[0], size=(8, 8)))
    for bad, wanted in ((text, "cannot be read as a picture"), (dot, "8 × 8 pixels"), (shop.folder / "x", "no such")):
        with pytest.raises(EnrolmentProblem, match=wanted):
            shop.enrol("7", [*good, str(bad)])


def test_prototypes_of_another_net_are_not_mixed(shop: Shop) -> None:
    save_catalog(a_catalog(table([near(0, 1), near(0, 2)]), "sku:0"), shop.catalog)
    with pytest.raises(EnrolmentProblem, match="1 products enrolled with another model"):
        shop.enrol("8", shop.pictures(*PURPLE))


def test_a_wrong_model_is_told_in_one_line(shop: Shop) -> None:
    (shop.model / "stand_in.tflite").write_bytes(b"")
    with pytest.raises(Problem, match="has 0 bytes where its manifest says"):
        shop.enrol("7", shop.pictures(*PURPLE))
