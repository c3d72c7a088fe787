"""A classifier's folder: `manifest.json` and the net it speaks of, checked before anything runs.

A net that is not the one the manifest was written for would still give numbers, and they would mean nothing. So the
file is read once, measured against the manifest, and those very bytes are what runs.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Final, Literal

import msgspec

from drivers.errors import DriverError

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
NONE: Final = "none"
"""The score of "none of these": no class may be called so."""
MANIFEST_BYTES_MAX: Final = 4 << 20
MODEL_BYTES_MAX: Final = 64 << 20
"""The shipped net has some 5 MB; a file given by mistake must not fill a cart's memory."""
AGAIN: Final = "install the package again, or name a folder with a whole model in [camera] model"

NoneFeature = Literal["energy", "max_logit", "max_probability", "entropy", "margin", "norm"]


class ModelRefused(DriverError):
    """The net, its manifest or the interpreter cannot be used; the cart goes on without. One line says what to do."""

    fault = "model_refused"


class InputForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the net takes: one RGB picture of `height` × `width`, float32 0…255; whatever it needs beyond is in it."""

    height: int
    width: int
    channels: Literal["RGB"]
    dtype: Literal["float32"]
    range: tuple[float, float]


class OutputForm(msgspec.Struct, frozen=True, kw_only=True):
    """Shapes of what the net gives: `logits` 1 × classes, `embedding` 1 × its length."""

    logits: tuple[int, int]
    embedding: tuple[int, int]


class NoneRule(msgspec.Struct, frozen=True, kw_only=True):
    """How "none of these" is scored: its probability is 1 / (1 + exp(−x)), x = `offset` + Σ `weights` · features.

    The features are of the logits divided by the temperature (Classifier says which).
    """

    offset: float
    weights: dict[NoneFeature, float]


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """Log-odds, at even odds, that a picture shows an enrolled product and not one of the net's own classes: `offset` +
    `slope` · (cosine to the enrolled prototype − nearness)."""

    offset: float
    slope: float


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How far a cosine of two embeddings tells "the same product", and an enrolled product from a known class.

    From `threshold` on it is called the same. At even odds the log-odds of it are `offset` + `slope` · cosine.
    """

    threshold: float
    offset: float
    slope: float
    margin: Margin | None = None
    """None: measured by nobody, then the cosine alone has to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The part of manifest.json that a program needs; whatever else it holds is for people."""

    format: int
    file: str
    sha256: str
    bytes: int
    input: InputForm
    outputs: OutputForm
    labels: tuple[str, ...]
    coarse: tuple[str, ...]
    """For each of `labels` the name of its group."""
    temperature: float
    none: NoneRule
    verification: Verification


class _Format(msgspec.Struct):
    format: int


def read_model(folder: Path) -> tuple[Manifest, bytes]:
    """The checked manifest and the net's bytes. Raises ModelRefused."""
    manifest = read_manifest(folder)
    path = folder / manifest.file
    content = _content(path, MODEL_BYTES_MAX)
    if len(content) != manifest.bytes:
        raise ModelRefused(f"{path} has {len(content)} bytes where its manifest says {manifest.bytes}: {AGAIN}")
    if hashlib.sha256(content).hexdigest() != manifest.sha256.lower():
        raise ModelRefused(f"{path} is not the file its manifest speaks of (sha256 differs): {AGAIN}")
    return manifest, content


def read_manifest(folder: Path) -> Manifest:
    """`manifest.json` alone, checked as far as that goes without the net. Raises ModelRefused."""
    path = folder / MANIFEST
    content = _content(path, MANIFEST_BYTES_MAX)
    try:
        told = msgspec.json.decode(content, type=_Format).format
        if told != FORMAT:
            raise ModelRefused(f"{path} has format {told}, this program reads {FORMAT}: install versions that agree")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(f"{path} cannot be read ({error}): {AGAIN}") from None
    wrong = _wrong(manifest)
    if wrong:
        raise ModelRefused(f"{path} contradicts itself ({wrong}): {AGAIN}")
    return manifest


def _content(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise ModelRefused(f"there is no {path}: {AGAIN}") from None
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read ({error.strerror}): check its permissions") from None
    if len(content) > bytes_max:
        raise ModelRefused(f"{path} has over {bytes_max >> 20} MB, more than any model of a cart: {AGAIN}")
    return content


def _wrong(manifest: Manifest) -> str:
    """What a manifest of the right form says that cannot be; empty where nothing."""
    labels, shapes, rule, verification = manifest.labels, manifest.outputs, manifest.none, manifest.verification
    numbers = (
        manifest.temperature,
        rule.offset,
        *rule.weights.values(),
        verification.threshold,
        verification.offset,
        verification.slope,
        *((verification.margin.offset, verification.margin.slope) if verification.margin is not None else ()),
    )
    checks = {
        f"file {manifest.file!r} is not a plain name": Path(manifest.file).name == manifest.file,
        f"{len(labels)} labels for logits {list(shapes.logits)}": bool(labels) and shapes.logits == (1, len(labels)),
        f"{len(manifest.coarse)} coarse names for {len(labels)} labels": len(manifest.coarse) == len(labels),
        "a label stands there twice": len(set(labels)) == len(labels),
        f"a label or group is called {NONE!r}": NONE not in labels and NONE not in manifest.coarse,
        f"embedding {list(shapes.embedding)} is not 1 × its length": shapes.embedding[0] == 1 < shapes.embedding[1],
        f"input of {manifest.input.height} × {manifest.input.width}": min(manifest.input.height, manifest.input.width)
        > 0,
        f"input range {list(manifest.input.range)} is not 0…255": manifest.input.range == (0.0, 255.0),
        "a number is not finite": all(math.isfinite(number) for number in numbers),
        f"temperature {manifest.temperature} is not above 0": manifest.temperature > 0,
        f"verification slope {verification.slope} is not above 0": verification.slope > 0,
    }
    return next((what for what, fine in checks.items() if not fine), "")
