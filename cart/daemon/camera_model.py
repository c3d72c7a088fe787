"""The camera's classifier with what the store has enrolled: the catalogue's prototypes among the net's own classes."""

from __future__ import annotations

import sys
from pathlib import Path

from cart.core.enrolled import EnrolledTable
from cart.enrolled_file import FILE, EnrolledFileProblem, load_enrolled
from cart.vision.enrolment import Prototypes
from cart.vision.small_frames import Image
from drivers.classifier import Classifier


class TaughtClassifier:
    """Class scores of a crop. `folder` is where the daemon keeps what is enrolled; a newer file is read at the next
    crop, one that is damaged or made with another net leaves the net's own classes."""

    def __init__(self, classifier: Classifier, folder: Path) -> None:
        self._classifier = classifier
        self._folder = folder
        self._version: tuple[int, int] | None = None
        self._prototypes = prototypes_of(classifier, None)

    def __call__(self, crop: Image) -> dict[str, float]:
        """Probabilities by class, `none` among them. Raises Garbled."""
        self._refresh()
        found = self._classifier.classify(crop)
        return self._prototypes.merged(found.scores, found.embedding, found.nearness)

    def _refresh(self) -> None:
        try:
            told = (self._folder / FILE).stat()
            version = (told.st_mtime_ns, told.st_ino)
        except OSError:
            version = None
        if version == self._version:
            return
        self._version = version
        try:
            self._prototypes = prototypes_of(self._classifier, load_enrolled(self._folder))
        except EnrolledFileProblem as error:
            sys.stderr.write(f"{error}\n")
            self._prototypes = prototypes_of(self._classifier, None)


def prototypes_of(classifier: Classifier, table: EnrolledTable | None) -> Prototypes:
    """What is enrolled, as far as this net made it; otherwise the net's own classes, and a line on standard error."""
    manifest = classifier.manifest
    size = manifest.outputs.embedding[1]
    if table is not None and table.model != classifier.digest:
        sys.stderr.write(
            f"{len(table.classes)} products are enrolled with another model ({table.model[:8]}): enrol them again\n"
        )
    elif table is not None and any(len(one.prototype) != size for one in table.classes.values()):
        sys.stderr.write(f"enrolled products have not the model's {size} numbers: enrol them again\n")
    elif table is not None:
        return Prototypes(table, manifest.verification)
    return Prototypes(EnrolledTable(model=classifier.digest, classes={}), manifest.verification)
