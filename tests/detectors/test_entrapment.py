"""Each story is drawn on a time line: what the car did, and what must be claimed when."""

import numpy as np
import pytest

from domain.equipment import Equipment, Kind
from domain.readings import Quality
from tests.support.story import LATE, PARKED, Story, leave, lift, only, ride

OFF, AT, BUTTON = "entrapment_off_level", "entrapment_at_level", "alarm_button"


def stuck_between_floors(story: Story, t_s: float = 40.0) -> Story:
    """Boards at t-26, runs 18 s, stops between floors at ``t_s``."""
    ride(story, t_s - 26, 18)
    return story.at(t_s, car_status=0)


def test_off_level_is_suspected_after_30_s_and_confirmed_after_120_s() -> None:
    """
    car   __boards__████run████|stops between floors___________________________
                              40        70 suspected              160 confirmed
    """
    story = stuck_between_floors(lift()).until(200)
    assert story.levels() == [(OFF, "suspected", 40, 70), (OFF, "confirmed", 40, 160)]
    assert story.ended() == []


def test_an_alarm_or_a_fault_confirms_off_level_after_45_s() -> None:
    pressed = stuck_between_floors(lift()).code(60, "gbt24476:90").until(120)
    assert pressed.levels(OFF) == [(OFF, "suspected", 40, 70), (OFF, "confirmed", 40, 85)]
    faulty = stuck_between_floors(lift()).code(43, "gbt24476:04").until(120)
    assert faulty.levels(OFF) == [(OFF, "suspected", 40, 70), (OFF, "confirmed", 40, 85)]


def test_an_alarm_after_a_minute_confirms_at_once() -> None:
    story = stuck_between_floors(lift()).code(100.2, "gbt24476:90")
    assert story.levels(OFF)[-1] == (OFF, "confirmed", 40, 100.2)


def test_a_long_express_run_is_no_entrapment() -> None:
    story = ride(lift(), 10, 170)
    story.at(190, car_status=0, door_zone=True)
    leave(story, 193).until(400)
    assert story.levels() == []


def test_a_stop_without_anybody_is_no_entrapment() -> None:
    story = lift().at(10, car_status=1, door_zone=False).at(30, car_status=0).until(400)
    assert story.levels(OFF, AT) == []


@pytest.mark.parametrize("mode", [2, 3, 4, 6])
def test_special_modes_are_not_judged_and_withdraw_a_suspicion(mode: int) -> None:
    quiet = stuck_between_floors(lift().at(1, service_mode=mode)).until(300)
    assert quiet.levels() == []
    withdrawn = stuck_between_floors(lift()).at(80, service_mode=mode).until(90)
    assert withdrawn.levels() == [(OFF, "suspected", 40, 70)]
    assert withdrawn.ended()[0][1].startswith("mode_")


@pytest.mark.parametrize("mode", [0, 5, 7, None])
def test_other_and_unknown_modes_do_not_hide_an_entrapment(mode: int | None) -> None:
    story = stuck_between_floors(lift().at(1, service_mode=mode)).until(200)
    assert [level for _, level, _, _ in story.levels(OFF)] == ["suspected", "confirmed"]


def test_reaching_a_floor_and_opening_ends_it() -> None:
    story = stuck_between_floors(lift()).until(80)
    story.at(81, car_status=1).at(86, car_status=0, door_zone=True).at(88, door_closed=False)
    story.until(95)
    assert story.ended() == [(OFF, "door_opened")]


def test_presence_lost_behind_a_closed_door_ends_nothing() -> None:
    story = stuck_between_floors(lift()).at(75, passenger_present=False).until(300)
    assert story.ended() == []
    assert story.levels()[0] == (OFF, "suspected", 40, 70)


def test_a_power_cut_that_blinds_the_sensor_does_not_free_the_passenger() -> None:
    """
    car   ████run████|power off: car stops, presence reads false
                     40              70 suspected   85 confirmed
    """
    story = ride(lift(), 14, 18)
    story.at(40, car_status=0, mains_power=False, passenger_present=False).until(200)
    assert story.levels(OFF, AT) == [(OFF, "suspected", 40, 70), (OFF, "confirmed", 40, 85)]


def test_a_power_cut_of_an_empty_lift_is_no_entrapment() -> None:
    story = lift().at(10, car_status=1, door_zone=False)
    story.at(20, car_status=0, mains_power=False, passenger_present=None).until(300)
    assert story.levels(OFF, AT) == []


