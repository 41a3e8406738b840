"""Statistics through the bank: what an engineer sees of a gauge that leaves its own past."""

import numpy as np
import pytest

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from domain.instants import seconds
from domain.readings import Quality
from tests.support.batches import make_batch
from tests.support.story import T0

IDS = ("B0", "B1", "B2")
RNG_SEED = 20_261_124
WARM, FAULT, END = 2_050, 2_100, 2_300
"""Seconds: where a snapshot is taken, the fault begins, and the story ends."""


def fresh(**parameters: float) -> Bank:
    fleet = build_fleet(1, [Equipment(id=identity, kind=Kind.BOILER) for identity in IDS])
    return Bank(fleet, {"statistics": parameters})


def run(bank: Bank, begin_s: int, end_s: int, *, quality: int = 0) -> list[Finding]:
    """Flue gas of boilers at about 150 °C every second; the first one's rises by 8 K at `FAULT`."""
    noise = np.random.default_rng(RNG_SEED).normal(0, 1, (END, len(IDS)))
    findings = []
    for t_s in range(begin_s, end_s):
        values = 150 + noise[t_s]
        values[0] += 8.0 if t_s >= FAULT else 0.0
        rows = [
            {
                "id": identity,
                "t": T0 + seconds(t_s),
                "position": t_s,
                "quality": quality,
                "v": {"flue_gas_temperature_c": round(float(value), 2)},
            }
            for identity, value in zip(IDS, values, strict=True)
        ]
        findings += bank.step(make_batch(Kind.BOILER, rows, ids=IDS))
    return [f for f in findings if ":" in f.detector]


@pytest.fixture(scope="module")
def warm() -> bytes:
    """Snapshot of a bank that knows what is usual."""
    bank = fresh()
    assert run(bank, 0, WARM) == []
    return bank.snapshot()


def continued(warm: bytes) -> Bank:
    bank = fresh()
    bank.restore(warm)
    return bank


def test_a_gauge_that_leaves_its_past_is_an_advisory_with_its_reasons(warm: bytes) -> None:
    found = run(continued(warm), WARM, END)
    assert {f.equipment_id for f in found} == {"B0"}
    first = found[0]
    assert (first.level, first.kind) == ("advisory", "statistical_anomaly")
    assert 0 <= (first.onset_ns - T0) / seconds(1) - FAULT <= 10
    evidence = {one.name: one.value for one in first.evidence}
    assert evidence["flue_gas_temperature_c"] == pytest.approx(158, abs=4)
    assert evidence["usual_value"] == pytest.approx(150, abs=1)
    assert float(evidence["statistic_score"] or 0) > float(evidence["statistic_limit"] or 0)


def test_a_restart_in_the_middle_changes_no_advisory(warm: bytes) -> None:
    whole, first = continued(warm), continued(warm)
    before = run(first, WARM, FAULT + 2)
    assert before + run(continued(first.snapshot()), FAULT + 2, END) == run(whole, WARM, END)


def test_late_rows_are_not_judged(warm: bytes) -> None:
    assert run(continued(warm), WARM, END, quality=int(Quality.LATE)) == []


def test_rates_are_told_unless_the_budget_is_nothing() -> None:
    assert "level_shift" in {rate.statistic for rate in fresh().rates()[Kind.BOILER]}
    assert fresh(alarms_per_device_day=0.0).rates() == {}
