"""The classifier's contract, for each interpreter installed: same numbers, and no net but the one told of."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers import classifier as module
from drivers.classifier import (
    NONE,
    RUNTIMES,
    Classifier,
    ModelRefused,
    available_runtimes,
    none_features,
    prepare,
    softmax,
)
from drivers.model_folder import read_manifest
from tests.stand_in_model import COLOURS_RGB, NET, TEMPERATURE, picture_of, stand_in_manifest, write_stand_in

SHIPPED = Path(__file__).parents[2] / "models"


def test_ci_has_an_interpreter() -> None:
    if os.environ.get("CI") != "true" and not available_runtimes():
        pytest.skip(f"no interpreter here; install one: {module.INSTALL}")
    assert available_runtimes()


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param not in available_runtimes():
        pytest.skip(f"{request.param} is not installed here")
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_stand_in(tmp_path / "model")


def test_names_what_it_sees(folder: Path, runtime: str) -> None:
    classifier = Classifier(folder, runtime=runtime)
    assert classifier.labels == tuple(COLOURS_RGB)
    assert classifier.runtime == runtime
    assert classifier.digest == hashlib.sha256(NET.read_bytes()).hexdigest()
    for label, colour in COLOURS_RGB.items():
        seen = classifier.classify(picture_of(colour))
        assert max(seen.scores, key=lambda name: seen.scores[name]) == label


def test_probabilities_are_those_of_the_manifest(folder: Path, runtime: str) -> None:
    """By hand: the stand-in's logits, its temperature, its rule for none, and sums by group."""
    seen = Classifier(folder, runtime=runtime).classify(picture_of((150, 90, 60)))
    colours = np.array(list(COLOURS_RGB.values()), np.float64)
    scaled = (np.array([150, 90, 60]) @ colours.T / 1600 - (colours**2).sum(1) / 3200) / TEMPERATURE
    shares = np.exp(scaled) / np.exp(scaled).sum()
    margin = np.sort(scaled)[-1] - np.sort(scaled)[-2]
    p_none = 1 / (1 + math.exp(margin - 1.0))
    for label, share in zip(COLOURS_RGB, shares, strict=True):
        assert seen.scores[label] == pytest.approx((1 - p_none) * share, rel=1e-4)
    assert seen.scores[NONE] == pytest.approx(p_none, rel=1e-4)
    assert set(seen.coarse) == {"Coloured", "Plain", NONE}
    assert seen.coarse["Coloured"] == pytest.approx((1 - p_none) * shares[:3].sum(), rel=1e-4)
    assert sum(seen.scores.values()) == pytest.approx(1.0)
    assert sum(seen.coarse.values()) == pytest.approx(1.0)


def test_embedding_has_length_one_and_knows_the_place(folder: Path, runtime: str) -> None:
    picture = picture_of(COLOURS_RGB["Red"])
    picture[24:, :] = picture_of(COLOURS_RGB["Blue"])[24:, :]
    classifier = Classifier(folder, runtime=runtime)
    embedding = classifier.classify(picture).embedding
    assert embedding.dtype == np.float32
    assert embedding.shape == classifier.manifest.outputs.embedding[1:]
    assert float(np.linalg.norm(embedding)) == pytest.approx(1.0, abs=1e-6)
    assert embedding[0] > embedding[2]  # quarter in front on the left: red above blue
    assert embedding[6] < embedding[8]  # and the one behind it the other way round


def both_agree(folder: Path, pictures: list[np.ndarray[Any, np.dtype[np.uint8]]], tolerance: float) -> None:
    runtimes = available_runtimes()
    if len(runtimes) < 2:
        pytest.skip("only one interpreter is installed here")
    first, second = (Classifier(folder, runtime=name) for name in runtimes)
    for picture in pictures:
        one, other = first.classify(picture), second.classify(picture)
        assert one.scores == pytest.approx(other.scores, abs=tolerance)
        assert one.coarse == pytest.approx(other.coarse, abs=tolerance)
        assert float(one.embedding @ other.embedding) > 1 - tolerance


