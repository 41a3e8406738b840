"""What could have raised false alarms, in natural device-years, and the bounds that follow."""

import math

import pytest

from detectors.scoring import Fact, Facts, score
from domain.equipment import Kind
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S
from runtime.backtest.exposure import Exposure, exposure_of, exposure_report, false_bounds
from runtime.backtest.judging import Run
from runtime.backtest.truths import facts_of
from simulators.catalog import INJECTIONS
from simulators.scenario import parse
from simulators.truth import Statistic, Truth
from simulators.world import World
from tests.detectors.test_scoring import alarm
from tests.support.simulated import START_NS

OFF = IncidentKind.ENTRAPMENT_OFF_LEVEL
DAY_S = 86_400
SCENARIO = parse(f"duration_s = {DAY_S}\n[fleet]\nlifts = 2\nboilers = 1")


def nuisance(cause: str, from_s: int | None, device: str = "lift-0001") -> Truth:
    begun = None if from_s is None else START_NS + from_s * NS_PER_S
    return Truth(
        kind=None,
        equipment_id=device,
        cause=cause,
        from_ns=begun,
        to_ns=None if begun is None else begun + 60 * NS_PER_S,
        evidence_from_ns=None,
        may_raise=(),
    )


def statistic(name: str, value: float) -> Statistic:
    return Statistic(
        statistic=name,
        equipment_id="lift-0001",
        value=value,
        from_ns=START_NS,
        to_ns=START_NS + DAY_S * NS_PER_S,
    )


def test_events_count_over_their_natural_rate_and_trips_over_natural_trips() -> None:
    lines = (
        nuisance("cleaner_holding_door", 100),
        nuisance("cleaner_holding_door", 900),
        nuisance("cleaner_holding_door", None),
        nuisance("load_swing", 50, "boiler-0001"),
        statistic("trips", 600.0),
        statistic("traffic_days", 2.0),
    )
    run = Run(
        equipment=World(SCENARIO, 1, START_NS).registry(),
        facts=facts_of(lines, {}),
        start_ns=START_NS,
        end_ns=START_NS + DAY_S * NS_PER_S,
    )
    found = exposure_of(run, lines, {Kind.LIFT})
    assert found.events == {"cleaner_holding_door": 2}, "what never began is no event"
    assert found.nuisance_years == {
        "cleaner_holding_door": 2 / INJECTIONS["cleaner_holding_door"].rate_per_year
    }
    assert found.trips == 600
    # Of the other lift nobody counted trips: the day that it was watched.
    assert found.normal_years == pytest.approx(3 / 365.25)
    shown = exposure_report(found)["normal"]
    assert shown["upper95_without_false"] == pytest.approx(3.0 / found.normal_years, rel=2e-3)
    assert exposure_of(run, lines, {Kind.BOILER}).normal_years == pytest.approx(1 / 365.25)


def test_false_alarms_are_bounded_by_what_could_have_raised_them() -> None:
    exposure = Exposure(
        events={"cleaner_holding_door": 5_000, "goods_in_car": 300},
        rates={"cleaner_holding_door": 50.0, "goods_in_car": 6.0},
        trips=1e6,
        normal_years=10.0,
    )
    occasion = Fact(
        kind=None,
        equipment_id="L1",
        cause="cleaner_holding_door",
        from_ns=0,
        to_ns=1_000 * NS_PER_S,
    )
    known = Facts([occasion], ended_ns=10_000 * NS_PER_S)
    kinds = frozenset({OFF})
    none = false_bounds(score(known, [], kinds, device_years=1.0), exposure)
    assert none["normal"]["upper95"] == pytest.approx(-math.log(0.05) / 10, abs=1e-5)
    assert none["nuisances"]["upper95"] == pytest.approx(-math.log(0.05) / 50, abs=1e-5)
    matches = [known.match(alarm(OFF, 100)), known.match(alarm(OFF, 5_000))]
    some = false_bounds(score(known, matches, kinds, device_years=1.0), exposure)
    assert (some["normal"]["false"], some["normal"]["per_device_year"]) == (1, 0.1)
    assert some["normal"]["upper95"] == pytest.approx(4.744 / 10, abs=1e-4)
    assert (some["nuisances"]["false"], some["nuisances"]["per_device_year"]) == (1, 0.01)
    assert 0.06 < some["nuisances"]["upper95"] < 0.1


def test_a_world_tells_how_much_of_its_natural_traffic_it_had() -> None:
    world = World(parse("duration_s = 900\n[fleet]\nlifts = 3"), 1, START_NS)
    for _ in world.outgoing():
        pass
    told = {(o.statistic, o.equipment_id): o.value for o in world.statistics()}
    trips = [value for (name, _), value in told.items() if name == "trips"]
    assert len(told) == 6
    assert 0 < sum(trips) < 200
    for (name, lift), value in told.items():
        if name == "traffic_days":
            assert value <= told["trips", lift] / 125.0
