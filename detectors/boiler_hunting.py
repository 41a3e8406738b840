r"""Pressure hunting: burner and pressure drive each other in a limit cycle.

The pressure is cut into turning points (zigzag: a reversal counts once it exceeds
`swing_min_mpa`). The last `TURNS` of them are hunting when

- their periods (every second point) lie between `period_min_s` and `period_max_s`, and differ by
  no more than `period_ratio`;
- the burner caused each: flame or stage changed in the `response_s` before a turn, or `lead_s`
  after it (noise moves a turn). A load that swings turns the pressure while the burner stays as it
  is;
- the load does not drive it: where steam flow is known, its mean in the falls exceeds that in the
  rises by no more than `load_share` of the rated evaporation;
- and either each swing exceeds `band_share` of the rated pressure (more than a two-stage burner's
  differential), or the burner started more than `starts_max` times within an hour.

        pressure  /\/\/\/\/\/\  12 turning points, each after a change of the burner
        burner    _█_█_█_█_█_█

An advisory; it ends when no such turn has come for two of the longest periods. It fails with
samples slower than a quarter of the period and without flame and stage. State: 570 B a boiler.

Reference: period 30-300 s, amplitude beyond the band, more than 6 burner starts an hour
(industrial.md 1.5, derived).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_samples import reported
from detectors.boiler_trace import firing, quantity
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

TURNS = 12
"""Turning points of five and a half cycles."""

_STARTS = 16
"""Burner starts remembered a boiler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerHuntingParameters:
    """Parameters of the hunting rule.

    Parameters
    ----------
    swing_min_mpa
        Smallest reversal: beyond the sensor's noise.
    period_min_s, period_max_s, period_ratio
        Range of the periods, and the longest over the shortest.
    response_s, lead_s
        A turn comes so soon after the burner's change that caused it, or so little before.
    load_share
        Steam flow in the falls over that in the rises, of the rated evaporation: the load drives.
    band_share
        Swing over the rated pressure that no burner control is set to.
    starts_max
        Burner starts in an hour (at most 15) that are one too many above.
    over_hold_s
        The end of the cycle must stand so long.
    """

    swing_min_mpa: float = 0.02
    period_min_s: float = 30.0
    period_max_s: float = 300.0
    period_ratio: float = 1.5
    response_s: float = 20.0
    lead_s: float = 10.0
    load_share: float = 0.1
    band_share: float = 0.1
    starts_max: float = 6.0
    over_hold_s: float = 60.0


