r"""Passengers trapped in lifts, inferred in two stages from evidence that is shown.

The national code table has no entrapment, so it is judged from what a car does. Two cases, each
with its own timers:

- **off level**: the car stands outside the door zone, its door is not open, somebody is inside;
- **at level**: the car stands in the door zone behind a closed door with somebody inside, and the
  door does not open although it should.

Each observation adds log-odds, :math:`L = L_0 + \sum_i w_i`. A case is *suspected* when
:math:`L \ge L_s` has stood for the hold of its kind, and *confirmed* when :math:`L \ge L_c` has
stood for the longer hold, or for a shorter one when something independent corroborates it (alarm
button, fault code, mains off, a door that tries and fails).

At level the same picture (closed door, person) is an ordinary one: somebody waits, a sensor holds,
goods stand in the car. What the door did since the car stopped tells them apart:

====================================================  =====================================
door has not opened since a passenger rode here        strong: a door that fails to open
somebody boarded at this stop, the car does not start  medium: needs 40 s and 140 s
presence was there before the door last opened         weak: suspected only, unless corroborated
presence unchanged through three door openings, or     a sensor that sees things: nothing without
appeared behind a door that nobody came through        corroboration
====================================================  =====================================

It is not judged in inspection, fire return, firefighter operation and earthquake mode, and at level
not out of service. It fails where neither presence nor load is sensed, where a terminal reports
neither car status nor speed and the express zone is longer than registered, and where somebody
stands still in a parked car for minutes by choice.

Weights and limits are ours (mark D of the facts that this was built on): they make the cases above
come out as described, and are settings.
"""

import math
from dataclasses import dataclass

import numpy as np

