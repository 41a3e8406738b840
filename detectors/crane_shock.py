r"""Crane shock load: a load snatched from the floor with a slack rope.

From the last slack sample the load rises within `rise_s` to the plateau that it will hang at or
more, and rings about it by more than `shock_ratio` allows. Lift-off at hoisting speed tightens the
rope for longer and has a dynamic factor of 1.05-1.3.

    load     slack____╱╲ 1.5╱╲_plateau 1.0 ______
    s                 0 ..1.0      1.5 ..... 2.5 claimed
                      ringing      mean

The plateau is the mean of the samples from `plateau_s` on; it is read after `verdict_s`, when it
holds at least `samples_min`. Ringing at 2-5 Hz hides its peak between samples at 10 Hz, so the
swing about the plateau is the largest of three: above it, below it (damping only makes that one
smaller), and the envelope at the first sample of the damped oscillation

.. math:: d_k = \rho^k (A \cos \omega k + B \sin \omega k), \quad
   d_k = c_1 d_{k-1} + c_2 d_{k-2}, \quad \rho^2 = -c_2, \; 2 \rho \cos \omega = c_1

that fits the samples by least squares (Prony), where it does within a twentieth. Aliasing moves
:math:`\omega` but not the envelope. A lone spike of the cell is no shock: it needs slack before and
a load after. With slow samples the first one after slack counts if it comes within
`interval_max_s`. A load that is let down again while it is read (command down) is not judged.

It is an advisory (the structure needs a look), and suspected when the peak itself exceeds
`severe_ratio` times the capacity; a full load at the largest legal factor reaches 1.3. It fails at
1 Hz, where most of the ringing is over before the next sample, and while slack is not seen because
the cell drifted beyond `slack_ratio`.

Sources: rise from slack to 1.3 of the plateau in 0.5 s, damped oscillation at 2-5 Hz (D); phi2
1.05-1.3 (M). State 0.4 KB a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.crane_ratings import Ratings, observed, reported, since_s, whether
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind

VERDICT_MAX_S = 10.0
"""A plateau that takes longer to show itself is none of this lift-off (ours)."""

RING = 32
"""Samples kept of a lift-off: 1.5 s at 20 Hz (ours)."""

RING_MIN = 10
"""Samples that an envelope needs: its four unknowns fit fewer too well (ours)."""

HIDDEN_MAX = 1.6
"""Envelope over the largest swing that was sampled: what sampling may hide (ours)."""

MISFIT_MAX = 0.05
"""Root mean square of what a fit leaves, over the envelope (ours)."""

FALL_MIN = 0.05
"""Fall between two samples over the plateau that is no noise (ours)."""

CLOSE_MAX = 0.15
"""A sample this close to the plateau may belong to the ringing or to the rise before (ours)."""

CONDITION_MIN = 0.1
"""Least determinant of normal equations over the product of their diagonal (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneShockParameters:
    """Parameters of the shock rule."""

    shock_ratio: float = 1.3
    severe_ratio: float = 1.5
    slack_ratio: float = 0.03
    plateau_min_ratio: float = 0.05
    rise_s: float = 0.5
    interval_max_s: float = 1.2
    plateau_s: float = 1.5
    verdict_s: float = 2.5
    samples_min: float = 2.0
    memory_s: float = 60.0


class CraneShock:
    """Shock loads of n cranes."""

    name = "crane_shock"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.SHOCK_LOAD
    channels = ("hook_load_t", "radius_m", "hoist_command")
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneShockParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.slack_ns: Ints = np.empty(0, dtype=np.int64)
        self.first_ns: Ints = np.empty(0, dtype=np.int64)
        self.peak_ns: Ints = np.empty(0, dtype=np.int64)
        self.shock_ns: Ints = np.empty(0, dtype=np.int64)
        self.risen_t: Floats = np.empty(0)
        self.peak_t: Floats = np.empty(0)
        self.ring_t: Floats = np.empty((0, RING))
        self.rung: Ints = np.empty(0, dtype=np.int64)
        self.sum_t: Floats = np.empty(0)
        self.samples: Ints = np.empty(0, dtype=np.int64)
        self.shock_t: Floats = np.empty(0)
        self.plateau_t: Floats = np.empty(0)
        self.severe = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read capacities."""
        del kind
        self._ratings.grow(fleet)
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), len(self._ratings.rated_t), 0))

    def arrays(self) -> tuple[str, ...]:
        """Lift-off under way, and the last shock."""
        lift_off = ("risen_t", "peak_t", "ring_t", "rung", "sum_t", "samples")
        return (*lift_off, "shock_t", "plateau_t", "severe", *self.times())

    def times(self) -> tuple[str, ...]:
        """Last slack sample, first one under load, peak, and the last shock's peak."""
        return ("slack_ns", "first_ns", "peak_ns", "shock_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        load = reported(rows, "hook_load_t")
        fresh = np.flatnonzero(~np.isnan(load) & ~np.isnan(self._ratings.rated_t[device]))
        self._lift(device[fresh], rows.event_ns[fresh], load[fresh], context)
        shock_ns = self.shock_ns[device]
        stands = (shock_ns != NEVER) & (since_s(rows.event_ns, shock_ns) < p.memory_s)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(stands, stands & self.severe[device], none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=~stands,
            over_hold_ns=same(m, 0.0),
            known=whether(context.current.known[device], self._ratings.rated_t[device]),
            onset_ns=np.where(stands, shock_ns, rows.event_ns),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        capacity = self._ratings.capacity_t(one, column(context, one, "radius_m"))[0]
        plateau, swing = self.plateau_t[device], self.shock_t[device] - self.plateau_t[device]
        return (
            observed("peak_load_t", plateau + swing, "t"),
            observed("plateau_load_t", plateau, "t"),
            observed("shock_ratio", 1 + swing / plateau),
            observed("capacity_t", capacity, "t"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "load_steady"

    def _lift(self, device: Devices, event_ns: Ints, load: Floats, context: Context) -> None:
        """Take in one load of each device."""
        slack = load <= self._p.slack_ratio * self._ratings.rated_t[device]
        self._slacken(device[slack], event_ns[slack])
        begins = ~slack & (self.first_ns[device] == NEVER) & (self.slack_ns[device] != NEVER)
        self._tighten(device[begins], event_ns[begins])
        under_way = ~slack & (self.first_ns[device] != NEVER)
        device, event_ns, load = device[under_way], event_ns[under_way], load[under_way]
        age_s = since_s(event_ns, self.first_ns[device])
        rises = age_s <= self._p.rise_s
        self.risen_t[device[rises]] = np.maximum(self.risen_t[device[rises]], load[rises])
        rings = (age_s < self._p.plateau_s) & (self.rung[device] < RING)
        self._ring(device[rings], event_ns[rings], load[rings])
        settled = age_s >= self._p.plateau_s
        self.sum_t[device[settled]] += load[settled]
        self.samples[device[settled]] += 1
        self._read(device, age_s, context)

    def _ring(self, device: Devices, event_ns: Ints, load: Floats) -> None:
        """Keep the samples of a lift-off, and when the highest was."""
        higher = load > self.peak_t[device]
        self.peak_t[device[higher]] = load[higher]
        self.peak_ns[device[higher]] = event_ns[higher]
        self.ring_t[device, self.rung[device]] = load
        self.rung[device] += 1

    def _slacken(self, device: Devices, event_ns: Ints) -> None:
        self.slack_ns[device] = event_ns
        self.first_ns[device] = NEVER

    def _tighten(self, device: Devices, event_ns: Ints) -> None:
        """Begin a lift-off; one that was not seen from its beginning is none."""
        seen = since_s(event_ns, self.slack_ns[device]) <= self._p.interval_max_s
        self.first_ns[device[seen]] = event_ns[seen]
        self.slack_ns[device] = NEVER
        self.risen_t[device] = self.peak_t[device] = self.sum_t[device] = 0.0
        self.rung[device] = 0
        self.samples[device] = 0

    def _read(self, device: Devices, age_s: Floats, context: Context) -> None:
        """Judge lift-offs that have reached their plateau; give up the others in time."""
        p = self._p
        ready = (age_s >= p.verdict_s) & (self.samples[device] >= p.samples_min)
        lowered = column(context, device, "hoist_command") == -1
        done = ready | lowered | (age_s > VERDICT_MAX_S)
        self.first_ns[device[done]] = NEVER
        device = device[ready & ~lowered]
        plateau = self.sum_t[device] / self.samples[device]
        swing = _swing(self.ring_t[device], self.rung[device], plateau)
        shock = (self.risen_t[device] >= plateau) & (swing > (p.shock_ratio - 1) * plateau)
        shock &= plateau >= p.plateau_min_ratio * self._ratings.rated_t[device]
        self._note(device[shock], plateau[shock], swing[shock], context)

    def _note(self, device: Devices, plateau: Floats, swing: Floats, context: Context) -> None:
        self.shock_ns[device] = self.peak_ns[device]
        self.shock_t[device] = plateau + swing
        self.plateau_t[device] = plateau
        capacity = self._ratings.capacity_t(device, column(context, device, "radius_m"))
        self.severe[device] = self.shock_t[device] > self._p.severe_ratio * capacity


def _swing(ring: Floats, rung: Ints, plateau: Floats) -> Floats:
    """Largest swing of lift-offs about their plateaus.

    The ringing begins at the first sample at the plateau or above, or at the first that has fallen:
    its peak was between two samples. The one before may belong to it if it is close to the plateau.
    """
    held = np.arange(RING) < rung[:, None]
    falls = np.diff(ring, axis=1, prepend=0.0) < -FALL_MIN * plateau[:, None]
    begun = held & (falls | (ring >= plateau[:, None]))
    first = np.where(begun.any(axis=1), np.argmax(begun, axis=1), RING)
    off, count = _ringing(ring, held, plateau, first)
    earlier, more = _ringing(ring, held, plateau, np.maximum(first - 1, 0))
    close = np.abs(earlier[:, 0]) < CLOSE_MAX * plateau
    seen: Floats = np.abs(off).max(axis=1, initial=0.0)
    hidden = np.maximum(_envelope(off, count), np.where(close, _envelope(earlier, more), 0.0))
    return np.maximum(seen, np.minimum(hidden, HIDDEN_MAX * seen))


def _ringing(ring: Floats, held: Bools, plateau: Floats, first: Ints) -> tuple[Floats, Ints]:
    """Oscillation from a sample on, moved to the front and 0 beyond; how many samples it has."""
    inside = held & (np.arange(RING) >= first[:, None])
    off = np.where(inside, ring - plateau[:, None], 0.0)
    order = (np.arange(RING) + first[:, None]) % RING
    return np.take_along_axis(off, order, axis=1), inside.sum(axis=1)


def _envelope(off: Floats, count: Ints) -> Floats:
    """Envelope of damped oscillations at their first sample; 0 where none fits.

    Parameters
    ----------
    off
        float64[m, k], oscillation, 0 beyond its samples.
    count
        int64[m], how many samples there are.
    """
    number = np.arange(off.shape[1])
    inside = (number[2:] < count[:, None]) & (count[:, None] >= RING_MIN)
    with np.errstate(invalid="ignore", divide="ignore"):
        c1, c2 = _least_squares(off[:, 1:-1] * inside, off[:, :-2] * inside, off[:, 2:] * inside)
        decay = np.sqrt(-c2)
        turn = np.arccos(c1 / (2 * decay))
        fades = np.where(number < count[:, None], decay[:, None] ** number, 0.0)
        even, odd = fades * np.cos(turn[:, None] * number), fades * np.sin(turn[:, None] * number)
        a, b = _least_squares(even, odd, off)
        envelope = np.hypot(a, b)
        left = off - a[:, None] * even - b[:, None] * odd
        misfit = np.sqrt((left**2).sum(axis=1) / count)
        fits = (decay < 1) & (misfit <= MISFIT_MAX * envelope)
    return np.where(fits, envelope, 0.0)


def _least_squares(x: Floats, y: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Weights of x and y that give the target row by row; NaN where x and y are alike."""
    xx, yy, xy = (x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)
    xt, yt = (x * target).sum(axis=1), (y * target).sum(axis=1)
    determinant = xx * yy - xy * xy
    determinant = np.where(determinant > CONDITION_MIN * xx * yy, determinant, np.nan)
    first: Floats = (xt * yy - yt * xy) / determinant
    second: Floats = (yt * xx - xt * xy) / determinant
    return first, second
