"""The demo's scenario fits its time and keeps faults and nuisances apart."""

import pytest

from domain.equipment import Kind
from domain.errors import UsageError
from domain.incidents import IncidentKind
from simulators.demo import DEVICES_MIN, demo_fleet, demo_scenario
from simulators.world import World
from tests.support.simulated import START_NS, items_of, states, truth_s

NEEDED = {
    IncidentKind.ENTRAPMENT_OFF_LEVEL,
    IncidentKind.ENTRAPMENT_AT_LEVEL,
    IncidentKind.ALARM_BUTTON,
    IncidentKind.OVERPRESSURE,
    IncidentKind.LOW_WATER_FIRING,
    IncidentKind.OVERLOAD,
}
SUSPECTED_AFTER_S = 45.0
DISORDER = {"out_of_order", "duplicates", "retained_message"}


@pytest.mark.parametrize("seed", range(8))
def test_every_needed_fault_shows_early_enough_to_be_suspected(seed: int) -> None:
    simulated = World(demo_scenario(seed), seed, START_NS)
    for _ in simulated.outgoing():
        pass
    faults = [truth for truth in simulated.truth() if truth.kind]
    assert {truth.kind for truth in faults} == NEEDED
    for truth in faults:
        assert truth_s(truth.evidence_from_ns) + SUSPECTED_AFTER_S < 110.0, truth


@pytest.mark.parametrize("seed", range(3))
def test_nuisances_give_no_ground_for_an_entrapment(seed: int) -> None:
    """Nobody is behind a closed door of a standing car in normal mode for 20 s, faults apart."""
    simulated = World(demo_scenario(seed, duration_s=240.0), seed, START_NS)
    messages = list(simulated.outgoing())
    apart = {truth.equipment_id for truth in simulated.truth() if truth.kind}
    apart |= {t.equipment_id for t in simulated.truth() if t.cause in DISORDER}
    for equipment in simulated.registry():
        if equipment.kind is Kind.LIFT and equipment.id not in apart:
            since_s = None
            for at_s, state in states(items_of(messages, equipment.id)):
                stands = (
                    state["service_mode"] == 1
                    and state["passenger_present"]
                    and state["door_closed"]
                    and state["car_status"] == 0
                )
                assert since_s is None or at_s - since_s < 20.0
                since_s = (since_s or at_s) if stands else None


def test_each_device_has_one_part_at_most() -> None:
    ids = [entry.equipment_id for entry in demo_scenario(5, duration_s=3600.0).entries]
    assert len(ids) == len(set(ids))
    assert len(ids) > 60


def test_the_seed_decides_and_nuisances_can_be_left_out() -> None:
    assert demo_scenario(1) == demo_scenario(1)
    assert demo_scenario(1) != demo_scenario(2)
    plain = demo_scenario(1, nuisances=False)
    assert not any(entry.injection.nuisance for entry in plain.entries)
    assert any(entry.injection.nuisance for entry in demo_scenario(1).entries)


def test_the_smallest_fleet_still_has_every_fault() -> None:
    scenario = demo_scenario(1, devices=DEVICES_MIN)
    assert {e.injection.truth for e in scenario.entries if e.injection.truth} == NEEDED
    assert demo_fleet(DEVICES_MIN).total == DEVICES_MIN


@pytest.mark.parametrize(("devices", "duration_s"), [(11, 120.0), (20_001, 120.0), (200, 10.0)])
def test_a_demo_that_cannot_work_is_refused(devices: int, duration_s: float) -> None:
    with pytest.raises(UsageError, match="a demo"):
        demo_scenario(1, devices=devices, duration_s=duration_s)
