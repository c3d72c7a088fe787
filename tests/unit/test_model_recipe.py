"""What the classifier's training is built on: sampling, targets, schedules, folds and the measures it is judged by."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import embedding, measures, photos, schedule

LABELS = st.lists(st.integers(0, 5), min_size=6, max_size=80).map(np.array)


@given(fine=LABELS, seed=st.integers(0, 2**32 - 1), balance=st.sampled_from([0.0, 0.5, 1.0]))
def test_an_epoch_shows_each_photo_its_expected_number_of_times(
    fine: np.ndarray[tuple[int], np.dtype[np.int64]], seed: int, balance: float
) -> None:
    order = photos.epoch_order(fine, np.random.default_rng(seed), balance=balance)
    weight = np.bincount(fine)[fine] ** -balance
    expected = len(fine) * weight / weight.sum()
    shown = np.bincount(order, minlength=len(fine))
    assert len(order) == len(fine)
    assert (np.abs(shown - expected) < 1 + 1e-9).all()


def test_balanced_epochs_show_rare_classes_as_often() -> None:
    fine = np.array([0] * 90 + [1] * 10)
    rng = np.random.default_rng(0)
    rare = [int((fine[photos.epoch_order(fine, rng, balance=1.0)] == 1).sum()) for _ in range(50)]
    assert 48 <= np.mean(rare) <= 52


def photo_list(fine: list[int]) -> list[photos.Photo]:
    return [photos.Photo(Path(f"c{label}/c{label}_{number:03}.jpg"), label) for number, label in enumerate(fine)]


@given(fine=st.lists(st.integers(0, 4), min_size=1, max_size=60), folds=st.integers(2, 7))
def test_folds_share_nothing_and_leave_nothing_out(fine: list[int], folds: int) -> None:
    held = np.array([photos.in_fold(photo_list(fine), fold, folds) for fold in range(folds)])
    assert (held.sum(axis=0) == 1).all()


def test_a_fold_is_a_run_of_neighbours() -> None:
    held = photos.in_fold(photo_list([3] * 12), 1, 4)
    assert np.flatnonzero(held).tolist() == [3, 4, 5]


def test_targets_leave_something_to_siblings() -> None:
    targets = photos.soft_targets(np.array([0, 3]), [0, 0, 1, 2], siblings=0.1, others=0.2)
    assert targets.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert targets[0] == pytest.approx([0.7 + 0.05 + 0.05, 0.05 + 0.05, 0.05, 0.05])
    assert targets[1, 3] == pytest.approx(0.7 + 0.1 + 0.05)  # it has no siblings: their share is its own


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_distorted_view_is_a_picture_of_the_same_thing(seed: int) -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, :] = (200, 60, 40)
    view = photos.distort(image, 48, np.random.default_rng(seed))
    assert view.shape == (48, 48, 3)
    assert view.dtype == np.uint8
    red, green, blue = view.reshape(-1, 3).mean(axis=0)
    assert red > max(green, blue)


def test_a_photo_is_squashed_whole(tmp_path: Path) -> None:
    image = np.zeros((60, 120, 3), np.uint8)
    image[:, 60:] = (255, 0, 0)  # blue, as OpenCV orders colours
    cv2.imwrite(str(tmp_path / "half.png"), image)
    seen = photos.load(tmp_path / "half.png", 40)
    assert seen.shape == (40, 40, 3)
    assert seen[:, :19].max() == 0
    assert (seen[:, 21:] == (0, 0, 255)).all()


def test_what_is_no_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "not.jpg").write_text("not a picture")
    with pytest.raises(OSError, match=r"not\.jpg is no picture"):
        photos.load(tmp_path / "not.jpg", 40)


@given(progress=st.floats(0, 1), warmup=st.floats(0.01, 0.5))
def test_the_rate_never_exceeds_its_peak(progress: float, warmup: float) -> None:
    assert 0 <= schedule.rate_at(progress, warmup) <= 1
    assert schedule.rate_at(warmup, warmup) == pytest.approx(1)
    assert schedule.rate_at(1.0, warmup) == pytest.approx(0.01)


def test_sizes_follow_their_shares() -> None:
    sizes = ((0.5, 160), (0.5, 224))
    assert [schedule.size_at(at, sizes) for at in (0.0, 0.49, 0.5, 1.0)] == [160, 160, 224, 224]


def test_calibration_error_is_the_gap() -> None:
    sure = np.full((100, 2), [0.9, 0.1])
    right = np.array([0] * 70 + [1] * 30)
    assert measures.calibration_error(sure, right) == pytest.approx(0.2)


def test_a_perfect_nets_calibration_error_is_chance_and_falls_with_the_photos() -> None:
    few, many = (measures.chance_error(np.full(photos_seen, 0.8), draws=200) for photos_seen in (100, 10_000))
    # One bin: the mean deviation of a share of 100 at 0.8, sqrt(2 / π · 0.8 · 0.2 / 100).
    assert few["mean"] == pytest.approx(0.032, abs=0.005)
    assert many["mean"] == pytest.approx(0.0032, abs=0.0005)
    assert few["exceeded once in twenty"] == pytest.approx(1.96 * 0.04, abs=0.015)
    assert measures.chance_error(np.ones(50))["mean"] == 0.0


def test_the_temperature_that_was_put_in_is_found() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (4000, 5))
    fine = np.array([rng.choice(5, p=row) for row in measures.softmax(logits)])
    assert measures.fitted_temperature(logits * 2.5, fine) == pytest.approx(2.5, rel=0.1)


@given(
    positive=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    negative=st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_auroc_is_the_share_of_pairs_in_order(positive: list[int], negative: list[int]) -> None:
    pairs = [float(p > n) + 0.5 * float(p == n) for p in positive for n in negative]
    assert measures.auroc(np.array(positive, float), np.array(negative, float)) == pytest.approx(float(np.mean(pairs)))


def test_logistic_regression_knows_the_prior() -> None:
    rng = np.random.default_rng(1)
    inputs = np.concatenate([rng.normal(0, 1, (500, 1)), rng.normal(2, 1, (500, 1))])
    positive = np.arange(1000) >= 500
    even, rare = (measures.logistic(inputs, positive, prior=prior) for prior in (0.5, 0.05))
    assert even[1] == pytest.approx(2.0, abs=0.4)  # two normals of one variance: the log-odds have slope 2
    assert even[0] - rare[0] == pytest.approx(np.log(19), abs=0.6)


def test_the_second_head_tells_classes_apart_that_differ_where_they_vary_least() -> None:
    rng = np.random.default_rng(2)
    fine = np.repeat(np.arange(4), 60)
    loud = rng.normal(0, 1, (240, 6))  # says nothing of the class
    quiet = np.eye(4)[fine] + rng.normal(0, 0.1, (240, 4))
    head = embedding.fitted(np.hstack([loud, quiet]), fine, 5, size=8, share=10.0)
    fresh = np.hstack([rng.normal(0, 1, (4, 6)), np.eye(4)])
    logits, nearness = head.answers(np.zeros((4, 5)), fresh)
    assert logits.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (nearness > 0.3).all()
    assert np.linalg.norm(head.embedded(fresh), axis=1) == pytest.approx(1.0)
    assert head.prototypes[4].tolist() == [0.0] * 8  # a class without photos
