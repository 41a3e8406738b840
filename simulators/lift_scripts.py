"""Scripts of lifts: entrapments, faults, and everything that only looks like one."""

from collections.abc import Callable, Generator, Mapping

from domain.readings import Stream
from simulators.lift import Lifts, Phase
from simulators.stage import Script, Stage, hold, pause

# Plain integers: members of an enumeration are slow to look up, and scripts ask in every step.
_IDLE, _OPEN, _MOVING, _HELD = map(int, (Phase.IDLE, Phase.OPEN, Phase.MOVING, Phase.HELD))

LiftScript = Callable[[Stage, Lifts], Script]

SHORTEST_CREEP_M = 0.5
"""Shortest run of an inspection."""

EVIDENT_CYCLES = 3
"""A door that opened so often without a ride is evidently cycling."""

CLOSED_S = 0.8
"""A cycling door stays closed so long before it opens again."""

RELEARN_S = 30.0
"""A car whose floor position was lost stands so long before it levels itself again."""


def entrapment_off_level(stage: Stage, lifts: Lifts) -> Script:
    """Stop a ride with people between floors until rescuers level the car."""
    slot = stage.slot
    lifts.ride(slot, round(stage.entry.number("people")))
    lifts.stop_armed[slot] = True
    yield from _until_held(stage, lifts)
    lifts.stop_armed[slot] = False
    if lifts.phase[slot] == _HELD:
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
    if lifts.phase[slot] == _HELD:
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
    if not (yield from _take_empty(stage, lifts)):
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
    while not stage.over and not (lifts.phase[slot] == _OPEN and lifts.people[slot]):
        yield None
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
    if lifts.phase[slot] != _HELD:
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
    if lifts.phase[slot] != _HELD:
        return
    _enter_mode(stage, lifts, 2, "43")
    while not stage.over:
        lifts.creep(slot, _between_floors(lifts, slot), stage.clock.now_s)
        yield from _until_held(stage, lifts)
        yield from pause(stage, stage.entry.number("stop_s"))
    while lifts.phase[slot] != _HELD:
        yield None
    lifts.relevel(slot, stage.clock.now_s)
    while lifts.people[slot]:
        yield None
    _leave_mode(stage, lifts)


def fire_return(stage: Stage, lifts: Lifts) -> Script:
    """Bring a ride to the lobby under fire return and stay there with the door open."""
    slot = stage.slot
    lobby = lifts.designs[slot].lobby
    if lifts.floor[slot] == lobby:
        lifts.ride(slot, 1)
        yield from _until_riding(stage, lifts)
        while lifts.people[slot]:
            yield None
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
        yield None
    stage.ends()


def stopped_outside_zone(stage: Stage, lifts: Lifts) -> Script:
    """Stop the empty car between floors until somebody levels it."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
    lifts.stop_empty[slot] = True
    lifts.run_empty(slot, lifts.far_height(slot), stage.clock.now_s, arrive=Phase.IDLE)
    while lifts.phase[slot] not in (_HELD, _IDLE):
        yield None
    lifts.stop_empty[slot] = False
    if lifts.phase[slot] == _HELD:
        yield from _stand_with_code(stage)
        yield from _level(stage, lifts)
        stage.ends()
    lifts.accepting[slot] = True


def moved_with_door_open(stage: Stage, lifts: Lifts) -> Script:
    """Creep away from a floor with the door open, empty, and stand there."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
    lifts.open_here(slot, stage.clock.now_s)
    while lifts.phase[slot] != _OPEN:
        yield None
    lifts.door_forced_open[slot] = True
    way_m = stage.entry.number("by_m") * (1.0 if lifts.floor[slot] == 0 else -1.0)
    lifts.creep(slot, float(lifts.position_m[slot]) + way_m, stage.clock.now_s)
    stage.begins()
    stage.evident()
    while lifts.phase[slot] != _HELD:
        yield None
    yield from _stand_with_code(stage)
    lifts.door_forced_open[slot] = False
    yield from _level(stage, lifts)
    stage.ends()
    lifts.accepting[slot] = True


