"""`python -m benchmarks.enrolment` on made-up colours: classes the model has not, and classes struck from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from benchmarks.enrolment import Answers, class_means, roc, struck, without
from benchmarks.vision_data import Photo
from drivers.classifier import available_runtimes
from drivers.model_folder import Margin, read_manifest
from tests.stand_in_model import COLOURS_RGB, picture_of, write_stand_in

NEW = {"Purple": (200, 40, 200), "Yellow": (220, 220, 30)}


def make_splits(folder: Path, colours: dict[str, tuple[int, int, int]]) -> Path:
    for split, photos in (("train", 5), ("val", 3)):
        for name, rgb in colours.items():
            inside = folder / split / name
            inside.mkdir(parents=True)
            for photo in range(photos):
                shown = np.clip(np.array(rgb) + np.random.default_rng(photo).integers(-9, 10, 3), 0, 255)
                picture = picture_of((int(shown[0]), int(shown[1]), int(shown[2])), size=(24, 24), noise=15, seed=photo)
                cv2.imwrite(str(inside / f"{photo}.png"), picture)
    return folder


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.enrolment", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    if not available_runtimes():
        pytest.skip("no interpreter is installed here")
    return write_stand_in(tmp_path / "model")


def test_classes_that_the_model_has_not_are_enrolled(tmp_path: Path, model: Path) -> None:
    done = benchmark(make_splits(tmp_path / "data", COLOURS_RGB | NEW), "val", "--model", model, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["seen_in_training"] is False
    assert found["classes"] == 2
    row = found["by_pictures"]["5"]
    assert row["auroc"] > 0.99
    assert row["enrolled_named"]["rate"] == 1.0
    assert row["others_named"] == row["others_named_before"]
    assert row["stranger_refused"]["rate"] == 1.0


def test_a_model_that_has_them_all_is_said_to_have_seen_them(tmp_path: Path, model: Path) -> None:
    done = benchmark(make_splits(tmp_path / "data", COLOURS_RGB), "val", "--model", model)
    assert done.returncode == 0, done.stderr
    assert "the model was trained on these classes" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["seen_in_training"] is True


def test_too_few_photos_are_refused_in_one_line(tmp_path: Path, model: Path) -> None:
    data = make_splits(tmp_path / "data", NEW)
    for path in (data / "train").rglob("[2-9].png"):
        path.unlink()
    done = benchmark(data, "val", "--model", model)
    assert done.returncode == 2
    assert "no class has 3 pictures to enrol from" in done.stderr.splitlines()[-1]


def test_roc_by_hand() -> None:
    told = {"same": np.array([0.9, 0.8, 0.4]), "other": np.array([0.5, 0.3, 0.2, 0.1]), "sibling": np.array([0.5])}
    found = roc(told)
    assert found["auroc"] == pytest.approx(11 / 12, abs=1e-4)
    assert found["auroc_siblings"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["equal_error_rate"] == pytest.approx((1 / 3 + 1 / 4) / 2, abs=1e-4)


def test_struck_classes_leave_labels_and_logits_in_step(model: Path) -> None:
    reduced, kept = without(read_manifest(model), ["Green"])
    assert reduced.labels == ("Red", "Blue", "Grey")
    assert reduced.coarse == ("Coloured", "Coloured", "Plain")
    assert kept.tolist() == [True, False, True, True]


def test_a_struck_class_is_nothing_that_a_photo_is_near_to(model: Path) -> None:
    manifest = read_manifest(model)
    first, second = manifest.labels[:2]
    margin = Margin(offset=0.0, slope=1.0)
    manifest = msgspec.structs.replace(
        manifest, verification=msgspec.structs.replace(manifest.verification, margin=margin)
    )
    photos = [Photo(Path(f"{name}.png"), name, "any") for name in (first, second)]
    raw = np.array([[0.9, 0.0], [0.6, 0.8]])
    some = Answers(photos, np.zeros((2, len(manifest.labels)), np.float32), raw)
    means = class_means(some, manifest.labels)
    assert means[second] == pytest.approx([0.6, 0.8])
    left = struck(manifest, some, [first], means)
    assert [one.nearness for one in left] == pytest.approx([0.6, 1.0])
    assert first not in left[0].scores
    assert [one.nearness for one in struck(manifest, some, [], means)] == pytest.approx([0.9, 1.0])
