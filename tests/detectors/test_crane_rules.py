"""Crane rules, each as a story of one crane; loads in t on a hook that is rated for 10 t."""

from typing import Any

import numpy as np
import pytest

from detectors.current import Floats
from domain.equipment import Equipment, Kind
from tests.detectors.crane_fleet import fleet_of, run
from tests.support.story import LATE, Story

RNG_SEED = 20_261_124
NOISE_T = 0.02
"""Noise of a load cell, 0.2 % of the rated load."""


def crane(**registry: object) -> Story:
    rating = {"rated_load_t": 10.0, "wind_limit_mps": 20.0} | registry
    return Story(Equipment(id="C1", kind=Kind.CRANE, **rating))  # type: ignore[arg-type]


def kinds(story: Story) -> list[tuple[str, str]]:
    return [(kind, level) for kind, level, *_ in story.levels()]


# Limiter


def test_hoisting_on_above_the_limit_is_a_defeated_limiter() -> None:
    """
    load  0.1 | 12 t ................
    hook  1 m | rises 0.2 m/s .......
    s         10   12.. confirmed
    """
    story = crane()
    for t in range(30):
        up = t >= 10
        height = 1 + 0.2 * max(0, t - 10)
        story.at(t, hook_load_t=12.0 if up else 0.1, hook_height_m=height, hoist_command=int(up))
    found = story.levels("limiter_defeated")
    assert [row[:3] for row in found] == [("limiter_defeated", "confirmed", 11)]
    assert found[0][3] <= 14


@pytest.mark.parametrize("command", [0, -1])
def test_an_overload_that_stands_or_is_lowered_leaves_the_limiter_alone(command: int) -> None:
    story = crane()
    for t in range(40):
        speed = 0.15 if t < 10 else 0.15 * command
        load = 9.0 if t < 10 else 12.0
        story.at(t, hook_load_t=load, hoist_speed_mps=speed, hoist_command=command)
    assert kinds(story) == [("overload", "confirmed")]


def test_a_limiter_that_cuts_after_a_second_is_sound_and_lift_off_is_no_overload() -> None:
    story = crane()
    for n in range(300):
        t = n / 10
        hoists = 5 <= t < 6.2
        load = 0.1 if t < 5 else 11.9 if t < 6.2 else 11.5 if t < 10 else 0.1
        story.at(t, hook_load_t=load, hoist_speed_mps=0.2 * hoists)
    assert story.levels("limiter_defeated") == []


def test_moving_an_overload_further_out_defeats_the_limiter_too() -> None:
    story = crane(load_chart=((5.0, 10.0), (25.0, 2.0)))
    for t in range(20):
        story.at(t, hook_load_t=5.0, radius_m=15 + 0.4 * t, hoist_speed_mps=0.0)
    kind, level, *_ = story.levels("limiter_defeated")[0]
    assert (kind, level) == ("limiter_defeated", "confirmed")


# Wind


def blow(story: Story, speeds: list[float], *, every_s: float = 1.0, **state: Any) -> Story:
    for n, speed in enumerate(speeds):
        story.at(round(n * every_s, 3), wind_speed_mps=speed, **state)
    return story


def test_gusts_over_the_limit_are_suspected_in_use_and_a_mean_over_it_is_confirmed() -> None:
    story = blow(crane(), [10.0] * 60 + [22.0] * 160, hook_load_t=3.0, hoist_command=1)
    assert kinds(story) == [
        ("wind_over_limit", "suspected"),
        ("wind_over_limit", "confirmed"),
    ]
    assert story.levels()[0][3] <= 75


def test_wind_at_a_parked_crane_is_an_advisory() -> None:
    story = blow(crane(), [10.0] * 130 + [25.0] * 30, hook_load_t=0.0, hoist_command=0)
    assert kinds(story) == [("wind_over_limit", "advisory")]


def test_mean_wind_above_three_quarters_of_the_limit_is_an_advisory_that_ends() -> None:
    story = blow(crane(), [16.0] * 80 + [8.0] * 170, hook_load_t=3.0, hoist_command=1)
    assert kinds(story) == [("wind_over_limit", "advisory")]
    assert story.ended() == [("wind_over_limit", "wind_normal")]


@pytest.mark.parametrize("every_s", [1.0, 10.0])
def test_gusts_below_the_limit_and_lone_spikes_claim_nothing(every_s: float) -> None:
    rng = np.random.default_rng(RNG_SEED)
    t = np.arange(160) * every_s
    wind = 17.0 * (0.6 + 0.4 * np.sin(2 * np.pi * t / 17.0)) + rng.normal(0, 0.5, len(t))
    wind = np.clip(wind, 0, None)
    wind[::50] = 60.0
    story = blow(crane(), wind.tolist(), every_s=every_s, hook_load_t=3.0, hoist_command=1)
    assert story.levels() == []