def over_travel(stage: Stage, lifts: Lifts) -> Script:
    """Run the empty car past a terminal floor onto the limit."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
    floors_m = lifts.designs[slot].floors_m
    down = lifts.floor[slot] > len(floors_m) // 2
    by_m = stage.entry.number("by_m")
    end_m = floors_m[0] - by_m if down else floors_m[-1] + by_m
    lifts.run_empty(slot, end_m, stage.clock.now_s, arrive=Phase.HELD)
    while lifts.phase[slot] != _HELD:
        yield None
    yield from _stand_with_code(stage)
    yield from _level(stage, lifts)
    stage.ends()
    lifts.accepting[slot] = True


def door_held_open(stage: Stage, lifts: Lifts) -> Script:
    """Block the door of the empty car."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
    lifts.door_held[slot] = True
    lifts.open_here(slot, stage.clock.now_s)
    yield from _stand_with_code(stage)
    lifts.door_held[slot] = False
    stage.ends()
    lifts.accepting[slot] = True


def door_cycling(stage: Stage, lifts: Lifts) -> Script:
    """Let the door of the empty car close and open again, over and over."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
    attempts = 0
    stage.begins()
    while not stage.over:
        lifts.open_here(slot, stage.clock.now_s)
        attempts += 1
        if attempts == EVIDENT_CYCLES:
            stage.evident()
        while lifts.phase[slot] != _OPEN:
            yield None
        lifts.phase_end_s[slot] = stage.clock.now_s + stage.entry.number("open_s")
        while lifts.phase[slot] != _IDLE:
            yield None
        yield from pause(stage, CLOSED_S)
    stage.ends()
    lifts.accepting[slot] = True


def out_of_service(stage: Stage, lifts: Lifts) -> Script:
    """Leave service without any reason told."""
    if not (yield from _take_empty(stage, lifts)):
        return
    lifts.stand(stage.slot)
    stage.evident()
    _enter_mode(stage, lifts, 0, "42")
    yield from hold(stage)
    _leave_mode(stage, lifts)
    _back_in_use(stage, lifts)


def power_failure(stage: Stage, lifts: Lifts) -> Script:
    """Cut the mains: the car levels on its battery, lets people out, and stands."""
    slot = stage.slot
    lifts.accepting[slot] = False
    lifts.mains[slot] = False
    stage.begins()
    stage.evident()
    told = stage.entry.flag("event")
    if told:
        stage.code(Stream.EVENT, "41", active=True)
    yield from hold(stage)
    lifts.mains[slot] = True
    if told:
        stage.code(Stream.EVENT, "41", active=False)
    lifts.accepting[slot] = True
    stage.ends()


def held_at_level(stage: Stage, lifts: Lifts) -> Script:
    """Hold the door at a floor with people inside and outside."""
    slot = stage.slot
    lifts.ride(slot, round(stage.entry.number("people")))
    while not stage.over and not (lifts.phase[slot] == _OPEN and lifts.people[slot]):
        yield None
    lifts.drop_ride(slot)
    if stage.over:
        return
    lifts.door_held[slot] = True
    stage.begins()
    yield from hold(stage)
    lifts.door_held[slot] = False
    stage.ends()


def presence_misses_person(stage: Stage, lifts: Lifts) -> Script:
    """Blind the presence sensor while the car works as it should."""
    lifts.presence_blind[stage.slot] = True
    stage.begins()
    yield from hold(stage)
    lifts.presence_blind[stage.slot] = False
    stage.ends()


def goods_in_car(stage: Stage, lifts: Lifts) -> Script:
    """Leave goods in the car that hold presence and load."""
    lifts.goods_kg[stage.slot] = stage.entry.number("load_kg")
    yield from presence_held(stage, lifts)
    lifts.goods_kg[stage.slot] = 0.0


def presence_held(stage: Stage, lifts: Lifts) -> Script:
    """Hang the presence sensor while the car goes on answering calls."""
    slot = stage.slot
    lifts.presence_forced[slot] = True
    stage.begins()
    idle_s = stage.entry.number("idle_s")
    lifts.next_call_s[slot] = stage.clock.now_s + idle_s
    while not stage.over:
        if lifts.phase[slot] != _IDLE:
            lifts.next_call_s[slot] = stage.clock.now_s + idle_s
        yield None
    lifts.presence_forced[slot] = False
    stage.ends()


def level_switch_lost(stage: Stage, lifts: Lifts) -> Script:
    """Cut the power of an empty car; its door-zone signal is gone until it levels again."""
    slot = stage.slot
    if not (yield from _take_empty(stage, lifts)):
        return
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
    mains_off = stage.entry.flag("mains_off")
    if mains_off:
        lifts.mains[stage.slot] = False
        stage.code(Stream.EVENT, "41", active=True)
    code = "" if mains_off else stage.entry.text("code")
    code_sent, alarm_sent = False, False
    code_at_s = onset_s + stage.entry.number("code_after_s")
    alarm_after_s = stage.entry.number("alarm_after_s")
    while not stage.over:
        if code and not code_sent and stage.clock.now_s >= code_at_s:
            stage.code(Stream.FAULT, code, active=True)
            code_sent = True
        if alarm_after_s >= 0 and not alarm_sent and stage.clock.now_s >= onset_s + alarm_after_s:
            stage.press_alarm()
            alarm_sent = True
        yield None
    if mains_off:
        lifts.mains[stage.slot] = True
        stage.code(Stream.EVENT, "41", active=False)
    rescue()
    while lifts.people[stage.slot]:
        yield None
    stage.ends()
    if code_sent:
        stage.code(Stream.FAULT, code, active=False)


def _until_held(stage: Stage, lifts: Lifts) -> Script:
    while not stage.over and lifts.phase[stage.slot] != _HELD:
        yield None
    lifts.drop_ride(stage.slot)


def _until_riding(stage: Stage, lifts: Lifts) -> Script:
    slot = stage.slot
    while lifts.ride_pending(slot) or not (lifts.phase[slot] == _MOVING and lifts.people[slot]):
        yield None


def _until_empty(stage: Stage, lifts: Lifts) -> Script:
    slot = stage.slot
    lifts.accepting[slot] = False
    while not stage.over and (lifts.phase[slot] != _IDLE or lifts.people[slot]):
        yield None


def _take_empty(stage: Stage, lifts: Lifts) -> Generator[float | None, None, bool]:
    """Keep calls away until the car is empty and idle; whether it is before the entry is over."""
    yield from _until_empty(stage, lifts)
    if not stage.over:
        return True
    lifts.accepting[stage.slot] = True
    return False


def _stand_with_code(stage: Stage) -> Script:
    """Begin if that has not happened, report the entry's fault code, and stand to the end."""
    if stage.note.from_ns is None:
        stage.begins()
        stage.evident()
    code = stage.entry.text("code")
    if code:
        stage.code(Stream.FAULT, code, active=True)
    yield from hold(stage)
    if code:
        stage.code(Stream.FAULT, code, active=False)


def _level(stage: Stage, lifts: Lifts) -> Script:
    """Somebody levels the car; its door opens and closes."""
    lifts.relevel(stage.slot, stage.clock.now_s)
    while lifts.phase[stage.slot] != _OPEN:
        yield None


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
        stopped_outside_zone,
        moved_with_door_open,
        over_travel,
        door_held_open,
        door_cycling,
        out_of_service,
        power_failure,
        held_at_level,
        presence_misses_person,
        goods_in_car,
    )
}
"""Script by injection name."""
