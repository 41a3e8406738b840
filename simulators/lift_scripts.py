"""Scripts of lifts: entrapments, faults, and everything that only looks like one."""

from collections.abc import Callable, Mapping

from domain.readings import Stream
from simulators.lift import Lifts, Phase
from simulators.stage import Script, Stage, hold, pause

LiftScript = Callable[[Stage, Lifts], Script]

SHORTEST_CREEP_M = 0.5
"""Shortest run of an inspection."""

RELEARN_S = 30.0
"""A car whose floor position was lost stands so long before it levels itself again."""


def entrapment_off_level(stage: Stage, lifts: Lifts) -> Script:
    """Stop a ride with people between floors until rescuers level the car."""
    slot = stage.slot
    lifts.ride(slot, round(stage.entry.number("people")))
    lifts.stop_armed[slot] = True
    yield from _until_held(stage, lifts)
    lifts.stop_armed[slot] = False
    if lifts.phase[slot] == Phase.HELD:
        yield from _trapped(stage, lifts, lambda: lifts.relevel(slot, stage.clock.now_s))


def entrapment_at_level(stage: Stage, lifts: Lifts) -> Script:
    """Keep people in a car that stands at a floor until rescuers open the door."""
    slot = stage.slot
    jam = lifts.door_jammed if stage.entry.text("mode") == "door_fails" else lifts.start_jammed
    near = lifts.neighbour_floor(slot)
    lifts.ride(slot, round(stage.entry.number("people")), target=near)
    jam[slot] = True
    yield from _until_held(stage, lifts)
    jam[slot] = False
    if lifts.phase[slot] == Phase.HELD:
        yield from _trapped(stage, lifts, lambda: lifts.open_here(slot, stage.clock.now_s))


def alarm_button(stage: Stage, lifts: Lifts) -> Script:
    """Press the alarm button during a ride that ends as it should."""
    lifts.ride(stage.slot, 1)
    yield from _until_riding(stage, lifts)
    stage.begins()
    stage.evident()
    stage.press_alarm()
    stage.ends()


def lift_fault(stage: Stage, lifts: Lifts) -> Script:
    """Take the empty car out of use with a fault code."""
    yield from _until_empty(stage, lifts)
    if stage.over:
        lifts.accepting[stage.slot] = True
        return
    lifts.stand(stage.slot)
    code = stage.entry.text("code")
    stage.begins()
    stage.evident()
    stage.code(Stream.FAULT, code, active=True)
    yield from hold(stage)
    stage.code(Stream.FAULT, code, active=False)
    stage.ends()
    _back_in_use(stage, lifts)


def cleaner_holding_door(stage: Stage, lifts: Lifts) -> Script:
    """Hold the door open at a floor with a person in the car."""
    slot = stage.slot
    lifts.ride(slot, 1)
    while not stage.over and not (lifts.phase[slot] == Phase.OPEN and lifts.people[slot]):
        yield
    lifts.door_held[slot] = True
    stage.begins()
    yield from hold(stage)
    lifts.door_held[slot] = False
    stage.ends()


def out_of_service_with_person(stage: Stage, lifts: Lifts) -> Script:
    """Take the lift out of service at a floor, door closed, while somebody works inside."""
    slot = stage.slot
    lifts.ride(slot, 1)
    lifts.start_jammed[slot] = True
    yield from _until_held(stage, lifts)
    lifts.start_jammed[slot] = False
    if lifts.phase[slot] != Phase.HELD:
        return
    _enter_mode(stage, lifts, 0, "42")
    yield from hold(stage)
    _leave_mode(stage, lifts)
    lifts.open_here(slot, stage.clock.now_s)


def inspection(stage: Stage, lifts: Lifts) -> Script:
    """Run slowly and stand between floors with a technician inside, in inspection mode."""
    slot = stage.slot
    lifts.ride(slot, 1)
    lifts.start_jammed[slot] = True
    yield from _until_held(stage, lifts)
    lifts.start_jammed[slot] = False
    if lifts.phase[slot] != Phase.HELD:
        return
    _enter_mode(stage, lifts, 2, "43")
    while not stage.over:
        lifts.creep(slot, _between_floors(lifts, slot), stage.clock.now_s)
        yield from _until_held(stage, lifts)
        yield from pause(stage, stage.entry.number("stop_s"))
    while lifts.phase[slot] != Phase.HELD:
        yield
    lifts.relevel(slot, stage.clock.now_s)
    while lifts.people[slot]:
        yield
    _leave_mode(stage, lifts)


def fire_return(stage: Stage, lifts: Lifts) -> Script:
    """Bring a ride to the lobby under fire return and stay there with the door open."""
    slot = stage.slot
    lobby = lifts.designs[slot].lobby
    if lifts.floor[slot] == lobby:
        lifts.ride(slot, 1)
        yield from _until_riding(stage, lifts)
        while lifts.people[slot]:
            yield
    lifts.ride(slot, 1, target=lobby)
    yield from _until_riding(stage, lifts)
    _enter_mode(stage, lifts, 3, "44")
    lifts.accepting[slot] = False
    lifts.door_held[slot] = True
    yield from hold(stage)
    lifts.door_held[slot] = False
    lifts.accepting[slot] = True
    _leave_mode(stage, lifts)


