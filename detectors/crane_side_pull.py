"""Crane side pull: the rope pulls at an angle, or drags, while the load still stands on the floor.

From the first load after slack until the hook has risen by `lift_m` the load is on the floor. There
a taut rope does not swing, so an angle is a pull: `sway_deg` beyond `angle_deg` in at least two
samples, to the same side, for `hold_s`. Or the trolley, bridge or radius moves on by `drag_m` while
the load rises from sample to sample.

    load     slack___╱‾‾‾‾ taut, on the floor ‾‾‾|‾ lifted ‾‾‾‾‾
    height   ____________________________________╱‾‾ +0.15 m
    sway     ________4°   4°   4°   advisory     | swings, nothing

An advisory: the load will swing when it comes free. Sway of an empty or a carried hook is none. It
fails without height, without both sway and positions, with samples slower than the lift-off, and
for loads that hang when the first sample is taken.

Sources: more than 3 degrees before lift-off; load rises with the trolley moving at constant hook
height (D). State 72 B a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.crane_ratings import Ratings, observed, present, reported, since_s, whether
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

FLOOR_MAX_S = 60.0
"""A load that has not risen for so long hangs low, or was not seen to rise (ours)."""

RISING_RATIO = 0.01
"""Load from one sample to the next that counts as rising: more than noise (ours)."""

SLACK_MAX_S = 12.0
"""A rope that was last seen slack longer ago says nothing of where the floor is (ours)."""

POSITIONS = ("trolley_position_m", "bridge_position_m", "radius_m")


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneSidePullParameters:
    """Parameters of the side-pull rule."""

    angle_deg: float = 3.0
    drag_m: float = 0.3
    lift_m: float = 0.15
    taut_ratio: float = 0.03
    hold_s: float = 0.8
    over_hold_s: float = 10.0


class CraneSidePull:
    """Side pulls of n cranes."""

    name = "crane_side_pull"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.SIDE_PULL
    channels = ("hook_load_t", "hook_height_m", "sway_deg", *POSITIONS)
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneSidePullParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.floor_m: Floats = np.empty(0)
        self.load_t: Floats = np.empty(0)
        self.place_m: Floats = np.empty((0, len(POSITIONS)))
        self.dragged_m: Floats = np.empty(0)
        self.side: Floats = np.empty(0)
        self.slack_ns: Ints = np.empty(0, dtype=np.int64)
        self.taut_ns: Ints = np.empty(0, dtype=np.int64)
        self.angle_ns: Ints = np.empty(0, dtype=np.int64)
        self.pull_ns: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated loads."""
        del kind
        self._ratings.grow(fleet)
        n = len(self._ratings.rated_t)
        for name in self.arrays():
            fill = np.nan if name in ("floor_m", "load_t", "place_m") else 0
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Hook and positions at the last slack rope, and the pull so far."""
        return ("floor_m", "load_t", "place_m", "dragged_m", "side", *self.times())

    def times(self) -> tuple[str, ...]:
        """Last slack rope; since when it is taut on the floor, at an angle, and that is proved."""
        return ("slack_ns", "taut_ns", "angle_ns", "pull_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        load = reported(rows, "hook_load_t")
        height = column(context, device, "hook_height_m")
        usable = whether(~np.isnan(load), height, self._ratings.rated_t[device])
        chosen = np.flatnonzero(usable)
        self._pull(device[chosen], rows.event_ns[chosen], load[chosen], height[chosen], context)
        angle = self.pull_ns[device] != NEVER
        drags = self.dragged_m[device] >= p.drag_m
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 0] = np.where(drags, 0, seconds(p.hold_s))
        none = np.zeros(m, dtype=np.bool_)
        present_t = column(context, device, "hook_load_t")
        began_ns = np.where(angle, self.pull_ns[device], rows.event_ns)
        return Judgement(
            standing=levels(angle | drags, none, none),
            hold_ns=hold_ns,
            over=~(angle | drags),
            over_hold_ns=same(m, p.over_hold_s),
            known=whether(
                context.current.known[device], height, present_t, self._ratings.rated_t[device]
            ),
            onset_ns=began_ns,
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        channels = (("sway_deg", "°"), ("hook_load_t", "t"), ("hook_height_m", "m"))
        return (
            *present(context, device, *channels),
            observed("lift_off_height_m", self.floor_m[device], "m"),
            observed("dragged_m", self.dragged_m[device], "m"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del context
        slack = self.taut_ns[device] == NEVER and self.load_t[device] <= (
            self._p.taut_ratio * self._ratings.rated_t[device]
        )
        return "rope_slack" if slack else "load_lifted"

    def _pull(
        self, device: Devices, event_ns: Ints, load: Floats, height: Floats, context: Context
    ) -> None:
        """Take in one load of each device."""
        places = np.stack([column(context, device, name) for name in POSITIONS], axis=1)
        taut = load > self._p.taut_ratio * self._ratings.rated_t[device]
        grounded = self._grounded(device, event_ns, taut, height)
        self._lean(device, event_ns, grounded, column(context, device, "sway_deg"))
        self._drag(device, grounded, load, places)
        slack = device[~taut]
        self.floor_m[slack], self.slack_ns[slack] = height[~taut], event_ns[~taut]
        self.load_t[device], self.place_m[device] = load, places

    def _grounded(self, device: Devices, event_ns: Ints, taut: Bools, height: Floats) -> Bools:
        """Whether taut ropes hold loads that have not risen since the rope was slack."""
        since_ns = self.taut_ns[device]
        begun_ns = np.where(taut & (since_ns == NEVER), event_ns, since_ns)
        seen = (since_ns != NEVER) | (since_s(event_ns, self.slack_ns[device]) <= SLACK_MAX_S)
        low = seen & (height - self.floor_m[device] <= self._p.lift_m)
        grounded: Bools = taut & low & (since_s(event_ns, begun_ns) <= FLOOR_MAX_S)
        self.taut_ns[device] = np.where(grounded, begun_ns, NEVER)
        # A load that has left the floor is on it again only after slack.
        self.floor_m[device[taut & ~grounded]] = np.nan
        return grounded

    def _lean(self, device: Devices, event_ns: Ints, grounded: Bools, sway: Floats) -> None:
        """Time angles: the first sample begins one, the second to the same side proves it."""
        leans = grounded & (np.abs(sway) > self._p.angle_deg)
        side = np.where(leans, np.sign(sway), 0.0)
        again = leans & (side == self.side[device]) & (self.angle_ns[device] != NEVER)
        begun_ns = np.where(again, self.angle_ns[device], event_ns)
        self.angle_ns[device] = np.where(leans, begun_ns, NEVER)
        self.pull_ns[device] = np.where(again, begun_ns, NEVER)
        self.side[device] = side

    def _drag(self, device: Devices, grounded: Bools, load: Floats, places: Floats) -> None:
        """Add up how far the crane moved while the load rose."""
        moved = np.abs(places - self.place_m[device])
        farthest = np.fmax.reduce(moved, axis=1, initial=0.0)
        rises = load - self.load_t[device] > RISING_RATIO * self._ratings.rated_t[device]
        added = self.dragged_m[device] + np.where(rises, farthest, 0.0)
        self.dragged_m[device] = np.where(grounded, added, 0.0)