def test_a_crane_without_wind_limit_is_not_judged() -> None:
    story = blow(crane(wind_limit_mps=None), [40.0] * 100, hook_load_t=3.0, hoist_command=1)
    assert story.levels() == []


# Brake


def hold(
    story: Story, heights: list[float], *, hz: float = 1.0, begin_s: float = 0.0, **state: Any
) -> Story:
    held = {"hook_load_t": 6.0, "hoist_brake_closed": 1, "hoist_command": 0} | state
    for n, height in enumerate(heights):
        story.at(round(begin_s + n / hz, 3), hook_height_m=height, **held)
    return story


def test_a_slow_sag_is_an_advisory_then_suspected_then_confirmed() -> None:
    """8 mm/s from the 10th second on: 20 mm after 3 s, 100 mm after 13 s, 300 mm after 38 s."""
    heights = [6.0 - 0.008 * max(0, t - 10) for t in range(70)]
    story = hold(crane(), [round(h, 3) for h in heights])
    assert kinds(story) == [
        ("brake_slip", "advisory"),
        ("brake_slip", "suspected"),
        ("brake_slip", "confirmed"),
    ]
    assert [round(row[3]) for row in story.levels()] == pytest.approx([15, 24, 49], abs=2)


@pytest.mark.parametrize("hz", [1, 10])
def test_a_fall_is_confirmed_at_once(hz: int) -> None:
    """Free fall, braked by friction to 1 m/s2, from the 5th second."""
    times = np.arange(10 * hz) / hz
    heights = 8.0 - 0.5 * np.clip(times - 5, 0, None) ** 2
    story = hold(crane(), np.round(np.clip(heights, 0, None), 2).tolist(), hz=hz)
    assert story.levels("brake_slip")[-1][1] == "confirmed"
    assert story.levels("brake_slip")[-1][3] <= 7.1


def test_a_load_that_was_lowered_and_held_again_during_a_gap_has_not_slipped() -> None:
    story = hold(crane(), [6.0] * 50, hz=10.0)
    assert hold(story, [1.5] * 50, hz=10.0, begin_s=13.0).levels() == []


def test_a_short_move_that_a_lost_message_hides_is_no_slip() -> None:
    story = hold(crane(), [6.0] * 50, hz=10.0)
    assert hold(story, [5.94] * 50, hz=10.0, begin_s=6.0).levels() == []


def test_a_slip_goes_on_being_seen_over_a_lost_message_and_at_slow_samples() -> None:
    story = hold(crane(), [6.0 - 0.002 * n for n in range(50)], hz=10.0)
    hold(story, [5.88 - 0.002 * n for n in range(50)], hz=10.0, begin_s=6.0)
    assert story.levels("brake_slip")[-1][1] == "suspected"
    slow = hold(crane(), [6.0 - 0.05 * max(0, n - 5) for n in range(20)], hz=0.1)
    assert slow.levels("brake_slip")[-1][1] == "confirmed"


def test_it_ends_when_the_brake_is_opened() -> None:
    story = hold(crane(), [6.0] * 5 + [5.98, 5.95] + [5.93] * 8)
    assert kinds(story) == [("brake_slip", "advisory")]
    hold(story, [5.9 + 0.1 * n for n in range(20)], begin_s=15, hoist_brake_closed=0)
    assert story.ended() == [("brake_slip", "brake_released")]


@pytest.mark.parametrize(
    ("resolution_m", "noise_m"), [(0.001, 0.0), (0.01, 0.003), (0.1, 0.03), (0.001, 0.02)]
)
def test_a_coarse_or_noisy_height_sensor_claims_nothing(
    resolution_m: float, noise_m: float
) -> None:
    rng = np.random.default_rng(RNG_SEED)
    n, k = 50, 200
    height = rng.uniform(3, 9, (n, 1)) + rng.normal(0, noise_m, (n, k))
    signals = {
        "hook_height_m": np.round(height / resolution_m) * resolution_m,
        "hook_load_t": np.full((n, k), 6.0),
        "hoist_brake_closed": np.ones((n, k)),
        "hoist_command": np.zeros((n, k)),
    }
    assert run(fleet_of(n), np.arange(k, dtype=np.float64), signals) == []


