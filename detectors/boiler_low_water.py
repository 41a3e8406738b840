"""Boiler low water while firing: tubes and shell overheat within minutes.

By the independent low-water switch, or by the level transmitter against limits about the centre of
the gauge. Shrink and swell move a level by some 10 mm for seconds, hence the holds. It fails when
the transmitter is stuck and no switch is fitted.

Limits: a 1.25 MPa shop boiler's product text (low alarm at -50 mm); the confirmed limit is ours.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement, column, levels, same, sampled
from detectors.current import Bools, Devices, Rows
from detectors.stages import FAR
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind

_FIRING_STAGES = (3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerLowWaterParameters:
    """Parameters of the low-water rule; levels in mm about the centre of the gauge."""

    low_level_mm: float = -50.0
    low_low_level_mm: float = -75.0
    normal_level_mm: float = -40.0
    low_hold_s: float = 3.0
    low_low_hold_s: float = 2.0
    switch_hold_s: float = 2.0
    over_hold_s: float = 5.0


class BoilerLowWater:
    """Low water while firing of n boilers."""

    name = "boiler_low_water"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.LOW_WATER_FIRING
    channels = ("water_level_mm", "low_water", "flame_on", "burner_stage")
    every_row = True

    def __init__(self, parameters: BoilerLowWaterParameters) -> None:
        self._p = parameters

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Nothing depends on ratings."""

    def arrays(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()

    def times(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, m = self._p, len(rows.device)
        firing, fire_known = _firing(rows.device, context)
        level = column(context, rows.device, "water_level_mm")
        switch = column(context, rows.device, "low_water")
        low, low_low = level <= p.low_level_mm, level <= p.low_low_level_mm
        confirmed = firing & ((switch == 1) | low_low)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 1] = sampled(context, rows.device, p.low_hold_s)
        by_switch_ns = np.where(switch == 1, sampled(context, rows.device, p.switch_hold_s), FAR)
        by_level_ns = np.where(low_low, sampled(context, rows.device, p.low_low_hold_s), FAR)
        hold_ns[:, 2] = np.where(confirmed, np.minimum(by_switch_ns, by_level_ns), 0)
        normal = (switch != 1) & ~(level < p.normal_level_mm)
        return Judgement(
            standing=levels(np.zeros(m, dtype=np.bool_), firing & low, confirmed),
            hold_ns=hold_ns,
            over=(fire_known & ~firing) | normal,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[rows.device]
            & fire_known
            & ~(np.isnan(level) & np.isnan(switch)),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        level, switch = (column(context, one, name)[0] for name in ("water_level_mm", "low_water"))
        return (
            Evidence(
                name="water_level_mm", value=None if np.isnan(level) else float(level), unit="mm"
            ),
            Evidence(name="low_water", value=None if np.isnan(switch) else bool(switch)),
            Evidence(name="flame_on", value=bool(_firing(one, context)[0][0])),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        firing, _ = _firing(np.array([device], dtype=np.int32), context)
        return "water_level_normal" if firing[0] else "flame_off"


def _firing(device: Devices, context: Context) -> tuple[Bools, Bools]:
    """Whether boilers fire, and whether that is known."""
    flame = column(context, device, "flame_on")
    stage = column(context, device, "burner_stage")
    firing = np.where(np.isnan(flame), np.isin(stage, _FIRING_STAGES), flame == 1)
    return firing.astype(np.bool_), ~(np.isnan(flame) & np.isnan(stage))