def test_at_level_with_a_door_that_does_not_open_after_the_ride() -> None:
    """
    car   boards██run██|arrives at level, door stays shut
                      40        70 suspected          160 confirmed
    """
    story = ride(lift(), 14, 18)
    story.at(40, car_status=0, door_zone=True).until(200)
    assert story.levels() == [(AT, "suspected", 40, 70), (AT, "confirmed", 40, 160)]
    story.at(210, door_closed=False).until(215)
    assert story.ended() == [(AT, "door_opened")]


def test_at_level_with_a_car_that_does_not_start_after_boarding() -> None:
    story = lift().at(10, door_closed=False).at(12, passenger_present=True)
    story.at(16, door_closed=True).until(200)
    assert story.levels() == [(AT, "suspected", 16, 56), (AT, "confirmed", 16, 156)]


def test_presence_from_before_the_door_opened_is_only_suspected_without_more() -> None:
    story = ride(lift(), 10, 20)
    story.at(38, car_status=0, door_zone=True).at(40, door_closed=False).at(46, door_closed=True)
    story.until(400)
    assert story.levels() == [(AT, "suspected", 46, 89)]
    story.code(401, "gbt24476:90")
    assert story.levels(AT)[-1][1] == "confirmed"


def test_a_stuck_presence_sensor_is_no_suspicion() -> None:
    story = ride(lift(), 10, 20)
    t = 38.0
    for _ in range(4):
        story.at(t, car_status=0, door_zone=True).at(t + 2, door_closed=False)
        story.at(t + 8, door_closed=True).at(t + 12, car_status=1, door_zone=False)
        t += 30
    story.at(t, car_status=0, door_zone=True).at(t + 2, door_closed=False)
    story.at(t + 8, door_closed=True).until(t + 400)
    assert story.levels() == []


def test_re_levelling_does_not_free_the_passenger() -> None:
    """
    car   boards██run██|door stays shut|█ 2 s relevel|door stays shut
                      40               60            62   92 suspected   182 confirmed
    """
    story = ride(lift(), 14, 18)
    story.at(40, car_status=0, door_zone=True).at(60, car_status=1).at(62, car_status=0).until(200)
    assert story.levels() == [(AT, "suspected", 62, 92), (AT, "confirmed", 62, 182)]


def test_a_car_that_crawls_to_the_floor_and_stays_shut_is_trapped_there() -> None:
    story = stuck_between_floors(lift()).at(75, car_status=1)
    story.at(79, car_status=0, door_zone=True).until(250)
    assert story.levels(AT) == [(AT, "suspected", 79, 109), (AT, "confirmed", 79, 199)]


@pytest.mark.parametrize("reads", [None, False])
@pytest.mark.parametrize("rode", [True, False])
def test_a_power_cut_at_level_frees_nobody(*, rode: bool, reads: bool | None) -> None:
    """The sensor loses its power with the lift: it reads false, or nothing."""
    if rode:
        story = ride(lift(), 14, 18)
        story.at(40, car_status=0, door_zone=True, mains_power=False, passenger_present=reads)
    else:
        story = lift().at(30, door_closed=False).at(32, passenger_present=True)
        story.at(40, door_closed=True).at(41, mains_power=False, passenger_present=reads)
    story.until(200)
    assert [(kind, level, onset) for kind, level, onset, _ in story.levels(OFF, AT)] == [
        (AT, "suspected", 40),
        (AT, "confirmed", 40),
    ]


def test_a_passenger_who_boarded_and_keeps_still_is_waited_for() -> None:
    """
    presence  ___████████__7__████████__7__████████__ ... behind a door that has not opened since
    """
    story = lift().at(10, door_closed=False).at(12, passenger_present=True)
    story.at(16, door_closed=True)
    for t in range(26, 300, 15):
        story.at(t, passenger_present=False).at(t + 7, passenger_present=True)
    assert [level for _, level, _, _ in story.levels(AT)] == ["suspected", "confirmed"]


def test_stepping_in_and_out_again_is_no_entrapment() -> None:
    story = lift().at(10, door_closed=False).at(12, passenger_present=True)
    story.at(20, door_closed=True).at(27, passenger_present=False).until(600)
    assert story.levels() == []


