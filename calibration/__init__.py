"""The psychometrician's bench: estimation, standard errors, fit, fairness, linking, simulation studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.estimation import calibrate
    from calibration.result import Calibration

__all__ = ["Calibration", "calibrate"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line starts faster than numba loads."""
    if name == "calibrate":
        from calibration.estimation import calibrate

        return calibrate
    if name == "Calibration":
        from calibration.result import Calibration

        return Calibration
    raise AttributeError(f"module 'calibration' has no attribute '{name}'")
