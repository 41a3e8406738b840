r"""Crane brake slip: the hook comes down under load while the brake holds it.

Held means: brake closed (`hoist_brake_closed`) and command stop (`hoist_command`), whichever are
known, with a load on the hook. The reference height is the one of the last moment within the time
in which brake and drum settle. The sag is the reference less the median of the last three heights.

    brake     ‾‾‾‾open‾‾‾‾|__closed_______________________________
    height    ╱‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾-20 mm ‾‾‾‾-100 mm ‾‾‾-300 mm, or two drops of 100 mm in a row
                                advisory    suspected  confirmed

An advisory must exceed what the height sensor does on its own: `steps` of its resolution (smallest
change seen) and `deviations` of its noise, from second differences while held, which a steady sag
leaves at zero: E\|d2\| = 1.954 sigma for independent noise.

It ends when the brake opens, the hoist is commanded, or the load is off. In a gap of the data the
load may have been moved and held again: that way does not count, and after a longer one the hold
begins anew. A hook that rises while held contradicts its brake or is a luffing jib's: nothing is
judged until it is released; while the radius changes the reference moves along.

It fails with samples so slow that the load is on the floor before the third, or that a whole move
by command fits between two of them, with rope that creeps, and while height or load is unknown.

Sources: 10-20 mm; slow sag is a worn brake, free fall an emergency (D). State 96 B a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.crane_ratings import (
    Ratings,
    median,
    observed,
    present,
    push,
    reported,
    since_s,
    whether,
)
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

NOISE_SHARE = 0.02
NOISE_STEP_MAX_M = 0.1
"""Weight of the newest second difference in the noise, and its largest contribution (ours)."""

NOISE_PRIOR_M = 0.01
NOISE_PRIOR_WEIGHT = 5
"""Noise of a sensor not heard yet, and how many second differences that is worth (ours)."""

GAP_INTERVALS = 2.5
"""A gap is longer than so many of the intervals before (ours)."""

SIGMA_PER_STEP = 1 / 1.954
RISE_VOID_M = 0.3
"""A held hook that rises so far is not held by this brake (ours)."""

RADIUS_STILL_M = 0.05
"""A radius that changes by more between two heights is changing (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneBrakeParameters:
    """Parameters of the brake rule.

    Parameters
    ----------
    slip_m, slide_m, fall_m
        Sag: advisory, suspected, confirmed.
    drop_m
        Two drops of so much from sample to sample: confirmed.
    settle_s, settle_m
        The reference follows the hook for so long, unless it moves by more.
    command_settle_s
        The same where only the command is known: the hoist slows down after it.
    deaf_s, gap_s
        How far the hook moved between samples further apart than this, and than usual, does not
        count; after still longer a hold begins anew.
    """

    slip_m: float = 0.02
    slide_m: float = 0.1
    fall_m: float = 0.3
    drop_m: float = 0.1
    steps: float = 2.5
    deviations: float = 6.0
    loaded_ratio: float = 0.03
    settle_s: float = 1.0
    settle_m: float = 0.1
    command_settle_s: float = 5.0
    deaf_s: float = 0.5
    gap_s: float = 3.0
    hold_s: float = 1.0
    over_hold_s: float = 10.0


class CraneBrake:
    """Brake slip of n cranes; keeps three heights of each."""

    name = "crane_brake"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.BRAKE_SLIP
    channels = (
        "hook_height_m",
        "hoist_brake_closed",
        "hoist_command",
        "hook_load_t",
        "radius_m",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneBrakeParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.held_ns: Ints = np.empty(0, dtype=np.int64)
        self.height_m: Floats = np.empty((0, 3))
        self.reference_m: Floats = np.empty(0)
        self.radius_m: Floats = np.empty(0)
        self.last_m: Floats = np.empty(0)
        self.step_m: Floats = np.empty(0)
        self.resolution_m: Floats = np.empty(0)
        self.noise_m: Floats = np.empty(0)
        self.heard: Ints = np.empty(0, dtype=np.int64)
        self.void = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated loads."""
        del kind
        self._ratings.grow(fleet)
        n = len(self._ratings.rated_t)
        for name in self.arrays():
            fill = np.nan if name in _UNSET else NOISE_PRIOR_M if name == "noise_m" else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Heights since the brake holds, and what the sensor does on its own."""
        return (*_UNSET, "noise_m", "heard", "void", *self.times())

    def times(self) -> tuple[str, ...]:
        """Since when the brake holds."""
        return ("held_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        held, known = self._held(device, context)
        self._begin(rows, held & known, context)
        self._bridge(device[held & known], context)
        self._measure(rows, held & known, context)
        sag, own = self._sag_m(device), self._own_m(device)
        # The steps of a hoist at full speed are no resolution: they must not hide a fall.
        drop_m = np.maximum(p.drop_m, np.minimum(own, 2 * p.drop_m))
        drop_m = np.maximum(drop_m, self._noise_m(device))
        falls = (-np.diff(self.height_m[device], axis=1) >= drop_m[:, None]).all(axis=1)
        slips = held & ~self.void[device]
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = sampled(context, device, p.hold_s)
        return Judgement(
            standing=levels(
                slips & (sag >= np.maximum(p.slip_m, own)),
                slips & (sag >= np.maximum(p.slide_m, own)),
                slips & ((sag >= np.maximum(p.fall_m, own)) | falls),
            ),
            hold_ns=hold_ns,
            over=~held,
            over_hold_ns=same(m, p.over_hold_s),
            known=known,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        one = np.array([device], dtype=np.int32)
        held_s = (event_ns - int(self.held_ns[device])) / NS_PER_S
        return (
            observed("sag_m", self._sag_m(one)[0], "m"),
            observed("held_s", held_s, "s"),
            *present(
                context,
                device,
                ("hook_height_m", "m"),
                ("hook_load_t", "t"),
                ("hoist_brake_closed", ""),
                ("hoist_command", ""),
            ),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        one = np.array([device], dtype=np.int32)
        load = column(context, one, "hook_load_t")[0]
        loaded = load > self._p.loaded_ratio * self._ratings.rated_t[device]
        return "brake_released" if loaded else "load_off"

    def _held(self, device: Devices, context: Context) -> tuple[Bools, Bools]:
        """Whether the brake holds a load, and whether that can be said."""
        brake = column(context, device, "hoist_brake_closed")
        command = column(context, device, "hoist_command")
        load = column(context, device, "hook_load_t")
        height = column(context, device, "hook_height_m")
        stopped = (brake != 0) & ~(np.abs(command) == 1)
        loaded = load > self._p.loaded_ratio * self._ratings.rated_t[device]
        said = context.current.known[device] & ~(np.isnan(brake) & np.isnan(command))
        return stopped & loaded, whether(said, load, height, self._ratings.rated_t[device])

    def _begin(self, rows: Rows, held: Bools, context: Context) -> None:
        """Start over where a hold begins; forget it where it ends."""
        device = rows.device
        begins = held & (
            (self.held_ns[device] == NEVER) | self._deaf(device, self._p.gap_s, context)
        )
        chosen = device[begins]
        self.height_m[chosen] = np.nan
        self.step_m[chosen] = np.nan
        self.void[chosen] = False
        self.held_ns[chosen] = rows.event_ns[begins]
        height = column(context, chosen, "hook_height_m")
        self.height_m[chosen, -1] = self.reference_m[chosen] = self.last_m[chosen] = height
        self.radius_m[chosen] = column(context, chosen, "radius_m")
        self.held_ns[device[~held]] = NEVER

    def _deaf(self, device: Devices, longer_s: float, context: Context) -> Bools:
        """Whether nothing was heard for longer than this, and than usual, before the last row."""
        current = context.current
        usual_ns = GAP_INTERVALS * current.former_interval_ns[device]
        return np.asarray(current.interval_ns[device] > np.maximum(usual_ns, seconds(longer_s)))

    def _bridge(self, device: Devices, context: Context) -> None:
        """Leave out how far held hooks moved while nothing was heard: by command, perhaps."""
        deaf = device[self._deaf(device, self._p.deaf_s, context)]
        moved_m = column(context, deaf, "hook_height_m") - self.last_m[deaf]
        self.reference_m[deaf] += moved_m
        self.height_m[deaf] += moved_m[:, None]
        self.last_m[deaf] += moved_m

    def _measure(self, rows: Rows, held: Bools, context: Context) -> None:
        """Take in heights that rows report."""
        height = reported(rows, "hook_height_m")
        began = self.held_ns[rows.device] == rows.event_ns
        fresh = ~np.isnan(height) & ~began
        device, height = rows.device[fresh], height[fresh]
        step = height - self.last_m[device]
        moved = np.where(step == 0, np.nan, np.abs(step))
        self.resolution_m[device] = np.fmin(self.resolution_m[device], moved)
        self.last_m[device] = height
        held = held[fresh]
        self._listen(device[held], step[held])
        push(self.height_m, device[held], height[held])
        self._follow(device[held], rows.event_ns[fresh][held], context)

    def _listen(self, device: Devices, step: Floats) -> None:
        """Learn the noise of the height sensor."""
        change = np.minimum(np.abs(step - self.step_m[device]), NOISE_STEP_MAX_M)
        heard = ~np.isnan(change)
        self.step_m[device] = step
        device, change = device[heard], change[heard]
        self.heard[device] += 1
        share = np.maximum(NOISE_SHARE, 1.0 / (self.heard[device] + NOISE_PRIOR_WEIGHT))
        self.noise_m[device] += share * (change * SIGMA_PER_STEP - self.noise_m[device])

    def _follow(self, device: Devices, event_ns: Ints, context: Context) -> None:
        """Move the reference along while brake and drum settle, or the radius changes."""
        p = self._p
        alone = np.isnan(column(context, device, "hoist_brake_closed"))
        limit_s = np.where(alone, p.command_settle_s, p.settle_s)
        sag = self._sag_m(device)
        settles = since_s(event_ns, self.held_ns[device]) <= limit_s
        settles &= alone | (np.abs(sag) <= p.settle_m)
        radius = column(context, device, "radius_m")
        luffs = np.abs(radius - self.radius_m[device]) > RADIUS_STILL_M
        self.radius_m[device] = radius
        reference = self.reference_m[device]
        lowest = _middle(self.height_m[device], np.fmin)
        reference = np.where(settles, lowest, reference)
        self.reference_m[device] = np.where(luffs, self.last_m[device], reference)
        self.height_m[device[luffs], :-1] = np.nan
        self.void[device] |= ~settles & ~luffs & (sag < -RISE_VOID_M)

    def _sag_m(self, device: Devices) -> Floats:
        """How far the hook came down; while there are fewer than three heights, the least."""
        return self.reference_m[device] - _middle(self.height_m[device], np.fmax)

    def _own_m(self, device: Devices) -> Floats:
        """Sag that the height sensor may show on its own."""
        resolution = self.resolution_m[device]
        by_step = np.where(np.isnan(resolution), 0.0, self._p.steps * resolution)
        return np.maximum(by_step, self._noise_m(device))

    def _noise_m(self, device: Devices) -> Floats:
        """Sag that noise alone may show."""
        noise_m: Floats = self._p.deviations * self.noise_m[device]
        return noise_m


_UNSET = ("height_m", "reference_m", "radius_m", "last_m", "step_m", "resolution_m")
"""State that begins as unknown."""


def _middle(heights: Floats, extreme: np.ufunc) -> Floats:
    """Median of three heights; while there are fewer, the extreme that claims least."""
    middle = median(heights)
    few = np.isnan(middle)
    middle[few] = extreme.reduce(heights[few], axis=1, initial=np.nan)
    return middle
