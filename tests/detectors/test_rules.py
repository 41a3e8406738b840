"""Codes, boilers, cranes, silence and clocks, each as a story."""

import numpy as np
import pytest

from detectors.boiler_sight import set_pressure_mpa, set_tolerance_mpa
from domain.equipment import Equipment, Kind
from domain.errors import UsageError
from domain.readings import Quality
from tests.support.story import LATE, Story, lift

RNG_SEED = 20_260_528


def boiler(**registry: float) -> Story:
    return Story(Equipment(id="B1", kind=Kind.BOILER, **registry))  # type: ignore[arg-type]


def crane(**registry: object) -> Story:
    return Story(Equipment(id="C1", kind=Kind.CRANE, **registry))  # type: ignore[arg-type]


def test_a_fault_is_an_advisory_until_its_last_code_ends() -> None:
    story = lift().code(10, "gbt24476:02").code(12, "gbt24476:07").code(13, "gbt24476:02")
    story.code(20, "gbt24476:02", active=False)
    assert story.levels() == [("lift_fault", "advisory", 10, 10)]
    assert story.ended() == []
    story.code(30, "gbt24476:07", active=False)
    assert story.ended() == [("lift_fault", "code_cleared")]


def test_code_00_ends_all_faults_and_unknown_codes_claim_nothing() -> None:
    story = lift().code(10, "gbt24476:02").code(20, "gbt24476:00").code(30, "gbt24476:77")
    assert story.ended() == [("lift_fault", "code_cleared")]
    assert len(story.levels()) == 1


def test_faults_in_inspection_are_a_mechanic_s() -> None:
    story = lift().at(5, service_mode=2).code(10, "gbt24476:01").until(100)
    assert story.levels() == []
    story.at(101, service_mode=1)
    assert [kind for kind, *_ in story.levels()] == ["lift_fault"]


@pytest.mark.parametrize("mode", range(8))
def test_an_alarm_is_always_an_incident_and_repeats_within_a_minute_are_one(mode: int) -> None:
    story = lift().at(5, service_mode=mode).code(10, "gbt24476:90").code(40, "gbt24476:90")
    story.code(75, "gbt24476:90")
    assert story.levels("alarm_button") == [
        ("alarm_button", "suspected", 10, 10),
        ("alarm_button", "suspected", 75, 75),
    ]


def test_an_alarm_in_late_data_is_claimed_as_late() -> None:
    story = lift().until(500).code(20, "gbt24476:90", received_s=500.5, quality=LATE)
    (finding,) = story.findings
    assert (finding.kind, finding.late) == ("alarm_button", True)


def test_an_entrapment_code_that_stands_at_the_end_of_late_data_is_claimed_as_late() -> None:
    story = lift().until(500).code(20, "chongqing:93", received_s=500.5, quality=LATE).until(510)
    (finding,) = (f for f in story.findings if f.kind == "entrapment_at_level")
    assert (finding.late, finding.level, finding.phase) == (True, "suspected", "raised")


def test_a_fault_that_ended_within_late_data_is_history() -> None:
    story = lift().until(500).code(20, "gbt24476:06", received_s=500.5, quality=LATE)
    story.code(30, "gbt24476:06", active=False, received_s=501, quality=LATE).until(510)
    assert story.levels("lift_fault") == []


def test_escalator_faults_are_their_own_kind() -> None:
    story = Story(Equipment(id="E1", kind=Kind.ESCALATOR)).code(10, "gbt24476:63")
    assert story.levels() == [("escalator_fault", "advisory", 10, 10)]


def test_set_pressure_and_tolerance_follow_the_rule() -> None:
    rated = np.array([0.4, 0.8, 1.25, 7.0, np.nan, 0.8])
    registered = np.array([np.nan, np.nan, np.nan, np.nan, np.nan, 0.9])
    set_mpa = set_pressure_mpa(rated, registered)
    assert set_mpa[:4] == pytest.approx([0.43, 0.83, 1.3, 7.35])
    assert np.isnan(set_mpa[4])
    assert set_mpa[5] == 0.9
    tolerance = set_tolerance_mpa(np.array([0.43, 0.83, 5.0, 8.0]))
    assert tolerance == pytest.approx([0.015, 0.0249, 0.07, 0.08])


