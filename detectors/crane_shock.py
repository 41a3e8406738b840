r"""Crane shock load: a load snatched from the floor with a slack rope.

From the last slack sample the load rises within `rise_s` to the plateau that it will hang at or
more, and rings about it by more than `shock_ratio` allows. Lift-off at hoisting speed tightens the
rope for longer and has a dynamic factor of 1.05-1.3.

    load     slack____╱╲ 1.5╱╲_plateau 1.0 ______
    s                 0 ..1.0      1.5 ..... 2.5 claimed
                      ringing      mean

The plateau is the mean of the samples from `plateau_s` on; it is read after `verdict_s`, when it
holds at least `samples_min`. The swing is the largest one sampled above or below it, or, since
ringing at 2-5 Hz hides its peak between samples at 10 Hz, the first peak of the damped oscillation

.. math:: d(t) = e^{-t/\tau} (A \cos \omega t + B \sin \omega t), \quad
   \hat d = \sqrt{A^2 + B^2} \, e^{-t_p/\tau} \sin\theta, \;
   \tan\theta = \omega\tau, \; \omega t_p = \theta - \arctan(A/B)

that fits the samples from the first at the plateau on. A step of the cell, the smallest change of
this lift-off, is taken off the sampled swing. A and B are least squares on a grid of
:math:`\omega` and :math:`\tau`; of all that fit about as well as the best (F test) the least peak
counts, so what sampling cannot tell is not claimed. A fit that leaves much counts nothing. A lone
spike of the cell is no shock: it needs slack before and a load after. With slow samples the first
one after slack counts if it comes within `interval_max_s`. A load that is let down again while it
is read (command down) is not judged.

It is an advisory (the structure needs a look), and suspected when the peak itself exceeds
`severe_ratio` times the capacity; a full load at the largest legal factor reaches 1.3. It fails at
1 Hz, where most of the ringing is over before the next sample; near half the sampling rate (4.5-5
Hz at 10 Hz), where some ringing shows little of itself; and while slack is not seen because the
cell drifted beyond `slack_ratio`.

Sources: rise from slack to 1.3 of the plateau in 0.5 s, damped oscillation at 2-5 Hz (D); phi2
1.05-1.3 (M). State 0.7 KB a crane.
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
"""Samples that a fit needs: its four unknowns fit fewer too well (ours)."""

HIDDEN_MAX = 4.0
"""Peak over the largest swing that was sampled: what sampling at twice the rate may hide (ours)."""

MISFIT_MAX = 0.1
"""Root mean square of what a fit leaves, over the amplitude (ours)."""

FITS_AS_WELL = 4.0
"""Squares a fit may leave beyond the best one, over the variance of the noise (F, 1 and 8 degrees
of freedom, 8 %); the noise is what the best fit leaves, or that of the plateau if it is more."""

SAMPLES_PER_PERIOD_MIN = 2.08
"""Faster oscillations are not told from others at all (ours; the theorem says 2)."""

FITTED_AT_ONCE = 256
"""Lift-offs fitted together: 10 MB of intermediate arrays."""

CONDITION_MIN = 1e-6
"""Least determinant of normal equations over the product of their diagonal (ours)."""

_OMEGA: Floats = 2.0 * np.pi * np.arange(1.6, 5.25, 0.1)
_TAU_S: Floats = np.array([0.15, 0.25, 0.4, 0.65, 1.0, 2.0])
"""The grid: ringing of 2-5 Hz and somewhat beyond, damped within a tenth to several seconds."""


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
        self.ring_s: Floats = np.empty((0, RING))
        self.rung: Ints = np.empty(0, dtype=np.int64)
        self.sum_t: Floats = np.empty(0)
        self.square_t2: Floats = np.empty(0)
        self.step_t: Floats = np.empty(0)
        self.last_t: Floats = np.empty(0)
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
        lift_off = ("risen_t", "peak_t", "ring_t", "ring_s", "rung", "sum_t", "square_t2")
        told = ("samples", "step_t", "last_t", "shock_t", "plateau_t", "severe")
        return (*lift_off, *told, *self.times())

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
        self._resolve(device, load)
        rings = (age_s < self._p.plateau_s) & (self.rung[device] < RING)
        self._ring(device[rings], event_ns[rings], load[rings], age_s[rings])
        settled = age_s >= self._p.plateau_s
        self.sum_t[device[settled]] += load[settled]
        self.square_t2[device[settled]] += load[settled] ** 2
        self.samples[device[settled]] += 1
        self._read(device, age_s, context)

    def _resolve(self, device: Devices, load: Floats) -> None:
        """Follow the smallest change between samples of a lift-off: a step of the cell."""
        change = np.abs(load - self.last_t[device])
        change[change == 0.0] = np.inf
        self.step_t[device] = np.minimum(self.step_t[device], change)
        self.last_t[device] = load

    def _ring(self, device: Devices, event_ns: Ints, load: Floats, age_s: Floats) -> None:
        """Keep the samples of a lift-off, and when the highest was."""
        higher = load > self.peak_t[device]
        self.peak_t[device[higher]] = load[higher]
        self.peak_ns[device[higher]] = event_ns[higher]
        self.ring_t[device, self.rung[device]] = load
        self.ring_s[device, self.rung[device]] = age_s
        self.rung[device] += 1

    def _slacken(self, device: Devices, event_ns: Ints) -> None:
        self.slack_ns[device] = event_ns
        self.first_ns[device] = NEVER

    def _tighten(self, device: Devices, event_ns: Ints) -> None:
        """Begin a lift-off; one that was not seen from its beginning is none."""
        seen = since_s(event_ns, self.slack_ns[device]) <= self._p.interval_max_s
        self.first_ns[device[seen]] = event_ns[seen]
        self.slack_ns[device] = NEVER
        self.risen_t[device] = self.peak_t[device] = 0.0
        self.sum_t[device] = self.square_t2[device] = self.last_t[device] = 0.0
        self.step_t[device] = np.inf
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
        if not len(device):
            return
        plateau = self.sum_t[device] / self.samples[device]
        heavy = plateau >= p.plateau_min_ratio * self._ratings.rated_t[device]
        chosen = heavy & (self.risen_t[device] >= plateau)
        device, plateau = device[chosen], plateau[chosen]
        limit = (p.shock_ratio - 1) * plateau
        swing = self._swing(device, plateau, limit)
        shock = swing > limit
        self._note(device[shock], plateau[shock], swing[shock], context)

    def _swing(self, device: Devices, plateau: Floats, limit: Floats) -> Floats:
        """Largest swing about the plateau: sampled, or of the oscillation that fits the samples."""
        state = (self.ring_t[device], self.ring_s[device], self.rung[device])
        off, age_s, held = _ringing(*state, plateau)
        noise_t2 = np.maximum(self.square_t2[device] / self.samples[device] - plateau**2, 0.0)
        swing: Floats = np.abs(off).max(axis=1, initial=0.0)
        told = np.where(self.rung[device] >= RING_MIN, self.step_t[device], np.inf)
        swing -= np.where(np.isfinite(told), told, 0.0)
        hides = np.flatnonzero(swing * HIDDEN_MAX > limit)
        for start in range(0, len(hides), FITTED_AT_ONCE):
            some = hides[start : start + FITTED_AT_ONCE]
            peak = _peak(off[some], age_s[some], held[some], noise_t2[some])
            swing[some] = np.maximum(swing[some], peak)
        return swing

    def _note(self, device: Devices, plateau: Floats, swing: Floats, context: Context) -> None:
        self.shock_ns[device] = self.peak_ns[device]
        self.shock_t[device] = plateau + swing
        self.plateau_t[device] = plateau
        capacity = self._ratings.capacity_t(device, column(context, device, "radius_m"))
        self.severe[device] = self.shock_t[device] > self._p.severe_ratio * capacity


def _ringing(
    ring: Floats, ring_s: Floats, rung: Ints, plateau: Floats
) -> tuple[Floats, Floats, Bools]:
    """Oscillations about plateaus, from the first sample at the plateau on.

    Returns
    -------
    float64[m, k], float64[m, k], bool[m, k]
        Load less plateau, time since the first sample of the oscillation, and which are samples;
        0 elsewhere.
    """
    number = np.arange(RING)
    above = (number < rung[:, None]) & (ring >= plateau[:, None])
    first = np.where(above.any(axis=1), np.argmax(above, axis=1), RING)
    order = np.minimum(number + first[:, None], RING - 1)
    held = number + first[:, None] < rung[:, None]
    age_s = np.take_along_axis(ring_s, order, axis=1)
    off = np.take_along_axis(ring, order, axis=1) - plateau[:, None]
    return np.where(held, off, 0.0), np.where(held, age_s - age_s[:, :1], 0.0), held


def _peak(off: Floats, age_s: Floats, held: Bools, noise_t2: Floats) -> Floats:
    """First peak of the damped oscillations that fit samples; 0 where none does.

    Parameters
    ----------
    off, age_s, held
        As `_ringing` returns them.
    noise_t2
        float64[m], variance of the samples of the plateau.
    """
    count = held.sum(axis=1)
    a, b, left = _least_squares(off, age_s, held)
    spacing_s = age_s.max(axis=1) / np.maximum(count - 1, 1)
    told = _OMEGA * spacing_s[:, None] * SAMPLES_PER_PERIOD_MIN <= 2.0 * np.pi
    left = np.where(told[:, :, None], left, np.inf)
    best = left.min(axis=(1, 2), keepdims=True)
    noise = np.maximum(best[:, 0, 0] / np.maximum(count - 4, 1), noise_t2)[:, None, None]
    amplitude, turn = np.hypot(a, b), np.arctan(_OMEGA[:, None] * _TAU_S)
    late = turn - np.arctan2(a, b)
    peak = amplitude * np.sin(turn) * np.exp(-late / (_OMEGA[:, None] * _TAU_S))
    alike = left <= best + FITS_AS_WELL * noise
    least: Floats = np.where(alike, peak, np.inf).min(axis=(1, 2))
    swings = np.where(left <= best, amplitude, 0.0).max(axis=(1, 2))
    misfit = np.sqrt(best[:, 0, 0] / np.maximum(count, 1))
    return np.where((count >= RING_MIN) & (misfit <= MISFIT_MAX * swings), least, 0.0)


def _least_squares(off: Floats, age_s: Floats, held: Bools) -> tuple[Floats, Floats, Floats]:
    """Weights of damped cosine and sine, and the squares they leave.

    Returns
    -------
    float64[m, omega, tau] each
        NaN weights and infinite squares where cosine and sine are alike.
    """
    phase = _OMEGA[:, None] * age_s[:, None, :]
    even, odd = np.cos(phase), np.sin(phase)
    fades = np.exp(-age_s[:, :, None] / _TAU_S) * held[:, :, None]
    squared = fades * fades
    xx, yy, xy = (even * even) @ squared, (odd * odd) @ squared, (even * odd) @ squared
    xt, yt = (even * off[:, None, :]) @ fades, (odd * off[:, None, :]) @ fades
    determinant = xx * yy - xy * xy
    determinant = np.where(determinant > CONDITION_MIN * xx * yy, determinant, np.nan)
    a, b = (xt * yy - yt * xy) / determinant, (yt * xx - xt * xy) / determinant
    left = (off * off).sum(axis=1)[:, None, None] - a * xt - b * yt
    return a, b, np.where(np.isnan(left), np.inf, np.maximum(left, 0.0))