@pytest.mark.parametrize("lasts_s", [7, 400])
def test_presence_that_nobody_walked_into_is_a_fan(lasts_s: int) -> None:
    """
    door      open|closed 30_______________________________
    presence  ████████|gone 36______|200 ████|207____|220 ████
    """
    story = lift().at(10, door_closed=False).at(12, passenger_present=True)
    story.at(30, door_closed=True).at(36, passenger_present=False)
    story.at(60, door_closed=False).at(70, door_closed=True)
    for t in range(200, 900, lasts_s + 13):
        story.at(t, passenger_present=True).at(t + lasts_s, passenger_present=False)
    assert story.levels() == []


def test_a_zone_switch_that_is_wrong_at_every_floor_is_no_entrapment() -> None:
    """
    zone  false all the time
    car   boards 10-16|waits 44 s|██run██|stops 90|door 92-98|a trolley stays inside
    """
    story = lift().at(1, door_zone=False).at(10, door_closed=False)
    story.at(12, passenger_present=True).at(16, door_closed=True).at(60, car_status=1)
    story.at(90, car_status=0).at(92, door_closed=False).at(98, door_closed=True).until(500)
    assert story.levels() == []
    story.code(501, "gbt24476:90").until(560)
    assert (OFF, "confirmed") in [(kind, level) for kind, level, _, _ in story.levels()]


def test_a_door_contact_that_bounces_when_the_car_jolts_hides_nothing() -> None:
    story = stuck_between_floors(lift()).at(40.3, door_closed=False).at(40.8, door_closed=True)
    assert [level for _, level, _, _ in story.until(200).levels(OFF)] == ["suspected", "confirmed"]


def test_a_rescue_between_floors_ends_it_although_the_alarm_was_pressed() -> None:
    story = stuck_between_floors(lift()).code(50, "gbt24476:90")
    story.at(300, door_closed=False).until(310)
    assert story.ended() == []
    story.at(320, passenger_present=False).at(330, door_closed=True).until(340)
    assert story.ended() == [(OFF, "door_opened")]


def test_a_stuck_sensor_in_a_car_that_parks_shut_is_no_suspicion() -> None:
    """Presence true for 40 min and 15 trips; then the car is sent to park behind a shut door."""
    story = lift().at(30, passenger_present=True)
    for t in range(60, 2_300, 150):
        story.at(t, door_closed=False).at(t + 6, door_closed=True)
        story.at(t + 8, car_status=1).at(t + 20, car_status=0)
        story.at(t + 22, door_closed=False).at(t + 28, door_closed=True)
    before = len(story.levels())
    story.at(2_400, car_status=1).at(2_412, car_status=0).until(3_000)
    assert len(story.levels()) == before


def test_a_sensor_that_holds_ten_seconds_is_normal() -> None:
    story = ride(lift(), 10, 20)
    leave(story.at(38, car_status=0, door_zone=True), 40).until(600)
    assert story.levels() == []


def test_a_cleaner_holding_the_door_or_parked_out_of_service_is_no_entrapment() -> None:
    holding = lift().at(10, door_closed=False, passenger_present=True).until(900)
    assert holding.levels(OFF, AT) == []
    parked = lift().at(10, service_mode=0).at(12, door_closed=False, passenger_present=True)
    parked.at(20, door_closed=True).until(900)
    assert parked.levels(OFF, AT) == []


def test_without_presence_sensor_the_load_tells_of_somebody() -> None:
    story = lift().at(1, passenger_present=None, load_kg=0)
    story.at(10, load_kg=150).at(12, car_status=1, door_zone=False).at(30, car_status=0).until(200)
    assert story.levels(OFF, AT) == [(OFF, "suspected", 30, 60), (OFF, "confirmed", 30, 150)]


def test_a_retrofit_terminal_without_car_status_is_judged_by_lack_of_progress() -> None:
    story = lift(express_zone_m=60.0, rated_speed_mps=2.0)
    story.at(1, car_status=None).at(5, door_closed=False).at(6, passenger_present=True)
    story.at(9, door_closed=True).at(12, door_zone=False).until(200)
    kind, level, onset_s, detected_s = story.levels()[0]
    assert (kind, level, onset_s) == (OFF, "suspected", 12)
    assert detected_s == 12 + 45 + 30


def test_unknown_time_is_no_hold_time_and_hides_nothing() -> None:
    """
    known  ████████████|offline for 600 s|████████████████
           stop at 40  50                650   suspected at 670: 10 s + 20 s
    """
    story = stuck_between_floors(lift()).alive(50, online=False).until(640)
    assert story.levels(OFF) == []
    story.alive(650).at(
        650, car_status=0, door_zone=False, door_closed=True, passenger_present=True
    )
    story.until(680)
    kind, level, _, detected_s = only(story.levels(OFF))
    assert (kind, level) == (OFF, "suspected")
    assert 670 <= detected_s <= 680