@pytest.mark.parametrize("state", [{"hook_load_t": 0.05}, {"hoist_command": -1}])
def test_lowering_and_an_empty_hook_claim_nothing(state: dict[str, Any]) -> None:
    assert hold(crane(), [6.0 - 0.1 * n for n in range(40)], **state).levels() == []


def test_a_hoist_that_slows_down_after_its_command_and_settles_claims_nothing() -> None:
    """No brake channel: the hook goes on for 3 s after the command, which is no slip."""
    story = crane()
    for t in range(60):
        story.at(t, hoist_command=-1, hook_height_m=20 - 0.5 * t if t < 20 else 10, hook_load_t=5)
        if t >= 20:
            lower = 10 - 0.5 + 0.5 * 0.6 ** (t - 20)
            story.at(t + 0.1, hoist_command=0, hook_height_m=round(lower, 2))
    assert story.levels() == []


def test_a_luffing_jib_moves_the_hook_and_its_brake_is_sound() -> None:
    story = crane(load_chart=((5.0, 10.0), (30.0, 8.0)))
    for t in range(120):
        swing = np.sin(t / 12)
        story.at(
            t,
            hook_height_m=round(20 - 4 * swing, 2),
            radius_m=round(20 + 6 * swing, 2),
            hook_load_t=5.0,
            hoist_brake_closed=1,
            hoist_command=0,
        )
    assert story.levels() == []


def test_a_spike_of_the_height_sensor_is_no_fall() -> None:
    heights = [6.0] * 60
    heights[0], heights[20], heights[40] = 9.0, 2.0, 2.0
    assert hold(crane(), heights).levels() == []


# Shock load


def lift_off(
    factor: float, *, rise_s: float, hz: int = 10, plateau_t: float = 6.0, noise_t: float = NOISE_T
) -> Story:
    """A load is taken from the floor at 5.03 s, rings at 3 Hz and is held for 10 s."""
    rng = np.random.default_rng(RNG_SEED)
    story = crane()
    for n in range(16 * hz):
        age = n / hz - 5.03
        ringing = (factor - 1) * np.exp(-max(0, age - rise_s) / 0.6)
        ringing *= np.cos(2 * np.pi * 3.0 * max(0, age - rise_s))
        load = plateau_t * (1 + ringing) * min(max(age / rise_s, 0), 1)
        story.at(n / hz, hook_load_t=round(load + rng.normal(0, noise_t), 3), hoist_command=1)
    return story


def test_a_snatched_load_is_an_advisory_and_far_beyond_the_capacity_suspected() -> None:
    assert kinds(lift_off(1.6, rise_s=0.2)) == [("shock_load", "advisory")]
    heavy = lift_off(1.9, rise_s=0.2, plateau_t=9.0)
    assert kinds(heavy) == [("shock_load", "suspected")]
    assert 5 < heavy.levels()[0][2] < 6
    assert heavy.levels()[0][3] < 9


@pytest.mark.parametrize(
    ("factor", "rise_s", "hz"), [(1.25, 0.3, 10), (1.28, 1.4, 10), (1.4, 1.4, 10), (1.28, 0.3, 1)]
)
def test_a_legal_lift_off_is_no_shock(factor: float, rise_s: float, hz: int) -> None:
    assert lift_off(factor, rise_s=rise_s, hz=hz, plateau_t=7.0).levels() == []


def test_spikes_and_drop_outs_of_the_cell_are_no_shock() -> None:
    story = crane()
    for n in range(400):
        load = {100: 20.0, 200: 0.0, 300: 15.0}.get(n, 0.05 if n < 150 else 5.0)
        ramp = min(max((n - 150) / 14, 0), 1) if n >= 150 else 1
        story.at(n / 10, hook_load_t=load * ramp)
    assert story.levels() == []


def ringing(
    rng: np.random.Generator, factor: Floats, hz: Floats, *, cell_t: float = 0.001
) -> tuple[Floats, Floats]:
    """Sampling times and loads of lift-offs: a rope that tightens as fast as its load then rings.

    The first peak of the damped sine is the dynamic factor; ``cell_t`` is a step of the cell.
    """
    n, times = len(factor), np.arange(70) / 10
    decay_s = 0.3 * (2.0 / 0.3) ** rng.uniform(0, 1, n)
    omega = 2 * np.pi * hz
    first = np.arctan(omega * decay_s)
    swing = (factor - 1) / (np.exp(-first / (omega * decay_s)) * np.sin(first))
    age = times - rng.uniform(2, 3, (n, 1))
    fading = np.exp(-np.clip(age, 0, None) / decay_s[:, None])
    rings = swing[:, None] * fading * np.sin(omega[:, None] * age)
    tightens = 1 + (swing * omega)[:, None] * age
    share = np.where(age > 0, 1 + rings, np.clip(tightens, 0, 1))
    load = rng.uniform(2, 9, (n, 1)) * share + rng.normal(0, NOISE_T, age.shape)
    return times, np.round(load / cell_t) * cell_t


