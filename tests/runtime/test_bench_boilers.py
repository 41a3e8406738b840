"""Boilers with failing instruments are measured with the production rules."""

import numpy as np

from domain.incidents import Level
from runtime.bench import boilers
from runtime.bench.boilers import Plant, Ramps, measure_service


def test_a_blocked_outlet_is_found_before_the_valve_lifts() -> None:
    plant = Plant(each=["no steam temperature"] * 2, seed=3)
    physics = plant.boilers
    list(plant.run(20))
    physics.outlet_blocked[:] = physics.burner_stuck[:] = physics.limiter_bypassed[:] = True
    for slot in range(2):
        physics.prime(slot, below_rated_mpa=0.05, level_mm=0.0)
    list(plant.run(15))
    found = {f.equipment_id for f in plant.run(120) if f.level is Level.CONFIRMED}
    assert len(found) == 2


def test_swinging_demand_claims_nothing() -> None:
    assert not measure_service(1, 0.05, boilers=3, swings=True)


def test_ramps_are_told_by_count_and_lead() -> None:
    ramps = Ramps(leads_s=np.array([9.0, 11.0, -np.inf]), false=1)
    assert str(ramps).startswith("2 of 3 in time, lead p5 -inf s, p50 9.0 s; 1 claimed before")
    assert set(boilers.ERRORS) >= {"sound", "no steam temperature"}
