r"""Quick-opening vessels: pressure without the lock, and a defeated interlock.

The interlock's duty: no pressure unless door and lock are in place, no opening unless the pressure
is gone. Pressure counts above the sensor's zero (`detectors.vessel_zero`).

**Lock not engaged** (`VesselLock`): :math:`p - p_0 >` `pressure_mpa` with the door closed (or its
switch unknown) and the lock not engaged, for `hold_s`: suspected; beyond `confirmed_mpa`:
confirmed. An open door holds no pressure, and what has settled behind an open vent is waited for:
`VesselInterlock` judges both.

    lock       ███▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    pressure   ____/ 0.012 ___/ 0.03 MPa
    s              0  2 suspected  0 2 confirmed

**Interlock bypassed** (`VesselInterlock`):

- door or lock opens while :math:`p - p_0 >` `pressure_mpa`, by a sample of the pressure not older
  than `fresh_s`, else by the next one within that time: confirmed at once; suspected only, when the
  vent had been open for `vent_s` and the transmitter has not moved since (it may be stuck). What
  has settled behind an open vent waits for the door: confirmed when it falls as the door opens,
  suspected when the door does not open for `wait_s` or no sample follows, and the sensor's zero
  when it still stands `collapse_s` after the door has opened;
- the lock opens while the vent is known to be shut: an advisory;
- the lock reads engaged while the door has been open for `bridged_hold_s`, or pressure is raised
  although the lock signal has not changed while the door was open: an advisory, the switch is
  bridged.

    door       ████████▁▁▁        lock       ████████▁▁▁      door      ████▁▁▁▁▁▁▁▁
    pressure   0.3 MPa ^ confirmed           ^ confirmed      lock      ████████████ bridged

**Sensor** (`VesselSensor`), an advisory: a zero beyond `zero_max_mpa`.

Which is worse? A door that opens under pressure kills, and nobody who is called can prevent it any
more: waiting some seconds for the door costs the rescue nothing, while a zero that drifts by
0.01 MPa in a batch would call people for every batch. Only what could not be there if the vent
works as it did a minute before is waited for; a pressure that never fell, or still falls, is not.

It ends when lock and door are closed and nothing is wrong for `over_hold_s`, or the pressure is
gone that long. It fails when the transmitter reads low and where neither lock nor door is reported.
Without a vent or door switch a zero that drifts within a batch is claimed. State: 110 B a vessel.

Reference: TSG 21-2016 duty of the interlock (from memory), 0.01 MPa as default of the emergency
signature (industrial.md 3.1).
"""

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same, sampled
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.parts import inside
from detectors.vessel_zero import VesselLockParameters, VesselZero
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

_ADVISORY, _SUSPECTED, _CONFIRMED = 1, 2, 3
_CHANNELS = ("internal_pressure_mpa", "door_closed", "lock_engaged", "vent_open")


def vessel_rules(
    parameters: VesselLockParameters,
) -> tuple["VesselLock", "VesselInterlock", "VesselSensor"]:
    """All rules of one parameter set, which share the zero."""
    zero = VesselZero(parameters)
    return (
        VesselLock(parameters, zero),
        VesselInterlock(parameters, zero),
        VesselSensor(parameters, zero),
    )


_TIMES = ("opening_ns", "waiting_ns", "wrong_ns", "calm_ns")


