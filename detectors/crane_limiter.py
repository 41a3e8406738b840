"""Crane limiter defeated: hoisting, or moving out, goes on with a load above the limit.

An overload device cuts "up" and "out" between 100 and 110 % of the rated load and leaves lowering
permitted. So a median load above the limit while the hook still rises, or the radius still grows,
means that it does not work or was bridged. Cutting takes a moment, and the dynamic factor at
lift-off lasts less than a second, hence the hold.

    load / capacity   ____╱‾‾‾‾ 1.20 ‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾
    hook              ____ rises ██████████ stands ____
    s                     0  2 confirmed     ended 5 s after

Motion is taken from `hoist_speed_mps`, without it from the height, without that from the command.
It fails when the load cell reads high, and for a proof load of more than the limit (dynamic test
1.1, static test 1.25 of the rated load), which telemetry cannot tell from an overload.

Limit: inspectors' usual figure for GB/T 12602 devices (M). State 112 B a crane.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.crane_ratings import (
    Ratings,
    observed,
    present,
    push,
    reported,
    settled,
    since_s,
    whether,
)
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind

MOTION_MAX_S = 15.0
"""Positions further apart, or older, say nothing of present motion (ours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CraneLimiterParameters:
    """Parameters of the limiter rule; ratios of hook load to capacity."""

    limit_ratio: float = 1.1
    hold_s: float = 2.0
    rise_min_mps: float = 0.02
    out_min_mps: float = 0.05
    over_ratio: float = 1.05
    over_hold_s: float = 5.0


class CraneLimiter:
    """Defeated limiter of n cranes; keeps three loads, two heights and two radii of each."""

    name = "crane_limiter"
    kinds = (Kind.CRANE,)
    incident = IncidentKind.LIMITER_DEFEATED
    channels = (
        "hook_load_t",
        "radius_m",
        "hook_height_m",
        "hoist_speed_mps",
        "hoist_command",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: CraneLimiterParameters) -> None:
        self._p = parameters
        self._ratings = Ratings()
        self.load_t: Floats = np.empty((0, 3))
        self.height_m: Floats = np.empty((0, 2))
        self.height_ns: Ints = np.empty((0, 2), dtype=np.int64)
        self.radius_m: Floats = np.empty((0, 2))
        self.radius_ns: Ints = np.empty((0, 2), dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read capacities."""
        self._ratings.grow(fleet)
        n = len(fleet.members(kind))
        for name in self.arrays():
            fill = NEVER if name in self.times() else np.nan
            setattr(self, name, grown(getattr(self, name), n, fill))

    def arrays(self) -> tuple[str, ...]:
        """Last samples."""
        return ("load_t", "height_m", "radius_m", *self.times())

    def times(self) -> tuple[str, ...]:
        """Times of the last positions."""
        return ("height_ns", "radius_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        load = reported(rows, "hook_load_t")
        fresh = ~np.isnan(load)
        push(self.load_t, device[fresh], load[fresh])
        _place(self.height_m, self.height_ns, rows, reported(rows, "hook_height_m"))
        _place(self.radius_m, self.radius_ns, rows, reported(rows, "radius_m"))
        ratio = self._ratio(device, context)
        onward, moves_known = self._onward(rows, context)
        none = np.zeros(m, dtype=np.bool_)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 2] = sampled(context, device, p.hold_s)
        loaded = context.current.known[device] & ~np.isnan(column(context, device, "hook_load_t"))
        return Judgement(
            standing=levels(none, none, onward & (ratio > p.limit_ratio)),
            hold_ns=hold_ns,
            over=~onward | (ratio < p.over_ratio),
            over_hold_ns=same(m, p.over_hold_s),
            known=whether(loaded & moves_known, ratio),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        one = np.array([device], dtype=np.int32)
        radius = column(context, one, "radius_m")
        return (
            observed("hook_load_t", settled(self.load_t[one])[0], "t"),
            observed("capacity_t", self._ratings.capacity_t(one, radius)[0], "t"),
            observed("load_ratio", self._ratio(one, context)[0]),
            *present(
                context,
                device,
                ("hoist_speed_mps", "m/s"),
                ("hook_height_m", "m"),
                ("hoist_command", ""),
            ),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        ratio = self._ratio(np.array([device], dtype=np.int32), context)[0]
        return "load_normal" if ratio < self._p.over_ratio else "hoisting_stopped"

    def _ratio(self, device: Devices, context: Context) -> Floats:
        radius = column(context, device, "radius_m")
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: Floats = settled(self.load_t[device]) / self._ratings.capacity_t(device, radius)
        return ratio

    def _onward(self, rows: Rows, context: Context) -> tuple[Bools, Bools]:
        """Whether cranes hoist or move their load out, and whether that is known."""
        device, p = rows.device, self._p
        speed = column(context, device, "hoist_speed_mps")
        command = column(context, device, "hoist_command")
        rise = _speed(self.height_m[device], self.height_ns[device], rows.event_ns)
        best = np.where(np.isnan(speed), rise, speed)
        up = np.where(np.isnan(best), command == 1, best > p.rise_min_mps)
        out = _speed(self.radius_m[device], self.radius_ns[device], rows.event_ns) > p.out_min_mps
        return up.astype(np.bool_) | out, ~(np.isnan(best) & np.isnan(command))


def _place(position_m: Floats, position_ns: Ints, rows: Rows, newest: Floats) -> None:
    """Take in positions that rows report."""
    fresh = ~np.isnan(newest) & (rows.event_ns > position_ns[rows.device, -1])
    push(position_m, rows.device[fresh], newest[fresh])
    push(position_ns, rows.device[fresh], rows.event_ns[fresh])


def _speed(position_m: Floats, position_ns: Ints, event_ns: Ints) -> Floats:
    """Speed between the last two positions [m/s], NaN where they are old or too far apart."""
    apart_s = since_s(position_ns[:, 1], position_ns[:, 0])
    recent = (apart_s <= MOTION_MAX_S) & (since_s(event_ns, position_ns[:, 1]) <= MOTION_MAX_S)
    with np.errstate(invalid="ignore", divide="ignore"):
        speed = (position_m[:, 1] - position_m[:, 0]) / apart_s
    return np.where(recent, speed, np.nan)
