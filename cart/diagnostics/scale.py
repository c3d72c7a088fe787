"""The scale: is a converter there, how fast, how noisy, how steady, and is what it says believable?"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cart.control_client import ControlClient
from cart.core.problem import Problem
from cart.core.settings import ScaleSettings
from cart.core.weighing.cells import CORNERS, scale_counts
from cart.diagnostics import certificate, temperature
from cart.diagnostics.calibration_files import read_history
from cart.diagnostics.check import UNCONFIGURED, Bench, Check, Figure, from_status, two_halves
from drivers.errors import DriverError, NotReady
from drivers.scale import open_scale_reader

RATE_TOLERANCE = 0.15
"""The HX711's own oscillator may be off by ten percent; a RATE pin on the wrong level is off by a factor of eight."""
NOISE_WARN_G = 5.0
"""Real rigs show 0.3–3 g from sample to sample; more means a cable, a supply, or a cart in motion."""
UNIQUE_MIN_SHARE = 0.02
"""A converter of 24 bits whose words hardly change isn't measuring."""
JUMP_SIGMAS = 12.0
"""Sample-to-sample jumps beyond this are glitches of the bit clock, not noise."""
BELOW_ZERO_G = 100.0
SAMPLES_MIN = 8
WIRING_TODO = (
    "check the four wires of the load cell and the converter's supply, DOUT and SCK pins; then 'cart diag scale' again"
)

Sample = tuple[int, int]
"""(time in ns, counts)"""


class ScaleFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a few seconds of samples say. Weights in grams by the configured calibration."""

    samples: int
    rate_measured: float
    rate_configured: float
    unique: int
    noise_g: float
    """Sample to sample, 1 σ, robust against glitches and slow movement."""
    spread_g: float
    glitches: int
    saturated: int
    longest_gap_s: float
    gross_g: float


def measure(samples: Sequence[Sample], settings: ScaleSettings) -> ScaleFigures | None:
    """Figures of at least SAMPLES_MIN samples, else None."""
    if len(samples) < SAMPLES_MIN:
        return None
    counts = [count for _, count in samples]
    times_ns = [t_ns for t_ns, _ in samples]
    gaps_ns = [later - earlier for earlier, later in itertools.pairwise(times_ns)]
    steps = [abs(later - earlier) for earlier, later in itertools.pairwise(counts)]
    # |difference| of two normal values has the median 0.6745 · √2 · σ.
    sigma = statistics.median(steps) / (0.6745 * math.sqrt(2))
    per_gram = abs(settings.counts_per_gram)
    good = [count for count in counts if -(1 << 23) < count < (1 << 23) - 1]
    middle = statistics.median(good or counts)
    return ScaleFigures(
        samples=len(samples),
        rate_measured=round(1e9 / statistics.median(gaps_ns), 2) if statistics.median(gaps_ns) > 0 else 0.0,
        rate_configured=settings.samples_per_second,
        unique=len(set(counts)),
        noise_g=round(sigma / per_gram, 3),
        spread_g=round((max(counts) - min(counts)) / per_gram, 2),
        glitches=sum(step > JUMP_SIGMAS * max(sigma, 1.0) for step in steps) // 2,
        saturated=len(counts) - len(good),
        longest_gap_s=round(max(gaps_ns) / 1e9, 3),
        gross_g=round((middle - settings.tare_counts) / settings.counts_per_gram, 1),
    )


def judge(figures: ScaleFigures, settings: ScaleSettings, more: dict[str, Figure] | None = None) -> Check:
    """The verdict on some figures; the gravest finding is told."""
    told = {**msgspec.to_builtins(figures), **(more or {})}
    rate = figures.rate_measured / figures.rate_configured - 1 if figures.rate_configured else 0.0
    findings: list[tuple[bool, str, str, str]] = [
        (
            figures.saturated > figures.samples // 2,
            "fail",
            "the converter's input is out of its range",
            f"a wire of the load cell is off, or the load is far too heavy; {WIRING_TODO}",
        ),
        (
            figures.unique <= max(2, UNIQUE_MIN_SHARE * figures.samples),
            "fail",
            f"stuck: {figures.unique} different values in {figures.samples} samples",
            WIRING_TODO,
        ),
        (
            abs(rate) > RATE_TOLERANCE,
            "warn",
            f"{figures.rate_measured:.1f} samples/s, configured are {figures.rate_configured:g}",
            "set scale.samples_per_second as the converter's RATE pin is wired (10 or 80)",
        ),
        (
            figures.gross_g > settings.capacity_g,
            "warn",
            f"{figures.gross_g:.0f} g lie on it, its capacity is {settings.capacity_g:.0f} g",
            "unload the basket; if it is empty, run 'cart calibrate'",
        ),
        (
            figures.gross_g < -BELOW_ZERO_G,
            "warn",
            f"it shows {figures.gross_g:.0f} g, less than an empty basket",
            "empty the basket and run 'cart calibrate'",
        ),
        (
            figures.noise_g > NOISE_WARN_G,
            "warn",
            f"noise {figures.noise_g:.1f} g from sample to sample",
            "stand the cart still; if it stays, check the cable's shield and the converter's supply",
        ),
        (
            figures.glitches + figures.saturated > 0.01 * figures.samples,
            "warn",
            f"{figures.glitches + figures.saturated} glitches in {figures.samples} samples",
            "the bit clock is disturbed: shorten the cable to the converter or twist it with ground",
        ),
    ]
    for found, verdict, summary, todo in findings:
        if found:
            return Check(
                part="scale", verdict="fail" if verdict == "fail" else "warn", summary=summary, todo=todo, figures=told
            )
    return Check(
        part="scale",
        verdict="ok",
        summary=f"{figures.rate_measured:.1f} samples/s, noise {figures.noise_g:.2f} g, {figures.gross_g:+.1f} g now",
        figures=told,
    )


def check_scale(bench: Bench) -> Check:
    """Read the converter, or listen to the daemon that does; and what the last calibration was found to be worth."""
    check = _read(bench)
    if bench.config is UNCONFIGURED:
        return check
    errors = certificate.errors(bench.config_path, bench.config)
    beyond = [error for error in errors if not error.passed]
    figures = {**check.figures, **_calibration_figures(bench)}
    warm, finding = temperature.look(bench.config)
    if check.verdict == "ok" and beyond:
        summary = f"calibrated beyond what is permitted: {beyond[0].line}"
        check = msgspec.structs.replace(check, verdict="warn", summary=summary, todo="run 'cart calibrate'")
    elif check.verdict == "ok" and finding:
        what, todo = two_halves(finding)
        check = msgspec.structs.replace(check, verdict="warn", summary=what, todo=todo)
    return msgspec.structs.replace(check, errors=errors, figures={**figures, **warm})


def _calibration_figures(bench: Bench) -> dict[str, Figure]:
    """The event counter, and when and by whom the calibration in force was made."""
    current = read_history(bench.config_path, bench.config).current
    if current is None:
        return {}
    return {
        "calibration_event": current.event,
        "calibrated_at": current.made_at or None,
        "calibrated_by": current.made_by or None,
        "interval_e_g": bench.config.policy.verification_interval_e_g,
    }


def cell_figures(cells: Sequence[int], settings: ScaleSettings) -> dict[str, Figure]:
    """What each of four cells bears now, in grams: a foot in the air is seen at once. Empty with one channel."""
    grams = 1.0 / (len(CORNERS) * settings.counts_per_gram)
    return {
        f"{corner.replace(' ', '_')}_g": round((counts - tare) * trim * grams, 1)
        for corner, counts, tare, trim in zip(
            CORNERS, cells, settings.cell_tare_counts, settings.cell_trims or (1.0,) * len(CORNERS), strict=False
        )
    }


def _read(bench: Bench) -> Check:
    config = bench.config
    if bench.status is not None:
        return _listen(bench)
    samples: list[Sample] = []
    refusals: dict[str, int] = {}
    last = ""
    cells: tuple[int, ...] = ()
    try:
        with open_scale_reader(config.gpio.module, config.scale) as reader:
            until = time.monotonic() + bench.seconds
            while time.monotonic() < until:
                try:
                    reading = reader.read()
                except DriverError as error:
                    refusals[error.fault] = refusals.get(error.fault, 0) + 1
                    last = str(error)
                    if isinstance(error, NotReady) and not samples and refusals[error.fault] >= 2:
                        break
                else:
                    samples.append((reading.t_ns, scale_counts(reading, config.scale)))
                    cells = reading.cells
            figures: dict[str, Figure] = {**reader.figures(), **{f"refused_{name}": n for name, n in refusals.items()}}
            figures |= cell_figures(cells, config.scale)
    except DriverError as error:
        what, todo = two_halves(str(error))
        return Check(part="scale", verdict="fail", summary=what, todo=todo)
    return _judged(samples, config.scale, figures, last)


def _judged(samples: list[Sample], settings: ScaleSettings, figures: dict[str, Figure], last: str) -> Check:
    measured = measure(samples, settings)
    if measured is None:
        what, todo = two_halves(last) if last else (f"only {len(samples)} samples came", WIRING_TODO)
        return Check(part="scale", verdict="fail", summary=what, todo=todo or WIRING_TODO, figures=figures)
    return judge(measured, settings, figures)


def _listen(bench: Bench) -> Check:
    """The daemon owns the converter: judge the samples it sees, and its own word when there are none."""
    samples: list[Sample] = []
    cells: tuple[int, ...] = ()
    try:
        for observed in ControlClient(Path(bench.config.journal.folder)).observe(seconds=bench.seconds):
            counts = None if observed is None or observed.topic != "/scale" else observed.body.get("counts")
            if observed is not None and isinstance(counts, int):
                samples.append((observed.t_ns, counts))
                cells = tuple(observed.body.get("cells", ()))
    except Problem as error:
        what, todo = two_halves(str(error))
        return Check(part="scale", verdict="fail", summary=what, todo=todo)
    said = from_status(bench, "scale")
    if len(samples) < SAMPLES_MIN and said is not None:
        return said
    figures = {**({} if said is None else said.figures), **cell_figures(cells, bench.config.scale)}
    return _judged(samples, bench.config.scale, figures, "")