def test_interpreters_agree(folder: Path) -> None:
    both_agree(folder, [picture_of((90, seed, 120), noise=60.0, seed=seed) for seed in range(8)], 1e-5)


def test_interpreters_agree_on_the_shipped_model() -> None:
    if not (SHIPPED / "manifest.json").exists():
        pytest.skip("no model is shipped yet")
    rng = np.random.default_rng(1)
    coarse = [rng.integers(0, 256, (6, 6, 3), np.uint8) for _ in range(4)]
    both_agree(
        SHIPPED, [cv2.resize(one, (320, 240), interpolation=cv2.INTER_CUBIC).astype(np.uint8) for one in coarse], 0.01
    )


def test_shipped_model_is_whole() -> None:
    if not (SHIPPED / "manifest.json").exists():
        pytest.skip("no model is shipped yet")
    classifier = Classifier(SHIPPED)
    seen = classifier.classify(picture_of((120, 130, 90), noise=40.0))
    assert sum(seen.scores.values()) == pytest.approx(1.0)
    assert set(seen.scores) == {*classifier.labels, NONE}


def spoil_net(folder: Path) -> None:
    content = bytearray(NET.read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "stand_in.tflite").write_bytes(content)


def cut_net(folder: Path) -> None:
    (folder / "stand_in.tflite").write_bytes(NET.read_bytes()[:-200])