class VesselLock:
    """Pressure without lock of n vessels."""

    name = "vessel_lock"
    kinds = (Kind.VESSEL,)
    incident = IncidentKind.LOCK_NOT_ENGAGED
    channels = _CHANNELS
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: VesselLockParameters, zero: VesselZero) -> None:
        self._p = parameters
        self.zero = zero

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room; nothing depends on ratings."""
        self.zero.grow(len(fleet.members(kind)))

    def arrays(self) -> tuple[str, ...]:
        """Zero of the sensor."""
        return inside("zero", self.zero.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the zero."""
        return inside("zero", self.zero.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        above = self.zero.learn(rows, context)
        door, lock = column(context, device, "door_closed"), column(context, device, "lock_engaged")
        # An open door holds no pressure: what is shown then is the sensor's.
        loose = (lock == 0) & (door != 0) & ~self.zero.settled(rows, above, context)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        hold_ns[:, 1:] = sampled(context, device, p.hold_s)[:, None]
        pressed, strongly = loose & (above > p.pressure_mpa), loose & (above > p.confirmed_mpa)
        return Judgement(
            standing=levels(np.zeros(m, dtype=np.bool_), pressed, strongly),
            hold_ns=hold_ns,
            over=~loose | (above <= p.pressure_mpa),
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(above) & ~np.isnan(lock),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        return _evidence(device, context, self.zero.zero_mpa)

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        lock = column(context, np.array([device], dtype=np.int32), "lock_engaged")[0]
        return "lock_engaged" if lock == 1 else "pressure_gone"


class VesselInterlock:
    """Bypassed interlocks of n vessels.

    Attributes
    ----------
    closed
        float64[n, 2], door and lock at the row before: 1 closed, 0 open, NaN unknown.
    opening_ns
        int64[n], an opening that no sample of the pressure has judged yet.
    waiting_ns, waiting_mpa
        int64[n], an opening that waits for the door, and the pressure before the door opened.
    wrong
        int8[n], level of what was done wrong: 0 nothing, 1 advisory, 2 suspected, 3 confirmed.
    wrong_ns, calm_ns
        int64[n], when, and since when all is right again.
    bridged
        bool[n], the door has opened since the lock signal last changed.
    """

    name = "vessel_interlock"
    kinds = (Kind.VESSEL,)
    incident = IncidentKind.INTERLOCK_BYPASSED
    channels = _CHANNELS
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: VesselLockParameters, zero: VesselZero) -> None:
        self._p = parameters
        self.zero = zero
        self.closed: Floats = np.empty((0, 2))
        self.opening_ns: Ints = np.empty(0, dtype=np.int64)
        self.waiting_ns: Ints = np.empty(0, dtype=np.int64)
        self.waiting_mpa: Floats = np.empty(0)
        self.wrong = np.empty(0, dtype=np.int8)
        self.wrong_ns: Ints = np.empty(0, dtype=np.int64)
        self.calm_ns: Ints = np.empty(0, dtype=np.int64)
        self.bridged: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room; nothing depends on ratings."""
        n = len(fleet.members(kind))
        self.zero.grow(n)
        self.closed = grown(self.closed, n, np.nan)
        self.opening_ns = grown(self.opening_ns, n, NEVER)
        self.waiting_ns = grown(self.waiting_ns, n, NEVER)
        self.waiting_mpa = grown(self.waiting_mpa, n, np.nan)
        self.wrong = grown(self.wrong, n, 0)
        self.wrong_ns = grown(self.wrong_ns, n, NEVER)
        self.calm_ns = grown(self.calm_ns, n, NEVER)
        self.bridged = grown(self.bridged, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Zero, switches, and what was done wrong."""
        return (*inside("zero", self.zero.arrays()), *_TIMES, *_STATES)

    def times(self) -> tuple[str, ...]:
        """Times of openings and of what was done wrong."""
        return (*inside("zero", self.zero.times()), *_TIMES)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        above = self.zero.learn(rows, context)
        door, lock = column(context, device, "door_closed"), column(context, device, "lock_engaged")
        opens, unlocks = self._switch(device, door, lock)
        opened = device[opens | unlocks]
        self.opening_ns[opened] = rows.event_ns[opens | unlocks]
        self._judge_opening(rows, above, context)
        self._wait(rows, above, context)
        vented = column(context, device, "vent_open") != 0
        unvented = unlocks & ~vented
        forced = self.bridged[device] & (door == 1) & (above > p.pressure_mpa)
        forced |= (lock == 1) & self._long_open(rows, context)
        self._blame(device, rows.event_ns, np.where(unvented | forced, 1, 0))
        calm = ((~(door == 0) & ~(lock == 0)) | (above <= p.pressure_mpa)) & ~forced
        wrong = self._forgive(device, rows.event_ns, calm)
        hold_ns = np.zeros((m, 3), dtype=np.int64)
        return Judgement(
            standing=levels(wrong == _ADVISORY, wrong == _SUSPECTED, wrong == _CONFIRMED),
            hold_ns=hold_ns,
            over=wrong == 0,
            over_hold_ns=same(m, 0.0),
            known=context.current.known[device] & ~(np.isnan(door) & np.isnan(lock)),
            onset_ns=np.where(wrong > 0, self.wrong_ns[device], rows.event_ns),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        return _evidence(device, context, self.zero.zero_mpa)

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        lock = column(context, np.array([device], dtype=np.int32), "lock_engaged")[0]
        return "lock_engaged" if lock == 1 else "pressure_gone"

    def _switch(self, device: Devices, door: Floats, lock: Floats) -> tuple[Bools, Bools]:
        """Whether door and lock open with these rows; note a lock signal that stays as it was."""
        before = self.closed[device]
        opens = (before[:, 0] == 1) & (door == 0)
        unlocks = (before[:, 1] == 1) & (lock == 0)
        changes = ~np.isnan(lock) & ~np.isnan(before[:, 1]) & (lock != before[:, 1])
        bridged = self.bridged[device] | (opens & (lock == 1))
        self.bridged[device] = bridged & ~changes
        now = np.stack([door, lock], axis=1)
        self.closed[device] = np.where(np.isnan(now), before, now)
        return opens, unlocks

    def _judge_opening(self, rows: Rows, above: Floats, context: Context) -> None:
        """Judge openings that have a sample of the pressure near them."""
        p, device = self._p, rows.device
        current, opening_ns = context.current, self.opening_ns[device]
        sampled_ns = current.reported_ns[device, _column("internal_pressure_mpa")]
        near = np.abs(opening_ns - sampled_ns) <= seconds(p.fresh_s)
        ready = (opening_ns != NEVER) & near & ~np.isnan(above)
        level = np.where(self._may_be_stuck(rows, context), _SUSPECTED, _CONFIRMED)
        pressed = ready & (above > p.pressure_mpa)
        waits = pressed & self.zero.settled(rows, above, context)
        begins = waits & (self.waiting_ns[device] == NEVER)
        self.waiting_ns[device[begins]] = opening_ns[begins]
        self.waiting_mpa[device[begins]] = above[begins]
        self._blame(device, opening_ns, np.where(pressed & ~waits, level, 0))
        late = rows.event_ns - opening_ns > seconds(p.fresh_s)
        self.opening_ns[device[ready | late]] = NEVER

    def _wait(self, rows: Rows, above: Floats, context: Context) -> None:
        """Judge openings that waited for the door: only a real pressure falls when it opens."""
        p, waits = self._p, self.waiting_ns[rows.device] != NEVER
        if not waits.any():
            return
        device, event_ns, above = rows.device[waits], rows.event_ns[waits], above[waits]
        opened_ns, waiting_ns = self.zero.opened_ns[device], self.waiting_ns[device]
        door_open = opened_ns != NEVER
        self.waiting_mpa[device] = np.where(door_open, self.waiting_mpa[device], above)
        sampled_ns = context.current.reported_ns[device, _column("internal_pressure_mpa")]
        seen = door_open & (sampled_ns >= opened_ns)
        fell = seen & (self.waiting_mpa[device] - above >= p.collapse_mpa)
        long = door_open & (event_ns - opened_ns >= seconds(p.collapse_s))
        stands = long & seen & ~fell
        overdue = (long & ~seen) | (~door_open & (event_ns - waiting_ns >= seconds(p.wait_s)))
        self._blame(device, waiting_ns, np.select([fell, overdue], [_CONFIRMED, _SUSPECTED], 0))
        locked = column(context, device, "lock_engaged") == 1
        self.waiting_ns[device[fell | stands | overdue | (locked & ~door_open)]] = NEVER

    def _long_open(self, rows: Rows, context: Context) -> Bools:
        """Whether the door has been open for long, with the lock signal as it is."""
        device, opened_ns = rows.device, self.zero.opened_ns[rows.device]
        since_ns = context.current.changed_ns[device, _column("lock_engaged")]
        stood_ns = rows.event_ns - np.maximum(opened_ns, since_ns)
        return np.asarray((opened_ns != NEVER) & (stood_ns >= seconds(self._p.bridged_hold_s)))

    def _may_be_stuck(self, rows: Rows, context: Context) -> Bools:
        """Whether the pressure has not moved at all since the vent opened."""
        device, changed_ns = rows.device, context.current.changed_ns[rows.device]
        vent_ns = changed_ns[:, _column("vent_open")]
        vented = column(context, device, "vent_open") == 1
        vented &= rows.event_ns - vent_ns >= seconds(self._p.vent_s)
        return np.asarray(vented & (changed_ns[:, _column("internal_pressure_mpa")] < vent_ns))

    def _blame(self, device: Devices, event_ns: Ints, level: Ints) -> None:
        """Keep the worst that was done, and since when anything was."""
        first = (self.wrong[device] == 0) & (level > 0)
        self.wrong_ns[device] = np.where(first, event_ns, self.wrong_ns[device])
        self.wrong[device] = np.maximum(self.wrong[device], level)

    def _forgive(self, device: Devices, event_ns: Ints, calm: Bools) -> Ints:
        """Forget what was done once all has been right for long enough; return what remains."""
        since_ns = self.calm_ns[device]
        begun_ns = np.where(since_ns == NEVER, event_ns, since_ns)
        self.calm_ns[device] = np.where(calm, begun_ns, NEVER)
        over = calm & (event_ns - begun_ns >= seconds(self._p.over_hold_s))
        self.wrong[device] = np.where(over, 0, self.wrong[device])
        return self.wrong[device].astype(np.int64)


class VesselSensor:
    """Pressure sensors of n vessels whose zero is far off."""

    name = "vessel_sensor"
    kinds = (Kind.VESSEL,)
    incident = IncidentKind.SENSOR_DRIFT
    channels = _CHANNELS
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: VesselLockParameters, zero: VesselZero) -> None:
        self._p = parameters
        self.zero = zero

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room; nothing depends on ratings."""
        self.zero.grow(len(fleet.members(kind)))

    def arrays(self) -> tuple[str, ...]:
        """Zero of the sensor."""
        return inside("zero", self.zero.arrays())

    def times(self) -> tuple[str, ...]:
        """Times of the zero."""
        return inside("zero", self.zero.times())

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        above = self.zero.learn(rows, context)
        far = np.abs(self.zero.zero_mpa[device]) > p.zero_max_mpa
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(far, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=np.abs(self.zero.zero_mpa[device]) < p.zero_max_mpa / 2,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device] & ~np.isnan(above),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        return _evidence(device, context, self.zero.zero_mpa)

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "zero_right_again"


_STATES = ("closed", "waiting_mpa", "wrong", "bridged")


def _column(name: str) -> int:
    return COLUMNS[Kind.VESSEL][name]


def _evidence(device: int, context: Context, zero_mpa: Floats) -> tuple[Evidence, ...]:
    """State of a vessel."""
    one = np.array([device], dtype=np.int32)
    pressure = column(context, one, "internal_pressure_mpa")[0]
    known = Evidence(
        name="internal_pressure_mpa",
        value=None if np.isnan(pressure) else float(pressure),
        unit="MPa",
    )
    zero = Evidence(name="zero_mpa", value=float(zero_mpa[device]), unit="MPa")
    switches = ("door_closed", "lock_engaged", "vent_open")
    values = ((name, column(context, one, name)[0]) for name in switches)
    states = (
        Evidence(name=name, value=None if np.isnan(value) else bool(value))
        for name, value in values
    )
    return (known, zero, *states)
