"""Lifts move, open, count and report as lifts do; faults are what the truth says."""

from itertools import pairwise

import pytest

from domain.readings import Stream
from simulators.lift import DOOR_S, PRESENCE_HOLD_S
from simulators.world import World
from tests.support.simulated import Item, entry, items_of, states, truth_s, world


def run(simulated: World, equipment_id: str, duration_s: float = 300.0) -> list[Item]:
    return items_of(simulated.outgoing(duration_s), equipment_id)


def changes(items: list[Item], channel: str) -> list[tuple[float, object]]:
    """Times and values at which a status channel changed."""
    found: list[tuple[float, object]] = []
    for at_s, state in states(items):
        if channel in state and (not found or found[-1][1] != state[channel]):
            found.append((at_s, state[channel]))
    return found


def state_at(items: list[Item], at_s: float) -> dict[str, object]:
    return dict(next(s for t, s in reversed(list(states(items))) if t <= at_s))


def code_times(items: list[Item], code: str) -> list[tuple[float, object]]:
    return [(i.at_s, i.body.get("active")) for i in items if i.body.get("code") == code]


def test_doors_take_their_time_and_open_only_at_standstill_in_the_zone() -> None:
    simulated = world(lifts=30)
    messages = list(simulated.outgoing(1200.0))
    openings = 0
    for equipment in simulated.registry():
        items = items_of(messages, equipment.id)
        doors = changes(items, "door_closed")
        for (opened_s, closed), (closed_s, _) in pairwise(doors):
            if closed is False:
                openings += 1
                assert closed_s - opened_s >= 2 * DOOR_S + 3.0 - 0.3
                assert closed_s - opened_s <= 60.0
        for _, state in states(items):
            if state.get("door_closed") is False:
                assert state["door_zone"] is True
                assert state["car_status"] == 0
    assert openings > 20


def test_speeds_stay_within_the_rating_and_agree_with_direction_and_status() -> None:
    simulated = world(lifts=30)
    rated = {e.id: e.rated_speed_mps for e in simulated.registry()}
    fastest = 0.0
    messages = list(simulated.outgoing(900.0))
    for equipment_id, limit in rated.items():
        assert limit is not None
        for _, state in states(items_of(messages, equipment_id)):
            if "speed_mps" in state:
                fastest = max(fastest, abs(state["speed_mps"]) / limit)
        for one in items_of(messages, equipment_id):
            speed = one.values.get("speed_mps", 0.0)
            assert abs(speed) <= limit + 1e-3
    assert fastest > 0.95


def test_counters_rise_with_trips_and_presence_outlasts_people() -> None:
    simulated = world(entry("alarm_button", "lift-0001", 5, 10))
    items = run(simulated, "lift-0001")
    trips = [i.values["trips"] for i in items if "trips" in i.values]
    hours = [i.values["running_time_h"] for i in items if "running_time_h" in i.values]
    assert trips == sorted(trips)
    assert hours == sorted(hours)
    assert trips[-1] > trips[0]
    present = changes(items, "passenger_present")
    stays = [b - a for (a, on), (b, _) in pairwise(present) if on is True]
    assert min(stays) >= PRESENCE_HOLD_S


def test_full_snapshots_come_at_the_report_interval() -> None:
    simulated = world(lifts=3)
    items = run(simulated, "lift-0002", 200.0)
    times = [i.at_s for i in items if "trips" in i.values]
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[1:] == pytest.approx([30.0] * len(gaps[1:]), abs=0.3)


def test_entrapment_between_floors_shows_and_ends_with_people_out() -> None:
    # start 10 s ── ride ── stop between floors ··· code +3 s ··· button +60 s ··· rescue 200 s
    fault = entry("entrapment_off_level", "lift-0001", 10, 190, alarm_after_s=60.0, people=2.0)
    simulated = world(fault)
    items = run(simulated, "lift-0001")
    (truth,) = simulated.truth()
    from_s, to_s = truth_s(truth.from_ns), truth_s(truth.to_ns)
    assert truth.kind == "entrapment_off_level"
    assert truth.evidence_from_ns == truth.from_ns
    assert 15.0 < from_s < 60.0
    assert 200.0 < to_s < 230.0
    for at_s in (from_s + 0.3, from_s + 60.0, 199.0):
        state = state_at(items, at_s)
        assert state["car_status"] == 0
        assert state["door_zone"] is False
        assert state["door_closed"] is True
        assert state["passenger_present"] is True
        assert abs(float(str(state.get("speed_mps", 0.0)))) < 2.5
    told_s, active = code_times(items, "04")[0]
    assert told_s == pytest.approx(from_s + 3.0, abs=0.4)
    assert active is True
    assert code_times(items, "04")[-1][1] is False
    assert code_times(items, "90")[0][0] == pytest.approx(from_s + 60.0, abs=0.4)
    assert state_at(items, to_s + 0.3)["door_closed"] is False
    assert state_at(items, to_s + 0.3)["door_zone"] is True


