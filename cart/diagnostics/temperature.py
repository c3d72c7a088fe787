"""What the scale's temperature does to it now, and whether that is still known."""

from __future__ import annotations

from cart.config import Config
from cart.diagnostics.check import Figure
from drivers.thermometer import Thermometer

BEYOND_K = 5.0
"""So far outside of what was logged, the drift that is left is worth another night's log."""


def look(config: Config) -> tuple[dict[str, Figure], str]:
    """Figures, and one line where something is to be done; both empty without a thermometer."""
    scale = config.scale
    if not scale.thermometer:
        return {}, ""
    known = Thermometer(scale.thermometer, sysfs=config.power.sysfs).read()
    if known.value is None:
        return {"celsius": None}, f"the scale's temperature is not known; mend this: {known.reason}"
    figures: dict[str, Figure] = {"celsius": round(known.value, 2)}
    if not scale.compensated_celsius:
        return figures, ""
    low, high = scale.compensated_celsius[0], scale.compensated_celsius[-1]
    at = max(low, min(high, known.value))
    figures |= {
        "zero_g_per_kelvin": scale.zero_g_per_kelvin,
        "span_ppm_per_kelvin": round(1e6 * scale.span_per_kelvin, 1),
        "reference_celsius": scale.reference_celsius,
        "compensated_from_celsius": low,
        "compensated_to_celsius": high,
        "compensates_g": round(scale.zero_g_per_kelvin * (at - scale.reference_celsius), 1),
    }
    if abs(known.value - at) > BEYOND_K:
        return figures, (
            f"{known.value:.1f} °C is beyond the {low:.1f} to {high:.1f} °C that were logged; "
            "run 'cart calibrate --temperature' there"
        )
    return figures, ""