from detectors.base import Context, Judgement, column, levels
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows, grown
from detectors.entrapment_scene import (
    FAILED_CYCLES,
    EntrapmentParameters,
    EntrapmentSight,
    Scene,
    present_scene,
)
from detectors.lift_history import SPEED_LIMITS
from detectors.lift_scene import OUT_OF_SERVICE, mode_word
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_LIFT = COLUMNS[Kind.LIFT]
_RUN_OVER_S = 10.0
_DOOR_OPEN_OVER_S = 2.0
_STUCK_CYCLES = 3
_STATUS = [_LIFT[name] for name in ("car_status", "door_zone", "door_closed", "passenger_present")]
_TELLS = 2
"""A terminal that told of a change alone is taken to tell of changes until so many of them came
with everything else: a snapshot may happen to be due when something changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """One case over m cars.

    Parameters
    ----------
    base
        The case exists at all.
    weight
        Log-odds of all evidence but corroboration.
    hold_s, confirm_s
        Holds of the two stages.
    opened, ran
        What would end it: the door is open, the car runs.
    waits
        Nothing can be said: timers stand still.
    """

    base: Bools
    weight: Floats
    hold_s: Floats
    confirm_s: Floats
    opened: Bools
    ran: Bools
    waits: Bools


def entrapment_cases(parameters: EntrapmentParameters) -> "tuple[Entrapment, Entrapment]":
    """Both cases."""
    sight = EntrapmentSight(parameters)
    return (
        Entrapment(parameters, sight, at_level=False),
        Entrapment(parameters, sight, at_level=True),
    )


class Entrapment:
    """One of the two cases.

    Parameters
    ----------
    at_level
        The case in the door zone; else the one outside it.

    Attributes
    ----------
    since_ns
        int64[n], since when the case exists.
    tells
        int64[n], above 0 where the terminal tells of changes as they come.
    """

    kinds = (Kind.LIFT,)
    channels = (
        "service_mode",
        "car_status",
        "speed_mps",
        "door_zone",
        "car_position",
        "door_closed",
        "passenger_present",
        "load_kg",
        "mains_power",
    )
    every_row = False

    def __init__(
        self, parameters: EntrapmentParameters, sight: EntrapmentSight, *, at_level: bool
    ) -> None:
        self._p = parameters
        self._sight = sight
        # Heavier than the limit is somebody, so that the next number is the first that is.
        load_kg = math.nextafter(parameters.load_min_kg, math.inf)
        self.limits = {**SPEED_LIMITS, "load_kg": (load_kg,)}
        self._at_level = at_level
        self.incident = (
            IncidentKind.ENTRAPMENT_AT_LEVEL if at_level else IncidentKind.ENTRAPMENT_OFF_LEVEL
        )
        self.name = str(self.incident)
        self.since_ns: Ints = np.empty(0, dtype=np.int64)
        self.tells: Ints = np.empty(0, dtype=np.int64)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Make room for a larger fleet."""
        n = len(fleet.members(kind))
        self.since_ns, self.tells = grown(self.since_ns, n, NEVER), grown(self.tells, n, 0)

    def arrays(self) -> tuple[str, ...]:
        """Since when the case exists, and how the terminal reports."""
        return ("since_ns", "tells")

    def times(self) -> tuple[str, ...]:
        """Since when the case exists."""
        return ("since_ns",)

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p = self._p
        scene = self._sight.of(rows, context)
        if self._at_level:
            self._hear(rows, context)
        picture = self._picture(rows.device, scene, context)
        m = len(rows.device)
        odds = np.where(picture.base, p.prior + picture.weight + scene.corroboration, -np.inf)
        suspected = odds >= p.suspected_log_odds
        early = (scene.corroboration > 0) & (odds >= p.confirmed_log_odds)
        confirmed = suspected & (early | (odds + p.long_stand >= p.confirmed_log_odds))
        hold_s = np.zeros((m, 3))
        hold_s[:, 1] = picture.hold_s
        hold_s[:, 2] = np.where(early, p.corroborated_hold_s, picture.confirm_s)
        over_s = np.where(picture.opened, _DOOR_OPEN_OVER_S, np.where(picture.ran, _RUN_OVER_S, 0))
        known = scene.known & ~picture.waits
        return Judgement(
            standing=levels(np.zeros(m, dtype=np.bool_), suspected, confirmed),
            hold_ns=(hold_s * NS_PER_S).astype(np.int64) + scene.waits_ns[:, None],
            over=picture.opened | picture.ran | ~scene.judged,
            over_hold_ns=(over_s * NS_PER_S).astype(np.int64),
            known=known,
            onset_ns=self._since(rows, picture.base, known),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        return _evidence(device, event_ns, context, self._p, at_level=self._at_level)

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        one = np.array([device], dtype=np.int32)
        scene = present_scene(one, context.current.last_event_ns[one], context, self._p)
        if not scene.judged[0]:
            return mode_word(scene.mode[0])
        return "car_ran" if scene.running[0] else "door_opened"

    def _since(self, rows: Rows, base: Bools, known: Bools) -> Ints:
        since = self.since_ns[rows.device]
        begun = np.where(since == NEVER, rows.event_ns, since)
        self.since_ns[rows.device] = np.where(base & known, begun, NEVER)
        return begun

    def _hear(self, rows: Rows, context: Context) -> None:
        """Note whether changes come alone or with everything else; rows without one say nothing."""
        said, before = rows.reported[:, _STATUS], rows.before[:, _STATUS]
        changes = (said != before) & ~np.isnan(said) & ~np.isnan(before)
        newest = rows.event_ns >= context.history.status_ns[rows.device]
        row = np.flatnonzero(changes.any(axis=1) & newest)
        device = rows.device[row]
        now = context.current.values[device[:, None], _STATUS]
        whole = np.all(~np.isnan(said[row]) | np.isnan(now), axis=1)
        self.tells[device] = np.where(whole, np.maximum(self.tells[device] - 1, 0), _TELLS)

    def _picture(self, device: Devices, scene: Scene, context: Context) -> _Picture:
        if self._at_level:
            return _at_level(device, scene, context, self._p, tells=self.tells[device] > 0)
        return _off_level(device, scene, context, self._p)


def _off_level(
    device: Devices, scene: Scene, context: Context, p: EntrapmentParameters
) -> _Picture:
    """Off-level case; a door that opens there means a wrong zone switch, unless corroborated."""
    wrong_zone = (scene.door == 0) | _has_opened(device, scene, context)
    shut = ~wrong_zone | (scene.corroboration > 0)
    left = column(context, device, "passenger_present") == 0
    base = scene.stopped & (scene.zone == 0) & shut & np.isfinite(scene.person)
    m = len(base)
    return _Picture(
        base=base & scene.judged,
        weight=p.off_level + scene.person,
        hold_s=np.full(m, p.off_level_hold_s),
        confirm_s=np.full(m, p.confirm_hold_s),
        opened=((scene.door == 0) & ((scene.zone == 1) | ~shut)) | (wrong_zone & left),
        ran=scene.running,
        waits=np.zeros(m, dtype=np.bool_),
    )


def _has_opened(device: Devices, scene: Scene, context: Context) -> Bools:
    """Whether the door was open for long enough since the car stopped, and is closed again."""
    history = context.history
    opened_ns, closed_ns = history.door_opened_ns[device], history.door_closed_ns[device]
    here = (opened_ns != NEVER) & (opened_ns >= scene.stop_ns)
    return np.asarray(here & (closed_ns - opened_ns >= seconds(_DOOR_OPEN_OVER_S)))


def _at_level(
    device: Devices, scene: Scene, context: Context, p: EntrapmentParameters, *, tells: Bools
) -> _Picture:
    """At-level case, by what the door did since the car stopped."""
    kept_shut, boarded, lively = _door_story(device, scene, context)
    # Where changes are told, two snapshots on end only say that nothing changed.
    sampled_ns = np.where(tells, 0, context.history.sampled_ns(device))
    slow = sampled_ns >= seconds(p.fast_sampling_s)
    inside = kept_shut | boarded
    sees = scene.sensed | (inside & context.history.lost_sight[device])
    sees |= kept_shut & context.history.seen_firmly[device] & ~slow
    stands = scene.stopped & (scene.zone == 1) & (scene.door == 1)
    base = stands & sees
    samples = np.where(slow, sampled_ns, 0) / NS_PER_S
    serves = scene.judged & (scene.mode != OUT_OF_SERVICE)
    story = np.where(lively, p.stayed, p.stuck_sensor)
    story = np.where(boarded, p.boarded, story)
    hold_s = np.where(boarded, p.boarded_hold_s, p.stayed_hold_s)
    return _Picture(
        base=base & serves & np.isfinite(scene.person),
        weight=np.where(kept_shut, p.kept_shut, story) + scene.person,
        hold_s=np.maximum(
            np.where(kept_shut, p.door_kept_shut_hold_s, hold_s), samples * p.suspected_samples
        ),
        confirm_s=np.maximum(
            np.where(kept_shut, p.confirm_hold_s, p.boarded_confirm_hold_s),
            samples * p.confirmed_samples,
        ),
        opened=scene.door == 0,
        ran=scene.running,
        # Who keeps still behind a shut door is out of sight, not out of the car: timers wait.
        waits=stands & serves & inside & ~sees & ~slow,
    )


def _door_story(device: Devices, scene: Scene, context: Context) -> tuple[Bools, Bools, Bools]:
    """Kept shut since a passenger rode here; boarded at this stop; presence sensor is lively."""
    history = context.history
    opened_ns = history.door_opened_ns[device]
    opened_here = (opened_ns != NEVER) & (opened_ns >= scene.stop_ns)
    kept_shut = ~opened_here & history.aboard[device] & ~history.stuck[device]
    boarded_ns = history.boarded_ns[device]
    boarded = opened_here & (boarded_ns >= opened_ns)
    lively = (boarded_ns != NEVER) & (history.quiet_cycles[device] < _STUCK_CYCLES)
    lively &= ~history.ghost[device]
    return kept_shut, boarded, lively


def _evidence(
    device: int, event_ns: int, context: Context, p: EntrapmentParameters, *, at_level: bool
) -> tuple[Evidence, ...]:
    """Every observation of one car with its weight."""
    one = np.array([device], dtype=np.int32)
    scene = present_scene(one, np.array([event_ns]), context, p)
    stop_ns = int(scene.stop_ns[0])
    stood_s = (event_ns - stop_ns) / NS_PER_S if stop_ns else None
    found = [
        Evidence(name="stopped_s", value=stood_s, unit="s", since_ns=stop_ns or None),
        _flag("door_zone", scene.zone[0], None if at_level else p.off_level),
        _flag("door_closed", scene.door[0], None),
        _flag(
            "passenger_present",
            column(context, one, "passenger_present")[0],
            float(scene.person[0]),
        ),
    ]
    if at_level:
        kept_shut, boarded, lively = (bool(x[0]) for x in _door_story(one, scene, context))
        story, weight = _story(p, kept_shut=kept_shut, boarded=boarded, lively=lively)
        found.append(Evidence(name="door_story", value=story, log_odds=weight))
    mode = scene.mode[0]
    found.append(Evidence(name="service_mode", value=None if np.isnan(mode) else float(mode)))
    load = column(context, one, "load_kg")[0]
    if not np.isnan(load):
        found.append(Evidence(name="load_kg", value=float(load), unit="kg"))
    return (*found, *_corroborating(device, scene, context, p))


def _story(
    p: EntrapmentParameters, *, kept_shut: bool, boarded: bool, lively: bool
) -> tuple[str, float]:
    if kept_shut:
        return "door_shut_since_arrival", p.kept_shut
    if boarded:
        return "boarded_and_did_not_start", p.boarded
    if lively:
        return "present_before_door_opened", p.stayed
    return "sensor_not_believed", p.stuck_sensor


def _corroborating(
    device: int, scene: Scene, context: Context, p: EntrapmentParameters
) -> list[Evidence]:
    one = np.array([device], dtype=np.int32)
    found = [
        Evidence(name=code.key, value=True, log_odds=p.fault)
        for code in context.codes.names(device)
    ]
    alarm_ns = int(context.codes.alarm_ns[device])
    if alarm_ns and alarm_ns >= scene.stop_ns[0] - seconds(5):
        found.append(Evidence(name="alarm_button", value=True, log_odds=p.alarm, since_ns=alarm_ns))
    mains = column(context, one, "mains_power")[0]
    if mains == 0:
        found.append(Evidence(name="mains_power", value=False, log_odds=p.mains_off))
    failed = int(context.history.failed_cycles[device])
    if failed >= FAILED_CYCLES:
        found.append(
            Evidence(name="failed_door_cycles", value=float(failed), log_odds=p.failed_door)
        )
    return found


def _flag(name: str, value: float, log_odds: float | None) -> Evidence:
    shown = None if np.isnan(value) else bool(value)
    usable = log_odds is not None and np.isfinite(log_odds)
    return Evidence(name=name, value=shown, log_odds=log_odds if usable else None)