def test_somebody_inside_before_a_silence_is_believed_to_be_there_after_it() -> None:
    """
    known  ████████████████|silent from 40|stale at 100|████ presence not reported any more
           stop at 40  70 suspected                   300   confirmed at 360: 60 s + 60 s
    """
    story = stuck_between_floors(lift(report_interval_s=20.0)).until(299)
    story.at(300, car_status=0, door_zone=False, door_closed=True).alive(330).until(370)
    assert story.levels(OFF) == [(OFF, "suspected", 40, 70), (OFF, "confirmed", 40, 360)]


def test_who_was_inside_before_a_silence_of_an_ordinary_lift_is_not_believed_after_it() -> None:
    """A rider is seen, the terminal falls silent during the ride, and comes back at a floor."""
    story = ride(lift(report_interval_s=20.0), 10, 30)
    assert story.until(899).levels(OFF, AT) == []
    story.at(900, **{**PARKED, "passenger_present": False}).until(901)
    for second in range(930, 1200, 30):
        story.alive(second)
    assert story.until(1200).levels(OFF, AT) == []


def test_late_rows_after_a_silence_do_not_make_a_stop_longer() -> None:
    """
    heard  stop at 40|silent, stale at 130|received at 500: rows of 50 and 120
                      70 suspected                          stood 80 s: not confirmed
    """
    story = stuck_between_floors(lift(report_interval_s=30.0)).until(499)
    story.at(50, received_s=500, quality=LATE, load_kg=100)
    story.at(120, received_s=500.1, quality=LATE, load_kg=100).until(510)
    assert story.levels(OFF) == [(OFF, "suspected", 40, 70)]


def test_our_own_outage_is_no_hold_time() -> None:
    """We are away from 45 to 245; the car left at 60, which the broker tells us afterwards."""
    story = stuck_between_floors(lift()).until(45).away(245)
    story.at(60, received_s=245.2, quality=LATE, car_status=1)
    story.at(70, received_s=245.3, quality=LATE, car_status=0, door_zone=True)
    story.at(72, received_s=245.4, quality=LATE, door_closed=False).until(300)
    assert story.levels(OFF) == []


def test_a_danger_that_stands_at_the_end_of_late_data_is_claimed_as_late() -> None:
    """
    event time   stop 40 ............ 100 (last buffered item)
    received     ............................. 300.1  300.2   claimed 5 s after the last
    """
    story = ride(lift(), 14, 18).until(38)
    story.at(40, received_s=300.1, quality=LATE, car_status=0)
    story.at(100, received_s=300.2, quality=LATE, passenger_present=True).until(310)
    assert [(f.level, f.late) for f in story.findings if f.kind == OFF] == [("suspected", True)]


def test_late_data_that_ended_well_claims_nothing() -> None:
    story = ride(lift(), 14, 18).until(38)
    story.at(40, received_s=300.1, quality=LATE, car_status=0)
    story.at(100, received_s=300.2, quality=LATE, car_status=1)
    story.at(110, received_s=300.3, quality=LATE, car_status=0, door_zone=True)
    story.at(112, received_s=300.4, quality=LATE, door_closed=False).until(400)
    assert story.levels(OFF, AT) == []


def test_retained_rows_are_history() -> None:
    flags = int(Quality.RETAINED | Quality.LATE)
    story = lift().at(5, quality=flags, car_status=0, door_zone=False, passenger_present=True)
    assert story.until(400).levels() == []


def test_a_clock_judged_wrong_restarts_nothing_and_invents_nothing() -> None:
    """The first item says 300 s ago; then the clock is judged wrong and event time is ours."""
    story = ride(lift(), 14, 18)
    story.at(40 - 300, received_s=40, quality=LATE, car_status=0)
    wrong = int(Quality.CLOCK_WRONG | Quality.CLOCK_STEP)
    story.at(46, quality=wrong, passenger_present=True).until(60)
    assert story.levels(OFF) == []


def test_samples_buffered_in_one_message_are_judged_at_their_own_times() -> None:
    """A minute of samples arrives at once: it stood 35 s within them, though it ended."""
    story = ride(lift(), 14, 18)
    story.at(40, received_s=100, car_status=0)
    story.at(76, received_s=100, car_status=1)
    assert story.levels() == [(OFF, "suspected", 40, 100)]


