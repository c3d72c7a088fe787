"""The chip model bit by bit, against the data sheet, without any reader."""

from __future__ import annotations

import pytest

from drivers.sim.hx711_chip import Hx711Chip
from drivers.sim.wire import Conversion, ScaleFault

PERIOD_NS = 12_500_000


class Source:
    period_ns = PERIOD_NS

    def __init__(self) -> None:
        self.broken = ScaleFault.NONE

    def conversion(self, now_ns: int) -> Conversion:
        return Conversion(now_ns // PERIOD_NS, now_ns, 0x0F00F1)

    def fault(self, seq: int) -> ScaleFault:
        assert seq >= 0
        return self.broken


class Hand:
    """Moves the clock line by hand."""

    def __init__(self) -> None:
        self.source = Source()
        self.chip = Hx711Chip(self.source)
        self.now_ns = PERIOD_NS + 1000

    def dout(self) -> int:
        self.now_ns += 1000
        return self.chip.dout(self.now_ns)

    def pulse(self, high_ns: int = 1000) -> int:
        self.chip.set_sck(True, self.now_ns)
        self.now_ns += high_ns
        self.chip.set_sck(False, self.now_ns)
        return self.dout()

    def word(self, pulses: int = 25) -> tuple[int, list[int]]:
        """The 24 bits as a number, and DOUT after each pulse beyond."""
        bits = [self.pulse() for _ in range(pulses)]
        return int("".join(map(str, bits[:24])), 2), bits[24:]

    def next_conversion(self) -> None:
        self.now_ns += PERIOD_NS


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.mark.parametrize(("pulses", "counts"), [(25, 0x0F00F1), (26, 0x0F00F1 // 4), (27, 0x0F00F1 // 2)])
def test_gain_pulses_raise_dout_and_choose_the_next_gain(hand: Hand, pulses: int, counts: int) -> None:
    assert hand.dout() == 0
    assert hand.word(pulses) == (0x0F00F1, [1] * (pulses - 24))
    assert hand.dout() == 1
    for _ in range(4):
        hand.next_conversion()
        hand.word(pulses)
    hand.next_conversion()
    assert hand.dout() == 0
    assert hand.word(pulses)[0] == counts


def test_a_high_of_60_us_powers_down_and_50_us_does_not(hand: Hand) -> None:
    hand.pulse(50_000)
    assert hand.chip.power_downs == 0
    hand.chip.set_sck(True, hand.now_ns)
    hand.now_ns += 60_000
    assert hand.dout() == 1
    hand.chip.set_sck(False, hand.now_ns)
    assert hand.chip.power_downs == 1
    assert hand.dout() == 1


def test_words_are_wrong_until_four_conversions_after_a_reset(hand: Hand) -> None:
    hand.pulse(60_000)
    words = []
    for _ in range(6):
        hand.next_conversion()
        words.append(hand.word()[0])
    assert [word == 0x0F00F1 for word in words] == [False, False, False, True, True, True]


def test_an_unfinished_word_stays_unfinished(hand: Hand) -> None:
    hand.word(12)
    hand.next_conversion()
    assert hand.word()[0] != 0x0F00F1


def test_clocking_without_a_conversion_shifts_nothing(hand: Hand) -> None:
    hand.word()
    assert hand.word() == (0xFFFFFF, [1])


@pytest.mark.parametrize(
    ("fault", "word", "after"),
    [
        (ScaleFault.STUCK_LOW, 0, [0]),
        (ScaleFault.STUCK_HIGH, 0xFFFFFF, [1]),
        (ScaleFault.UNPLUGGED, 0xFFFFFF, [1]),
        (ScaleFault.SATURATED_HIGH, 0x7FFFFF, [1]),
        (ScaleFault.SATURATED_LOW, 0x800000, [1]),
        (ScaleFault.DESYNC, 0x0F00F1 >> 1, [0]),
        (ScaleFault.SPIKE, 0x1F00F1, [1]),
    ],
)
def test_faults_look_as_on_the_wire(hand: Hand, fault: ScaleFault, word: int, after: list[int]) -> None:
    hand.source.broken = fault
    assert hand.word() == (word, after)
