r"""Safety valve of a boiler sticking or leaking.

**Sticking**, confirmed: the pressure is beyond :math:`p_{set}` and its tolerance, no lift
is reported, and the slope shows no knee. A working valve turns a rise into a fall:

- burner firing: knee when the slope is less than `knee_share` of what it was below the set
  pressure;
- burner off: knee when the pressure falls faster than by cooling.

        pressure   ______/‾‾ set + 3 %, still rising         ______/‾‾\__ knee: it lifted
        s                0  8 confirmed

Where the switch positively says that it is shut, the knee no longer matters after `shut_hold_s`.
Where steam temperature and burner agree that the pressure is shown wrong
(`detectors.boiler_witness`), the rest counts.

**Leaking, simmering** (advisory): the switch stays closed far below the reseat
pressure; or the process takes no steam for half an hour and yet the burner burns more than standing
losses explain.

It fails with samples slower than about 5 s and no lift switch (no slope), with a transmitter that
reads low, and finds no leak without switch or steam flow. A pressure that jumped and has not moved
since proves nothing.

Set pressures, tolerances, blowdown (reseat 4-7 % lower, at most 10 %): TSG 11-2020, secondary.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.boiler_sight import PressureView, set_tolerance_mpa
from detectors.boiler_trace import firing, flag, observed, quantity
from detectors.boiler_witness import DENIED_K, WARM_UP_S
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.parts import inside
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerValveStuckParameters:
    """Parameters of the sticking and leaking rules.

    Parameters
    ----------
    knee_share
        Slope over the slope below set pressure, under which the valve has opened.
    cooling_mpa_per_min
        Fall that cooling explains while the burner is off.
    denied_k, warm_up_s
        Steam so much colder or hotter than usual for its pressure denies it, once so much time was
        learned.
    stuck_hold_s, shut_hold_s
        Beyond set pressure without a knee (most of the slope's window must lie beyond it); and with
        the switch reporting it shut.
    reseat_share
        Pressure over set pressure under which a closed valve must be shut.
    leak_hold_s
        Lift reported below that pressure must stand so long.
    idle_flow_share, idle_s, idle_duty, idle_gap_s
        Steam flow over rated evaporation that counts as none, how long, the share of that time for
        which the burner may burn, and the longest time between samples that is counted.
    idle_pressure_share
        Below this share of the rated pressure a boiler is being heated up.
    over_hold_s
        Pressure below set pressure, and valve shut, must stand so long.
    """

    knee_share: float = 0.5
    cooling_mpa_per_min: float = 0.03
    denied_k: float = DENIED_K
    warm_up_s: float = WARM_UP_S
    stuck_hold_s: float = 8.0
    shut_hold_s: float = 30.0
    reseat_share: float = 0.88
    leak_hold_s: float = 60.0
    idle_flow_share: float = 0.03
    idle_s: float = 1_800.0
    idle_duty: float = 0.25
    idle_gap_s: float = 60.0
    idle_pressure_share: float = 0.6
    over_hold_s: float = 30.0


class BoilerValveStuck:
    """Sticking and leaking safety valves of n boilers.

    Attributes
    ----------
    approach_mpa_per_s
        float64[n], slope when the pressure was last below the set pressure, NaN = unknown.
    idle_s, idle_fire_s
        float64[n], time for which the process has taken no steam, and burning time in it.
    seen_ns
        int64[n], event time up to which that is counted.
    """

    name = "boiler_valve_stuck"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.SAFETY_VALVE_STUCK
    channels = (
        "steam_pressure_mpa",
        "steam_temperature_c",
        "safety_valve_lifted",
        "flame_on",
        "burner_stage",
        "steam_flow_tph",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerValveStuckParameters) -> None:
        self._p = parameters
        self.view = PressureView()
        self.approach_mpa_per_s: Floats = np.empty(0)
        self.idle_s: Floats = np.empty(0)
        self.idle_fire_s: Floats = np.empty(0)
        self.seen_ns: Ints = np.empty(0, dtype=np.int64)
        self._idle_tph: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read ratings."""
        self.view.grow(fleet, kind)
        self._idle_tph = fleet.rating(kind, "rated_evaporation_tph") * self._p.idle_flow_share
        n = len(self._idle_tph)
        self.approach_mpa_per_s = grown(self.approach_mpa_per_s, n, np.nan)
        self.idle_s = grown(self.idle_s, n, 0.0)
        self.idle_fire_s = grown(self.idle_fire_s, n, 0.0)
        self.seen_ns = grown(self.seen_ns, n, NEVER)

    def arrays(self) -> tuple[str, ...]:
        """The view of the pressure, approach, and the account of idle time."""
        return (*inside("view", self.view.arrays()), "seen_ns", *_NUMBERS)

    def times(self) -> tuple[str, ...]:
        """Times of the view and of the account."""
        return (*inside("view", self.view.times()), "seen_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        view = self.view = context.boilers.of(self.view, rows, context.current)
        self._count_idle(rows, context)
        pressure = column(context, device, "steam_pressure_mpa")
        pressure = pressure - view.witness.off_mpa(
            device, rows.event_ns, pressure, p.denied_k, p.warm_up_s
        )
        lifted = column(context, device, "safety_valve_lifted")
        limit = view.set_mpa[device]
        sticks, knee = self._sticks(device, pressure, lifted, context)
        leaks = (lifted == 1) & (pressure < limit * p.reseat_share)
        simmers = self._simmers(device)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        stuck_s = np.where(knee, p.shut_hold_s, p.stuck_hold_s)
        hold_ns[:, 2] = np.maximum(
            (stuck_s * NS_PER_S).astype(np.int64), sampled(context, device, 0)
        )
        hold_ns[:, 0] = np.where(simmers, 0, sampled(context, device, p.leak_hold_s))
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(leaks | simmers, none, sticks),
            hold_ns=hold_ns,
            over=~(pressure >= limit) & ~leaks & ~simmers,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(pressure) & ~np.isnan(limit),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        idle_s = float(self.idle_s[device])
        duty = self.idle_fire_s[device] / idle_s if idle_s else np.nan
        slope, _ = self.view.line(np.array([device], dtype=np.int32))
        return (
            quantity("steam_pressure_mpa", observed(context, device, "steam_pressure_mpa"), "MPa"),
            quantity("safety_valve_set_mpa", self.view.set_mpa[device], "MPa"),
            flag("safety_valve_lifted", observed(context, device, "safety_valve_lifted")),
            quantity("slope_mpa_per_min", slope[0] * 60, "MPa/min"),
            quantity(
                "slope_below_set_mpa_per_min", self.approach_mpa_per_s[device] * 60, "MPa/min"
            ),
            quantity("idle_s", idle_s, "s"),
            quantity("idle_burner_duty", duty),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "pressure_below_set"

    def _sticks(
        self, device: Devices, pressure: Floats, lifted: Floats, context: Context
    ) -> tuple[Bools, Bools]:
        """Whether a valve does not open although it must, and whether the slope shows a knee."""
        p, limit = self._p, self.view.set_mpa[device]
        slope, _ = self.view.line(device)
        approach = self.approach_mpa_per_s[device]
        approach = np.where((pressure < limit) & ~np.isnan(slope), slope, approach)
        self.approach_mpa_per_s[device] = approach
        fires, _ = firing(device, context)
        least = np.where(fires, p.knee_share * np.fmax(approach, 0.0), -p.cooling_mpa_per_min / 60)
        knee = ~(slope >= np.where(np.isnan(least), 0.0, least))
        above = pressure > limit + _tolerance_mpa(limit)
        return above & self.view.trace.steady(device) & (
            (lifted == 0) | (~knee & (lifted != 1))
        ), knee

    def _count_idle(self, rows: Rows, context: Context) -> None:
        """Count time without steam flow at working pressure, and how long the burner burnt in it.

        Time between samples too far apart is left out; steam flow ends the count.
        """
        p, device = self._p, rows.device
        flow = column(context, device, "steam_flow_tph")
        pressure = column(context, device, "steam_pressure_mpa")
        idle = flow <= self._idle_tph[device]
        idle &= pressure >= self.view.rated_mpa[device] * p.idle_pressure_share
        fires, _ = firing(device, context)
        since_ns = self.seen_ns[device]
        ahead = rows.event_ns > since_ns
        passed_s = (rows.event_ns - since_ns) / NS_PER_S
        counted = idle & ahead & (since_ns != NEVER) & (passed_s <= p.idle_gap_s)
        self.idle_s[device] = np.where(idle, self.idle_s[device] + counted * passed_s, 0.0)
        burnt_s = self.idle_fire_s[device] + (counted & fires) * passed_s
        self.idle_fire_s[device] = np.where(idle, burnt_s, 0.0)
        # A leak that begins in a long idle time must not drown in what was before.
        full = device[self.idle_s[device] > 2 * p.idle_s]
        self.idle_s[full] /= 2
        self.idle_fire_s[full] /= 2
        self.seen_ns[device] = np.where(ahead, rows.event_ns, since_ns)

    def _simmers(self, device: Devices) -> Bools:
        """Whether the burner burns for no process and more than for standing losses."""
        long = self.idle_s[device] >= self._p.idle_s
        return np.asarray(
            long & (self.idle_fire_s[device] > self._p.idle_duty * self.idle_s[device])
        )


_NUMBERS = ("approach_mpa_per_s", "idle_s", "idle_fire_s")


def _tolerance_mpa(limit_mpa: Floats) -> Floats:
    """Above set pressure, where a valve must be open."""
    return np.asarray(np.maximum(set_tolerance_mpa(limit_mpa), 0.03 * limit_mpa))