@pytest.mark.parametrize("rise_mpa_per_min", [0.12, 0.15, 0.20])
@pytest.mark.parametrize("noise_seed", range(4))
def test_a_blocked_outlet_is_claimed_before_the_safety_valve_would_lift(
    rise_mpa_per_min: float, noise_seed: int
) -> None:
    """Pressure from the band's top at full fire; set pressure 0.83; noise 0.5 % of 1.6 MPa span."""
    noise = np.random.default_rng(RNG_SEED + noise_seed).normal(0, 0.0008, 200)
    story = boiler(rated_pressure_mpa=0.8)
    lifts_s = None
    for t in range(120):
        pressure = 0.76 + max(0, t - 20) * rise_mpa_per_min / 60
        lifts_s = t if lifts_s is None and pressure >= 0.83 else lifts_s
        story.at(t, steam_pressure_mpa=round(pressure + noise[t], 3), flame_on=True)
    assert lifts_s is not None
    dispatched = [entry for entry in story.levels() if entry[1] != "advisory"]
    assert dispatched
    assert dispatched[0][3] < lifts_s


def test_normal_cycling_up_to_the_rated_pressure_claims_nothing() -> None:
    noise = np.random.default_rng(RNG_SEED).normal(0, 0.0008, 1_440)
    story = boiler(rated_pressure_mpa=0.8)
    phase = np.arange(1_440) % 240
    pressure = np.where(phase < 120, 0.56 + phase * 0.002, 0.80 - (phase - 120) * 0.002)
    for t in range(1_440):
        story.at(
            t, steam_pressure_mpa=round(pressure[t] + noise[t], 3), flame_on=bool(phase[t] < 120)
        )
    assert story.levels("overpressure", "limiter_defeated") == []


@pytest.mark.parametrize("phase_s", range(5))
@pytest.mark.parametrize("rise_mpa_per_min", [0.12, 0.15])
def test_a_blocked_outlet_is_claimed_in_time_at_five_seconds_a_sample(
    rise_mpa_per_min: float, phase_s: int
) -> None:
    """Three samples make a slope: some 8 s remain beyond the margin, one sample falls in them."""
    story = boiler(rated_pressure_mpa=0.8, report_interval_s=5.0)
    lifts_s = 20 + 0.07 / rise_mpa_per_min * 60
    for t in range(phase_s, 80, 5):
        pressure = 0.76 + max(0, t - 20) * rise_mpa_per_min / 60
        story.at(t, steam_pressure_mpa=round(pressure, 3), flame_on=True)
    dispatched = [entry for entry in story.levels() if entry[1] != "advisory"]
    assert dispatched[0][3] < lifts_s


@pytest.mark.parametrize(("rated_mpa", "span_mpa"), [(0.4, 1.0), (0.8, 1.6)])
def test_noise_of_half_a_percent_of_the_span_dispatches_nobody(
    rated_mpa: float, span_mpa: float
) -> None:
    """Cycling to the rated pressure; 3 sigma are 0.5 % of the sensor's span."""
    noise = np.random.default_rng(RNG_SEED).normal(0, 0.005 * span_mpa / 3, 1_440)
    story = boiler(rated_pressure_mpa=rated_mpa)
    phase = np.arange(1_440) % 140
    swing = np.where(phase < 80, phase / 80, (140 - phase) / 60) * 0.08
    for t in range(1_440):
        pressure = round(rated_mpa - 0.08 + swing[t] + noise[t], 3)
        story.at(t, steam_pressure_mpa=pressure, flame_on=bool(phase[t] < 80))
    assert [entry for entry in story.levels() if entry[1] != "advisory"] == []


def test_a_jump_of_the_instrument_is_no_forecast_but_a_limit_is_a_limit() -> None:
    story = boiler(rated_pressure_mpa=0.8)
    for t in range(60):
        story.at(t, steam_pressure_mpa=0.70 if t < 30 else 0.812, flame_on=True)
    assert story.levels() == [("overpressure", "advisory", 30, 40)]
    for t in range(60, 70):
        story.at(t, steam_pressure_mpa=0.835, flame_on=True)
    assert story.levels("overpressure")[-1][1] == "confirmed"
    for t in range(70, 90):
        story.at(t, steam_pressure_mpa=0.70, flame_on=False)
    assert ("overpressure", "pressure_normal") in story.ended()


def test_a_boiler_without_ratings_cannot_be_judged() -> None:
    story = boiler()
    for t in range(30):
        story.at(t, steam_pressure_mpa=3.0, flame_on=True)
    assert story.levels() == []


def test_low_water_while_firing_is_confirmed_within_five_seconds() -> None:
    by_switch = boiler().at(0, water_level_mm=0, low_water=False, flame_on=True)
    by_switch.at(10, low_water=True).until(20)
    assert by_switch.levels("low_water_firing") == [("low_water_firing", "confirmed", 10, 12)]
    by_level = boiler().at(0, water_level_mm=0, flame_on=True).at(10, water_level_mm=-80).until(20)
    by_level_found = by_level.levels("low_water_firing")
    assert by_level_found == [("low_water_firing", "confirmed", 10, 13)]


