"""What a lift did lately, as far as it bears on whether somebody is inside: per lift, event times.

car      ████ran███______stop______________________
door     closed────────┐open┌──────closed──────────
presence ______________│__┌─true──────────────────
              stop_ns ─┘  └─ presence_rose_ns
"""

import math

import numpy as np

from detectors.current import NEVER, Bools, Current, Devices, Floats, Ints, Rows, grown
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.instants import seconds

STANDSTILL_MPS = 0.05
"""Slower than this is standing still (ours; levelling accuracy is 10 mm)."""

ABOARD_S = 5.0
"""Presence behind the closed door of a running car for this long is a passenger (ours)."""

SEEN_FIRMLY_S = 20.0
"""Presence behind a closed door this long is no sensor hold-off (twice the usual 10 s; ours)."""

EXPRESS_MARGIN_S = 15.0
EXPRESS_DEFAULT_S = 40.0
"""Without car status and speed a lift counts as stopped when door zone and position have not
changed for the time to cross its express zone plus the margin, or for the default (ours)."""

POWER_CUT_S = 5.0
"""Presence that goes this shortly before the mains event went with the power (ours)."""

FAILED_DOOR_S = 2.0
"""A door that loses and regains its closed signal faster than this did not open (ours)."""

BOARDING_S = 20.0
"""Presence that appears later than this behind a closed door is nobody who walked in: a fan, warm
air, something that moves (ours; twice the usual hold-off of 10 s)."""

STUCK_CYCLES = 10
STUCK_S = 1_800.0
"""Presence unchanged through so many door openings and so long is a stuck sensor, whatever the
door does afterwards; a rush hour does not keep a car occupied for that long (ours)."""

_LIFT = COLUMNS[Kind.LIFT]
_NEXT_MPS = math.nextafter(-STANDSTILL_MPS, 0)

SPEED_LIMITS = {"speed_mps": (_NEXT_MPS, STANDSTILL_MPS)}
"""Limits between running down, standing and running up."""

WATCHED = (
    "car_status",
    "speed_mps",
    "door_zone",
    "door_closed",
    "passenger_present",
    "mains_power",
)
"""Channels that the history follows."""

_STATUS = [_LIFT[name] for name in ("car_status", "door_zone", "door_closed", "passenger_present")]


