"""The cart on a slope: the cell sees the cosine of its load, and nothing went in or out."""

from __future__ import annotations

import msgspec
import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.ledger import StepExplained, WeightStepSeen
from cart.core.observations import ScaleSample
from tests.unit.shopper import CATALOG, SCALE, Shopper, item

S = 1_000_000_000
PHYSICS = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0)
SLOPED_G = 12_000 * (1 - 0.99619)
"""What 5° take off 12 kg."""
ITEMS = msgspec.structs.replace(CATALOG, items=(*CATALOG.items, item(20, SLOPED_G)))


class Cart:
    """A shopper whose cart has a platform that rings, rolls and tilts."""

    def __init__(self, seed: int) -> None:
        self.platform = Platform(SCALE, seed, PHYSICS)
        self.shopper = Shopper(ITEMS)
        self.wait(2.0)
        self.shopper.touch("start")

    def wait(self, seconds: float) -> None:
        shopper = self.shopper
        for t_ns, counts in self.platform.conversions(shopper.t_ns + 1, shopper.t_ns + round(seconds * S)):
            shopper.t_ns = t_ns
            shopper.tell(ScaleSample(t_ns=t_ns, counts=counts))

    def put(self, number: int, mass_g: float) -> None:
        self.shopper.scan(number)
        self.platform.put(self.shopper.t_ns, mass_g)
        self.wait(4.0)

    def roll_to(self, degrees: float) -> None:
        self.platform.roll(self.shopper.t_ns, 3.0, 1.0)
        self.wait(1.0)
        self.platform.tilt(degrees)
        self.wait(9.0)

    @property
    def steps_g(self) -> list[float]:
        return [round(e.delta_g, 1) for e in self.shopper.events(WeightStepSeen)]


@pytest.fixture(params=[1, 2, 3])
def cart(request: pytest.FixtureRequest) -> Cart:
    made = Cart(request.param)
    made.put(10, 6020.0)
    made.put(10, 5980.0)
    assert made.shopper.lines == {"S10": (2, "confirmed")}
    return made


def test_rolling_onto_a_slope_and_off_it_takes_nothing_out_or_in(cart: Cart) -> None:
    for degrees in (5.0, 0.0, 3.0, 0.0):
        cart.roll_to(degrees)
        assert cart.shopper.lines == {"S10": (2, "confirmed")}
        assert [e for e in cart.shopper.open if e[1] != "hint"] == []
    assert cart.shopper.open == []
    assert any("slope" in e.won for e in cart.shopper.events(StepExplained))


def test_a_scanned_thing_that_weighs_what_the_slope_hides_goes_in(cart: Cart) -> None:
    cart.put(20, SLOPED_G)
    assert cart.shopper.lines == {"S10": (2, "confirmed"), "S20": (1, "confirmed")}


def test_on_the_slope_as_well(cart: Cart) -> None:
    cart.roll_to(5.0)
    cart.put(20, SLOPED_G)
    assert cart.shopper.lines == {"S10": (2, "confirmed"), "S20": (1, "confirmed")}
    cart.roll_to(0.0)
    assert cart.shopper.lines == {"S10": (2, "confirmed"), "S20": (1, "confirmed")}
    assert [e for e in cart.shopper.open if e[1] != "hint"] == []
