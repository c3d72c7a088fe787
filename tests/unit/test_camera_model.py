"""The camera's classifier with enrolled products: a new file counts at the next crop, a wrong one for nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cart.core.enrolled import EnrolledTable
from cart.daemon.camera_model import TaughtClassifier
from cart.enrolled_file import FILE, save_enrolled
from cart.vision.enrolment import enrol
from drivers.classifier import NONE, Classifier, available_runtimes
from tests.stand_in_model import picture_of, write_stand_in

PURPLE = (200, 40, 200)


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    if not available_runtimes():
        pytest.skip("no interpreter is installed here")
    return Classifier(write_stand_in(tmp_path / "model"))


def enrolled(classifier: Classifier) -> EnrolledTable:
    pictures = [classifier.classify(picture_of(PURPLE, noise=20.0, seed=seed)).embedding for seed in range(4)]
    return EnrolledTable(model=classifier.digest, classes={"sku:7": enrol(pictures)})


def test_what_is_enrolled_counts_from_the_next_crop_on(tmp_path: Path, classifier: Classifier) -> None:
    taught = TaughtClassifier(classifier, tmp_path)
    crop = picture_of(PURPLE, noise=20.0, seed=9)
    before = taught(crop)
    assert before == classifier.classify(crop).scores
    save_enrolled(enrolled(classifier), tmp_path)
    after = taught(crop)
    assert max(after, key=lambda name: after[name]) == "sku:7"
    assert sum(after.values()) == pytest.approx(1.0)
    save_enrolled(None, tmp_path)
    assert taught(crop) == before


def test_a_damaged_or_foreign_file_leaves_the_nets_own_classes(
    tmp_path: Path, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    taught = TaughtClassifier(classifier, tmp_path)
    crop = picture_of(PURPLE, noise=20.0, seed=9)
    (tmp_path / FILE).write_bytes(b"{")
    assert set(taught(crop)) == {*classifier.labels, NONE}
    assert "the next catalogue writes it again" in capsys.readouterr().err
    foreign = msgspec.structs.replace(enrolled(classifier), model="0" * 64)
    save_enrolled(foreign, tmp_path)
    assert set(taught(crop)) == {*classifier.labels, NONE}
    assert "enrolled with another model" in capsys.readouterr().err
    short = enrol([classifier.classify(crop).embedding[:6]])
    save_enrolled(EnrolledTable(model=classifier.digest, classes={"sku:7": short}), tmp_path)
    assert set(taught(crop)) == {*classifier.labels, NONE}
    assert "enrol them again" in capsys.readouterr().err
