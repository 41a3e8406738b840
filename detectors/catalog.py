"""Every staged detector, one line each: a parameters type and how to make it.

`detectors.codes`, `detectors.silence` and `detectors.clock` need no hold timers; the bank calls
them directly.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

from detectors.advisories import AdvisoriesParameters
from detectors.base import Staged
from detectors.boiler_balance import BoilerBalance, BoilerBalanceParameters
from detectors.boiler_feed import BoilerFeed, BoilerFeedParameters
from detectors.boiler_flame import BoilerFlame, BoilerFlameParameters
from detectors.boiler_fouling import BoilerFouling, BoilerFoulingParameters
from detectors.boiler_hunting import BoilerHunting, BoilerHuntingParameters
from detectors.boiler_limiter import BoilerLimiter, BoilerLimiterParameters
from detectors.boiler_low_water import BoilerLowWater, BoilerLowWaterParameters
from detectors.boiler_pressure import BoilerPressure, BoilerPressureParameters
from detectors.boiler_sensor import BoilerSensor, BoilerSensorParameters
from detectors.boiler_superheat import BoilerSuperheat, BoilerSuperheatParameters
from detectors.boiler_valve import BoilerValveLifted, BoilerValveLiftedParameters
from detectors.boiler_valve_stuck import BoilerValveStuck, BoilerValveStuckParameters
from detectors.codes import CodesParameters
from detectors.crane_brake import CraneBrake, CraneBrakeParameters
from detectors.crane_duty import CraneDutyParameters
from detectors.crane_limiter import CraneLimiter, CraneLimiterParameters
from detectors.crane_load_cell import CraneLoadCellParameters, load_cell_cases
from detectors.crane_lost_load import CraneLostLoad, CraneLostLoadParameters
from detectors.crane_overload import CraneOverload, CraneOverloadParameters
from detectors.crane_shock import CraneShock, CraneShockParameters
from detectors.crane_side_pull import CraneSidePull, CraneSidePullParameters
from detectors.crane_wind import CraneWind, CraneWindParameters
from detectors.entrapment import entrapment_cases
from detectors.entrapment_scene import EntrapmentParameters
from detectors.escalator_handrail_speed import (
    EscalatorHandrailSpeed,
    EscalatorHandrailSpeedParameters,
)
from detectors.lift_door_cycling import LiftDoorCycling, LiftDoorCyclingParameters
from detectors.lift_door_held_open import LiftDoorHeldOpen, LiftDoorHeldOpenParameters
from detectors.lift_moved_with_door_open import (
    LiftMovedWithDoorOpen,
    LiftMovedWithDoorOpenParameters,
)
from detectors.lift_out_of_service import LiftOutOfService, LiftOutOfServiceParameters
from detectors.lift_over_travel import LiftOverTravel, LiftOverTravelParameters
from detectors.lift_power_failure import LiftPowerFailure, LiftPowerFailureParameters
from detectors.lift_stopped_outside_zone import (
    LiftStoppedOutsideZone,
    LiftStoppedOutsideZoneParameters,
)
from detectors.vessel_lock import vessel_rules
from detectors.vessel_zero import VesselLockParameters
from domain.errors import UsageError

STAGED: Mapping[str, tuple[type[Any], Callable[[Any], tuple[Staged, ...]]]] = {
    "entrapment": (EntrapmentParameters, entrapment_cases),
    "lift_stopped_outside_zone": (
        LiftStoppedOutsideZoneParameters,
        lambda p: (LiftStoppedOutsideZone(p),),
    ),
    "lift_moved_with_door_open": (
        LiftMovedWithDoorOpenParameters,
        lambda p: (LiftMovedWithDoorOpen(p),),
    ),
    "lift_over_travel": (LiftOverTravelParameters, lambda p: (LiftOverTravel(p),)),
    "lift_door_held_open": (LiftDoorHeldOpenParameters, lambda p: (LiftDoorHeldOpen(p),)),
    "lift_door_cycling": (LiftDoorCyclingParameters, lambda p: (LiftDoorCycling(p),)),
    "lift_out_of_service": (LiftOutOfServiceParameters, lambda p: (LiftOutOfService(p),)),
    "lift_power_failure": (LiftPowerFailureParameters, lambda p: (LiftPowerFailure(p),)),
    "escalator_handrail_speed": (
        EscalatorHandrailSpeedParameters,
        lambda p: (EscalatorHandrailSpeed(p),),
    ),
    "boiler_pressure": (BoilerPressureParameters, lambda p: (BoilerPressure(p),)),
    "boiler_low_water": (BoilerLowWaterParameters, lambda p: (BoilerLowWater(p),)),
    "boiler_limiter": (BoilerLimiterParameters, lambda p: (BoilerLimiter(p),)),
    "boiler_valve": (BoilerValveLiftedParameters, lambda p: (BoilerValveLifted(p),)),
    "boiler_valve_stuck": (BoilerValveStuckParameters, lambda p: (BoilerValveStuck(p),)),
    "boiler_sensor": (BoilerSensorParameters, lambda p: (BoilerSensor(p),)),
    "boiler_superheat": (BoilerSuperheatParameters, lambda p: (BoilerSuperheat(p),)),
    "boiler_feed": (BoilerFeedParameters, lambda p: (BoilerFeed(p),)),
    "boiler_flame": (BoilerFlameParameters, lambda p: (BoilerFlame(p),)),
    "boiler_hunting": (BoilerHuntingParameters, lambda p: (BoilerHunting(p),)),
    "boiler_balance": (BoilerBalanceParameters, lambda p: (BoilerBalance(p),)),
    "boiler_fouling": (BoilerFoulingParameters, lambda p: (BoilerFouling(p),)),
    "vessel_lock": (VesselLockParameters, vessel_rules),
    "crane_overload": (CraneOverloadParameters, lambda p: (CraneOverload(p),)),
    "crane_limiter": (CraneLimiterParameters, lambda p: (CraneLimiter(p),)),
    "crane_shock": (CraneShockParameters, lambda p: (CraneShock(p),)),
    "crane_side_pull": (CraneSidePullParameters, lambda p: (CraneSidePull(p),)),
    "crane_brake": (CraneBrakeParameters, lambda p: (CraneBrake(p),)),
    "crane_lost_load": (CraneLostLoadParameters, lambda p: (CraneLostLoad(p),)),
    "crane_load_cell": (CraneLoadCellParameters, load_cell_cases),
    "crane_wind": (CraneWindParameters, lambda p: (CraneWind(p),)),
}
"""Detector by the name of its settings table."""

CODES_SETTINGS = "codes"
DUTY_SETTINGS = "crane_duty"
STATISTICS_SETTINGS = "statistics"

_UNTIMED: Mapping[str, type[Any]] = {
    CODES_SETTINGS: CodesParameters,
    DUTY_SETTINGS: CraneDutyParameters,
    STATISTICS_SETTINGS: AdvisoriesParameters,
}


def names() -> list[str]:
    """Names of all settings tables."""
    return [*STAGED, *_UNTIMED]


def parameters_of(name: str, overrides: Mapping[str, Mapping[str, float]]) -> Any:  # noqa: ANN401
    """Parameters of one detector with its overrides applied."""
    return _type_of(name)(**overrides.get(name, {}))


def check(overrides: Mapping[str, Mapping[str, float]]) -> None:
    """Check that every override names a detector and one of its parameters.

    Raises
    ------
    UsageError
        Naming the unknown word and the nearest known one.
    """
    for name, values in overrides.items():
        if name not in names():
            raise UsageError(_unknown(f"detectors.{name}", name, names()))
        known = [field.name for field in dataclasses.fields(_type_of(name))]
        for parameter in values:
            if parameter not in known:
                raise UsageError(_unknown(f"detectors.{name}.{parameter}", parameter, known))


def _type_of(name: str) -> type[Any]:
    return _UNTIMED[name] if name in _UNTIMED else STAGED[name][0]


def _unknown(path: str, word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"{path}: unknown" + (f"; did you mean {near[0]}?" if near else "")
