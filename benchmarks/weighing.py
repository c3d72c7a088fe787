"""How soon, how exact and how rarely wrong weight steps are found: `python -m benchmarks.weighing`.

The same seeded signals go through the cart's weighing, a ten-sample moving average with a stability window, a median of
fifteen (both at the best of twelve settings) and an oracle that is the floor for latency.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.weighing_baselines import MEDIANS, MOVING_AVERAGES, Detector, Found, oracle_latency_s
from benchmarks.weighing_pictures import pictures
from benchmarks.weighing_signals import (
    SECOND,
    Signal,
    Truth,
    handling,
    pairs,
    platform,
    rolling_steps,
    steps,
)
from cart.core.weighing import Foretold, Weigher, WeightStep

HELD_OUT = 900_000
"""Seeds from here on are for figures; none of them was looked at while the weighing was made. Eight false steps that
it made before 52cf3e7 were, after that."""
LATE_S = 2.5
LATE_ROLLING_S = 10.0
"""While the cart rolls a step may wait until it stops; the latency says how long."""
EARLY_S = 0.3


class Score(msgspec.Struct):
    """What one detector made of some signals. Latencies in s from last touch, errors in g."""

    latencies_s: list[float] = []
    errors_g: list[float] = []
    exact: list[bool] = []
    sigmas: list[float] = []
    missed: int = 0
    missed_light: int = 0
    light: int = 0
    false: int = 0
    hours: float = 0.0
    late_s: float = LATE_S

    def add(self, signal: Signal, found: Sequence[Found]) -> None:
        """Match `found` to the truth: the first decided in time that is of its size; what is left over is false.

        Not the nearest in size, which may be the next thing of that weight.
        """
        left = list(found)
        for truth in signal.truths:
            fitting = [f for f in left if _fits(truth, f, self.late_s)]
            light = abs(truth.delta_g) < 10.0
            self.light += light
            if not fitting:
                self.missed += 1
                self.missed_light += light
                continue
            best = min(fitting, key=lambda f: f.decided_ns)
            left.remove(best)
            error_g = best.delta_g - truth.delta_g
            self.latencies_s.append((best.decided_ns - truth.rest_ns) / SECOND)
            self.errors_g.append(abs(error_g))
            self.exact.append(abs(error_g) <= max(2.0, 0.001 * abs(truth.delta_g)))
            self.sigmas.append(error_g / best.sigma_g)
        self.false += len(left)
        self.hours += (signal.samples[-1][0] - signal.samples[0][0]) / SECOND / 3600

    def report(self) -> dict[str, float | int | None]:
        """Plain figures; None where there was nothing to measure."""
        count = len(self.latencies_s) + self.missed
        return {
            "steps": count,
            "found_share": (count - self.missed) / count if count else None,
            "light_steps": self.light,
            "light_found_share": 1 - self.missed_light / self.light if self.light else None,
            "latency_p50_ms": _percentile(self.latencies_s, 50, 1000),
            "latency_p99_ms": _percentile(self.latencies_s, 99, 1000),
            "error_p95_g": _percentile(self.errors_g, 95),
            "exact_share": sum(self.exact) / len(self.exact) if self.exact else None,
            "error_over_sigma_rms": statistics.fmean(z * z for z in self.sigmas) ** 0.5 if self.sigmas else None,
            "false": self.false,
            "hours": self.hours,
        }


def _fits(truth: Truth, found: Found, late_s: float) -> bool:
    near = max(3.0, 5.0 * min(found.sigma_g, 5.0), 0.005 * abs(truth.delta_g))
    in_time = -EARLY_S < (found.decided_ns - truth.rest_ns) / SECOND < late_s
    return in_time and abs(found.delta_g - truth.delta_g) <= near


def _percentile(values: Sequence[float], share: int, scale: float = 1.0) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return scale * ordered[min(len(ordered) - 1, round(share / 100 * (len(ordered) - 1)))]


def weigh(signal: Signal) -> list[Found]:
    """The cart's own weighing."""
    weigher = Weigher(signal.settings)
    found = []
    for t_ns, counts in signal.samples:
        found += [
            Found(event.decided_ns, event.delta_g, event.sigma_g)
            for event in weigher.feed(t_ns, counts)
            if isinstance(event, WeightStep)
        ]
    return found


def weigh_foretold(signal: Signal) -> list[Found]:
    """The same where each item was scanned before: the catalogue's weight, 2 % off, and what lies inside, ± 1 g."""
    rng = random.Random(signal.seed)
    weigher = Weigher(signal.settings)
    found: list[Found] = []
    inside: list[float] = []
    coming = list(signal.truths)
    told_ns = 0
    for t_ns, counts in signal.samples:
        if coming and t_ns >= told_ns:
            truth = coming.pop(0)
            sd_g = max(1.0, 0.02 * abs(truth.delta_g))
            scanned = [Foretold(truth.delta_g + rng.gauss(0.0, sd_g), sd_g)] if truth.delta_g > 0 else []
            weigher.expect([*scanned, *(Foretold(-mass_g, 1.0) for mass_g in inside)])
            if truth.delta_g > 0:
                inside.append(truth.delta_g)
            elif -truth.delta_g in inside:
                inside.remove(-truth.delta_g)
            told_ns = truth.rest_ns + SECOND
        found += [
            Found(event.decided_ns, event.delta_g, event.sigma_g)
            for event in weigher.feed(t_ns, counts)
            if isinstance(event, WeightStep)
        ]
    return found


