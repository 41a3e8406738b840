"""Boiler low water while firing: tubes and shell overheat within minutes.

By the independent low-water switch, or by the level transmitter against limits about the centre of
the gauge, while the burner fires:

- advisory: level at the alarm level for more than a minute;
- suspected: level at the low level; a switch that says otherwise lengthens the hold (the float may
  be jammed, or the transmitter drift);
- confirmed: switch closed, or level at the low-low level.

A swing of the load moves a level by 15 mm for up to a minute (shrink and swell): from the pump's
start level to below the alarm level, but not to the low level. A dry shell behind a stuck
transmitter is seen by `boiler_superheat`. It fails when the transmitter is stuck and neither
switch nor steam temperature is reported.

Limits: a 1.25 MPa shop boiler's product text (low alarm at -50 mm); the others are ours.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_trace import firing, flag, observed, quantity
from detectors.current import Rows
from detectors.stages import FAR
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerLowWaterParameters:
    """Parameters of the low-water rule; levels in mm about the centre of the gauge."""

    alarm_level_mm: float = -50.0
    low_level_mm: float = -60.0
    low_low_level_mm: float = -75.0
    normal_level_mm: float = -40.0
    alarm_hold_s: float = 75.0
    low_hold_s: float = 3.0
    contradicted_hold_s: float = 20.0
    low_low_hold_s: float = 3.0
    switch_hold_s: float = 2.0
    over_hold_s: float = 5.0


class BoilerLowWater:
    """Low water while firing of n boilers."""

    name = "boiler_low_water"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.LOW_WATER_FIRING
    channels = ("water_level_mm", "low_water", "flame_on", "burner_stage")
    limits = NO_LIMITS
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
        fires, fire_known = firing(rows.device, context)
        level = column(context, rows.device, "water_level_mm")
        switch = column(context, rows.device, "low_water")
        alarm, low, low_low = (
            level <= limit for limit in (p.alarm_level_mm, p.low_level_mm, p.low_low_level_mm)
        )
        confirmed = fires & ((switch == 1) | low_low)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = sampled(context, rows.device, p.alarm_hold_s)
        contradicted_ns = sampled(context, rows.device, p.contradicted_hold_s)
        low_ns = sampled(context, rows.device, p.low_hold_s)
        hold_ns[:, 1] = np.where(switch == 0, contradicted_ns, low_ns)
        by_switch_ns = np.where(switch == 1, sampled(context, rows.device, p.switch_hold_s), FAR)
        by_level_ns = np.where(low_low, sampled(context, rows.device, p.low_low_hold_s), FAR)
        hold_ns[:, 2] = np.where(confirmed, np.minimum(by_switch_ns, by_level_ns), 0)
        normal = (switch != 1) & ~(level < p.normal_level_mm)
        return Judgement(
            standing=levels(fires & alarm, fires & low, confirmed),
            hold_ns=hold_ns,
            over=(fire_known & ~fires) | normal,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[rows.device]
            & fire_known
            & ~(np.isnan(level) & np.isnan(switch)),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        fires, _ = firing(np.array([device], dtype=np.int32), context)
        return (
            quantity("water_level_mm", observed(context, device, "water_level_mm"), "mm"),
            flag("low_water", observed(context, device, "low_water")),
            Evidence(name="flame_on", value=bool(fires[0])),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        fires, _ = firing(np.array([device], dtype=np.int32), context)
        return "water_level_normal" if fires[0] else "flame_off"