def shocks(times: Floats, load: Floats) -> set[int]:
    found = run(fleet_of(len(load)), times, {"hook_load_t": load})
    return {int(f.equipment_id[1:]) for f in found if f.kind == "shock_load"}


def test_shocks_are_told_from_fast_legal_lift_offs_at_ten_samples_a_second() -> None:
    """Every other one of 300 is a shock of 1.4 or more, at 2-4.5 Hz; the others reach 1.2."""
    rng = np.random.default_rng(RNG_SEED)
    n = 300
    is_shock = np.arange(n) % 2 == 0
    factor = np.where(is_shock, rng.choice([1.4, 1.6, 1.9], n), rng.uniform(1.02, 1.2, n))
    claimed = shocks(*ringing(rng, factor, rng.uniform(2, 4.5, n)))
    assert len({slot for slot in claimed if slot % 2 == 0}) >= 0.98 * n / 2
    assert not {slot for slot in claimed if slot % 2}


def test_legal_ringing_at_half_the_sampling_rate_is_hardly_ever_taken_for_a_shock() -> None:
    rng = np.random.default_rng(RNG_SEED)
    assert len(shocks(*ringing(rng, np.full(200, 1.2), np.full(200, 5.0)))) <= 2


def test_a_coarse_step_of_the_cell_is_no_swing() -> None:
    rng = np.random.default_rng(RNG_SEED)
    factor = np.full(200, 1.05)
    assert shocks(*ringing(rng, factor, np.full(200, 3.0), cell_t=1.0)) == set()


# Side pull


def taken_up(sway: list[float], *, drag_m: float = 0.0, lift: bool = True) -> Story:
    """10 s slack, then one sample a second: 1 s of rising load a ton, lifted after the fifth."""
    story = crane()
    for t in range(30):
        taut = max(0, t - 9)
        story.at(
            t,
            hook_load_t=0.02 if t < 10 else min(6.0, 1.2 * taut),
            hook_height_m=0.5 + (0.2 * max(0, taut - 5) if lift else 0.0),
            trolley_position_m=5 + drag_m * min(taut, 5),
            sway_deg=sway[min(t, len(sway) - 1)],
        )
    return story


def test_a_rope_at_an_angle_before_the_load_is_off_the_floor_is_a_side_pull() -> None:
    story = taken_up([0.1] * 9 + [4.0] * 6 + [0.5])
    assert [row[:3] for row in story.levels()] == [("side_pull", "advisory", 10)]
    assert story.ended() == [("side_pull", "load_lifted")]


def test_dragging_a_load_with_the_trolley_is_a_side_pull() -> None:
    assert kinds(taken_up([0.2], drag_m=0.2)) == [("side_pull", "advisory")]


def test_sway_of_an_empty_a_travelling_and_a_swinging_hook_is_none() -> None:
    swings = [4 * np.sin(t) for t in range(9)] + [0.3] * 7
    assert taken_up([*swings, *[6 * np.cos(t) for t in range(20)]]).levels() == []
    assert taken_up([0.1] * 11 + [4.0, 0.1, -4.0, 0.1]).levels() == []


def test_a_load_that_already_hangs_when_the_crane_is_first_heard_is_none() -> None:
    story = crane()
    for t in range(20):
        story.at(t, hook_load_t=5.0, hook_height_m=5.0, trolley_position_m=0.5 * t, sway_deg=5.0)
    assert story.levels() == []


# Lost load


def carry(loads: dict[float, float], *, hz: int = 1, **state: Any) -> Story:
    """5 t at 6 m until the loads that are given, each from its time on."""
    story = crane()
    for n in range(30 * hz):
        t = n / hz
        load = next((load for begin, load in reversed(loads.items()) if t >= begin), 5.0)
        motion = {"hook_height_m": 6.0, "hoist_command": 0, "hoist_brake_closed": 1} | state
        story.at(t, hook_load_t=load, **motion)
    return story


@pytest.mark.parametrize("hz", [1, 10])
def test_a_load_that_is_gone_at_height_is_suspected_then_confirmed(hz: int) -> None:
    story = carry({10.0: 0.05}, hz=hz)
    assert kinds(story) == [("lost_load", "suspected"), ("lost_load", "confirmed")]
    (_, _, onset_s, first_s), (_, _, _, second_s) = story.levels()
    assert (onset_s, first_s) == (10, 10 + 1 / hz)
    assert second_s == pytest.approx(15, abs=1)


