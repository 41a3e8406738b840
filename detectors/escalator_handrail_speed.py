r"""Handrails that do not run with the steps.

While the steps run at `speed_min_mps` or more and have done so for `start_s`, each sample of a
handrail gives its deviation :math:`x = v_{handrail} / v_{step} - 1` (absolute speeds), smoothed as

.. math:: d \leftarrow d + (1 - e^{-\Delta t / \tau})(x - d).

- :math:`|d| \ge` `stop_deviation` for `stop_hold_s`: an advisory; the escalator should stop itself
  now. When it still runs `running_on_s` later, people fall: suspected.
- :math:`d` outside the permitted 0 to `fast_permitted`, by more than `measuring_error`, for
  `wear_hold_s`: an advisory; belt or drive wear.

::

    steps      0.50 m/s ██████████████████████████████████████████
    handrail   0.50 ____/0.40___________________________________
    s                   0         ~20 advisory    ~25 suspected

Each needs `samples_min` samples in a row. A handrail that shows `stuck_mps` while the steps have
stood for 10 s has a stuck sensor, which is not believed until it shows a standstill. Nothing is
judged in inspection. It ends 10 s after both handrails are right, or the steps stand.

It fails where the step speed is not reported, and takes a handrail sensor that is stuck at zero for
a handrail that stands. State: 98 B an escalator.

Reference: maintenance sheets, "deviates 15 % for more than 15 s: stop; permitted 0 to +2 %"
(elevators.md 1.6); smoothing, error and the remaining holds are ours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.codes import INSPECTION
from detectors.current import Bools, Floats, Ints, Rows, grown
from detectors.lift_scene import mode_word, numbers, observed, since
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_ESCALATOR = COLUMNS[Kind.ESCALATOR]
_SIDES = ("handrail_speed_left_mps", "handrail_speed_right_mps")
_STEP, _RAILS = _ESCALATOR["speed_mps"], [_ESCALATOR[name] for name in _SIDES]

STANDSTILL_MPS = 0.05
COAST_S = 10.0
"""Slower than this is standing still, and so long after it the handrails stand too (ours)."""

OVER_S = 10.0
"""A handrail must be right, or the steps stand, for so long (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalatorHandrailSpeedParameters:
    """Parameters of the rule; deviations are shares of the step speed.

    Parameters
    ----------
    stop_deviation, stop_hold_s
        Deviation at which an escalator must stop itself, and after what time.
    running_on_s
        Suspected when it still runs so much later.
    fast_permitted, measuring_error
        A handrail may be so much faster than the steps; beyond it by so much counts.
    wear_hold_s
        Wear is an advisory after.
    smoothing_s
        Time constant of the smoothing.
    samples_min
        Samples in a row that deviate.
    speed_min_mps, start_s
        Steps must run this fast, for so long.
    stuck_mps
        A handrail sensor that shows more while the steps stand is stuck.
    """

    stop_deviation: float = 0.15
    stop_hold_s: float = 15.0
    running_on_s: float = 5.0
    fast_permitted: float = 0.02
    measuring_error: float = 0.02
    wear_hold_s: float = 600.0
    smoothing_s: float = 3.0
    samples_min: float = 3.0
    speed_min_mps: float = 0.2
    start_s: float = 10.0
    stuck_mps: float = 0.1


class EscalatorHandrailSpeed:
    """Handrail speeds of n escalators, left and right.

    Attributes
    ----------
    deviation
        float64[n, 2], smoothed; NaN = nothing measured in this run.
    sample_ns
        int64[n, 2], event time of the newest sample.
    stops, wears
        int64[n, 2], samples in a row outside each limit.
    stuck
        bool[n, 2], the sensor showed a moving handrail at a standstill.
    run_ns, stand_ns, since_ns, stop_ns
        int64[n], since when the steps run, and stand; since when a handrail deviates, and since
        when by so much that the escalator must stop.
    """

    name = "escalator_handrail_speed"
    kinds = (Kind.ESCALATOR,)
    incident = IncidentKind.HANDRAIL_SPEED
    channels = ("service_mode", "speed_mps", *_SIDES)
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: EscalatorHandrailSpeedParameters) -> None:
        self._p = parameters
        self.deviation: Floats = np.empty((0, 2))
        self.sample_ns: Ints = np.empty((0, 2), dtype=np.int64)
        self.stops: Ints = np.empty((0, 2), dtype=np.int64)
        self.wears: Ints = np.empty((0, 2), dtype=np.int64)
        self.stuck: NDArray[np.bool_] = np.empty((0, 2), dtype=np.bool_)
        self.run_ns: Ints = np.empty(0, dtype=np.int64)
        self.stand_ns: Ints = np.empty(0, dtype=np.int64)
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.stop_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        n = len(fleet.members(kind))
        for name in self.arrays():
            fill = np.nan if name == "deviation" else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """State of its own."""
        return ("deviation", "stops", "wears", "stuck", *self.times())

    def times(self) -> tuple[str, ...]:
        """Event times among it."""
        return ("sample_ns", "run_ns", "stand_ns", "since_ns", "stop_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device = self._p, rows.device
        step = np.abs(column(context, device, "speed_mps"))
        rail = np.abs(context.current.values[device][:, _RAILS])
        runs = self._follow(rows, step, rail)
        self._sample(rows, runs, step, rail)
        mechanic = column(context, device, "service_mode") == INSPECTION
        stop = (self.stops[device] >= p.samples_min).any(axis=1) & runs & ~mechanic
        wear = (self.wears[device] >= p.samples_min).any(axis=1) & runs & ~mechanic
        known = context.current.known[device] & ~np.isnan(step) & ~np.isnan(rail).all(axis=1)
        begun = since(self.since_ns, rows, (stop | wear) & known)
        stop_ns = since(self.stop_ns, rows, stop & known) - begun + seconds(p.stop_hold_s)
        hold_ns = np.repeat(stop_ns[:, None], 3, axis=1) + seconds(p.running_on_s)
        hold_ns[:, 0] = np.where(stop, stop_ns, seconds(p.wear_hold_s))
        right = (self.wears[device] == 0).all(axis=1)
        measured = ~np.isnan(self.deviation[device]).all(axis=1)
        return Judgement(
            standing=levels(stop | wear, stop, np.zeros_like(stop)),
            hold_ns=hold_ns,
            over=(step < p.speed_min_mps) | mechanic | (measured & right),
            over_hold_ns=same(len(device), OVER_S),
            known=known,
            onset_ns=begun,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        run_ns = int(self.run_ns[device])
        ran_s = (event_ns - run_ns) / NS_PER_S if run_ns else None
        sides = zip(("left", "right"), self.deviation[device], self.stuck[device], strict=True)
        return (
            Evidence(name="running_s", value=ran_s, unit="s", since_ns=run_ns or None),
            *numbers(context, device, ("speed_mps", "m/s"), *((s, "m/s") for s in _SIDES)),
            *(
                Evidence(name=f"deviation_{side}", value=_side(deviation, stuck=bool(stuck)))
                for side, deviation, stuck in sides
            ),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        if observed(context, device, "service_mode") == INSPECTION:
            return mode_word(INSPECTION)
        runs = abs(observed(context, device, "speed_mps")) >= self._p.speed_min_mps
        return "handrail_right" if runs else "steps_stopped"

    def _follow(self, rows: Rows, step: Floats, rail: Floats) -> Bools:
        """Keep since when steps run or stand, and whose sensor is stuck; return who runs."""
        device, event_ns = rows.device, rows.event_ns
        runs, stands = step >= self._p.speed_min_mps, step < STANDSTILL_MPS
        since(self.run_ns, rows, runs)
        since(self.stand_ns, rows, stands)
        stood = stands & (event_ns - self.stand_ns[device] >= seconds(COAST_S))
        stuck = self.stuck[device] | (stood[:, None] & (rail > self._p.stuck_mps))
        self.stuck[device] = stuck & ~(rail < STANDSTILL_MPS)
        return runs & (event_ns - self.run_ns[device] >= seconds(self._p.start_s))

    def _sample(self, rows: Rows, runs: Bools, step: Floats, rail: Floats) -> None:
        """Smooth the deviation of handrails that the rows report, and count those outside."""
        p, device = self._p, rows.device
        at_ns, event_ns = self.sample_ns[device], rows.event_ns[:, None]
        said = ~np.isnan(rows.reported[:, _RAILS]) & (event_ns > at_ns)
        fresh = said & runs[:, None] & ~self.stuck[device]
        x = np.full(rail.shape, np.nan)
        np.divide(rail, step[:, None], out=x, where=fresh)
        x -= 1
        before = self.deviation[device]
        # A row that is older than the last sample is not fresh: its gain does not count.
        gain = 1 - np.exp(-np.maximum(event_ns - at_ns, 0) / seconds(p.smoothing_s))
        smoothed = np.where(np.isnan(before), x, before + gain * (x - before))
        deviation = np.where(fresh, smoothed, before)
        kept = runs[:, None] & ~self.stuck[device]
        self.deviation[device] = np.where(kept, deviation, np.nan)
        self.sample_ns[device] = np.where(fresh, event_ns, at_ns)
        slow, fast = -p.measuring_error, p.fast_permitted + p.measuring_error
        outside = (
            (self.stops, np.abs(deviation) >= p.stop_deviation),
            (self.wears, (deviation < slow) | (deviation > fast)),
        )
        for count, beyond in outside:
            counted = np.where(fresh, np.where(beyond, count[device] + 1, 0), count[device])
            count[device] = np.where(kept, counted, 0)


def _side(deviation: float, *, stuck: bool) -> float | str | None:
    """Deviation of one handrail as evidence."""
    if stuck:
        return "sensor_not_believed"
    return None if np.isnan(deviation) else round(float(deviation), 4)