def long_express_run(stage: Stage, lifts: Lifts) -> Script:
    """Ride through the express zone with people aboard."""
    slot = stage.slot
    floors = len(lifts.designs[slot].floors_m)
    if lifts.floor[slot] == lifts.designs[slot].lobby:
        lifts.ride(slot, round(stage.entry.number("people")), target=floors - 1)
    else:
        lifts.ride(slot, round(stage.entry.number("people")), target=lifts.designs[slot].lobby)
    yield from _until_riding(stage, lifts)
    stage.begins()
    while lifts.people[slot]:
        yield
    stage.ends()


def presence_held(stage: Stage, lifts: Lifts) -> Script:
    """Hang the presence sensor while the car goes on answering calls."""
    slot = stage.slot
    lifts.presence_forced[slot] = True
    stage.begins()
    idle_s = stage.entry.number("idle_s")
    lifts.next_call_s[slot] = stage.clock.now_s + idle_s
    while not stage.over:
        if lifts.phase[slot] != Phase.IDLE:
            lifts.next_call_s[slot] = stage.clock.now_s + idle_s
        yield
    lifts.presence_forced[slot] = False
    stage.ends()


def level_switch_lost(stage: Stage, lifts: Lifts) -> Script:
    """Cut the power of an empty car; its door-zone signal is gone until it levels again."""
    slot = stage.slot
    yield from _until_empty(stage, lifts)
    lifts.stand(slot)
    stage.begins()
    lifts.mains[slot] = False
    stage.code(Stream.EVENT, "41", active=True)
    yield from pause(stage, stage.entry.number("cut_s"))
    lifts.mains[slot] = True
    lifts.level_lost[slot] = True
    stage.code(Stream.EVENT, "41", active=False)
    stage.code(Stream.FAULT, "07", active=True)
    yield from pause(stage, RELEARN_S)
    yield from hold(stage)
    lifts.level_lost[slot] = False
    stage.code(Stream.FAULT, "07", active=False)
    stage.ends()
    _back_in_use(stage, lifts)


def _trapped(stage: Stage, lifts: Lifts, rescue: Callable[[], None]) -> Script:
    stage.begins()
    stage.evident()
    onset_s = stage.clock.now_s
    code, code_sent, alarm_sent = stage.entry.text("code"), False, False
    code_at_s = onset_s + stage.entry.number("code_after_s")
    alarm_after_s = stage.entry.number("alarm_after_s")
    while not stage.over:
        if code and not code_sent and stage.clock.now_s >= code_at_s:
            stage.code(Stream.FAULT, code, active=True)
            code_sent = True
        if alarm_after_s >= 0 and not alarm_sent and stage.clock.now_s >= onset_s + alarm_after_s:
            stage.press_alarm()
            alarm_sent = True
        yield
    rescue()
    while lifts.people[stage.slot]:
        yield
    stage.ends()
    if code_sent:
        stage.code(Stream.FAULT, code, active=False)


def _until_held(stage: Stage, lifts: Lifts) -> Script:
    while not stage.over and lifts.phase[stage.slot] != Phase.HELD:
        yield
    lifts.drop_ride(stage.slot)


def _until_riding(stage: Stage, lifts: Lifts) -> Script:
    slot = stage.slot
    while lifts.ride_pending(slot) or not (
        lifts.phase[slot] == Phase.MOVING and lifts.people[slot]
    ):
        yield


def _until_empty(stage: Stage, lifts: Lifts) -> Script:
    slot = stage.slot
    lifts.accepting[slot] = False
    while not stage.over and (lifts.phase[slot] != Phase.IDLE or lifts.people[slot]):
        yield


def _back_in_use(stage: Stage, lifts: Lifts) -> None:
    lifts.accepting[stage.slot] = True
    lifts.release(stage.slot)


def _enter_mode(stage: Stage, lifts: Lifts, mode: int, event: str) -> None:
    stage.begins()
    lifts.service_mode[stage.slot] = mode
    stage.code(Stream.EVENT, event, active=True)


def _leave_mode(stage: Stage, lifts: Lifts) -> None:
    lifts.service_mode[stage.slot] = 1
    stage.code(Stream.EVENT, "40", active=True)
    stage.ends()


def _between_floors(lifts: Lifts, slot: int) -> float:
    floors_m = lifts.designs[slot].floors_m
    floor = int(lifts.floor[slot])
    here_m = float(lifts.position_m[slot])
    other = floor + 1 if floor + 1 < len(floors_m) else floor - 1
    middle_m = (floors_m[floor] + floors_m[other]) / 2.0
    gap_m = floors_m[other] - floors_m[floor]
    return middle_m if abs(middle_m - here_m) > SHORTEST_CREEP_M else middle_m - gap_m / 4.0


LIFT_SCRIPTS: Mapping[str, LiftScript] = {
    script.__name__: script
    for script in (
        entrapment_off_level,
        entrapment_at_level,
        alarm_button,
        lift_fault,
        cleaner_holding_door,
        out_of_service_with_person,
        inspection,
        fire_return,
        long_express_run,
        presence_held,
        level_switch_lost,
    )
}
"""Script by injection name."""
