"""Drawn entries: as often as the rates say, on devices that differ, never two at once."""

import re
from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from domain.errors import UsageError
from simulators.catalog import INJECTIONS
from simulators.draw import RESCUE_REST_S, REST_S, Draw, draw_entries
from simulators.drawn import Drawn
from simulators.registry import populate
from simulators.scenario import FleetSize, Scenario, make_entry, parse
from simulators.world import World
from tests.support.simulated import START_NS

DAY_S = 86_400.0


def scenario(drawn: Drawn, *, days: float, **fleet: int) -> Scenario:
    return Scenario(name="t", duration_s=days * DAY_S, fleet=FleetSize(**fleet), drawn=drawn)


def draw(one: Scenario, seed: int = 1) -> Draw:
    rng = np.random.default_rng(seed)
    rows = populate(one, np.random.default_rng(0), date(2026, 3, 5)).equipment
    return draw_entries(one, rows, rng)


def test_events_are_as_frequent_as_the_rate_times_the_density() -> None:
    drawn = Drawn(faults=20.0, defaults=False, dispersion=5.0, per_year={"alarm_button": 1.0})
    years = 400 * 90 / 365.25
    found = draw(scenario(drawn, days=90, lifts=400))
    total = len(found.entries) + found.dropped
    expected = 20.0 * years
    assert abs(total - expected) < 5.0 * np.sqrt(expected + expected**2 / (400 * 5.0))


def test_some_devices_are_much_worse_than_others() -> None:
    drawn = Drawn(defaults=False, dispersion=0.4, per_year={"alarm_button": 20.0})
    counts = Counter(e.equipment_id for e in draw(scenario(drawn, days=180, lifts=400)).entries)
    series = np.array([counts[f"lift-{n:04d}"] for n in range(1, 401)])
    assert series.var() > 5.0 * series.mean()


def test_a_device_has_no_two_physical_injections_at_once() -> None:
    one = scenario(Drawn(faults=500.0, nuisances=50.0), days=3, lifts=20, boilers=5, cranes=5)
    found = draw(one)
    assert found.dropped > 0
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for entry in found.entries:
        if entry.injection.physical:
            spans[entry.equipment_id].append((entry.start_s, entry.end_s))
    assert all(b[0] - a[1] >= REST_S - 0.2 for own in spans.values() for a, b in pairwise(own))


def test_written_entries_keep_their_device_to_themselves() -> None:
    written = make_entry("inspection", "lift-0001", start_s=0, duration_s=DAY_S)
    drawn = Drawn(defaults=False, per_year={"door_cycling": 5_000.0, "duplicates": 5_000.0})
    one = Scenario(
        name="t", duration_s=DAY_S, fleet=FleetSize(lifts=1), entries=(written,), drawn=drawn
    )
    assert {entry.what for entry in draw(one).entries} == {"duplicates"}


def test_a_power_cut_befalls_a_whole_estate() -> None:
    drawn = Drawn(defaults=False, per_year={"power_failure": 20.0})
    one = scenario(drawn, days=60, lifts=40)
    world = World(one, 3, START_NS)
    estates = {row.id: row.user_unit for row in world.registry()}
    sizes = Counter(estates.values())
    groups: defaultdict[float, set[str]] = defaultdict(set)
    for entry in world.scenario.entries:
        groups[entry.start_s].add(entry.equipment_id)
    assert any(len(members) > 1 for members in groups.values())
    for members in groups.values():
        (estate,) = {estates[member] for member in members}
        assert len(members) <= sizes[estate]


def test_drawn_parameters_are_legal_and_vary() -> None:
    drawn = Drawn(defaults=False, per_year={"entrapment_at_level": 500.0})
    found = draw(scenario(drawn, days=30, lifts=20)).entries
    assert {entry.text("mode") for entry in found} == {"door_fails", "no_start"}
    for injection in INJECTIONS.values():
        for name, parameter in injection.parameters.items():
            for value in parameter.drawn:
                kind = min(injection.kinds)
                make_entry(
                    injection.name,
                    f"{kind}-0001",
                    start_s=0,
                    duration_s=1,
                    parameters={name: value},
                )


def test_the_same_seed_draws_the_same() -> None:
    one = scenario(Drawn(faults=50.0), days=10, lifts=50)
    assert draw(one, 4) == draw(one, 4)
    assert draw(one, 5) != draw(one, 4)


def test_a_density_that_would_draw_too_much_is_refused() -> None:
    with pytest.raises(UsageError, match="lower the density"):
        draw(scenario(Drawn(nuisances=50_000.0), days=300, lifts=100))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("faults = -1", "drawn.faults is a number from 0"),
        ("density = 2", 'no key "density"'),
        ("defaults = 1", "true or false"),
        ("per_day = 3", "[drawn.per_day] is a table"),
        ("per_day = {overlode = 1}", 'did you mean "overload"'),
        ("per_year = {overload = 1e9}", "from 0 to 100000"),
    ],
)
def test_a_wrong_table_is_named(table: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        parse(f"duration_s = 60\n[fleet]\nlifts = 1\n[drawn]\n{table}\n")


def test_rates_a_day_become_rates_a_year() -> None:
    one = parse("duration_s = 60\n[fleet]\nlifts = 1\n[drawn]\nper_day = {overload = 2}\n")
    assert one.drawn is not None
    assert one.drawn.per_year == {"overload": 730.5}


def test_reports_are_as_often_as_written() -> None:
    one = parse("duration_s = 60\n[fleet]\nlifts = 1\n[reports]\nlift_s = 120\n")
    assert World(one, 1, START_NS).registry()[0].report_interval_s == 120.0
    with pytest.raises(UsageError, match="crane_hz is one of"):
        parse("duration_s = 60\n[fleet]\nlifts = 1\n[reports]\ncrane_hz = 3\n")


def test_cranes_work_without_breaks_over_short_lifts_where_the_scenario_says_so() -> None:
    head = "duration_s = 900\n[fleet]\ncranes = 4\n"
    cycles = []
    for table in ("", "[work]\ncrane_pause_s = 6\ncrane_lift_m = 4\n"):
        world = World(parse(head + table), 1, START_NS)
        for _ in world.outgoing():
            pass
        told = world.statistics()
        cycles.append(sum(one.value for one in told if one.statistic == "hoist_cycles"))
    assert cycles[1] > 1.7 * cycles[0] > 0
    with pytest.raises(UsageError, match="crane_lift_m is a number from 2"):
        parse(head + "[work]\ncrane_lift_m = 1\n")


def test_rescues_of_one_lift_are_apart() -> None:
    drawn = Drawn(defaults=False, per_year={"entrapment_at_level": 3_000.0, "alarm_button": 3e3})
    found = draw(scenario(drawn, days=4, lifts=20))
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for entry in found.entries:
        spans[entry.equipment_id].append((entry.start_s, entry.end_s))
    gaps = [b[0] - a[1] for own in spans.values() for a, b in pairwise(own)]
    assert min(gaps) >= RESCUE_REST_S - 0.2
