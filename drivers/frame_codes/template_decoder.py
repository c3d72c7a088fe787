"""The likeliest EAN/UPC word behind a blurred grey profile, and how much likelier it is than all others together.

The bars are never thresholded. A whole symbol is modelled as its modules convolved with a Gaussian, a disk or a line
(the pixel's own width, defocus, motion), and the word is sought whose model has the least squared distance to the
profile. A point half way into a character feels that character and one neighbour only, so the distance is a sum over
pairs and the least is found exactly by dynamic programming, check digit and parity included. Geometry (start, end, two
terms of bow), light and blur are fitted in turn with the word. After Gallo & Manduchi, "Reading 1D Barcodes with Mobile
Phones Using Deformable Templates", IEEE TPAMI 33(9), 2011, who match single digits; the chain over pairs and the
posterior over all valid words are added here, since at blur of a module a digit's edges belong to its neighbour too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from drivers.frame_codes.symbols import CELL, Symbol

Floats = npt.NDArray[np.float64]

SAMPLES = 4
"""A module; the pulse of the least blur, 0.3 modules, has no detail finer than a third of a module."""
QUIET = 5
"""Modules of quiet zone that are part of the model; the standard asks 7 to 11, packs often print fewer."""
SIGMAS = (0.3, 0.45, 0.6, 0.75, 0.9, 1.1, 1.3)
"""Blur in modules. Above 1.3, narrow bars keep 1 % of their contrast and noise decides."""
_SHAPED_MIN = 0.6
"""Below, a pixel's own width makes every shape as good as a Gaussian."""
_KEPT = 6
_OFFSETS = (-0.8, 0.0, 0.8)
_BOWS = (-4.8, -3.2, -1.6, 0.0, 1.6, 3.2, 4.8)
"""Modules at the middle: 4.8 is a far edge a third smaller than the near one."""
_FIRST_ROUNDS, _LAST_ROUNDS = 2, 4
_STILL = 5e-4
"""A gain in the share explained below this ends the rounds."""
_GAIN_MIN = 0.15
NOISE_MIN = 1e-3
"""Of variance, in units of the contrast: no photograph follows the model closer than 3 %."""
MARGIN_MAX = 60.0
"""Odds beyond e^60 say nothing more."""


class Blur(NamedTuple):
    """What spreads an edge, `sigma` modules wide (standard deviation): a Gaussian, a lens's disk, a motion's line."""

    sigma: float
    shape: Literal["gauss", "disk", "line"] = "gauss"

    def nearby(self) -> list[Blur]:
        """This blur, a little less, a little more, and each in the other shapes."""
        at = SIGMAS.index(self.sigma)
        some = SIGMAS[max(0, at - 1) : at + 2]
        wide = [sigma for sigma in some if sigma >= _SHAPED_MIN]
        return [
            *(Blur(sigma) for sigma in some),
            *(Blur(sigma, "disk") for sigma in wide),
            *(Blur(sigma, "line") for sigma in wide),
        ]

    def edge(self, distance: float) -> float:
        """How far light has gone over to dark, `distance` modules past an edge: 0 … 1. Of a disk, the integral of the
        disk's chord."""
        if self.shape == "line":
            return min(1.0, max(0.0, 0.5 + distance / (self.sigma * math.sqrt(12))))
        if self.shape == "gauss":
            return 0.5 * (1 + math.erf(distance / (self.sigma * math.sqrt(2))))
        z = min(1.0, max(-1.0, distance / (2 * self.sigma)))
        return 0.5 + (z * math.sqrt(1 - z * z) + math.asin(z)) / math.pi


_SEARCH_BLUR = Blur(0.6)


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """A word with how well it explains its profile: `explained` is the share of the profile's variance (R²), `margin`
    the natural-log odds of the word against all other valid ones, `worst` the R² of its worst quarter."""

    symbol: Symbol
    text: str
    explained: float
    worst: float
    margin: float
    blur: Blur
    module_px: float
    warp: Floats
    links: list[Floats]
    noise: float


def _places(symbol: Symbol) -> Floats:
    """Where the profile is sampled, in modules from the symbol's left edge."""
    return np.arange(-QUIET * SAMPLES, (symbol.modules + QUIET) * SAMPLES) / SAMPLES + 0.5 / SAMPLES


@lru_cache(maxsize=64)
def _pulses(symbol: Symbol, blur: Blur) -> Floats:
    """The response at each place to each dark module: samples × modules."""
    edges = _places(symbol)[:, None] - np.arange(symbol.modules + 1)[None]
    # Places and edges lie on one grid, so that few distances differ.
    apart, which = np.unique(np.round(edges * 2 * SAMPLES).astype(np.intp), return_inverse=True)
    step = np.array([blur.edge(distance) for distance in (apart / (2 * SAMPLES)).tolist()])[which].reshape(edges.shape)
    return np.asarray(step[:, :-1] - step[:, 1:])


