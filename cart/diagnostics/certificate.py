"""The last calibration as a test certificate states it: the error against e at each check weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cart.config import Config
from cart.core.calibration import CheckResult, permissible_error_g
from cart.diagnostics.calibration_files import read_history


class WeightError(msgspec.Struct, frozen=True, kw_only=True):
    """One check weight: its error and what class III permits there at first verification (OIML R 76-1, 3.5.1,
    table 6)."""

    load_g: float
    load_e: float
    position: str
    error_g: float
    error_e: float
    permitted_e: float
    passed: bool

    @property
    def line(self) -> str:
        """As it is printed."""
        where = f" {self.position}" if self.position else ""
        verdict = "" if self.passed else "  BEYOND"
        return (
            f"{self.load_g:g} g{where} ({self.load_e:g} e): {self.error_g:+.2f} g = {self.error_e:+.2f} e, "
            f"permitted ±{self.permitted_e:g} e{verdict}"
        )


def errors(config_path: Path, config: Config) -> list[WeightError]:
    """Of the calibration in force, by the scale interval that is configured now; empty where none was checked.

    Raises CalibrationFileError where the history cannot be read.
    """
    current = read_history(config_path, config).current
    return of_checks(current.checks if current is not None else (), config.policy.verification_interval_e_g)


def of_checks(checks: Sequence[CheckResult], e_g: float) -> list[WeightError]:
    """Each check's error in intervals of `e_g`."""
    found = []
    for check in checks:
        permitted_g = permissible_error_g(check.load_g, e_g)
        found.append(
            WeightError(
                load_g=check.load_g,
                load_e=round(check.load_g / e_g, 3),
                position=check.position,
                error_g=round(check.error_g, 3),
                error_e=round(check.error_g / e_g, 3),
                permitted_e=permitted_g / e_g,
                passed=abs(check.error_g) <= permitted_g,
            )
        )
    return found