class LiftHistory:
    """History of n lifts.

    Attributes
    ----------
    stop_ns
        int64[n], since when the car stands; `NEVER` while it runs or nobody knows.
    run_ns, ran_ns
        int64[n], since when the car runs, and since when it runs or most likely does.
    door_opened_ns, door_closed_ns
        int64[n], last time the door left, and reached, its closed position.
    presence_rose_ns
        int64[n], last time presence became true, or was first known to be.
    boarded_ns
        int64[n], last time somebody walked in: presence went from false to true at an open door or
        shortly after it closed.
    status_ns, interval_ns, former_interval_ns
        int64[n], event time of the last status row, and the time between the last two full ones and
        the two before; 0 where a row told of a change alone. A door that opens between two samples
        is not seen.
    vanished_ns
        int64[n], when presence went away behind a door that has not opened since.
    aboard
        bool[n], somebody was seen aboard while the car ran, and the door has not opened since.
    ghost
        bool[n], presence appeared behind a door that nobody had come through.
    stuck
        bool[n], the presence sensor shows the same for too long.
    seen_firmly
        bool[n], somebody was seen behind the door that has stayed closed since.
    lost_sight
        bool[n], somebody was seen inside when presence became unknown, or false because the power
        went, and the door has not opened since.
    quiet_cycles
        int64[n], door openings since presence last changed: many mean a sensor that is stuck.
    failed_cycles
        int64[n], door movements at this stop that did not open it.
    """

    def __init__(self) -> None:
        for name in self.times():
            setattr(self, name, np.empty(0, dtype=np.int64))
        self.stop_ns: Ints
        self.run_ns: Ints
        self.ran_ns: Ints
        self.door_opened_ns: Ints
        self.door_closed_ns: Ints
        self.presence_rose_ns: Ints
        self.boarded_ns: Ints
        self.vanished_ns: Ints
        self.status_ns: Ints
        self.interval_ns: Ints = np.empty(0, dtype=np.int64)
        self.former_interval_ns: Ints = np.empty(0, dtype=np.int64)
        self.quiet_cycles: Ints = np.empty(0, dtype=np.int64)
        self.failed_cycles: Ints = np.empty(0, dtype=np.int64)
        self.aboard: Bools = np.empty(0, dtype=np.bool_)
        self.ghost: Bools = np.empty(0, dtype=np.bool_)
        self.stuck: Bools = np.empty(0, dtype=np.bool_)
        self.seen_firmly: Bools = np.empty(0, dtype=np.bool_)
        self.lost_sight: Bools = np.empty(0, dtype=np.bool_)
        self.express_ns: Ints = np.empty(0, dtype=np.int64)

    def times(self) -> tuple[str, ...]:
        """Names of the arrays that hold event times."""
        return (
            "stop_ns",
            "run_ns",
            "ran_ns",
            "door_opened_ns",
            "door_closed_ns",
            "presence_rose_ns",
            "boarded_ns",
            "vanished_ns",
            "status_ns",
        )

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        flags = ("aboard", "ghost", "stuck", "seen_firmly", "lost_sight")
        counts = ("quiet_cycles", "failed_cycles", "interval_ns", "former_interval_ns")
        return (*self.times(), *counts, *flags)

    def grow(self, fleet: Fleet) -> None:
        """Read the ratings of a possibly larger fleet."""
        n = len(fleet.members(Kind.LIFT))
        for name in self.arrays():
            setattr(self, name, grown(getattr(self, name), n, 0))
        zone_m = fleet.rating(Kind.LIFT, "express_zone_m")
        speed_mps = fleet.rating(Kind.LIFT, "rated_speed_mps")
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing_s = zone_m / speed_mps + EXPRESS_MARGIN_S
        usable = np.isfinite(crossing_s)
        express_s = np.where(usable, np.maximum(crossing_s, EXPRESS_DEFAULT_S), EXPRESS_DEFAULT_S)
        self.express_ns = (express_s * seconds(1)).astype(np.int64)

    def observe(self, rows: Rows, current: Current) -> None:
        """Take in rows that may tell something new, after ``current`` took in their round."""
        device, now = rows.device, current.values[rows.device]
        door, presence = now[:, _LIFT["door_closed"]], now[:, _LIFT["passenger_present"]]
        door_was = rows.before[:, _LIFT["door_closed"]]
        presence_was = rows.before[:, _LIFT["passenger_present"]]
        event = rows.event_ns
        # Seen behind the closed door until this row: judged before the door may open.
        self._see_firmly(rows, door_was, presence_was)
        self._see_aboard(rows, door_was, presence_was)
        opens = (door == 0) & (door_was != 0)
        closes = (door == 1) & (door_was != 1)
        self._doors(rows, opens, closes)
        self._lose_sight(rows, current, opens)
        rises = (presence == 1) & (presence_was != 1)
        changes = (presence != presence_was) & ~np.isnan(presence) & ~np.isnan(presence_was)
        rose = self.presence_rose_ns[device]
        self.presence_rose_ns[device] = np.where(rises, event, rose)
        self._appears(rows, rises & (presence_was == 0), door)
        quiet = np.where(changes, 0, self.quiet_cycles[device] + opens)
        self.quiet_cycles[device] = quiet
        unchanged = event - self.presence_rose_ns[device] >= seconds(STUCK_S)
        self.stuck[device] = (quiet >= STUCK_CYCLES) & unchanged
        self._motion(rows, current)

    def sampled_ns(self, device: Devices) -> Ints:
        """Time between full status rows of devices, 0 for those that tell of changes."""
        return np.minimum(self.interval_ns[device], self.former_interval_ns[device])

    def sample(self, rows: Rows, current: Current) -> None:
        """Measure how often a terminal samples; one lost message does not matter."""
        now = current.values[rows.device]
        said = ~np.isnan(rows.reported[:, _STATUS])
        # Rows of one instant come from a clock that is wrong, or too coarse: they count as close.
        status = said.any(axis=1) & (rows.event_ns >= self.status_ns[rows.device])
        device, event = rows.device[status], rows.event_ns[status]
        whole = np.all(said | np.isnan(now[:, _STATUS]), axis=1)[status]
        step = np.where(self.status_ns[device] == NEVER, 0, event - self.status_ns[device])
        self.former_interval_ns[device] = self.interval_ns[device]
        self.interval_ns[device] = np.where(whole, step, 0)
        self.status_ns[device] = event

    def forget(self, device: Devices) -> None:
        """Forget who was inside: what happened since is not known."""
        for name in ("aboard", "seen_firmly", "lost_sight"):
            getattr(self, name)[device] = False

    def _doors(self, rows: Rows, opens: Bools, closes: Bools) -> None:
        device, event = rows.device, rows.event_ns
        brief = event - self.door_opened_ns[device] < seconds(FAILED_DOOR_S)
        failed = closes & brief & (self.door_opened_ns[device] != NEVER)
        self.failed_cycles[device] += failed
        self.door_opened_ns[device] = np.where(opens, event, self.door_opened_ns[device])
        self.door_closed_ns[device] = np.where(closes, event, self.door_closed_ns[device])
        for name in ("seen_firmly", "aboard", "ghost"):
            getattr(self, name)[device] &= ~opens

    def _appears(self, rows: Rows, appears: Bools, door: Floats) -> None:
        """Presence went from false to true: somebody walked in, moved again, or nobody is there."""
        device, event = rows.device, rows.event_ns
        opened, closed = self.door_opened_ns[device], self.door_closed_ns[device]
        soon = (closed != NEVER) & (event - closed <= seconds(BOARDING_S))
        walks_in = appears & ((door == 0) | soon)
        boarded = self.boarded_ns[device]
        inside = self.aboard[device] | self.seen_firmly[device]
        inside |= (boarded != NEVER) & (boarded >= opened)
        self.ghost[device] |= appears & (door == 1) & ~walks_in & ~inside
        self.boarded_ns[device] = np.where(walks_in, event, boarded)

    def _see_aboard(self, rows: Rows, door_was: Floats, presence_was: Floats) -> None:
        device = rows.device
        since = np.maximum(self.presence_rose_ns[device], self.door_closed_ns[device])
        rode = (self.ran_ns[device] != NEVER) & (rows.event_ns - since >= seconds(ABOARD_S))
        self.aboard[device] |= rode & (door_was != 0) & (presence_was == 1)

    def _see_firmly(self, rows: Rows, door_was: Floats, presence_was: Floats) -> None:
        device = rows.device
        since = np.maximum(self.presence_rose_ns[device], self.door_closed_ns[device])
        held = rows.event_ns - since >= seconds(SEEN_FIRMLY_S)
        self.seen_firmly[device] |= (door_was == 1) & (presence_was == 1) & held

    def _lose_sight(self, rows: Rows, current: Current, opens: Bools) -> None:
        """Presence that went with the power, or just before it, is not somebody leaving."""
        device, event = rows.device, rows.event_ns
        presence = current.values[device, _LIFT["passenger_present"]]
        mains = current.values[device, _LIFT["mains_power"]]
        was_seen = rows.before[:, _LIFT["passenger_present"]] == 1
        vanished = self.vanished_ns[device]
        vanished = np.where((presence == 0) & was_seen, event, vanished)
        vanished = np.where(opens | (presence == 1), NEVER, vanished)
        self.vanished_ns[device] = vanished
        cut = (vanished != NEVER) & (mains == 0) & (event - vanished <= seconds(POWER_CUT_S))
        blind = np.isnan(presence) | ((presence == 0) & (mains == 0))
        loses = (np.isnan(presence) & was_seen) | cut
        self.lost_sight[device] = (self.lost_sight[device] | loses) & blind & ~opens

    def _motion(self, rows: Rows, current: Current) -> None:
        device, event = rows.device, rows.event_ns
        stopped, running = motion(current, device)
        zone = current.values[device, _LIFT["door_zone"]]
        # Out of a door zone a car that tells neither status nor speed most likely runs.
        likely = running | (~stopped & (zone == 0))
        self.failed_cycles[device] = np.where(likely, 0, self.failed_cycles[device])
        for name, holds in (("stop_ns", stopped), ("run_ns", running), ("ran_ns", likely)):
            since = getattr(self, name)
            begun = np.where(since[device] == NEVER, event, since[device])
            since[device] = np.where(holds, begun, NEVER)


