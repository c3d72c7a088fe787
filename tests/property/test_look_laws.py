"""Laws of the camera's evidence: it names and orders, and makes no basket cheaper and no shopper guilty."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart.core.ledger import InterventionRaised
from cart.core.observations import Look
from tests.property.test_session_laws import act
from tests.unit.shopper import Shopper
from tests.unit.test_situations_looks import RANGE

NUMBERS = st.sampled_from([2, 40, 41, 42])
MASSES = st.sampled_from([250.2, 300.2, 301.4, 1500.0, 60.0])
SCORES = st.fixed_dictionaries(
    {}, optional={name: st.floats(0.0, 1.0) for name in ("apple", "pear", "melon", "none", "never heard of")}
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("scan"), NUMBERS),
        st.tuples(st.just("scan"), NUMBERS),
        st.tuples(st.just("put"), MASSES),
        st.tuples(st.just("put"), MASSES),
        st.tuples(st.just("take"), MASSES),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 11.0])),
        st.tuples(st.just("look"), st.tuples(st.sampled_from(["in", "out", "moved", "unknown"]), SCORES)),
        st.tuples(st.just("look"), st.tuples(st.sampled_from(["in", "out"]), SCORES)),
    ),
    min_size=3,
    max_size=16,
)
ACCUSING = {"unscanned_item", "extra_unit", "wrong_weight"}
slow = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def played(acts: list[tuple[str, Any]], *, looks: bool) -> Shopper:
    shopper = Shopper(RANGE).started()
    for verb, what in acts:
        if verb != "look":
            act(shopper, verb, what)
        elif looks:
            shopper.tell(Look(t_ns=shopper.t_ns, frame_t_ns=shopper.t_ns, direction=what[0], scores=what[1]))
    return shopper


@slow
@given(ACTS)
def test_with_looks_something_is_asked_about_no_more_weight_than_without(acts: list[tuple[str, Any]]) -> None:
    """What is neither billed nor asked about is lost: a cart without eyes loses nothing by it."""
    seeing, blind = played(acts, looks=True), played(acts, looks=False)
    for shopper in (seeing, blind):
        state = shopper.session._desk.state
        assert abs(state.basket.placed_g + state.net_open_g + state.slope_g - shopper.mass_g) < 12.0
    first_seeing = next((e for e in seeing.events(InterventionRaised) if e.intervention in ACCUSING), None)
    first_blind = next((e for e in blind.events(InterventionRaised) if e.intervention in ACCUSING), None)
    assert first_seeing is None or first_blind is not None


@slow
@given(st.lists(st.tuples(st.sampled_from(["in", "out", "unknown"]), SCORES), max_size=8))
def test_looks_at_nothing_do_nothing(looks: list[tuple[str, dict[str, float]]]) -> None:
    shopper = Shopper(RANGE).started()
    before = len(shopper.records())
    for direction, scores in looks:
        shopper.tell(Look(t_ns=shopper.t_ns, frame_t_ns=shopper.t_ns, direction=direction, scores=scores))  # type: ignore[arg-type]
    assert len(shopper.records()) == before