@pytest.mark.parametrize("mode", ["door_fails", "no_start"])
def test_entrapment_at_a_floor_shows_and_ends_with_the_door_open(mode: str) -> None:
    fault = entry("entrapment_at_level", "lift-0001", 10, 190, mode=mode)
    simulated = world(fault)
    items = run(simulated, "lift-0001")
    (truth,) = simulated.truth()
    from_s, to_s = truth_s(truth.from_ns), truth_s(truth.to_ns)
    assert from_s < 70.0
    for at_s in (from_s + 0.3, from_s + 60.0, 199.0):
        state = state_at(items, at_s)
        assert (state["car_status"], state["door_zone"]) == (0, True)
        assert (state["door_closed"], state["passenger_present"]) == (True, True)
    assert state_at(items, to_s + 0.3)["door_closed"] is False
    assert code_times(items, "03")[0][1] is True


def test_a_cleaner_keeps_the_door_open() -> None:
    simulated = world(entry("cleaner_holding_door", "lift-0001", 5, 200))
    items = run(simulated, "lift-0001")
    (truth,) = simulated.truth()
    assert truth.kind is None
    for at_s in (truth_s(truth.from_ns) + 1.0, 120.0, 200.0):
        state = state_at(items, at_s)
        assert (state["door_closed"], state["passenger_present"]) == (False, True)
        assert state["car_status"] == 0


@pytest.mark.parametrize(
    ("what", "mode", "event"),
    [("out_of_service_with_person", 0, "42"), ("inspection", 2, "43"), ("fire_return", 3, "44")],
)
def test_modes_are_told_by_status_and_by_event(what: str, mode: int, event: str) -> None:
    simulated = world(entry(what, "lift-0001", 5, 240), duration_s=400.0)
    items = run(simulated, "lift-0001", 400.0)
    (truth,) = simulated.truth()
    from_s, to_s = truth_s(truth.from_ns), truth_s(truth.to_ns)
    assert state_at(items, from_s + 0.3)["service_mode"] == mode
    assert state_at(items, to_s + 0.3)["service_mode"] == 1
    ((told_s, active),) = code_times(items, event)
    assert told_s == pytest.approx(from_s, abs=0.3)
    assert active is True
    assert len(code_times(items, "40")) == 1


def test_inspection_moves_and_stands_between_floors() -> None:
    simulated = world(entry("inspection", "lift-0001", 5, 240))
    items = run(simulated, "lift-0001", 240.0)
    inspected = [s for _, s in states(items) if s.get("service_mode") == 2]
    assert any(s["car_status"] == 1 for s in inspected)
    assert any(s["car_status"] == 0 and s["door_zone"] is False for s in inspected)
    assert all(abs(s.get("speed_mps", 0.0)) <= 0.3 for s in inspected)


def test_an_express_run_lasts_long_without_a_door_zone() -> None:
    simulated = world(entry("long_express_run", "lift-0001", 5, 200))
    items = run(simulated, "lift-0001")
    (truth,) = simulated.truth()
    zone = changes(items, "door_zone")
    longest = max(b - a for (a, on), (b, _) in pairwise(zone) if on is False)
    assert longest > 40.0
    assert truth_s(truth.to_ns) - truth_s(truth.from_ns) > 45.0
    assert simulated.registry()[0].express_zone_m == 110.0


def test_a_hanging_presence_sensor_does_not_keep_the_car_from_moving() -> None:
    simulated = world(entry("presence_held", "lift-0001", 5, 280))
    items = run(simulated, "lift-0001")
    held = [(t, s) for t, s in states(items) if 6.0 < t < 285.0]
    assert all(s["passenger_present"] for _, s in held)
    moves = [t for t, v in changes(items, "car_status") if v == 1 and t < 285.0]
    assert len(moves) >= 4


def test_a_power_cut_hides_people_and_the_level_comes_back() -> None:
    simulated = world(entry("level_switch_lost", "lift-0001", 5, 120, cut_s=20))
    items = run(simulated, "lift-0001")
    from_s = truth_s(simulated.truth()[0].from_ns)
    cut = state_at(items, from_s + 5.0)
    assert cut["mains_power"] is False
    assert cut["passenger_present"] is None
    lost = state_at(items, from_s + 30.0)
    assert (lost["mains_power"], lost["door_zone"]) == (True, False)
    assert lost["passenger_present"] is False
    assert state_at(items, truth_s(simulated.truth()[0].to_ns) + 0.4)["door_zone"] is True
    assert [active for _, active in code_times(items, "41")] == [True, False]


def test_a_fault_code_stands_while_the_lift_is_out_of_use() -> None:
    simulated = world(entry("lift_fault", "lift-0001", 5, 100, code="05"))
    items = run(simulated, "lift-0001")
    assert [active for _, active in code_times(items, "05")] == [True, False]
    streams = {i.stream for i in items if i.body.get("code") == "05"}
    assert streams == {Stream.FAULT}


def test_ordinary_lifts_never_look_like_an_entrapment_for_long() -> None:
    """Nobody stands still behind a closed door for 20 s, the shortest delay in the field."""
    simulated = world(lifts=40)
    messages = list(simulated.outgoing(1500.0))
    for equipment in simulated.registry():
        since_s = None
        for at_s, state in states(items_of(messages, equipment.id)):
            trapped = state["passenger_present"] and state["door_closed"]
            stands = trapped and state["car_status"] == 0
            if since_s is not None:
                assert at_s - since_s < 20.0 or not stands
            since_s = (since_s or at_s) if stands else None