def contradicted(current: Current, device: Devices) -> Bools:
    """Whether car status and speed say different things: there the newer report counts."""
    status = current.values[device, _LIFT["car_status"]]
    speed = np.abs(current.values[device, _LIFT["speed_mps"]])
    both = ~np.isnan(status) & ~np.isnan(speed)
    return np.asarray(both & ((status == 0) != (speed < STANDSTILL_MPS)))


def motion(current: Current, device: Devices) -> tuple[Bools, Bools]:
    """Whether cars stand, and whether they run, by what was reported last; neither = unknown."""
    values, reported = current.values, current.reported_ns
    status, speed = values[device, _LIFT["car_status"]], values[device, _LIFT["speed_mps"]]
    status_ns, speed_ns = (
        reported[device, _LIFT["car_status"]],
        reported[device, _LIFT["speed_mps"]],
    )
    speed = np.abs(speed)
    by_status = ~np.isnan(status) & (np.isnan(speed) | (status_ns >= speed_ns))
    by_speed = ~np.isnan(speed) & (np.isnan(status) | (speed_ns >= status_ns))
    stopped = (by_status & (status == 0)) | (by_speed & (speed < STANDSTILL_MPS))
    # Who reports neither is taken to stand in a door zone: passing one takes a second or two.
    stopped |= ~(by_status | by_speed) & (values[device, _LIFT["door_zone"]] == 1)
    return stopped, (by_status | by_speed) & ~stopped
