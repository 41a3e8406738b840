r"""Zero of a vessel's pressure sensor, and residues behind an open vent.

**Zero.** An open door holds no pressure: whatever the sensor shows while the door has been open for
`zero_after_s` is its zero, up to `zero_max_mpa`, or `zero_far_mpa` where lock and vent are known to
be open too (three switches do not lie together).

**Residue.** Between two openings the zero may drift. A vent that let most of the pressure out
cannot hold the rest: what is left keeps falling, or it is not there. So a pressure is *settled*
when, behind a vent known to be open and a door that is closed or opens just now, it is at most
`settled_share` of what it was when the vent opened, and has fallen by no more than `settled_mpa` in
`settled_s`.

    vent       ___▁████████████        ___▁████████████
    pressure   ▔▔▔▔\_______ 0.03       ▔▔▔▔\__________ 0.03 and still falling
                    settled: zero?           real
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, column
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Kind
from domain.instants import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class VesselLockParameters:
    """Parameters of the vessel rules.

    Parameters
    ----------
    pressure_mpa, confirmed_mpa
        Pressure above zero that counts as pressure; with the lock open, confirmed beyond the other.
    hold_s
        Pressure without lock must stand so long.
    zero_after_s, zero_max_mpa
        The door must be open so long before what the sensor shows is its zero, at most so much.
    zero_far_mpa
        The same where lock and vent are known to be open too.
    settled_s, settled_mpa, settled_share
        A pressure behind an open vent that fell by no more than this in that time, to at most this
        share of what it was, may be the sensor's zero.
    wait_s, collapse_s, collapse_mpa
        Then the door is waited for so long; real is what falls by so much within so long after it
        has opened.
    fresh_s
        Age up to which a sample of the pressure speaks of a moment.
    vent_s
        A vessel vented so long whose pressure has not moved at all may have a stuck sensor.
    bridged_hold_s
        A lock that reads engaged behind a door open for so long is bridged.
    over_hold_s
        The end must stand so long.
    """

    pressure_mpa: float = 0.01
    confirmed_mpa: float = 0.02
    hold_s: float = 2.0
    zero_after_s: float = 30.0
    zero_max_mpa: float = 0.05
    zero_far_mpa: float = 0.3
    settled_s: float = 10.0
    settled_mpa: float = 0.004
    settled_share: float = 0.25
    wait_s: float = 60.0
    collapse_s: float = 10.0
    collapse_mpa: float = 0.008
    fresh_s: float = 5.0
    vent_s: float = 60.0
    bridged_hold_s: float = 30.0
    over_hold_s: float = 30.0


class VesselZero:
    """Zero of the pressure sensors of n vessels, and what settled above it.

    Attributes
    ----------
    zero_mpa
        float64[n], what they show with the door open; 0 until that was seen.
    opened_ns
        int64[n], since when the door is open, `NEVER` while it is not.
    level_mpa, level_ns
        float64[n], int64[n], the pressure from which the present one differs by no more than
        `settled_mpa`, and since when.
    vent_mpa
        float64[n], pressure above zero when the vent opened, NaN = not known.
    """

    def __init__(self, parameters: VesselLockParameters) -> None:
        self._p = parameters
        self.zero_mpa: Floats = np.empty(0)
        self.opened_ns: Ints = np.empty(0, dtype=np.int64)
        self.level_mpa: Floats = np.empty(0)
        self.level_ns: Ints = np.empty(0, dtype=np.int64)
        self.vent_mpa: Floats = np.empty(0)
        self._taken: tuple[Rows, Floats] | None = None

    def grow(self, n: int) -> None:
        """Make room for n vessels."""
        self.zero_mpa = grown(self.zero_mpa, n, 0.0)
        self.opened_ns = grown(self.opened_ns, n, NEVER)
        self.level_mpa = grown(self.level_mpa, n, np.nan)
        self.level_ns = grown(self.level_ns, n, NEVER)
        self.vent_mpa = grown(self.vent_mpa, n, np.nan)

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (*self.times(), "zero_mpa", "level_mpa", "vent_mpa")

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return ("opened_ns", "level_ns")

    def learn(self, rows: Rows, context: Context) -> Floats:
        """Take rows in; return the pressure above zero, NaN = unknown.

        The rules of one engine share this object, and are given the same rows.
        """
        if self._taken is None or self._taken[0] is not rows:
            self._taken = rows, self._learn(rows, context)
        return self._taken[1]

    def _learn(self, rows: Rows, context: Context) -> Floats:
        device, p = rows.device, self._p
        door, pressure = _now(context, device, "door_closed"), _now(context, device, _PRESSURE)
        since_ns = self.opened_ns[device]
        begun_ns = np.where(since_ns == NEVER, rows.event_ns, since_ns)
        self.opened_ns[device] = np.where(door == 0, begun_ns, NEVER)
        long = (door == 0) & (rows.event_ns - begun_ns >= seconds(p.zero_after_s))
        fresh = ~np.isnan(rows.reported[:, COLUMNS[Kind.VESSEL][_PRESSURE]])
        vent = _now(context, device, "vent_open")
        all_open = (_now(context, device, "lock_engaged") == 0) & (vent == 1)
        most = np.where(all_open, p.zero_far_mpa, p.zero_max_mpa)
        at_zero = long & fresh & (np.abs(pressure) <= most)
        self.zero_mpa[device] = np.where(at_zero, pressure, self.zero_mpa[device])
        above = np.asarray(pressure - self.zero_mpa[device])
        self._follow(rows, above, fresh, vent)
        return above

    def _follow(self, rows: Rows, above: Floats, fresh: Bools, vent: Floats) -> None:
        """Follow the pressure until the vent opens, and its level from then on."""
        device = rows.device
        self.vent_mpa[device] = np.where(vent == 1, self.vent_mpa[device], above)
        moved = ~(np.abs(above - self.level_mpa[device]) <= self._p.settled_mpa)
        moved = (moved & fresh) | (vent != 1)
        self.level_mpa[device] = np.where(moved, above, self.level_mpa[device])
        self.level_ns[device] = np.where(moved, rows.event_ns, self.level_ns[device])

    def settled(self, rows: Rows, above: Floats, context: Context) -> Bools:
        """Whether the pressure may be the sensor's zero."""
        p, device = self._p, rows.device
        shut = _now(context, device, "door_closed") == 1
        shut |= self.opened_ns[device] == rows.event_ns
        vented = _now(context, device, "vent_open") == 1
        stands = rows.event_ns - self.level_ns[device] >= seconds(p.settled_s)
        fell = above <= p.settled_share * self.vent_mpa[device]
        return np.asarray(shut & vented & stands & fell)


_PRESSURE = "internal_pressure_mpa"


def _now(context: Context, device: Devices, name: str) -> Floats:
    return column(context, device, name)
