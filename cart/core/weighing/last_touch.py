"""When the last touch was, and whether a hand hovered before it: what the samples before a quiet window tell."""

from __future__ import annotations

from collections.abc import Sequence

HOVER_SAMPLES = (6, 12, 24, 40)
"""How many samples before a quiet window are looked at: at 80/s half a cycle of a slow platform to half a second."""
HOVER_SHARE = 0.1
"""A force as near as this to the weight, relatively, is that of a hand that hovers, not of one that presses."""
HOVER_SIGMAS = 2.0
"""Mean offset, in units of a sample's noise, from which it counts as such: five standard deviations of the mean."""


def rest_began(
    samples: Sequence[float], level_g: float, *, band_g: float, growth: float, most_g: float, longest: int
) -> int:
    """Index of the last sample that noise and free ringing about `level_g` do not explain.

    `band_g` is what they explain at the end; going back it grows by `growth` a sample, up to `most_g`, over at most
    `longest` samples.
    """
    i = len(samples) - 1
    first = max(0, i - longest)
    while i > first and abs(samples[i] - level_g) <= band_g:
        band_g = min(band_g * growth, max(band_g, most_g))
        i -= 1
    return i


def hovered(before: Sequence[float], level_g: float, *, delta_g: float, sigma_g: float, ring_g: float) -> int:
    """For how many samples at least those `before` a quiet window were near its level already and yet not at it.

    Who lets go was pressing or lifting just before, by much more than a held force wanders. A force that stands still
    for a moment and was a few percent off before is one that is still held. Noise and ringing explain as much as
    `sigma_g` and `ring_g` allow. 0 where nothing hovered.
    """
    near_g = max(6.0 * sigma_g, HOVER_SHARE * abs(delta_g))
    off_g = HOVER_SIGMAS * sigma_g + 0.7 * ring_g
    longest = 0
    for n in HOVER_SAMPLES:
        stretch = before[-n:]
        # Further back an oscillation would have been louder, and its mean says less.
        most_g = near_g + (2.0 * ring_g if n == HOVER_SAMPLES[0] else 0.0)
        if len(stretch) < n or any(abs(x - level_g) > most_g for x in stretch):
            break
        if abs(sum(stretch) / n - level_g) > off_g:
            longest = n
    return longest
