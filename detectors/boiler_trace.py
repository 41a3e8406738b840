"""What boiler detectors read of a boiler's burner, and words for what they saw."""

import numpy as np

from detectors.base import Context, column
from detectors.current import Bools, Devices
from domain.findings import Evidence

_PILOT, _HIGH = 2, 4


def firing(device: Devices, context: Context) -> tuple[Bools, Bools]:
    """Whether the main flame burns, and whether that is known: by flame, else by burner stage."""
    return context.boilers.firing(device, context.current)


def may_fire(device: Devices, context: Context) -> Bools:
    """Whether the burner is not known to be off; a pilot counts as fire."""
    flame, stage = column(context, device, "flame_on"), column(context, device, "burner_stage")
    by_stage = np.isnan(stage) | ((stage >= _PILOT) & (stage <= _HIGH))
    return np.where(np.isnan(flame), by_stage, flame == 1).astype(np.bool_)


def quantity(name: str, value: float, unit: str = "") -> Evidence:
    """Evidence of a measured quantity; NaN is an unknown one."""
    return Evidence(name=name, value=None if np.isnan(value) else float(value), unit=unit)


def flag(name: str, value: float) -> Evidence:
    """Evidence of a state that is on, off or unknown (NaN)."""
    return Evidence(name=name, value=None if np.isnan(value) else bool(value))


def observed(context: Context, device: int, name: str) -> float:
    """Current value of one channel of one device, NaN = unknown."""
    return float(column(context, np.array([device], dtype=np.int32), name)[0])