def test_low_water_without_fire_and_a_short_swell_claim_nothing() -> None:
    cold = boiler().at(0, water_level_mm=-90, low_water=True, flame_on=False).until(20)
    swell = boiler().at(0, water_level_mm=0, flame_on=True).at(10, water_level_mm=-60)
    swell.at(12, water_level_mm=-30).until(60)
    assert cold.levels() + swell.levels() == []


def test_low_water_ends_when_the_flame_is_out() -> None:
    story = boiler().at(0, low_water=True, flame_on=True).at(10, flame_on=False).until(20)
    assert ("low_water_firing", "flame_off") in story.ended()


def test_an_overload_is_confirmed_within_two_seconds_of_the_plateau() -> None:
    story = crane(rated_load_t=10.0).at(0, hook_load_t=0.1)
    for t in range(10, 20):
        story.at(t, hook_load_t=12.0)
    kind, level, onset_s, detected_s = story.levels()[0]
    assert (kind, level, onset_s) == ("overload", "confirmed", 10)
    assert detected_s <= 12


def test_lift_off_dynamics_and_single_spikes_claim_nothing() -> None:
    story = crane(rated_load_t=10.0)
    for n in range(200):
        t = n / 10
        load = 12.7 if 5 <= t < 5.8 else 9.8 if t >= 5.8 else 0.1
        story.at(t, hook_load_t=99.0 if n == 150 else load)
    assert story.levels() == []


