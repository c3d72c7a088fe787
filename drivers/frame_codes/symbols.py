"""EAN-13, EAN-8 and UPC-E as chains of seven-module characters (GS1 General Specifications, 5.2).

UPC-A is EAN-13 with a leading zero. A symbol is fixed bars (guards) with cells between them; each cell holds one of ten
or twenty characters, and which of the two number sets stand in which cell (the parity) says one more digit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

CELL = 7
"""Modules of a character."""
_R = ("1110010", "1100110", "1101100", "1000010", "1011100", "1001110", "1010000", "1000100", "1001000", "1110100")
"""Number set C; A is its complement, B is C mirrored."""
_EAN13_PARITY = (
    "AAAAAA", "AABABB", "AABBAB", "AABBBA", "ABAABB", "ABBAAB", "ABBBAA", "ABABAB", "ABABBA", "ABBABA",
)  # fmt: skip
_UPCE_PARITY = (
    "BBBAAA", "BBABAA", "BBAABA", "BBAAAB", "BABBAA", "BAABBA", "BAAABB", "BABABA", "BABAAB", "BAABAB",
)  # fmt: skip
"""Of number system 0, by check digit. Number system 1 swaps A and B; GS1 gives no such numbers (General Specifications,
5.2.2.4), and the left half of an EAN-13, which begins with an A as they do, reads as one once in ten times."""


def _bits(patterns: Sequence[str]) -> npt.NDArray[np.float64]:
    return np.array([[float(bit) for bit in pattern] for pattern in patterns])


_C = _bits(_R)
_A = 1 - _C
_AB = np.concatenate([_A, _C[:, ::-1]])


@dataclasses.dataclass(frozen=True, eq=False)
class Symbol:
    """One layout. `alphabets[i]` are the characters (n × 7 bits, 1 dark) of the cell that begins at module `cells[i]`;
    `parity[f, i]` is 0 or 10, where the ten characters allowed in cell i under parity pattern f begin. A word under
    pattern f is valid where some rule `(weights, last digits)` allows its last digit and
    `target[f] + Σ weights · digits` is a multiple of ten."""

    name: str
    modules: int
    cells: tuple[int, ...]
    alphabets: tuple[npt.NDArray[np.float64], ...]
    fixed: npt.NDArray[np.float64]
    parity: npt.NDArray[np.intp]
    target: npt.NDArray[np.intp]
    rules: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

    def text(self, pattern: int, digits: Sequence[int]) -> str:
        """The number as printed: 13, 8 and 8 digits; UPC-E with its number system and check digit."""
        word = "".join(str(digit) for digit in digits)
        if self.name == "EAN-13":
            return f"{pattern}{word}"
        return word if self.name == "EAN-8" else f"0{word}{pattern}"

    def bits(self, pattern: int, digits: Sequence[int]) -> npt.NDArray[np.float64]:
        """The modules of a word, 1 dark."""
        whole = self.fixed.copy()
        for place, (cell, digit) in enumerate(zip(self.cells, digits, strict=True)):
            whole[cell : cell + CELL] = self.alphabets[place][self.parity[pattern, place] + digit]
        return whole

    @cached_property
    def closed_rules(self) -> tuple[tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]], ...]:
        """The rules as weights and a mask of last digits."""
        every = np.arange(10)
        return tuple((np.array(weights), np.isin(every, last)) for weights, last in self.rules)


def _symbol(
    name: str,
    left: int,
    right: int,
    ending: str,
    parity: Sequence[str],
    target: Sequence[int],
    rules: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
) -> Symbol:
    middle = 5 if right else 0
    cells = [3 + CELL * i for i in range(left)] + [3 + CELL * left + middle + CELL * i for i in range(right)]
    modules = cells[-1] + CELL + len(ending)
    fixed = np.zeros(modules)
    fixed[[0, 2]] = 1
    if right:
        fixed[[3 + CELL * left + 1, 3 + CELL * left + 3]] = 1
    fixed[modules - len(ending) :] = [float(bit) for bit in ending]
    both = any("B" in pattern for pattern in parity)
    offsets = np.array([[10 * (letter == "B") for letter in pattern] + [0] * right for pattern in parity])
    alphabets = (_AB if both else _A,) * left + (_C,) * right
    return Symbol(name, modules, tuple(cells), alphabets, fixed, offsets, np.array(target), tuple(rules))


_ANY = tuple(range(10))
EAN13 = _symbol("EAN-13", 6, 6, "101", _EAN13_PARITY, range(10), [((3, 1) * 6, _ANY)])
EAN8 = _symbol("EAN-8", 4, 4, "101", ["AAAA"], [0], [((3, 1) * 4, _ANY)])
UPCE = _symbol(
    "UPC-E", 6, 0, "010101",
    _UPCE_PARITY, range(10),
    # By the last digit, the others stand at other places of the UPC-A that the code is short for.
    [
        ((1, 3, 3, 1, 3, 1), (0, 1, 2)),
        ((1, 3, 1, 1, 3, 0), (3,)),
        ((1, 3, 1, 3, 3, 0), (4,)),
        ((1, 3, 1, 3, 1, 3), (5, 6, 7, 8, 9)),
    ],
)  # fmt: skip
SYMBOLS = (EAN13, EAN8, UPCE)
