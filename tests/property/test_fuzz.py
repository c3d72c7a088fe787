"""Whatever reads foreign bytes raises its named problem or nothing, and says it without a control character."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import fuzz
from benchmarks.fuzz_targets import TARGETS, beginnings, one_input
from cart.core.catalog_checks import RowProblem
from cart.core.problem import Problem

INSERTED = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"\x1b[2J", b"\x00", b"\xff\xfe", b"[" * 2000, b"9" * 400, b"-1e400", b'"', b"}", b"\xed\xa0\x80"]
    ),
)


@st.composite
def changed(draw: st.DrawFn, target: str) -> bytes:
    """A beginning with a few stretches cut out, doubled, or replaced."""
    data = draw(st.sampled_from(beginnings(target)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 40)))
        data = data[:start] + draw(st.one_of(INSERTED, st.just(data[start:stop] * 2))) + data[stop:]
    return data


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_is_read_or_refused_in_words(target: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.one_of(changed(target), st.binary(max_size=300)))
    def holds(data: bytes) -> None:
        one_input(target, data)

    holds()


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_begins_with_something_it_reads(target: str) -> None:
    TARGETS[target](beginnings(target)[0])


def test_what_a_problem_quotes_does_nothing_to_a_terminal() -> None:
    assert str(Problem("no \x1b[2J, \x00 or \udc80 of\nÄrger")) == "no \\x1b[2J, \\x00 or \\udc80 of\nÄrger"
    assert (
        str(RowProblem("items", 3, "a\x1b]0;x\x07", "name", "is long"))
        == "items row 3 (a\\x1b]0;x\\x07), name: is long"
    )


def test_the_command_knows_every_target() -> None:
    assert tuple(TARGETS) == fuzz.NAMES


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "opening", [b"a = " + b"[" * 5_000, b"[" * 50_000, b'{"a":' * 5_000], ids=["toml", "list", "object"]
)
def test_what_nests_too_deep_is_refused_in_words(target: str, opening: bytes) -> None:
    one_input(target, opening)


def test_without_atheris_it_is_said_and_nothing_counts_as_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    assert fuzz.main() == 2
    assert "pip install atheris" in capsys.readouterr().err
