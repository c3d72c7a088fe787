"""`cart catalog enrol`: teach the camera a product that its net was never trained on, from a few pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cart.catalog_file import load_catalog, save_catalog
from cart.core.catalog import Catalog, Item
from cart.core.enrolled import EnrolledClass, EnrolledTable, own_class
from cart.core.problem import Problem
from cart.model_location import SHIPPED, model_folder
from cart.vision.enrolment import PICTURES_MAX, PICTURES_MIN, EnrolmentProblem, Prototypes, check_new, check_pictures
from cart.vision.enrolment import enrol as prototype_of
from drivers.errors import DriverError
from drivers.opencv_log import set_log_level

if TYPE_CHECKING:  # OpenCV would slow down every other command of `cart catalog`
    from drivers.classifier import Classification, Classifier

PICTURE_MIN_PX = 32


def run(
    sku: Annotated[str, typer.Argument(help="The item to enrol, as in the catalogue.", show_default=False)],
    pictures: Annotated[
        list[Path],
        typer.Argument(
            help=f"{PICTURES_MIN} to {PICTURES_MAX} pictures that the product fills, each from another side.",
            show_default=False,
        ),
    ],
    catalog: Annotated[Path, typer.Option(help="The catalog.json that has the item.")] = Path("catalog.json"),
    out: Annotated[
        Path | None,
        typer.Option(help="Where the catalogue goes, its version raised by one; without: back to --catalog."),
    ] = None,
    model: Annotated[str, typer.Option(help="The model folder that the carts run; auto: the shipped one.")] = SHIPPED,
    even_so: Annotated[
        bool, typer.Option("--even-so", help="Enrol though the pictures look like a product that is known already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Enrol a product from pictures. Only numbers are kept; the pictures stay where they are."""
    known = load_catalog(catalog)
    item = _item(known, sku, catalog)
    images = [_read(path) for path in pictures]
    classifier = _classifier(model)
    if item.vision_class in classifier.labels:
        raise EnrolmentProblem(
            f"{sku} is the net's class {item.vision_class} already; to enrol it yet, clear its vision_class first"
        )
    seen = [classifier.classify(image) for image in images]
    check_pictures([str(path) for path in pictures], [one.embedding for one in seen], classifier.manifest.verification)
    table = _table(known, classifier, catalog)
    name = own_class(sku)
    others = msgspec.structs.replace(
        table, classes={other: one for other, one in table.classes.items() if other != name}
    )
    if not even_so:
        _check_new(seen, Prototypes(others, classifier.manifest.verification), sku)
    enrolled = prototype_of([one.embedding for one in seen])
    written = _with(known, item, name, enrolled, others)
    save_catalog(written, out or catalog)
    told: dict[str, Any] = {
        "sku": sku,
        "vision_class": name,
        "pictures": len(pictures),
        "enrolled": len(others.classes) + 1,
        "file": str(out or catalog),
        "version": written.version,
    }
    if as_json:
        typer.echo(msgspec.json.encode(told).decode())
    else:
        typer.echo(
            f"{told['file']}: version {written.version}, {sku} {item.name} enrolled from {len(pictures)} pictures; "
            "sign and publish it to reach the carts"
        )


def _item(known: Catalog, sku: str, path: Path) -> Item:
    for item in known.items:
        if item.sku == sku:
            return item
    raise EnrolmentProblem(f"{path} has no item {sku}: 'cart catalog show {path} --find …' finds its sku")


def _read(path: Path) -> Any:
    import cv2

    if not path.is_file():
        raise EnrolmentProblem(f"{path}: no such picture; give the paths of pictures")
    set_log_level(0)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise EnrolmentProblem(f"{path}: cannot be read as a picture; give JPEG or PNG")
    if min(image.shape[:2]) < PICTURE_MIN_PX:
        raise EnrolmentProblem(
            f"{path}: {image.shape[1]} × {image.shape[0]} pixels show nothing; give at least {PICTURE_MIN_PX} each way"
        )
    return image


def _classifier(model: str) -> Classifier:
    from drivers.classifier import Classifier

    folder = model_folder(model)
    if folder is None:
        raise EnrolmentProblem("--model is empty; give the folder of the model that the carts run")
    try:
        return Classifier(folder)
    except DriverError as error:
        raise Problem(str(error)) from None


def _table(known: Catalog, classifier: Classifier, path: Path) -> EnrolledTable:
    """What is enrolled so far. Raises EnrolmentProblem where another net did it."""
    table = known.enrolled
    if table is None or not table.classes:
        return EnrolledTable(model=classifier.digest, classes={})
    if table.model != classifier.digest:
        raise EnrolmentProblem(
            f"{path} has {len(table.classes)} products enrolled with another model ({table.model[:8]}…), whose numbers "
            f"mean nothing to this one ({classifier.digest[:8]}…): give that one by --model, or remove 'enrolled' and "
            "enrol them all again"
        )
    return table


def _check_new(seen: list[Classification], others: Prototypes, sku: str) -> None:
    check_new([one.scores for one in seen], [one.embedding for one in seen], others, sku)


def _with(known: Catalog, item: Item, name: str, enrolled: EnrolledClass, others: EnrolledTable) -> Catalog:
    renamed = msgspec.structs.replace(item, vision_class=name)
    return msgspec.structs.replace(
        known,
        version=known.version + 1,
        items=tuple(renamed if one is item else one for one in known.items),
        enrolled=msgspec.structs.replace(others, classes={**others.classes, name: enrolled}),
    )