@dataclasses.dataclass(frozen=True, eq=False)
class _Link:
    """The samples that a start, pair or end covers, how many characters it has on either side, and their models
    (samples × characters) with each model's square.
    """

    span: slice
    shape: tuple[int, int]
    models: Floats
    squares: Floats
    models32: npt.NDArray[np.float32]
    squares32: npt.NDArray[np.float32]


@lru_cache(maxsize=64)
def _chain(symbol: Symbol, blur: Blur) -> list[_Link]:
    """Start, pairs and end."""
    pulses, cells = _pulses(symbol, blur), symbol.cells
    middles = [round((QUIET + cell + CELL / 2) * SAMPLES) for cell in cells]
    cuts = [0, *middles, pulses.shape[0]]
    chain: list[_Link] = []
    for place in range(len(cells) + 1):
        span = slice(cuts[place], cuts[place + 1])
        model = np.zeros((1, 1, span.stop - span.start)) + pulses[span] @ symbol.fixed
        if place > 0:
            model = (
                model
                + (symbol.alphabets[place - 1] @ pulses[span, cells[place - 1] : cells[place - 1] + CELL].T)[:, None]
            )
        if place < len(cells):
            model = model + (symbol.alphabets[place] @ pulses[span, cells[place] : cells[place] + CELL].T)[None]
        flat = model.reshape(-1, model.shape[-1])
        flat32 = flat.astype(np.float32)
        shape = (int(model.shape[0]), int(model.shape[1]))
        chain.append(_Link(span, shape, flat.T, (flat**2).sum(1), flat32.T, (flat32**2).sum(1)))
    return chain


def _tables(symbol: Symbol, blur: Blur, samples: Floats) -> list[Floats]:
    """Squared distances of n profiles (n × samples) to every model of every link: n × a × b each."""
    tables: list[Floats] = []
    # 32 bits are ample for choosing where to begin, and twice as fast.
    coarse = len(samples) > 1
    samples = samples.astype(np.float32) if coarse else samples
    for link in _chain(symbol, blur):
        models, squares = (link.models32, link.squares32) if coarse else (link.models, link.squares)
        part = samples[:, link.span]
        distance = (part**2).sum(1)[:, None] - 2 * part @ models + squares[None]
        tables.append(distance.reshape(len(samples), *link.shape))
    return tables


def _by_parity(symbol: Symbol, tables: list[Floats]) -> list[Floats]:
    """Tables as n × patterns × digit × digit: start has one row, end one column."""
    digits = np.arange(10)
    chosen: list[Floats] = []
    for place, table in enumerate(tables):
        rows = (
            symbol.parity[:, place - 1][:, None] + digits if place > 0 else np.zeros((len(symbol.parity), 1), np.intp)
        )
        columns = (
            symbol.parity[:, place][:, None] + digits
            if place < len(symbol.cells)
            else np.zeros((len(symbol.parity), 1), np.intp)
        )
        chosen.append(table[:, rows[:, :, None], columns[:, None, :]])
    return chosen


def _least(links: list[Floats]) -> Floats:
    """The least distance of any word, check digit aside, by profile and parity pattern."""
    cost = links[0][:, :, 0]
    for link in links[1:-1]:
        cost = (cost[..., None] + link).min(2)
    return np.asarray((cost + links[-1][..., 0]).min(2))


def _best(symbol: Symbol, links: list[Floats]) -> tuple[int, tuple[int, ...], float]:
    """(pattern, digits, distance) of the nearest valid word; `links` of one profile."""
    bounds = _least(links)[0]
    order = np.argsort(bounds)
    best: tuple[int, tuple[int, ...], float] = (0, (), math.inf)
    for few in (order[:2], order[2:]):
        # A pattern whose nearest word, valid or not, is farther than the best valid one holds no better.
        if (hopeful := few[bounds[few] < best[2]]).size:
            best = min(best, _best_of(symbol, links, hopeful), key=lambda found: found[2])
    return best


def _best_of(symbol: Symbol, links: list[Floats], patterns: npt.NDArray[np.intp]) -> tuple[int, tuple[int, ...], float]:
    own = [link[0, patterns] for link in links]
    closing = -symbol.target[patterns] % 10
    best: tuple[int, tuple[int, ...], float] = (0, (), math.inf)
    for weights, last in symbol.closed_rules:
        cost, backs = _opened(own[0], int(weights[0]), np.inf), []
        for place, link in enumerate(own[1:-1], 1):
            sums = cost[:, :, None, :] + link[..., None]
            backs.append(sums.argmin(1))
            cost = _turned(sums.min(1), int(weights[place]))
        final = _closed(cost, closing) + np.where(last[None, :], own[-1][..., 0], np.inf)
        f, d = (int(index) for index in np.unravel_index(int(final.argmin()), final.shape))
        if final[f, d] < best[2]:
            best = int(patterns[f]), _traced(weights, backs, f, d, int(closing[f])), float(final[f, d])
    return best


