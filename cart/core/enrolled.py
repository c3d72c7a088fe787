"""Products that a store taught the camera from a few pictures, as the catalogue carries them: numbers, no pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

OWN_CLASS = "sku:"
"""Prefix of the vision class of an enrolled item, followed by its SKU: no class of a net begins so."""


class EnrolledClass(msgspec.Struct, frozen=True, kw_only=True):
    """One product: the mean direction of its pictures' embeddings.

    `prototype` has one signed byte for each of the embedding's numbers, in one unknown scale, as only its direction
    counts; in JSON it is base64. `pictures`: how many it was made of.
    """

    prototype: Annotated[bytes, msgspec.Meta(min_length=2, max_length=8192)]
    pictures: Annotated[int, msgspec.Meta(ge=1)]


class EnrolledTable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is enrolled, by vision class. `model` is the SHA-256 of the net whose embeddings these are: those
    of another net mean nothing."""

    model: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    classes: dict[str, EnrolledClass]


def own_class(sku: str) -> str:
    """The vision class of an enrolled item."""
    return OWN_CLASS + sku


def enrolled_faults(table: EnrolledTable) -> Iterator[tuple[str, str]]:
    """(class, what is wrong) of everything in a table that types cannot say."""
    sizes = {len(one.prototype) for one in table.classes.values()}
    for name, one in table.classes.items():
        if len(sizes) > 1 and len(one.prototype) != max(sizes):
            yield name, f"its prototype has {len(one.prototype)} numbers, another {max(sizes)}; enrol it again"
        elif not any(one.prototype):
            yield name, "its prototype is zero; enrol it again"
