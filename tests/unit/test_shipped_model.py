"""The model files in the repository belong together and keep to what was promised of them."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from drivers.model_folder import read_model

MODELS = Path(__file__).parents[2] / "models"
BYTES_MAX = 5_000_000


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
    return told


def test_the_file_is_the_manifests(manifest: dict[str, Any]) -> None:
    content = (MODELS / manifest["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == manifest["sha256"]
    assert len(content) == manifest["bytes"]
    assert len(content) <= BYTES_MAX
    assert read_model(MODELS)[1] == content


def test_the_labels_are_the_manifests(manifest: dict[str, Any]) -> None:
    with (MODELS / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["fine"] for row in rows] == manifest["labels"]
    assert [row["coarse"] for row in rows] == manifest["coarse"]
    assert len(set(manifest["labels"])) == manifest["outputs"]["logits"][1]
    assert len(set(manifest["labels"])) == 81
    assert len(set(manifest["coarse"])) == 43


def test_data_and_backbone_have_licences(manifest: dict[str, Any]) -> None:
    assert manifest["data"]["licence"] == "MIT"
    assert manifest["backbone"]["licence"] == "Apache-2.0"


def test_the_card_tells_the_figures_of_the_manifest(manifest: dict[str, Any]) -> None:
    card = (MODELS / "README.md").read_text(encoding="utf-8")
    val = manifest["figures"]["sibling"]["val"]
    for name in ("fine", "coarse", "top5"):
        # The manifest rounds its fractions: the count behind them is whole.
        right = round(val[name] * val["photos"])
        assert f"{100 * right / val['photos']:.1f} %" in card