def replace_by(content: bytes) -> Callable[[Path], None]:
    """A net of other bytes under a manifest that vouches for them."""

    def replaced(folder: Path) -> None:
        told = stand_in_manifest(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        (folder / "stand_in.tflite").write_bytes(content)
        (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")

    return replaced


def with_fields(**changes: Any) -> Callable[[Path], None]:
    def rewritten(folder: Path) -> None:
        (folder / "manifest.json").write_text(json.dumps(stand_in_manifest(**changes)), encoding="utf-8")

    return rewritten


LARGER = {"height": 32, "width": 32, "channels": "RGB", "dtype": "float32", "range": [0, 255]}
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda folder: folder.rename(folder.with_name("away")), "there is no .*manifest.json"),
    "no net": (lambda folder: (folder / "stand_in.tflite").unlink(), "there is no .*stand_in.tflite"),
    "one bit": (spoil_net, "sha256 differs"),
    "cut off": (cut_net, r"has \d+ bytes where its manifest says \d+"),
    "no net inside": (replace_by(b"no net at all" * 9), "is no net that"),
    "empty": (replace_by(b""), "is no net that"),
    "manifest cut off": (lambda folder: (folder / "manifest.json").write_text('{"format": 1, "fi'), "cannot be read"),
    "manifest not text": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe{"), "cannot be read"),
    "later format": (with_fields(format=2), "has format 2, this program reads 1"),
    "a path": (with_fields(file="../stand_in.tflite"), "is not a plain name"),
    "too few labels": (with_fields(labels=["Red", "Green", "Blue"], coarse=["a", "a", "a"]), "3 labels for logits"),
    "twice": (with_fields(labels=["Red", "Red", "Blue", "Grey"]), "stands there twice"),
    "a class called none": (with_fields(labels=["Red", "Green", "Blue", "none"]), "is called 'none'"),
    "too few groups": (with_fields(coarse=["a"]), "1 coarse names for 4 labels"),
    "temperature": (with_fields(temperature=0), "is not above 0"),
    "range": (with_fields(input={**LARGER, "range": [-1, 1]}), "is not 0…255"),
    "other input": (with_fields(input=LARGER), "takes .*16.* where its manifest says .*32"),
    "other embedding": (
        with_fields(outputs={"logits": [1, 4], "embedding": [1, 9]}),
        "0 outputs that could be its embedding",
    ),
    "unknown rule": (with_fields(none={"offset": 0, "weights": {"hunch": 1}}), "cannot be read"),
    "more classes": (
        with_fields(labels=list("abcde"), coarse=list("aaabb"), outputs={"logits": [1, 5], "embedding": [1, 12]}),
        "0 outputs that could be its logits",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_in_one_line(folder: Path, runtime: str, name: str) -> None:
    spoil, wanted = REFUSED[name]
    spoil(folder)
    with pytest.raises(ModelRefused, match=wanted) as caught:
        Classifier(folder, runtime=runtime)
    said = str(caught.value)
    assert "\n" not in said
    assert ": " in said  # what is wrong, and what to do


class TwoAlike:
    """An interpreter whose logits and embedding have one shape."""

    def __init__(self, names: tuple[str, str], signed: tuple[str, str] | None = None) -> None:
        self._names, self._signed = names, signed

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"name": "in", "index": 0, "shape": [1, 16, 16, 3], "dtype": np.float32}]

    def get_output_details(self) -> list[dict[str, Any]]:
        numbered = enumerate(self._names, start=7)
        return [{"name": name, "index": index, "shape": [1, 4], "dtype": np.float32} for index, name in numbered]

    def get_signature_list(self) -> list[str]:
        return [] if self._signed is None else ["serving_default"]

    def get_signature_runner(self, key: str) -> Signed:
        assert self._signed is not None, key
        return Signed(self._signed)


class Signed:
    def __init__(self, names: tuple[str, str]) -> None:
        self._names = names

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        return {name: {"index": index} for index, name in enumerate(self._names, start=7)}


@pytest.mark.parametrize(
    "interpreter",
    [
        TwoAlike(("embedding", "logits")),
        TwoAlike(("net/embedding:0", "net/logits:0")),
        TwoAlike(("Call:0", "Call:1"), ("embedding", "logits")),
    ],
)
def test_outputs_of_one_shape_go_by_name(folder: Path, interpreter: TwoAlike) -> None:
    with_fields(outputs={"logits": [1, 4], "embedding": [1, 4]})(folder)
    assert module._tensors(interpreter, read_manifest(folder), folder) == (0, 8, 7)


def test_outputs_that_nothing_tells_apart_are_refused(folder: Path) -> None:
    with_fields(outputs={"logits": [1, 4], "embedding": [1, 4]})(folder)
    with pytest.raises(ModelRefused, match="2 outputs that could be its logits"):
        module._tensors(TwoAlike(("Call:0", "Call:1")), read_manifest(folder), folder)


def test_unknown_and_missing_interpreters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelRefused, match="choose auto, ai_edge_litert or tflite_runtime"):
        Classifier(folder, runtime="onnx")
    monkeypatch.setattr(module, "_imported", lambda _: None)
    with pytest.raises(ModelRefused, match=r"neither .* installed here .*pip install"):
        Classifier(folder)
    with pytest.raises(ModelRefused, match="tflite_runtime is not installed here"):
        Classifier(folder, runtime="tflite_runtime")


def test_prepare_squashes_averages_and_turns_colours_round() -> None:
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[::2] = (10, 20, 30)
    prepared = prepare(picture, 20, 20)
    assert prepared.shape == (20, 20, 3)
    assert prepared.dtype == np.float32
    assert np.abs(prepared - np.array([15, 10, 5])).max() <= 0.5
    grown = prepare(picture[:4, :4], 20, 20)
    assert grown.max() == 30


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_prepare_refuses_what_is_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="height × width × 3 bytes"):
        prepare(np.zeros(shape, np.uint8), 8, 8)


@given(arrays(np.float64, 5, elements=st.floats(-200, 200)), st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_softmax_and_features_are_lawful(logits: np.ndarray[Any, np.dtype[np.float64]], shift: float) -> None:
    likely = softmax(logits)
    assert likely.sum() == pytest.approx(1.0)
    assert softmax(logits + shift) == pytest.approx(likely, abs=1e-9)
    found = none_features(logits, likely, 1.0)
    assert found["energy"] >= found["max_logit"] - 1e-9
    assert -1e-9 <= found["entropy"] <= math.log(5) + 1e-9
    assert found["margin"] >= 0
