"""Every staged detector, one line each: a parameters type and how to make it.

`detectors.codes`, `detectors.silence` and `detectors.clock` need no hold timers; the bank calls
them directly.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

from detectors.base import Staged
from detectors.boiler_low_water import BoilerLowWater, BoilerLowWaterParameters
from detectors.boiler_pressure import BoilerPressure, BoilerPressureParameters
from detectors.codes import CodesParameters
from detectors.crane_overload import CraneOverload, CraneOverloadParameters
from detectors.entrapment import EntrapmentParameters, entrapment_cases
from domain.errors import UsageError

STAGED: Mapping[str, tuple[type[Any], Callable[[Any], tuple[Staged, ...]]]] = {
    "entrapment": (EntrapmentParameters, entrapment_cases),
    "boiler_pressure": (BoilerPressureParameters, lambda p: (BoilerPressure(p),)),
    "boiler_low_water": (BoilerLowWaterParameters, lambda p: (BoilerLowWater(p),)),
    "crane_overload": (CraneOverloadParameters, lambda p: (CraneOverload(p),)),
}
"""Detector by the name of its settings table."""

CODES_SETTINGS = "codes"

_PARAMETERS: Mapping[str, type[Any]] = {
    **{name: parameters for name, (parameters, _) in STAGED.items()},
    CODES_SETTINGS: CodesParameters,
}


def parameters_of(name: str, overrides: Mapping[str, Mapping[str, float]]) -> Any:  # noqa: ANN401
    """Parameters of one detector with its overrides applied."""
    return _PARAMETERS[name](**overrides.get(name, {}))


def check(overrides: Mapping[str, Mapping[str, float]]) -> None:
    """Check that every override names a detector and one of its parameters.

    Raises
    ------
    UsageError
        Naming the unknown word and the nearest known one.
    """
    for name, values in overrides.items():
        if name not in _PARAMETERS:
            raise UsageError(_unknown(f"detectors.{name}", name, list(_PARAMETERS)))
        known = [field.name for field in dataclasses.fields(_PARAMETERS[name])]
        for parameter in values:
            if parameter not in known:
                raise UsageError(_unknown(f"detectors.{name}.{parameter}", parameter, known))


def _unknown(path: str, word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"{path}: unknown" + (f"; did you mean {near[0]}?" if near else "")