@pytest.mark.parametrize("hz", [1, 2, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_a_plateau_is_claimed_within_two_seconds_and_lift_off_never(hz: int, seed: int) -> None:
    """
    load   ____/1.1-1.3 for < 1 s|_0.85-1.0____      nothing
    load   ____/1.1__________________________      confirmed by 2 s
    """
    rng = np.random.default_rng(RNG_SEED + seed)
    begins_s, lasts_s = 5 + rng.uniform(0, 1), rng.uniform(0.3, 0.99)
    plateau_t, factor = rng.uniform(8.5, 10.0), rng.uniform(1.1, 1.3)
    lift_off, overload = crane(rated_load_t=10.0), crane(rated_load_t=10.0)
    for n in range(15 * hz):
        t = round(n / hz + rng.uniform(0, 0.03), 3)
        dynamic = factor if t < begins_s + lasts_s else 1.0
        noise = rng.normal(0, 0.03)
        lift_off.at(t, hook_load_t=noise + (plateau_t * dynamic if t >= begins_s else 0.1))
        overload.at(t, hook_load_t=noise + (11.0 if t >= begins_s else 0.1))
    assert lift_off.levels() == []
    assert overload.levels()[0][3] <= begins_s + 2.05


@pytest.mark.parametrize("interval_s", [1, 2, 5, 10])
def test_a_lone_spike_of_slow_sampling_claims_nothing_and_two_samples_do(interval_s: int) -> None:
    spiky, heavy = crane(rated_load_t=10.0), crane(rated_load_t=10.0)
    for n in range(20):
        spiky.at(n * interval_s, hook_load_t=30.0 if n == 10 else 9.0)
        heavy.at(n * interval_s, hook_load_t=12.0 if n >= 10 else 9.0)
    assert spiky.levels("overload") == []
    assert heavy.levels("overload")[0][2:] == (10 * interval_s, 11 * interval_s)


def test_a_dynamic_peak_and_a_spike_side_by_side_are_no_plateau() -> None:
    story = crane(rated_load_t=10.0)
    for t in range(30):
        story.at(t, hook_load_t={10: 11.7, 11: 25.0}.get(t, 9.0))
    assert story.levels() == []


def test_a_terminal_that_reports_changes_only_is_believed_after_a_while() -> None:
    story = crane(rated_load_t=10.0).at(0, hook_load_t=0.1).at(1, hook_load_t=12.0).until(30)
    assert story.levels() == [("overload", "confirmed", 1, 4)]


def test_the_chart_decides_at_the_radius_of_the_load() -> None:
    chart = ((5.0, 20.0), (10.0, 10.0), (20.0, 5.0))
    near = crane(load_chart=chart, rated_load_t=20.0)
    far = crane(load_chart=chart, rated_load_t=20.0)
    for t in range(10):
        near.at(t, hook_load_t=12.0, radius_m=7.5)
        far.at(t, hook_load_t=12.0, radius_m=15.0)
    assert near.levels() == []
    assert far.levels()[0][:2] == ("overload", "confirmed")
    capacity = next(e.value for e in far.findings[0].evidence if e.name == "capacity_t")
    assert capacity == 7.5


def test_a_silent_device_is_offline_after_three_intervals_and_back_when_heard() -> None:
    story = lift(report_interval_s=30.0).alive(50).until(200)
    assert story.levels() == [("device_offline", "advisory", 50, 140)]
    story.alive(210)
    assert story.ended() == [("device_offline", "heard_again")]


def test_a_last_will_is_no_danger_by_itself_and_never_heard_is_not_offline() -> None:
    story = lift(report_interval_s=30.0).alive(10, online=False).until(80)
    assert story.levels() == []
    assert Story(Equipment(id="L1", kind=Kind.LIFT)).until(2_000).levels() == []


def test_our_own_outage_is_not_the_devices_silence() -> None:
    story = lift(report_interval_s=30.0).until(20).away(500).until(560)
    assert story.levels() == []
    assert story.until(600).levels() == [("device_offline", "advisory", 480, 570)]


def test_a_wrong_clock_is_claimed_once_and_ends_after_three_good_rows() -> None:
    wrong = int(Quality.CLOCK_WRONG)
    story = lift().at(10, quality=wrong).at(20, quality=wrong)
    assert story.levels() == [("clock_wrong", "advisory", 10, 10)]
    story.at(30).at(31).at(32)
    assert story.ended() == [("clock_wrong", "clock_right_again")]


def test_a_late_row_says_nothing_about_the_clock() -> None:
    story = lift().until(300).at(20, received_s=300.5, quality=LATE | int(Quality.CLOCK_WRONG))
    assert story.until(310).levels() == []


def test_switch_and_level_hold_their_own_times() -> None:
    holds = {"boiler_low_water": {"switch_hold_s": 1.0, "low_low_hold_s": 6.0}}
    for values, detected_s in ({"low_water": True}, 11), ({"water_level_mm": -80}, 16):
        story = Story(Equipment(id="B1", kind=Kind.BOILER), parameters=holds)
        story.at(0, water_level_mm=0, low_water=False, flame_on=True).at(10, **values).until(20)
        found = story.levels("low_water_firing")
        assert found[-1] == ("low_water_firing", "confirmed", 10, detected_s)


def test_unknown_detectors_and_parameters_are_named() -> None:
    with pytest.raises(UsageError, match="did you mean entrapment"):
        lift(parameters={"entrapmnt": {}})
    with pytest.raises(UsageError, match="did you mean off_level_hold_s"):
        lift(parameters={"entrapment": {"off_level_hold": 1.0}})


@pytest.mark.parametrize("kind", list(Kind))
def test_a_clock_judged_anew_stops_no_kind(kind: Kind) -> None:
    story = Story(Equipment(id="X1", kind=kind)).at(10)
    story.at(20, quality=int(Quality.CLOCK_WRONG | Quality.CLOCK_STEP)).at(30)
    assert [finding for finding, *_ in story.levels()] == ["clock_wrong"]


def test_one_bad_sample_of_a_slow_gauge_proves_nothing_and_two_do() -> None:
    pressure, water, load = (
        boiler(rated_pressure_mpa=0.8),
        boiler(),
        crane(rated_load_t=10.0),
    )
    for t in range(0, 100, 5):
        bad = t == 50
        pressure.at(t, steam_pressure_mpa=1.2 if bad else 0.7, flame_on=True)
        water.at(t, low_water=bad, flame_on=True)
        load.at(t, hook_load_t=25.0 if bad else 5.0)
    assert pressure.levels() + water.levels() + load.levels() == []
    for t in (100, 105, 110):
        water.at(t, low_water=True, flame_on=True)
    assert water.levels("low_water_firing") == [("low_water_firing", "confirmed", 100, 106)]


def test_a_reconnect_renews_what_has_not_changed() -> None:
    """The terminal drops out for 5 s while somebody stands trapped, and then sends only alive."""
    story = lift(report_interval_s=30.0).at(
        10, car_status=1, door_zone=False, passenger_present=True
    )
    story.at(30, car_status=0).alive(42, online=False).alive(47)
    for t in range(60, 240, 20):
        story.alive(t)
    levels = [level for _, level, _, _ in story.levels("entrapment_off_level")]
    assert levels == ["suspected", "confirmed"]


def test_a_retained_alarm_is_late_history() -> None:
    flags = int(Quality.RETAINED | Quality.LATE)
    story = lift().code(5, "gbt24476:90", received_s=900, quality=flags)
    alarms = [f for f in story.findings if f.kind == "alarm_button"]
    assert [(f.late, f.level) for f in alarms] == [(True, "suspected")]


def test_who_sends_a_minute_at_once_is_not_judged_in_between() -> None:
    """
    sent at      0          30          60
    covers       -30..0     1..30       31..60: boards at 28, leaves at 33
    """
    story = lift().at(1, door_closed=True)
    for message in range(8):
        for second in range(30):
            t = 30 * message + second
            inside = message >= 4 and t % 60 in range(20, 56)
            opened = message >= 4 and t % 60 in (18, 19, 56, 57)
            story.at(
                t, received_s=30 * message + 30, passenger_present=inside, door_closed=not opened
            )
    assert story.until(300).levels() == []