class BoilerHunting:
    """Pressure hunting of n boilers.

    Attributes
    ----------
    rising
        float64[n], 1 while the pressure is on its way up, -1 down, 0 not known.
    extreme_mpa, extreme_ns, extreme_fire_ns
        float64[n], int64[n], int64[n]: the most extreme pressure on this way, when, and the
        burner's last change up to `lead_s` after it.
    turn_mpa, turn_ns, turn_driven
        float64[n, 12], int64[n, 12], bool[n, 12]: turning points, newest last.
    turn_flow
        float64[n, 12], mean steam flow on the way to each turn over the rated one, NaN = unknown.
    flow_sum, flow_count
        float64[n], the same on the present way, as a sum of samples.
    start_ns
        int64[n, 16], burner starts, newest last.
    fired
        bool[n], the burner was firing at the row before.
    """

    name = "boiler_hunting"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.PRESSURE_HUNTING
    channels = ("steam_pressure_mpa", "flame_on", "burner_stage", "steam_flow_tph")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerHuntingParameters) -> None:
        self._p = parameters
        self.rising: Floats = np.empty(0)
        self.extreme_mpa: Floats = np.empty(0)
        self.extreme_ns: Ints = np.empty(0, dtype=np.int64)
        self.extreme_fire_ns: Ints = np.empty(0, dtype=np.int64)
        self.turn_mpa: Floats = np.empty((0, TURNS))
        self.turn_ns: Ints = np.empty((0, TURNS), dtype=np.int64)
        self.turn_driven: Bools = np.empty((0, TURNS), dtype=np.bool_)
        self.turn_flow: Floats = np.empty((0, TURNS))
        self.flow_sum: Floats = np.empty(0)
        self.flow_count: Floats = np.empty(0)
        self.start_ns: Ints = np.empty((0, _STARTS), dtype=np.int64)
        self.fired: Bools = np.empty(0, dtype=np.bool_)
        self._rated: Floats = np.empty(0)
        self._rated_tph: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated pressures and evaporations."""
        self._rated = fleet.rating(kind, "rated_pressure_mpa")
        self._rated_tph = fleet.rating(kind, "rated_evaporation_tph")
        for name in self.arrays():
            fill = np.nan if name in ("extreme_mpa", "turn_mpa", "turn_flow") else 0
            setattr(self, name, grown(getattr(self, name), len(self._rated), fill))

    def arrays(self) -> tuple[str, ...]:
        """Zigzag and burner starts."""
        return (*self.times(), *_OTHERS)

    def times(self) -> tuple[str, ...]:
        """Times of extremes, turns and starts."""
        return ("extreme_ns", "extreme_fire_ns", "turn_ns", "start_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        device, m = rows.device, len(rows.device)
        pressure = column(context, device, "steam_pressure_mpa")
        fires, fire_known = firing(device, context)
        self._start(rows, fires & fire_known, fire_known)
        self._zigzag(rows, context)
        hunts = self._hunts(device, rows.event_ns) & self._dense(device, context)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(hunts, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=~hunts,
            over_hold_ns=same(m, self._p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(pressure) & fire_known,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del context
        one = np.array([device], dtype=np.int32)
        period_s = (self.turn_ns[device, 2:] - self.turn_ns[device, :-2]) / NS_PER_S
        swing = np.abs(np.diff(self.turn_mpa[device]))
        starts = self._starts(one, np.array([event_ns]))[0]
        return (
            quantity("period_s", float(np.median(period_s)), "s"),
            quantity("swing_mpa", float(np.median(swing)), "MPa"),
            quantity("burner_starts_per_h", float(starts)),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "pressure_steady"

    def _start(self, rows: Rows, fires: Bools, known: Bools) -> None:
        """Keep burner starts."""
        begins = fires & ~self.fired[rows.device]
        device = rows.device[begins]
        self.start_ns[device, :-1] = self.start_ns[device, 1:]
        self.start_ns[device, -1] = rows.event_ns[begins]
        self.fired[rows.device[known]] = fires[known]

    def _zigzag(self, rows: Rows, context: Context) -> None:
        """Follow the pressure; a reversal beyond the smallest swing makes a turning point."""
        sample = reported(rows, "steam_pressure_mpa")
        fresh = ~np.isnan(sample) & (rows.event_ns > self.extreme_ns[rows.device])
        device, sample, event_ns = rows.device[fresh], sample[fresh], rows.event_ns[fresh]
        rising, extreme = self.rising[device], self.extreme_mpa[device]
        way = np.where(rising == 0, np.sign(sample - extreme), rising)
        back = (extreme - sample) * way >= self._p.swing_min_mpa
        begins = (rising == 0) & (np.abs(sample - extreme) >= self._p.swing_min_mpa)
        self._turn(device[back & (rising != 0)])
        new_way = np.where(back & (rising != 0), -rising, np.where(begins, way, rising))
        farther = (sample - extreme) * new_way > 0
        moves = np.isnan(extreme) | farther | (back & (rising != 0))
        self.rising[device] = new_way
        self._flow(device, context)
        moved = device[moves]
        self.extreme_mpa[moved] = sample[moves]
        self.extreme_ns[moved] = event_ns[moves]
        burner_ns = _burner_ns(device, context)
        near = burner_ns <= self.extreme_ns[device] + seconds(self._p.lead_s)
        self.extreme_fire_ns[device[near]] = burner_ns[near]

    def _turn(self, device: Devices) -> None:
        """Keep the extreme as a turning point."""
        driven = self.extreme_ns[device] - self.extreme_fire_ns[device]
        for ring in (self.turn_mpa, self.turn_ns, self.turn_driven, self.turn_flow):
            ring[device, :-1] = ring[device, 1:]
        self.turn_mpa[device, -1] = self.extreme_mpa[device]
        self.turn_ns[device, -1] = self.extreme_ns[device]
        self.turn_driven[device, -1] = driven <= seconds(self._p.response_s)
        count = self.flow_count[device]
        mean = self.flow_sum[device] / np.where(count > 0, count, np.nan)
        self.turn_flow[device, -1] = mean
        self.flow_sum[device], self.flow_count[device] = 0.0, 0.0

    def _flow(self, device: Devices, context: Context) -> None:
        """Count the steam flow at a sample of the pressure."""
        flow = column(context, device, "steam_flow_tph") / self._rated_tph[device]
        seen = ~np.isnan(flow)
        self.flow_sum[device] += np.where(seen, flow, 0.0)
        self.flow_count[device] += seen

    def _load_drives(self, device: Devices) -> Bools:
        """Whether steam flow is higher in the falls of the pressure than in its rises."""
        falls = -np.sign(np.diff(self.turn_mpa[device], axis=1))
        more = np.diff(self.turn_flow[device], axis=1) * falls
        return np.asarray(more.mean(axis=1) > self._p.load_share)

    def _hunts(self, device: Devices, event_ns: Ints) -> Bools:
        p, turn_ns = self._p, self.turn_ns[device]
        whole: Bools = np.asarray((turn_ns != NEVER).all(axis=1))
        if not whole.any():
            return whole
        period = turn_ns[:, 2:] - turn_ns[:, :-2]
        shortest, longest = period.min(axis=1), period.max(axis=1)
        cycles = whole & self.turn_driven[device].all(axis=1)
        cycles &= (shortest >= seconds(p.period_min_s)) & (longest <= seconds(p.period_max_s))
        cycles &= longest <= p.period_ratio * shortest
        cycles &= event_ns - turn_ns[:, -1] <= 2 * longest
        cycles &= ~self._load_drives(device)
        swing = np.abs(np.diff(self.turn_mpa[device], axis=1)).min(axis=1)
        wide = swing >= p.band_share * self._rated[device]
        return np.asarray(cycles & (wide | (self._starts(device, event_ns) > p.starts_max)))

    def _dense(self, device: Devices, context: Context) -> Bools:
        """Whether the shortest period holds four of the present sampling intervals."""
        current, turn_ns = context.current, self.turn_ns[device]
        interval_ns = np.maximum(current.interval_ns[device], current.former_interval_ns[device])
        shortest = (turn_ns[:, 2:] - turn_ns[:, :-2]).min(axis=1)
        return np.asarray(shortest >= 4 * interval_ns)

    def _starts(self, device: Devices, event_ns: Ints) -> Ints:
        """Burner starts of the last hour."""
        start_ns = self.start_ns[device]
        recent = (start_ns != NEVER) & (event_ns[:, None] - start_ns <= seconds(3_600))
        return np.asarray(recent.sum(axis=1))


def _burner_ns(device: Devices, context: Context) -> Ints:
    """When flame or stage last changed."""
    columns = COLUMNS[Kind.BOILER]
    changed_ns = context.current.changed_ns[device]
    return np.maximum(changed_ns[:, columns["flame_on"]], changed_ns[:, columns["burner_stage"]])


_OTHERS = (
    "rising",
    "extreme_mpa",
    "turn_mpa",
    "turn_driven",
    "turn_flow",
    "flow_sum",
    "flow_count",
    "fired",
)
