"""Scene of an entrapment: what both cases read of a car, with the weight of evidence."""

from dataclasses import dataclass

import numpy as np

from detectors.base import Context, column
from detectors.current import NEVER, Bools, Devices, Floats, Ints, Rows
from detectors.lift_scene import progress_ns
from detectors.lift_sight import LiftScene, lift_scene
from domain.instants import seconds

FAILED_CYCLES = 2
"""Door cycles that failed after which they are evidence."""

_ALARM_VALID_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrapmentParameters:
    """Parameters of both cases; log-odds are natural.

    Parameters
    ----------
    off_level_hold_s, door_kept_shut_hold_s, boarded_hold_s, stayed_hold_s
        How long each kind of case must stand to be suspected.
    confirm_hold_s, boarded_confirm_hold_s, corroborated_hold_s
        How long to be confirmed, and how long with corroboration.
    suspected_samples, confirmed_samples, fast_sampling_s
        At level, a terminal that sends nothing but full snapshots must show the same for so many
        of them: it does not see every door opening. Below `fast_sampling_s` it does, and so does
        one that tells of changes between its snapshots.
    suspected_log_odds, confirmed_log_odds
        Evidence needed for each stage.
    prior
        Log-odds of a standing car before any evidence.
    off_level, kept_shut, boarded, stayed, stuck_sensor
        Weight of what car and door do.
    person_sensed, person_weighed, person_before_unknown, person_latched
        Weight of how we know of somebody: sensor, load, sensor before it fell silent, sensor before
        it lost a person who keeps still.
    long_stand
        Weight of having stood for the confirmation hold.
    alarm, fault, mains_off, failed_door
        Weights of corroboration.
    load_min_kg
        Load that counts as a person when presence is unknown.
    """

    off_level_hold_s: float = 30.0
    door_kept_shut_hold_s: float = 30.0
    boarded_hold_s: float = 40.0
    stayed_hold_s: float = 43.0
    confirm_hold_s: float = 120.0
    boarded_confirm_hold_s: float = 140.0
    corroborated_hold_s: float = 45.0
    suspected_samples: float = 3.2
    confirmed_samples: float = 5.2
    fast_sampling_s: float = 5.0
    suspected_log_odds: float = 0.5
    confirmed_log_odds: float = 2.5
    prior: float = -4.0
    off_level: float = 4.0
    kept_shut: float = 4.0
    boarded: float = 3.0
    stayed: float = 2.0
    stuck_sensor: float = -1.0
    person_sensed: float = 2.5
    person_weighed: float = 2.0
    person_before_unknown: float = 1.5
    person_latched: float = 1.0
    long_stand: float = 1.0
    alarm: float = 4.0
    fault: float = 3.0
    mains_off: float = 2.0
    failed_door: float = 2.0
    load_min_kg: float = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything about m cars that either case reads; weights in log-odds."""

    known: Bools
    stopped: Bools
    running: Bools
    stop_ns: Ints
    zone: Floats
    door: Floats
    mode: Floats
    judged: Bools
    sensed: Bools
    person: Floats
    corroboration: Floats
    waits_ns: Ints


def scene_of(
    device: Devices,
    event_ns: Ints,
    seen: LiftScene,
    context: Context,
    p: EntrapmentParameters,
) -> Scene:
    """Read cars as they are now; ``seen`` is what all lift rules read of them."""
    history = context.history
    still = ~(seen.stopped | seen.running)
    load_kg = column(context, device, "load_kg")
    return Scene(
        known=seen.known & ~np.isnan(seen.zone),
        stopped=seen.stopped | still,
        running=seen.running,
        stop_ns=np.where(still, progress_ns(device, context), history.stop_ns[device]),
        zone=seen.zone,
        door=seen.door,
        mode=seen.mode,
        judged=~seen.special,
        sensed=seen.presence == 1,
        person=_person(device, seen.presence, load_kg, context, p),
        corroboration=_corroboration(device, event_ns, seen.mains, context, p),
        waits_ns=np.where(still, history.express_ns[device], 0),
    )


def present_scene(
    device: Devices, event_ns: Ints, context: Context, p: EntrapmentParameters
) -> Scene:
    """Scene of cars outside a round."""
    return scene_of(device, event_ns, lift_scene(device, context.current), context, p)


def _person(
    device: Devices, presence: Floats, load_kg: Floats, context: Context, p: EntrapmentParameters
) -> Floats:
    """Weight of the best reason to believe that somebody is inside, minus infinity without one."""
    history = context.history
    reasons = (
        (history.seen_firmly[device], p.person_latched),
        (history.lost_sight[device], p.person_before_unknown),
        (np.isnan(presence) & (load_kg > p.load_min_kg), p.person_weighed),
        (presence == 1, p.person_sensed),
    )
    weight = np.full(len(device), -np.inf)
    for holds, reason_weight in reasons:
        weight = np.where(holds, np.maximum(weight, reason_weight), weight)
    return weight


def _corroboration(
    device: Devices, event_ns: Ints, mains: Floats, context: Context, p: EntrapmentParameters
) -> Floats:
    codes, history = context.codes, context.history
    alarm_ns = codes.alarm_ns[device]
    age = event_ns - alarm_ns
    recent = (alarm_ns != NEVER) & (age <= seconds(_ALARM_VALID_S))
    pressed = recent & (alarm_ns >= history.stop_ns[device] - seconds(5))
    weight: Floats = (
        pressed * p.alarm
        + codes.faulty(device) * p.fault
        + (mains == 0) * p.mains_off
        + (history.failed_cycles[device] >= FAILED_CYCLES) * p.failed_door
    )
    return weight


class EntrapmentSight:
    """The scene of the last round, which both cases read."""

    def __init__(self, parameters: EntrapmentParameters) -> None:
        self._p = parameters
        self._seen: tuple[Rows, Scene] | None = None

    def of(self, rows: Rows, context: Context) -> Scene:
        """Scene of a round; its rows are the same object for both cases."""
        if self._seen is None or self._seen[0] is not rows:
            seen = context.sight.of(rows, context.current)
            self._seen = rows, scene_of(rows.device, rows.event_ns, seen, context, self._p)
        return self._seen[1]