def _margin(symbol: Symbol, links: list[Floats], noise: float, distance: float) -> float:
    """Natural-log odds of a valid word at `distance` against all other valid words together."""
    patterns = np.flatnonzero(_least(links)[0] < distance + 2 * noise * MARGIN_MAX)
    floors = [float(link.min()) for link in links]
    masses = [np.exp(-(link[0, patterns] - floor) / (2 * noise)) for link, floor in zip(links, floors, strict=True)]
    closing = -symbol.target[patterns] % 10
    total = 0.0
    for weights, last in symbol.closed_rules:
        mass = _opened(masses[0], int(weights[0]), 0.0)
        for place, link in enumerate(masses[1:-1], 1):
            mass = _turned(np.einsum("fac,fab->fbc", mass, link), int(weights[place]))
        total += float((_closed(mass, closing) * np.where(last[None, :], masses[-1][..., 0], 0.0)).sum())
    own = math.exp(-(distance - sum(floors)) / (2 * noise))
    if total <= own * (1 + math.exp(-MARGIN_MAX)):
        return MARGIN_MAX if own > 0 else -MARGIN_MAX
    return math.log(own / (total - own)) if own > 0 else -MARGIN_MAX


def _opened(link: Floats, weight: int, empty: float) -> Floats:
    """Patterns × digit × checksum so far, after the first cell."""
    digits = np.arange(10)
    start = np.full((len(link), 10, 10), empty)
    start[:, digits, weight * digits % 10] = link[:, 0]
    return start


def _closed(values: Floats, closing: npt.NDArray[np.intp]) -> Floats:
    """Patterns × last digit, of the words whose checksum closes."""
    return np.asarray(np.take_along_axis(values, closing[:, None, None], 2)[..., 0])


def _turned(sums: Floats, weight: int) -> Floats:
    """Patterns × digit × sum so far, the digit's weight added to the sum."""
    digits, sums_after = np.arange(10)[:, None], np.arange(10)[None]
    return np.asarray(sums[:, digits, (sums_after - weight * digits) % 10])


def _traced(weights: npt.NDArray[np.intp], backs: list[Any], pattern: int, digit: int, total: int) -> tuple[int, ...]:
    word = [digit]
    for place in range(len(backs), 0, -1):
        total = int((total - weights[place] * digit) % 10)
        digit = int(backs[place - 1][pattern, digit, total])
        word.append(digit)
    return tuple(reversed(word))


def _basis(symbol: Symbol) -> Floats:
    """How the place in pixels depends on the warp's terms: start, end, bow, skewed bow; 4 × samples."""
    share = _places(symbol) / symbol.modules
    bow = 4 * share * (1 - share)
    return np.array([1 - share, share, bow, bow * (2 * share - 1) * 2])


def _sampled(profile: Floats, x: Floats) -> Floats:
    return np.asarray(np.interp(x.ravel(), np.arange(len(profile)), profile)).reshape(x.shape)


@dataclasses.dataclass(frozen=True, eq=False)
class Opening:
    """Where a symbol may lie in a profile: warps, best first, and the share of the variance the best leaves over."""

    symbol: Symbol
    warps: Floats
    lack: float


def openings(symbol: Symbol, profile: Floats, extents: Sequence[tuple[float, float]]) -> Opening:
    """Try a symbol on a profile (0 light … 1 dark) that lies from about the first to the second of one of the pairs,
    in pixels; both may be off by a module and more, and the middle by five, as tilt and bent packs make it."""
    grid = np.stack([part.ravel() for part in np.meshgrid(_OFFSETS, _OFFSETS, _BOWS)], 1) / symbol.modules
    spans = np.array(extents)
    lengths = (spans[:, 1] - spans[:, 0])[:, None]
    starts, ends, bows = (grid[None, :, term] * lengths for term in range(3))
    starts, ends = starts + spans[:, :1], ends + spans[:, 1:]
    warps = np.stack([starts.ravel(), ends.ravel(), bows.ravel(), np.zeros(starts.size)], 1)
    samples = _sampled(profile, warps @ _basis(symbol))
    spread = ((samples - samples.mean(1)[:, None]) ** 2).sum(1) + 1e-9
    lack = _least(_by_parity(symbol, _tables(symbol, _SEARCH_BLUR, samples))).min(1) / spread
    order = np.argsort(lack)[:_KEPT]
    return Opening(symbol, warps[order], float(lack[order[0]]))


