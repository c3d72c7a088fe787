"""`python -m benchmarks.vision` on a made-up data set of four colours: figures, folders it reads, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.vision import measure
from benchmarks.vision_baselines import regressed
from benchmarks.vision_data import DataError, read_split
from benchmarks.vision_figures import per_class, top_five, worst_pairs
from benchmarks.vision_mixed_up import mixed_up
from drivers.classifier import Classifier, available_runtimes
from models.measures import auroc, confidence_error
from tests.stand_in_model import COLOURS_RGB, GROUPS, picture_of, write_stand_in

PHOTOS = 5


def make_data(folder: Path, *, classes: bool = True, listing: bool = True, stranger: bool = False) -> Path:
    """The layout of the Grocery Store data set: two photos in five of Green are really grey."""
    lines = []
    colours = COLOURS_RGB | ({"Black": (0, 0, 0)} if stranger else {})
    groups = sorted({*GROUPS.values(), "Dark"})
    for number, (name, rgb) in enumerate(colours.items()):
        inside = folder / "val" / "Colours" / name
        inside.mkdir(parents=True)
        for photo in range(PHOTOS):
            shown = COLOURS_RGB["Grey"] if name == "Green" and photo < 2 else rgb
            path = inside / f"{name}_{photo}.jpg"
            cv2.imwrite(str(path), picture_of(shown, size=(24, 24), noise=20.0, seed=photo))
            group = groups.index(GROUPS.get(name, "Dark"))
            lines.append(f"{path.relative_to(folder)}, {number}, {group}")
    if listing:
        (folder / "val.txt").write_text("\n".join(lines) + "\n")
    if classes:
        rows = ["Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic,Description"]
        for number, name in enumerate(colours):
            own = GROUPS.get(name, "Dark")
            rows.append(f"{name},{number},{own},{groups.index(own)},/i.jpg,/d.txt")
        (folder / "classes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    if not available_runtimes():
        pytest.skip("no interpreter is installed here")
    return write_stand_in(tmp_path / "model")


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.vision", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_prints_one_object_with_the_figures(tmp_path: Path, model: Path) -> None:
    make_data(tmp_path / "grocery" / "dataset")
    done = benchmark(tmp_path / "grocery", "val", "--json", "--model", model)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["fine"] == 18 / 20
    assert found["coarse"] == 18 / 20
    assert found["top5"] == 1.0
    assert 0 <= found["ece"] <= 1
    assert found["n"] == 20
    assert found["bounds"]["fine"]["low"] < 0.9 < found["bounds"]["fine"]["high"]
    assert found["classes"]["Green"]["right"] == 3
    assert found["classes"]["Green"]["taken_for"] == "Grey"
    worst = {"first": "Green", "second": "Grey", "first_as_second": 2, "second_as_first": 0, "photos": 10}
    assert found["confused"] == [worst]
    for runtime in available_runtimes():
        row = found["speed"][runtime]
        assert 0 < row["ms_p50"] <= row["ms_p99"]
        assert row["rss_mb"] > row["rss_of_the_classifier_mb"] > 0
    assert found["baselines"] == {}


def test_tables_and_what_was_left_out(tmp_path: Path, model: Path) -> None:
    done = benchmark(make_data(tmp_path / "data"), "val", "--model", model)
    assert "fine      90.00%" in done.stdout
    assert "baselines left out: they need --baselines-from TRAIN_SPLIT and --backbone FILE" in done.stdout
    assert "Green as Grey 2, the other way 0, of 10 photos" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["n"] == 20


@pytest.mark.parametrize(("classes", "listing"), [(True, False), (False, True), (False, False)])
def test_folders_with_less_give_the_same(tmp_path: Path, model: Path, *, classes: bool, listing: bool) -> None:
    whole = measure(Classifier(model), read_split(make_data(tmp_path / "whole"), "val"))
    less = measure(Classifier(model), read_split(make_data(tmp_path / "less", classes=classes, listing=listing), "val"))
    assert less == whole


def test_classes_that_the_model_has_not_are_counted_apart(tmp_path: Path, model: Path) -> None:
    found = measure(Classifier(model), read_split(make_data(tmp_path / "data", stranger=True), "val"))
    assert found["n"] == 20
    assert found["fine"] == 0.9
    assert found["strangers"]["n"] == PHOTOS
    assert found["strangers"]["classes"] == 1


def refuse(folder: Path, name: str) -> str:
    """Break one thing; what is then asked for."""
    if name == "no folder":
        return "val"
    make_data(folder)
    if name == "no split":
        return "test"
    if name == "photo gone":
        (folder / "val/Colours/Red/Red_3.jpg").unlink()
    if name == "no photo":
        (folder / "val.txt").write_text("\n")
    if name == "not a list":
        (folder / "val.txt").write_text("val/Colours/Red/Red_0.jpg 0 0\n")
    if name == "unknown id":
        (folder / "val.txt").write_text("val/Colours/Red/Red_0.jpg, 99, 0\n")
    if name == "classes cut off":
        (folder / "classes.csv").write_text("Class Name (str),Class ID (int)\nRed,zero\n")
    return "val"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("no folder", "is no folder; give a folder with classes.csv"),
        ("no split", "has no split 'test'; it has val"),
        ("photo gone", "Red_3.jpg and so 1 of 20 photos of 'val' are not there"),
        ("no photo", "the split 'val' holds no photo"),
        ("not a list", "val.txt line 1 is .*lines are 'path, fine id, coarse id'"),
        ("unknown id", "line 1 has class 99, which classes.csv lacks"),
        ("classes cut off", "classes.csv cannot be read"),
    ],
)
def test_refuses_data_in_one_line(tmp_path: Path, name: str, wanted: str) -> None:
    split = refuse(tmp_path / "data", name)
    with pytest.raises(DataError, match=wanted) as caught:
        read_split(tmp_path / "data", split)
    assert "\n" not in str(caught.value)


def test_the_command_ends_in_one_line_and_status_2(tmp_path: Path, model: Path) -> None:
    data = make_data(tmp_path / "data")
    (data / "val/Colours/Red/Red_3.jpg").write_bytes(b"no jpeg")
    done = benchmark(data, "val", "--model", model)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith("in its list too")
    assert "Traceback" not in done.stderr
    (model / "manifest.json").unlink()
    assert "install the package again" in benchmark(data, "val", "--model", model).stderr


# -- figures -----------------------------------------------------------------------------------------------------------


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    assert confidence_error(confidence, right) == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.05)
    assert confidence_error(np.ones(3), np.ones(3, bool)) == 0.0


def test_auroc_by_hand() -> None:
    assert auroc(np.array([0.9, 0.4]), np.array([0.1, 0.4, 0.6])) == pytest.approx((3 + 1.5) / 6)
    assert auroc(np.array([1.0]), np.array([0.0])) == 1.0


def test_top_five_counts_ties_against() -> None:
    scores = np.array([[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], [0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]])
    assert top_five(scores, np.array([2, 4])).tolist() == [False, True]


def test_pairs_are_counted_both_ways() -> None:
    truth, guessed = np.array([0, 0, 1, 1, 2]), np.array([1, 0, 0, 1, 0])
    first, second = worst_pairs(["a", "b", "c"], guessed, truth)
    assert first == {"first": "a", "second": "b", "first_as_second": 1, "second_as_first": 1, "photos": 4}
    assert second["second_as_first"] == 1
    rows = per_class(["a", "b", "c"], guessed, truth, np.full(5, 0.5))
    assert rows["a"] == {
        "n": 2,
        "right": 1,
        "recall": 0.5,
        "precision": 0.3333,
        "confidence": 0.5,
        "taken_for": "b",
    }
    assert rows["c"]["precision"] is None


def test_regression_learns_what_features_tell() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 3, (4, 8))
    truth = np.repeat(np.arange(4), 30)
    train = centres[truth] + rng.normal(0, 1, (120, 8))
    test = centres[truth] + rng.normal(0, 1, (120, 8))
    found = regressed(train, truth, test, 4)
    assert found.sum(axis=1) == pytest.approx(np.ones(120))
    assert (found.argmax(axis=1) == truth).mean() > 0.95


def test_what_is_mixed_up_is_asked_about_where_the_scores_are_plain() -> None:
    labels, groups = ("Lemon", "Lime", "Milk", "none"), ("Citrus", "Citrus", "Dairy")
    scores = np.array([[0.998, 0.0004, 0.0003, 0.001], [0.3, 0.69, 0.001, 0.009], [0.0002, 0.0002, 0.0006, 0.999]])
    found = mixed_up(labels, groups, scores, np.array([0, 1, 2]))
    assert (found["as_it_is"]["right"], found["as_it_is"]["of"]) == (0, 3)
    # The lemon scanned as a lime or as milk; not the doubtful lime, and never by "none of these".
    assert (found["as_another"]["right"], found["as_another"]["of"]) == (2, 6)
    assert (found["as_a_sister"]["right"], found["as_a_sister"]["of"]) == (1, 2)


def test_a_net_that_is_plainly_wrong_asks_about_what_is_right() -> None:
    found = mixed_up(
        ("Lemon", "Lime", "none"), ("Citrus", "Citrus"), np.array([[0.0005, 0.999, 0.0005]]), np.array([0])
    )
    assert found["as_it_is"]["right"] == 1