def weigh_expecting(signal: Signal) -> list[Found]:
    """The same while a trip always expects what never comes: one or two items scanned and six inside, drawn anew every
    10 s from 5 g to 5 kg, each factor as likely as another.
    """
    rng = random.Random(signal.seed + 5)
    weigher = Weigher(signal.settings)
    found: list[Found] = []
    next_ns = 0
    for t_ns, counts in signal.samples:
        if t_ns >= next_ns:
            next_ns = t_ns + 10 * SECOND
            scanned = [math.exp(rng.uniform(math.log(5.0), math.log(5000.0))) for _ in range(rng.choice((1, 1, 2)))]
            inside = [math.exp(rng.uniform(math.log(5.0), math.log(5000.0))) for _ in range(6)]
            ins = [Foretold(mass_g, max(1.0, 0.02 * mass_g)) for mass_g in scanned]
            weigher.expect([*ins, *(Foretold(-mass_g, 1.0) for mass_g in inside)])
        found += [
            Found(event.decided_ns, event.delta_g, event.sigma_g)
            for event in weigher.feed(t_ns, counts)
            if isinstance(event, WeightStep)
        ]
    return found


def _baseline(detector: Detector) -> Callable[[Signal], list[Found]]:
    def run(signal: Signal) -> list[Found]:
        settings = signal.settings
        return detector.run([(t, (c - settings.tare_counts) / settings.counts_per_gram) for t, c in signal.samples])

    return run


def scored(run: Callable[[Signal], list[Found]], signals: Sequence[Signal], late_s: float = LATE_S) -> Score:
    """One detector over some signals."""
    score = Score(late_s=late_s)
    for signal in signals:
        score.add(signal, run(signal))
    return score


def told_apart(run: Callable[[Signal], list[Found]], signals: Sequence[Signal]) -> float:
    """Share of the things put in within 0.4 s of another that are steps of their own."""
    put_in = [
        msgspec.structs.replace(signal, truths=[truth for truth in signal.truths if truth.delta_g > 0])
        for signal in signals
    ]
    score = scored(run, put_in)
    return len(score.latencies_s) / (len(score.latencies_s) + score.missed)


def best_of(detectors: Sequence[Detector], signals: Sequence[Signal]) -> Detector:
    """The setting that finds most, each false step counted as one lost."""

    def merit(detector: Detector) -> float:
        score = scored(_baseline(detector), signals)
        return len(score.latencies_s) - score.false

    return max(detectors, key=merit)


