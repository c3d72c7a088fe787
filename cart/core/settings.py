"""What a store may set for the core: calibration of one cart's scale and the store's policy. Plain values, no files."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ScaleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table [scale] of cart.toml. With four cells `counts_per_gram` and `tare_counts` are of their trimmed mean."""

    counts_per_gram: float
    tare_counts: int
    capacity_g: float = 30000.0
    samples_per_second: float = 80.0
    cell_trims: tuple[float, ...] = ()
    """What each of four cells' counts are multiplied with, so that a weight weighs the same on each corner; mean 1."""
    cell_tare_counts: tuple[int, ...] = ()
    """Each cell's own counts of the empty basket."""
    zero_g_per_kelvin: float = 0.0
    """What the empty basket gains for each kelvin above `reference_celsius`."""
    span_per_kelvin: float = 0.0
    """What a load gains then, relative to itself."""
    reference_celsius: float = 20.0
    """The temperature at which the calibration was made."""
    compensated_celsius: tuple[float, ...] = ()
    """From where to where the temperature's influence was measured; no further is it reckoned."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table [policy] of cart.toml: how patient, how strict. Times in seconds, money in minor units."""

    hint_s: float = 10.0
    not_placed_s: float = 15.0
    payment_timeout_s: float = 30.0
    payment_query_s: float = 5.0
    cancel_grace_s: float = 10.0
    abandon_s: float = 1800.0
    own_thing_needs_staff: bool = False
    light_items_max: int = 20
    """Items too light to be seen go in by their scan alone: each is paid for, so the limit bounds what scans by mistake
    may charge. Staff who come for it allow as many again.
    """
    light_item_g: float = 5.0
    bulky_items_max: int = 3
    bulky_item_g: float = 3000.0
    """From this catalogue weight on, a shopper may say that an item lies under the basket, never weighed."""
    own_bag_max_g: float = 1500.0
    """A heavier thing is not taken for a declared bag: it may be a bag with goods in it."""
    word_total_max_minor: int = 5000
    """Things that weigh other than the catalogue says go in at the shopper's word up to this sum of prices a trip."""
    word_weight_factor: float = 2.0
    """Only while it weighs at most so many times what the catalogue says, and at least that part of it."""
    empty_idle_s: float = 120.0
    """An empty cart with no lines goes back to idle after this long; before, a put-back still brings its line back."""
    prior_weight_sd_fraction: float = 0.03
    prior_weight_sd_min_g: float = 1.0
    accuse_cost: float = 20.0
    """Cost of accusing an honest shopper, in the same unit as `miss_cost`."""
    miss_cost: float = 1.0
    """Cost of missing a loss."""
    verification_interval_e_g: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """Verification scale interval e; no price below 20 e."""
    price_interval_g: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Loose goods are shown and priced in steps of so much; what is to be verified shows steps of e."""
