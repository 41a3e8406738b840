"""Cranes straight into the bank: what comes out is scored against what happened."""

from dataclasses import replace

from runtime.bench.crane_shocks import shares_claimed
from runtime.bench.cranes import measure
from simulators.scenario import FleetSize, load, make_entry


def test_a_short_run_counts_its_cycles_and_finds_its_fault() -> None:
    dense = load("cranes-dense")
    slip = make_entry(
        "brake_slip", "crane-0002", start_s=5, duration_s=130, parameters={"speed_mps": 0.02}
    )
    scenario = replace(
        dense, duration_s=200.0, fleet=FleetSize(cranes=3), drawn=None, entries=(slip,)
    )
    measured = measure(scenario, 3)
    brake = measured.report["crane_brake"]
    assert (brake["truth"], brake["detected"], brake["false"]) == (1, 1, 0)
    assert {name for name, one in measured.report.items() if one.get("false")} == set()
    assert 4 <= measured.duty.counted <= measured.duty.cycles <= 12
    assert measured.duty.error_max < 0.02
    assert measured.report["exposure"]["normal"]["trips"] == measured.duty.cycles


def test_shares_of_lift_offs_rise_with_the_dynamic_factor() -> None:
    band = (2.0, 4.5)
    found = shares_claimed(5, factors=(1.1, 1.6), bands_hz=(band,), lift_offs=60)
    assert found == {(1.1, band): 0.0, (1.6, band): 1.0}