def search(opening: Opening, profile: Floats) -> Fit:
    """The best fit from any of an opening's warps."""
    trials = [_Trial(opening.symbol, profile, warp) for warp in opening.warps]
    for trial in trials:
        trial.improve(_FIRST_ROUNDS)
    best = max(trials, key=lambda trial: trial.explained)
    best.improve(_LAST_ROUNDS)
    return best.fit()


def follow(symbol: Symbol, profile: Floats, near: Fit) -> Fit:
    """The fit to a neighbouring profile, from a fit found beside it."""
    trial = _Trial(symbol, profile, near.warp, near.blur)
    trial.improve(_LAST_ROUNDS)
    return trial.fit()


class _Trial:
    """Word, geometry, light and blur, each fitted in turn with the others held."""

    def __init__(self, symbol: Symbol, profile: Floats, warp: Floats, blur: Blur | None = None) -> None:
        self._symbol, self._profile, self._warp, self._blur = symbol, profile, warp, blur or _SEARCH_BLUR
        self._basis = _basis(symbol)
        self._middle = 2 * _places(symbol) / symbol.modules - 1
        self._slope = np.gradient(profile)
        self._light = np.array([0.0, 0.0, 1.0, 0.0])
        self._match()

    def _match(self) -> None:
        self._raw = _sampled(self._profile, self._warp @ self._basis)
        gain = np.maximum(self._light[2] + self._light[3] * self._middle, 0.1)
        self._samples = (self._raw - self._light[0] - self._light[1] * self._middle) / gain
        self._links = _by_parity(self._symbol, _tables(self._symbol, self._blur, self._samples[None]))
        self._pattern, self._digits, self._distance = _best(self._symbol, self._links)
        self.explained = 1 - self._distance / (float(((self._samples - self._samples.mean()) ** 2).sum()) + 1e-9)

    def improve(self, rounds: int) -> None:
        for _ in range(rounds):
            before = self._pattern, self._digits, self.explained
            self._adjust()
            self._match()
            if before[:2] == (self._pattern, self._digits) and self.explained - before[2] < _STILL:
                break

    def _adjust(self) -> None:
        bits = self._symbol.bits(self._pattern, self._digits)
        slopes = _sampled(self._slope, self._warp @ self._basis)
        blurs = self._blur.nearby()
        models = np.stack([_pulses(self._symbol, blur) @ bits for blur in blurs])
        terms = np.empty((len(blurs), 8, models.shape[1]))
        terms[:, 0], terms[:, 1], terms[:, 2], terms[:, 3] = 1.0, self._middle, models, models * self._middle
        terms[:, 4:] = -slopes * self._basis
        weak = np.diag([1e-6] * 4 + [1e-4] * 4)
        solutions = np.linalg.solve(terms @ terms.transpose(0, 2, 1) + weak, terms @ self._raw[:, None])
        errors = ((solutions.transpose(0, 2, 1) @ terms)[:, 0] - self._raw) ** 2
        best = int(errors.sum(1).argmin())
        self._blur, solution = blurs[best], solutions[best, :, 0]
        if solution[2] > _GAIN_MIN:
            self._light = solution[:4]
        module = (self._warp[1] - self._warp[0]) / self._symbol.modules
        self._warp = self._warp + np.clip(solution[4:], -module, module)

    def fit(self) -> Fit:
        symbol = self._symbol
        model = _pulses(symbol, self._blur) @ symbol.bits(self._pattern, self._digits)
        errors = (self._samples - model) ** 2
        module = float(self._warp[1] - self._warp[0]) / symbol.modules
        # Samples closer together than a pixel, or than the blur, err together: one independent value for each.
        together = SAMPLES * max(1 / max(module, 0.2), self._blur.sigma)
        noise = (float(errors.mean()) + NOISE_MIN) * together
        parts = np.array_split(np.arange(len(errors)), 4)
        worst = min(
            1 - float(errors[part].sum()) / (float(self._samples[part].var()) * len(part) + 1e-9) for part in parts
        )
        text = symbol.text(self._pattern, self._digits)
        margin = _margin(symbol, self._links, noise, self._distance)
        return Fit(symbol, text, self.explained, worst, margin, self._blur, module, self._warp, self._links, noise)


def joined(fits: list[Fit]) -> tuple[str, float]:
    """The word that explains several profiles of one symbol together, and its margin."""
    symbol = fits[0].symbol
    links = [np.asarray(sum(fit.links[place] / fit.noise for fit in fits)) for place in range(len(fits[0].links))]
    pattern, digits, distance = _best(symbol, links)
    return symbol.text(pattern, digits), _margin(symbol, links, 1.0, distance)
