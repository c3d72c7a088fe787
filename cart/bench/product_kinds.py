"""What a product looks like when it is drawn: shape, colours and size by its vision class or its name."""

from __future__ import annotations

import zlib
from typing import Final, Literal, NamedTuple

Colour = tuple[int, int, int]
"""Blue, green, red."""
Shape = Literal[
    "round", "pear", "banana", "long", "lemon", "lumpy", "pineapple", "pepper", "vine",
    "carton", "cup", "can", "bottle", "box", "bag",
]  # fmt: skip


class Kind(NamedTuple):
    """How a kind of product is drawn; `width`, `height` in pixels at 8 px/cm, the basket's scale."""

    shape: Shape
    colour: Colour
    width: int
    height: int
    second: Colour = (70, 120, 70)


# The first key that stands in a product's class or name decides: longer names stand before those that are part of them.
_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("lemonade", Kind("can", (30, 130, 240), 56, 100)),
    ("pineapple", Kind("pineapple", (60, 140, 195), 96, 190)),
    ("juice", Kind("carton", (40, 150, 240), 68, 150, (60, 90, 235))),
    ("milk", Kind("carton", (235, 235, 230), 68, 150, (190, 110, 40))),
    ("oat", Kind("carton", (205, 200, 175), 68, 150, (90, 80, 60))),
    ("yoghurt", Kind("cup", (235, 240, 245), 66, 66, (160, 90, 200))),
    ("oatghurt", Kind("cup", (215, 225, 225), 66, 66, (120, 120, 60))),
    ("soyghurt", Kind("cup", (235, 235, 240), 66, 66, (170, 60, 90))),
    ("cream", Kind("cup", (240, 240, 240), 66, 66, (60, 150, 60))),
    ("golden-delicious", Kind("round", (70, 200, 215), 70, 66)),
    ("granny", Kind("round", (60, 185, 130), 70, 66)),
    ("pink-lady", Kind("round", (110, 95, 225), 68, 66)),
    ("gala", Kind("round", (60, 80, 205), 68, 64, (80, 190, 225))),
    ("red-delicious", Kind("round", (40, 30, 150), 70, 72)),
    ("apple", Kind("round", (60, 70, 200), 70, 66)),
    ("avocado", Kind("pear", (45, 75, 55), 62, 90)),
    ("banana", Kind("banana", (70, 215, 245), 170, 84, (50, 90, 90))),
    ("kiwi", Kind("lemon", (55, 95, 120), 48, 60)),
    ("lemon", Kind("lemon", (60, 225, 250), 56, 76)),
    ("lime", Kind("lemon", (60, 165, 90), 50, 62)),
    ("mango", Kind("pear", (60, 150, 225), 78, 104)),
    ("melon", Kind("round", (90, 190, 190), 140, 136)),
    ("cantaloupe", Kind("round", (120, 185, 205), 130, 126)),
    ("nectarine", Kind("round", (50, 80, 215), 64, 62, (70, 190, 245))),
    ("peach", Kind("round", (90, 130, 235), 66, 64, (110, 205, 250))),
    ("plum", Kind("round", (80, 40, 95), 46, 50)),
    ("grapefruit", Kind("round", (90, 150, 240), 90, 88)),
    ("satsuma", Kind("round", (30, 135, 245), 56, 50)),
    ("orange", Kind("round", (25, 140, 245), 74, 72)),
    ("pear", Kind("pear", (85, 185, 180), 64, 92)),
    ("anjou", Kind("pear", (85, 185, 150), 68, 88)),
    ("conference", Kind("pear", (75, 140, 140), 56, 104)),
    ("kaiser", Kind("pear", (60, 110, 160), 64, 96)),
    ("tomato sauce", Kind("bottle", (40, 45, 190), 62, 110)),
    ("tomatoes tin", Kind("can", (45, 50, 190), 62, 88)),
    ("chopped", Kind("can", (45, 50, 190), 62, 88)),
    ("tomato", Kind("vine", (40, 45, 215), 150, 96, (60, 120, 60))),
    ("carrot", Kind("long", (35, 120, 240), 36, 160, (60, 150, 70))),
    ("cucumber", Kind("long", (60, 110, 50), 44, 220)),
    ("zucchini", Kind("long", (55, 105, 60), 46, 180)),
    ("leek", Kind("long", (150, 215, 190), 44, 230)),
    ("aubergine", Kind("pear", (60, 30, 50), 80, 150)),
    ("onion", Kind("round", (75, 150, 205), 66, 62)),
    ("garlic", Kind("pear", (215, 220, 225), 50, 54)),
    ("potato", Kind("lumpy", (105, 160, 195), 92, 70)),
    ("beet", Kind("round", (70, 30, 110), 66, 66)),
    ("ginger", Kind("lumpy", (120, 175, 205), 110, 70)),
    ("mushroom", Kind("round", (120, 155, 180), 44, 40)),
    ("cabbage", Kind("round", (120, 190, 150), 150, 146)),
    ("green-bell", Kind("pepper", (60, 140, 50), 78, 88)),
    ("yellow-bell", Kind("pepper", (50, 205, 240), 78, 88)),
    ("orange-bell", Kind("pepper", (30, 125, 240), 78, 88)),
    ("pepper", Kind("pepper", (40, 40, 205), 78, 88)),
    ("wine", Kind("bottle", (60, 40, 45), 62, 230, (205, 220, 225))),
    ("oil", Kind("bottle", (70, 130, 120), 58, 200, (210, 225, 225))),
    ("washing", Kind("bottle", (90, 190, 80), 68, 180, (235, 235, 235))),
    ("water", Kind("bottle", (215, 190, 160), 58, 180, (200, 130, 60))),
    ("can", Kind("can", (60, 45, 180), 56, 100)),
    ("pesto", Kind("bottle", (60, 120, 70), 54, 82)),
    ("spaghetti", Kind("bag", (90, 180, 215), 64, 210, (150, 60, 50))),
    ("penne", Kind("bag", (100, 190, 220), 100, 160, (60, 60, 170))),
    ("rice", Kind("bag", (215, 220, 220), 100, 150, (60, 110, 150))),
    ("flour", Kind("bag", (215, 225, 230), 100, 150, (140, 90, 50))),
    ("crisps", Kind("bag", (50, 160, 220), 130, 180, (40, 40, 190))),
    ("coffee", Kind("bag", (50, 60, 85), 84, 130, (110, 170, 200))),
    ("bread", Kind("bag", (80, 130, 175), 110, 200, (230, 235, 235))),
    ("butter", Kind("box", (120, 215, 235), 90, 56, (170, 100, 50))),
    ("chocolate", Kind("box", (90, 50, 60), 70, 140, (130, 190, 220))),
)


def kind_of(vision_class: str | None, label: str) -> Kind:
    """How a product is drawn: by its vision class where that is known, else by its name, else a box of its own."""
    for text in (vision_class or "", label):
        words = text.lower()
        for key, kind in _KINDS:
            if key in words or key in words.replace(" ", "-"):
                return kind
    number = zlib.crc32(label.encode())
    colour = (60 + number % 150, 60 + (number >> 8) % 150, 60 + (number >> 16) % 150)
    second = (colour[2], colour[0], colour[1])
    return Kind("box", colour, 80 + (number >> 24) % 30, 100 + (number >> 26) % 50, second)