@pytest.mark.parametrize(
    ("loads", "state"),
    [
        ({10.0: 0.05}, {"hook_height_m": 0.6}),
        ({10.0: 0.05}, {"hoist_command": -1}),
        ({10.0: 0.05}, {"hoist_speed_mps": -0.1}),
        ({10.0: 0.0, 11.0: 5.0}, {}),
        ({10.0: 3.5, 11.0: 2.0, 12.0: 0.05}, {}),
        ({10.0: 2.0}, {}),
    ],
    ids=["low", "lowering", "speed", "drop-out", "slowly", "half"],
)
def test_setting_down_and_drop_outs_are_no_lost_load(
    loads: dict[float, float], state: dict[str, Any]
) -> None:
    assert carry(loads, **state).levels("lost_load") == []


def test_a_gap_hides_what_became_of_a_load() -> None:
    story = crane()
    for t in (*range(10), *range(22, 40)):
        story.at(t, hook_load_t=5.0 if t < 10 else 0.0, hook_height_m=6.0, hoist_command=0)
    assert story.levels() == []


# Load cell


def cycles(n: int, minutes: int, zero_t: Floats, noise_t: float) -> dict[str, Floats]:
    """Loads and heights of cranes that lift 4 t every two minutes; samples every 10 s."""
    rng = np.random.default_rng(RNG_SEED)
    t = np.arange(0, 60 * minutes, 10)
    loaded = (t % 120 >= 40) & (t % 120 < 80)
    load = np.where(loaded, 4.0, 0.0) + zero_t + rng.normal(0, noise_t, (n, len(t)))
    height = 4 + 3 * np.sin(2 * np.pi * t / 60) * np.ones((n, 1))
    return {"hook_load_t": np.round(load, 3), "hook_height_m": height}


def test_a_zero_that_drifts_is_an_advisory_and_a_sound_one_is_not() -> None:
    """Zeros: sound; 0.6 % off; 3 % off after an hour; 6 % off in a step; -2 % off."""
    k = 360
    rise = np.linspace(0, 0.6, k)
    zero = np.stack(
        [
            np.zeros(k),
            np.full(k, 0.06),
            rise,
            np.where(np.arange(k) > 150, 0.6, 0),
            np.full(k, -0.2),
        ]
    )
    signals = cycles(5, 60, zero, NOISE_T)
    found = run(fleet_of(5), np.arange(k, dtype=np.float64) * 10, signals)
    claimed = {f.equipment_id: (f.kind.value, f.level.value) for f in found}
    assert claimed == dict.fromkeys(("C2", "C3", "C4"), ("load_cell_drift", "advisory"))


def test_a_cell_that_keeps_its_reading_while_the_hoist_cycles_is_stuck() -> None:
    signals = cycles(3, 20, np.zeros((3, 120)), NOISE_T)
    signals["hook_load_t"][0] = 3.2
    signals["hook_load_t"][1] = np.round(signals["hook_load_t"][1], 1)
    found = run(fleet_of(3), np.arange(120, dtype=np.float64) * 10, signals)
    assert [(f.equipment_id, f.kind, f.level) for f in found] == [
        ("C0", "sensor_stuck", "advisory")
    ]


# All


def test_unknown_is_neither_normal_nor_bad_and_late_rows_fire_nothing() -> None:
    silent = crane()
    for t in range(40):
        known: Any = {"hook_load_t": 12.0 if t % 2 else None}
        silent.at(t, **known, hook_height_m=None, hoist_command=None, wind_speed_mps=None)
    assert {kind for kind, *_ in silent.levels()} <= {"overload"}
    late = crane()
    for t in range(20):
        height = 6 - 0.1 * t
        row: Any = {"hook_load_t": 6.0, "hook_height_m": height, "hoist_brake_closed": 1}
        late.at(t, received_s=300 + t / 10, quality=LATE, hoist_command=0, **row)
    assert late.levels() == []
    late.until(310)
    assert [row[:2] for row in late.levels()] == [("brake_slip", "confirmed")]
    assert late.findings[0].late


def test_a_crane_without_ratings_claims_nothing_that_needs_them() -> None:
    story = crane(rated_load_t=None, wind_limit_mps=None)
    for t in range(60):
        story.at(
            t,
            hook_load_t=50.0 if t < 30 else 0.0,
            hook_height_m=6 - 0.05 * t,
            hoist_brake_closed=1,
            hoist_command=0,
            wind_speed_mps=50.0,
            sway_deg=20.0,
        )
    assert story.levels() == []