def at_rate(
    rate: float, seeds: int, hours: float, first_seed: int = HELD_OUT
) -> tuple[dict[str, object], list[Signal]]:
    """All figures at one sample rate."""
    stepping = [steps(first_seed + seed, rate, 40) for seed in range(seeds)]
    weighing = scored(weigh, stepping)
    foretold = scored(weigh_foretold, stepping)
    average = best_of(MOVING_AVERAGES, stepping[: max(2, seeds // 4)])
    median = best_of(MEDIANS, stepping[: max(2, seeds // 4)])
    oracle = [oracle_latency_s(signal, truth) for signal in stepping for truth in signal.truths]
    stretches = max(1, round(hours * 4))
    quiet = Score()
    expecting = Score()
    false_average = Score()
    for seed in range(stretches):
        signal = handling(first_seed + 1000 + seed, rate, 900.0)
        quiet.add(signal, weigh(signal))
        expecting.add(signal, weigh_expecting(signal))
        false_average.add(signal, _baseline(average)(signal))
    rolled = scored(
        weigh, [rolling_steps(first_seed + 2000 + seed, rate, 10) for seed in range(max(1, seeds // 2))], LATE_ROLLING_S
    )
    close = [pairs(first_seed + 3000 + seed, rate, 10) for seed in range(max(1, seeds // 4))]
    result: dict[str, object] = {
        "weighing": weighing.report(),
        "weighing_foretold": foretold.report(),
        "moving_average": {**scored(_baseline(average), stepping).report(), "setting": repr(average)},
        "median": {**scored(_baseline(median), stepping).report(), "setting": repr(median)},
        "oracle": {
            "latency_p50_ms": _percentile(oracle, 50, 1000),
            "latency_p99_ms": _percentile(oracle, 99, 1000),
        },
        "handling": {
            "false": quiet.false,
            "expecting_false": expecting.false,
            "hours": quiet.hours,
            "moving_average_false": false_average.false,
        },
        "rolling": rolled.report(),
        "pairs_0_4_s_apart": {
            "unscanned_told_apart_share": told_apart(weigh, close),
            "scanned_told_apart_share": told_apart(weigh_foretold, close),
        },
    }
    return result, stepping


def cost(signal: Signal) -> float:
    """µs of processor time a sample, the best of three runs."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        weigh(signal)
        best = min(best, time.process_time() - started)
    return 1e6 * best / len(signal.samples)


def memory(rate: float, hours: float) -> dict[str, float]:
    """What the weigher and the process hold after a tenth and after all of `hours` of samples, with steps in between.

    `held` is the pickled size of all that the weigher refers to; `rss` the resident set of this process, in bytes.
    """
    world = platform(7, rate)
    lap = list(world.conversions(0, 60 * SECOND))
    world.put(61 * SECOND, 500.0)
    world.take(90 * SECOND, 500.0)
    lap += list(world.conversions(60 * SECOND, 120 * SECOND))
    weigher = Weigher(world.settings)
    total = round(hours * 3600 * rate)
    marks: list[tuple[int, int]] = []
    done = lap_ns = 0
    while done < total:
        for t_ns, counts in lap:
            weigher.feed(lap_ns + t_ns, counts)
        lap_ns += 120 * SECOND
        done += len(lap)
        if (not marks and done >= total / 10) or done >= total:
            marks.append((len(pickle.dumps(weigher)), _resident_bytes()))
    (held, rss), (held_last, rss_last) = marks[0], marks[-1]
    return {
        "hours": done / rate / 3600,
        "held_after_a_tenth_bytes": held,
        "held_after_all_bytes": held_last,
        "rss_after_a_tenth_bytes": rss,
        "rss_after_all_bytes": rss_last,
    }


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _row(name: str, figures: dict[str, float | int | None]) -> str:
    def show(key: str, scale: float = 1.0, digits: int = 0) -> str:
        value = figures.get(key)
        return "–" if value is None else f"{scale * value:.{digits}f}"

    return (
        f"  {name:<22}{show('latency_p50_ms'):>8}{show('latency_p99_ms'):>8}{show('error_p95_g', 1, 2):>10}"
        f"{show('exact_share', 100, 1):>9}{show('found_share', 100, 1):>9}{show('light_found_share', 100, 1):>9}"
        f"{show('false'):>7}{show('error_over_sigma_rms', 1, 2):>9}"
    )


def print_table(rate: str, result: dict[str, dict[str, float | int | None]]) -> None:
    """The figures at one rate, as people read them."""
    print(f"{rate} samples/s, steps of 5 g to 5 kg under 0–25 kg, noise 1 g rms")
    print("  detector                p50 ms  p99 ms  err95 g  exact %  found %  <10 g %  false  err/σ")
    for name in ("weighing", "weighing_foretold", "moving_average", "median", "oracle"):
        print(_row(name, result[name]))
    mine, oracle, average = result["weighing"], result["oracle"], result["moving_average"]
    for share in ("p50", "p99"):
        key = f"latency_{share}_ms"
        print(
            f"  {share}: {_ratio(mine, oracle, key)} × the oracle, moving average {_ratio(average, mine, key)} × ours"
        )
    quiet = result["handling"]
    print(
        f"  handling: {quiet['false']} false in {quiet['hours']:.1f} h, {quiet['expecting_false']} others awaited "
        f"(moving average {quiet['moving_average_false']})"
    )
    print(_row("while rolling, ≥ 50 g", result["rolling"]))
    shares = (100 * (share or 0.0) for share in result["pairs_0_4_s_apart"].values())
    print("  put in 0.4 s apart, told apart: {:.0f} % unscanned, {:.0f} % scanned".format(*shares))


def _ratio(one: dict[str, float | int | None], other: dict[str, float | int | None], key: str) -> str:
    a, b = one.get(key), other.get(key)
    return "–" if a is None or not b else f"{a / b:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit status 0 always, the figures speak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weighing", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw signals with what was decided when")
    parser.add_argument("--seeds", type=int, default=20, help="step signals a rate (40 steps each)")
    parser.add_argument("--first-seed", type=int, default=HELD_OUT, help="where the seeds begin")
    parser.add_argument("--hours", type=float, default=10.0, help="hours of handling a rate")
    parser.add_argument("--quick", action="store_true", help="a minute's worth: 4 seeds, half an hour of handling")
    given = parser.parse_args(arguments)
    seeds, hours = (4, 0.5) if given.quick else (given.seeds, given.hours)
    results: dict[str, object] = {}
    for rate in (80.0, 10.0):
        result, stepping = at_rate(rate, seeds, hours, given.first_seed)
        results[f"{rate:g}"] = result
        print_table(f"{rate:g}", result)  # type: ignore[arg-type]
        if given.plot is not None:
            pictures(given.plot, rate, stepping[0], given.first_seed, weigh)
    results["us_a_sample"] = {
        "steps": cost(steps(HELD_OUT, 80.0, 20)),
        "handling": cost(handling(HELD_OUT + 1000, 80.0, 120.0)),
    }
    results["memory"] = memory(80.0, 0.5 if given.quick else 24.0)
    print(f"cost: {results['us_a_sample']} µs a sample; memory: {results['memory']}")
    if given.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
