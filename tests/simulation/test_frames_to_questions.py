"""From pixels to what the shopper is asked: photographs in a drawn basket, the shipped net, and the core, in virtual
time."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cart.bench.basket_scene import BasketScene
from cart.bench.pictures import ProductPictures
from cart.core.ledger import InterventionRaised
from cart.core.observations import Look
from cart.vision.pipeline import FramePipeline
from drivers.classifier import Classifier
from tests.unit.shopper import CATALOG, ITEMS, Shopper, item

ROOT = Path(__file__).parents[2]
PICTURES = ProductPictures(ROOT / "tests/data/photos")
CLASSIFIER = Classifier(ROOT / "models")

AVOCADO = item(71, 300.0, 3.0, vision_class="Avocado")
BANANA = item(72, 300.5, 3.0, vision_class="Banana")
LOOSE_BANANAS = item(73, None, None, unit="kg", plu="4011", price_minor=199, vision_class="Banana")
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, AVOCADO, BANANA, LOOSE_BANANAS))

FRAME_S = 0.2
TOUCH_S = 1.0


class WatchedCart:
    """One basket on one clock: the camera's five frames a second and the scale's eighty samples."""

    def __init__(self, seed: int) -> None:
        self.shopper = Shopper(RANGE).started()
        self.looks: list[Look] = []
        self._scene = BasketScene(seed)
        self._pipeline = FramePipeline(lambda crop: CLASSIFIER.classify(crop).scores, lambda _image: ())
        self.run(2.0)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.shopper.wait(FRAME_S)
            t_ns = self.shopper.t_ns
            seen = self._pipeline.frame(self._scene.picture(t_ns / 1e9), t_ns).look
            if seen is not None:
                look = Look(t_ns=t_ns, frame_t_ns=seen.frame_t_ns, direction=seen.direction, scores=seen.scores)
                self.looks.append(look)
                self.shopper.tell(look)

    def put(self, vision_class: str, weight_g: float) -> None:
        sprite = PICTURES.sprite(vision_class=vision_class, label=vision_class)
        self._scene.put(self.shopper.t_ns / 1e9, [(1, sprite)], TOUCH_S)
        self.run(TOUCH_S)
        self.shopper.put(weight_g, wait_s=0.0)
        self.run(4.0)


def test_rows_4_and_17_what_was_put_in_unscanned_leads_the_list_that_it_is_picked_from() -> None:
    cart = WatchedCart(2)
    cart.put("Banana", 612.0)
    assert cart.shopper.session.view().guesses == ["S73"]
    assert cart.shopper.question("unscanned_item").candidates[0].choice in {"S72", "S73"}
    cart.shopper.touch("produce", sku="S73")
    cart.run(1.0)
    assert cart.shopper.lines == {"S73": (1, "confirmed")}
    assert cart.shopper.session.view().guesses == []


def test_row_9_bananas_put_in_as_avocados_of_one_weight_are_asked_about() -> None:
    cart = WatchedCart(2)
    cart.shopper.scan(71)
    cart.put("Banana", 300.2)
    assert [look.direction for look in cart.looks].count("in") == 2  # never by one look alone
    assert cart.shopper.open == [("wrong_item", "hint")]
    assert [c.choice for c in cart.shopper.question("wrong_item").candidates] == ["S72"]
    cart.shopper.scan(72)
    assert cart.shopper.lines == {"S72": (1, "confirmed")}


def test_row_9_what_is_as_scanned_is_asked_about_by_nobody() -> None:
    cart = WatchedCart(5)
    cart.shopper.scan(71)
    cart.put("Avocado", 300.2)
    assert "Avocado" in {max(look.scores, key=look.scores.__getitem__) for look in cart.looks}
    assert cart.shopper.events(InterventionRaised) == []
    assert cart.shopper.lines == {"S71": (1, "confirmed")}