def snapshots(changes: list[tuple[float, dict[str, object]]], interval_s: float) -> Story:
    """A terminal that sends everything at a fixed interval and nothing in between."""
    story = Story(Equipment(id="L1", kind=Kind.LIFT, report_interval_s=interval_s), lag_s=0.3)
    state, left = dict(PARKED), sorted(changes, key=lambda change: change[0])
    for n in range(int(left[-1][0] / interval_s) + 1):
        while left and left[0][0] <= n * interval_s:
            state |= left.pop(0)[1]
        story.at(n * interval_s, **state)
    return story.until(n * interval_s + interval_s / 2)


def trip(t_s: float, run_s: float) -> list[tuple[float, dict[str, object]]]:
    """Boards, rides, leaves; presence holds for six seconds after the door has closed."""
    return [
        (t_s, {"door_closed": False}),
        (t_s + 2, {"passenger_present": True}),
        (t_s + 6, {"door_closed": True}),
        (t_s + 8, {"car_status": 1, "door_zone": False}),
        (t_s + 8 + run_s, {"car_status": 0, "door_zone": True}),
        (t_s + 10 + run_s, {"door_closed": False}),
        (t_s + 16 + run_s, {"door_closed": True}),
        (t_s + 22 + run_s, {"passenger_present": False}),
    ]


@pytest.mark.parametrize("interval_s", [1, 2, 5, 10, 15, 30, 60])
@pytest.mark.parametrize("seed", range(3))
def test_traffic_between_snapshots_is_no_entrapment(interval_s: int, seed: int) -> None:
    """Most door openings fall between two samples; the next passenger looks like the last one."""
    rng = np.random.default_rng(seed)
    changes, t = [], 20.0
    while t < 1_800:
        run_s = float(rng.integers(4, 40))
        changes += trip(t, run_s)
        t += 25 + run_s + rng.uniform(0, 40)
    assert snapshots(changes, interval_s).levels() == []


@pytest.mark.parametrize("interval_s", [1, 5, 10, 15, 30])
@pytest.mark.parametrize("kind", [OFF, AT])
def test_an_entrapment_shows_in_snapshots_too(kind: str, interval_s: int) -> None:
    changes = [*trip(20, 15)[:5], (420.0, dict[str, object]())]
    changes[4] = (43, {"car_status": 0, "door_zone": kind == AT})
    story = snapshots(changes, interval_s)
    assert [(kind, level) for kind, level, _, _ in story.levels()] == [
        (kind, "suspected"),
        (kind, "confirmed"),
    ]


def test_snapshots_of_a_terminal_that_tells_of_changes_put_nothing_off() -> None:
    """Nothing changes in a car that stands: that is all two snapshots in a row say."""
    story = ride(lift(), 14, 18).at(38, car_status=0, door_zone=True)
    standing = {"car_status": 0, "door_zone": True, "door_closed": True, "passenger_present": True}
    for t_s in range(50, 300, 30):
        story.at(t_s, **standing)
    assert story.until(320).levels() == [(AT, "suspected", 38, 68), (AT, "confirmed", 38, 158)]


def test_evidence_says_what_was_seen_and_how_much_it_weighs() -> None:
    story = stuck_between_floors(lift()).code(43, "gbt24476:04").until(80)
    finding = next(f for f in story.findings if f.kind == OFF)
    seen = {e.name: (e.value, e.log_odds) for e in finding.evidence}
    assert seen["stopped_s"] == (30.0, None)
    assert seen["door_zone"] == (False, 4.0)
    assert seen["passenger_present"] == (True, 2.5)
    assert seen["gbt24476:04"] == (True, 3.0)


def test_settings_move_the_holds() -> None:
    story = stuck_between_floors(lift(parameters={"entrapment": {"off_level_hold_s": 20.0}}))
    assert story.until(70).levels()[0] == (OFF, "suspected", 40, 60)


def test_a_live_row_that_overtakes_a_buffer_remembers_nobody_inside() -> None:
    """The buffer tells of a stop with somebody inside; live rows say that the car stands empty."""
    story = ride(lift(), 14, 18).until(38)
    story.at(40, received_s=697.0, quality=LATE, car_status=0)
    story.at(100, received_s=697.1, quality=LATE, passenger_present=True)
    story.at(697, door_zone=True, passenger_present=False).until(900)
    assert story.levels(OFF, AT) == []
