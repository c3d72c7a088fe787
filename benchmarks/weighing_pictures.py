"""Pictures of simulated signals with what was decided when. Needs the extra `plots`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.weighing_baselines import Found
from benchmarks.weighing_signals import SECOND, Signal, handling, leaning, pairs, rolling_steps


def plot(signal: Signal, found: Sequence[Found], folder: Path, name: str) -> Path:
    """A picture of one signal with what was decided when. Needs the extra `plots`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    settings = signal.settings
    times = [t / SECOND for t, _ in signal.samples]
    grams = [(c - settings.tare_counts) / settings.counts_per_gram for _, c in signal.samples]
    figure, axes = plt.subplots(2, 1, figsize=(16, 10))
    centre = signal.truths[2].rest_ns / SECOND if len(signal.truths) > 2 else times[len(times) // 2]
    spans = ((centre - 10, centre + 20), (centre - 0.6, centre + 0.9))
    for axis, (start, end) in zip(axes, spans, strict=True):
        inside = [i for i, t in enumerate(times) if start <= t <= end]
        axis.plot([times[i] for i in inside], [grams[i] for i in inside], ".-", linewidth=0.7, markersize=3)
        for truth in signal.truths:
            if start <= truth.rest_ns / SECOND <= end:
                axis.axvline(truth.rest_ns / SECOND, color="tab:green", label=f"last touch, {truth.delta_g:+.1f} g")
        for step in found:
            if start <= step.decided_ns / SECOND <= end:
                axis.axvline(
                    step.decided_ns / SECOND, color="tab:red", linestyle="--", label=f"step {step.delta_g:+.1f} g"
                )
        axis.set_xlabel("s")
        axis.set_ylabel("gross, g")
        axis.set_xlim(start, end)
        axis.grid(visible=True, alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="upper left", fontsize=8)
    axes[0].set_title(f"{name}: what was decided when (seed {signal.seed}, {settings.samples_per_second:g} samples/s)")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"weighing-{name}.png"
    figure.savefig(path, dpi=50)
    plt.close(figure)
    return path


def pictures(
    folder: Path, rate: float, stepping: Signal, first_seed: int, detect: Callable[[Signal], Sequence[Found]]
) -> None:
    """One for each figure: a signal of its kind with what was decided when."""
    signals = {
        "steps": stepping,
        "handling": handling(first_seed + 1000, rate, 120.0),
        "leaning": leaning(first_seed, rate),
        "rolling": rolling_steps(first_seed + 2000, rate, 10),
        "pairs": pairs(first_seed + 3000, rate, 10),
    }
    for name, signal in signals.items():
        print(f"  picture: {plot(signal, detect(signal), folder, f'{name}-{rate:g}')}")
