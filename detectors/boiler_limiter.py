r"""Boiler limiter defeated: the burner fires on although a limiter must have stopped it.

- pressure: flame on and :math:`p > r\,p_{rated}`. Over-pressure interlocks act at 1 % above the
  rated pressure; another percent stays for the sensor (0.5 % of a span twice as wide);
- water: flame on and the low-water switch closed, or the level at or below the low-low level.

Either for more than `hold_s` is confirmed at once: nothing stands between the burner and the safety
valve, or the dry shell, any more. Where steam temperature and burner agree that the pressure is
shown wrong (`detectors.boiler_witness`), the rest counts.

    pressure   ______/ rated + 2 % ____________
    flame      ███████████████████████████▌ out
    s                0  3 confirmed            ended 10 s after: flame_off

It fails when the transmitter is wrong by more than the margin and the witnesses cannot say so, and
where neither flame nor stage is reported. A pressure that came by a jump and has not moved since
proves nothing. Without a rated pressure it judges the water only.

Reference: interlock rows of TSG 11-2020 chapter 6 (secondary), "any violation for > 3 s is
emergency" (industrial.md 1.5).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_sight import PressureView
from detectors.boiler_trace import firing, flag, observed, quantity
from detectors.boiler_witness import DENIED_K, WARM_UP_S
from detectors.current import Rows
from detectors.parts import inside
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerLimiterParameters:
    """Parameters of the limiter rule.

    Parameters
    ----------
    trip_ratio
        Pressure over the rated one above which no flame may be.
    low_low_level_mm
        Level about the centre at or below which no flame may be.
    denied_k, warm_up_s
        Steam so much colder or hotter than usual for its pressure denies it, once so much time was
        learned.
    hold_s
        Violation must stand so long.
    over_hold_s
        Flame out, or pressure and water right, must stand so long.
    """

    trip_ratio: float = 1.02
    low_low_level_mm: float = -75.0
    denied_k: float = DENIED_K
    warm_up_s: float = WARM_UP_S
    hold_s: float = 3.0
    over_hold_s: float = 10.0


class BoilerLimiter:
    """Defeated limiters of n boilers."""

    name = "boiler_limiter"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.LIMITER_DEFEATED
    channels = (
        "steam_pressure_mpa",
        "steam_temperature_c",
        "water_level_mm",
        "low_water",
        "flame_on",
        "burner_stage",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerLimiterParameters) -> None:
        self._p = parameters
        self.view = PressureView()

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated pressures."""
        self.view.grow(fleet, kind)

    def arrays(self) -> tuple[str, ...]:
        """The view of the pressure."""
        return inside("view", self.view.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the view."""
        return inside("view", self.view.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device = self._p, rows.device
        view = self.view = context.boilers.of(self.view, rows, context.current)
        pressure = column(context, device, "steam_pressure_mpa")
        off = view.witness.off_mpa(device, rows.event_ns, pressure, p.denied_k, p.warm_up_s)
        level = column(context, device, "water_level_mm")
        switch = column(context, device, "low_water")
        fires, fire_known = firing(device, context)
        above = pressure - off > view.rated_mpa[device] * p.trip_ratio
        below = (switch == 1) | (level <= p.low_low_level_mm)
        proven = above & view.trace.steady(device)
        pressure_known = ~np.isnan(pressure) & ~np.isnan(view.rated_mpa[device])
        water_known = ~(np.isnan(level) & np.isnan(switch))
        none = np.zeros(len(device), dtype=np.bool_)
        hold_ns = np.zeros((len(device), 3), dtype=np.int64)
        hold_ns[:, 2] = sampled(context, device, p.hold_s)
        return Judgement(
            standing=levels(none, none, fires & (proven | below)),
            hold_ns=hold_ns,
            over=~fires | ~(above | below),
            over_hold_ns=same(len(device), p.over_hold_s),
            known=context.current.known[device] & fire_known & (pressure_known | water_known),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        p, view = self._p, self.view
        fires, _ = firing(np.array([device], dtype=np.int32), context)
        pressure = observed(context, device, "steam_pressure_mpa")
        off = view.one_off_mpa(device, event_ns, pressure, p.denied_k, p.warm_up_s)
        return (
            Evidence(name="flame_on", value=bool(fires[0])),
            quantity("steam_pressure_mpa", pressure, "MPa"),
            quantity("shown_too_high_mpa", off, "MPa"),
            quantity("rated_pressure_mpa", view.rated_mpa[device], "MPa"),
            quantity("water_level_mm", observed(context, device, "water_level_mm"), "mm"),
            flag("low_water", observed(context, device, "low_water")),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        fires, _ = firing(np.array([device], dtype=np.int32), context)
        return "limits_kept" if fires[0] else "flame_off"
