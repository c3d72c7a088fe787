"""Seeded signals for the weighing benchmark, with what truly happened: steps, handling, steps while rolling, pairs."""

from __future__ import annotations

import math
import random

import msgspec

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.settings import ScaleSettings

SECOND = 1_000_000_000


class Truth(msgspec.Struct, frozen=True):
    """A true change of weight; `rest_ns` is the moment of last touch, `load_g` what lay there before."""

    rest_ns: int
    delta_g: float
    load_g: float


class Signal(msgspec.Struct, frozen=True):
    """Conversions (time in ns, counts) and the truth about them."""

    settings: ScaleSettings
    physics: Physics
    seed: int
    samples: list[tuple[int, int]]
    truths: list[Truth]


def platform(seed: int, rate: float, **fixed: float) -> Platform:
    """A cart's scale; physics varied by the seed but for what `fixed` holds."""
    rng = random.Random(seed * 7919 + 1)
    settings = ScaleSettings(
        counts_per_gram=rng.choice((11.3, 21.5, 42.0)),
        tare_counts=rng.randrange(-200_000, 200_000),
        capacity_g=40_000.0,
        samples_per_second=rate,
    )
    return Platform(settings, seed, Physics.varied(seed, **fixed))


def _signal(world: Platform, seed: int, end_ns: int, truths: list[Truth]) -> Signal:
    return Signal(world.settings, world.physics, seed, list(world.conversions(0, end_ns)), truths)


def steps(seed: int, rate: float, count: int, *, noise_g: float = 1.0) -> Signal:
    """Items of 5 g to 5 kg (log-uniform) put in and taken out under 0–25 kg, one every 2–4 s."""
    world = platform(seed, rate, noise_g=noise_g)
    rng = random.Random(seed)
    world.load_g = 0.0
    truths: list[Truth] = []
    inside: list[float] = []
    load_g = rng.choice((0.0, rng.uniform(0.0, 20_000.0)))
    world.preload(load_g)
    t_ns = 3 * SECOND
    for _ in range(count):
        mass_g = math.exp(rng.uniform(math.log(5.0), math.log(5000.0)))
        take = bool(inside) and (load_g + mass_g > 25_000 or rng.random() < 0.3)
        if take:
            mass_g = inside.pop(rng.randrange(len(inside)))
            rest_ns = world.take(t_ns, mass_g)
        else:
            inside.append(mass_g)
            rest_ns = world.put(t_ns, mass_g)
        delta_g = -mass_g if take else mass_g
        truths.append(Truth(rest_ns, delta_g, load_g))
        load_g += delta_g
        t_ns = rest_ns + round(rng.uniform(1.5, 4.0) * SECOND)
    return _signal(world, seed, t_ns + SECOND, truths)


def handling(seed: int, rate: float, seconds: float, *, noise_g: float | None = None) -> Signal:
    """Moving things, rummaging, leaning, kerbs, rolling, warming: nothing is gained or lost."""
    fixed = {} if noise_g is None else {"noise_g": noise_g}
    world = platform(seed, rate, **fixed)
    rng = random.Random(seed)
    world.preload(rng.uniform(0.0, 15_000.0))
    t_ns = 3 * SECOND
    end_ns = round(seconds * SECOND)
    while t_ns < end_ns - 15 * SECOND:
        what = rng.choices(("move", "rummage", "lean", "bump", "roll", "still"), (25, 12, 15, 12, 15, 6))[0]
        if what == "move":
            done = world.move(
                t_ns, math.exp(rng.uniform(math.log(100), math.log(3000))), duration_s=rng.uniform(0.3, 2.5)
            )
        elif what == "rummage":
            done = world.rummage(t_ns, rng.uniform(1.0, 8.0), math.exp(rng.uniform(math.log(100), math.log(2000))))
        elif what == "lean":
            force_g = rng.choice((-1, 1, 1, 1)) * math.exp(rng.uniform(math.log(200), math.log(12_000)))
            done = world.lean(t_ns, force_g, rng.uniform(0.5, 10.0))
        elif what == "bump":
            done = world.bump(t_ns, rng.uniform(500, 12_000))
        elif what == "roll":
            done = world.roll(t_ns, rng.uniform(2.0, 12.0), math.exp(rng.uniform(math.log(0.2), math.log(6))))
        else:
            done = t_ns + round(rng.uniform(5, 30) * SECOND)
        t_ns = done + round(rng.uniform(0.3, 5.0) * SECOND)
    return _signal(world, seed, end_ns, [])


def rolling_steps(seed: int, rate: float, count: int) -> Signal:
    """Items of 50 g to 5 kg put in while the cart rolls; each stretch of rolling ends only seconds later."""
    world = platform(seed, rate, noise_g=1.0)
    rng = random.Random(seed)
    world.preload(rng.uniform(0.0, 10_000.0))
    truths: list[Truth] = []
    t_ns = 3 * SECOND
    for _ in range(count):
        before_s, after_s = rng.uniform(2.0, 4.0), rng.uniform(3.0, 6.0)
        mass_g = math.exp(rng.uniform(math.log(50.0), math.log(5000.0)))
        load_g = sum(t.delta_g for t in truths)
        if load_g > 15_000:
            mass_g = load_g / 2
        put_ns = t_ns + round(before_s * SECOND)
        rest_ns = world.take(put_ns, mass_g) if load_g > 15_000 else world.put(put_ns, mass_g)
        truths.append(Truth(rest_ns, -mass_g if load_g > 15_000 else mass_g, load_g))
        world.roll(t_ns, (rest_ns - t_ns) / SECOND + after_s, rng.uniform(0.5, 3.0))
        t_ns = rest_ns + round((after_s + rng.uniform(2.0, 4.0)) * SECOND)
    return _signal(world, seed, t_ns, truths)


def pairs(seed: int, rate: float, count: int) -> Signal:
    """Two items whose rests are 0.4 s apart, each let down by a different hand."""
    world = platform(seed, rate, noise_g=1.0)
    rng = random.Random(seed)
    truths: list[Truth] = []
    t_ns = 3 * SECOND
    for _ in range(count):
        load_g = 0.0
        for k in range(2):
            mass_g = math.exp(rng.uniform(math.log(50.0), math.log(2000.0)))
            rest_ns = world.drop(t_ns + k * 2 * SECOND // 5, mass_g)
            truths.append(Truth(rest_ns, mass_g, load_g))
            load_g += mass_g
        out_ns = world.take(t_ns + 4 * SECOND, load_g)
        truths.append(Truth(out_ns, -load_g, load_g))
        t_ns = out_ns + 3 * SECOND
    return _signal(world, seed, t_ns, truths)


def leaning(seed: int, rate: float) -> Signal:
    """Three leans on the rim, of half a kilogram to eight: nothing is gained or lost."""
    world = platform(seed, rate, noise_g=1.0)
    rng = random.Random(seed)
    world.preload(rng.uniform(0.0, 10_000.0))
    t_ns = 3 * SECOND
    for _ in range(3):
        t_ns = world.lean(t_ns, math.exp(rng.uniform(math.log(500.0), math.log(8000.0))), rng.uniform(2.0, 5.0))
        t_ns += 3 * SECOND
    return _signal(world, seed, t_ns, [])
