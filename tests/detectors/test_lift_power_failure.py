"""Lifts without mains, alone and as an estate."""

from typing import Any

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from domain.instants import seconds
from tests.support.batches import make_batch
from tests.support.story import PARKED, T0, lift

KIND = "power_failure"


def test_a_loss_of_ten_seconds_is_an_advisory_and_a_shorter_one_is_none() -> None:
    story = lift().at(10, mains_power=False).at(18, mains_power=True).until(60)
    assert story.levels() == []
    story.at(100, mains_power=False).at(200, mains_power=True).until(220)
    assert story.levels() == [(KIND, "advisory", 100, 110)]
    assert story.ended() == [(KIND, "mains_back")]


def test_emergency_power_operation_is_one_too() -> None:
    story = lift().at(1, mains_power=None).at(10, service_mode=5).until(30)
    assert story.levels() == [(KIND, "advisory", 10, 20)]


def test_a_mechanic_switches_the_mains_himself() -> None:
    story = lift().at(5, service_mode=2).at(10, mains_power=False).until(60)
    assert story.levels() == []
    begins_later = lift().at(10, mains_power=False).until(30).at(31, service_mode=2)
    assert begins_later.ended() == [(KIND, "mode_inspection")]


def test_a_cut_that_stops_the_car_is_one_advisory_and_shows_the_stop() -> None:
    story = lift().at(20, car_status=1, door_zone=False)
    story.at(40, mains_power=False, car_status=0, service_mode=0, passenger_present=None)
    story.until(900)
    assert story.levels() == [(KIND, "advisory", 40, 50)]
    evidence = {e.name: e.value for e in story.findings[0].evidence}
    assert (evidence["door_zone"], evidence["service_mode"]) == (False, 0)


def cut(areas: list[str], off_s: dict[int, float], **registry: Any) -> list[Finding]:
    """Lifts whose mains go off at some second, ticked for ten minutes."""
    lifts = [
        Equipment(id=f"L{i}", kind=Kind.LIFT, area_path=area, **registry)
        for i, area in enumerate(areas)
    ]
    bank, findings = Bank(build_fleet(1, lifts)), []
    ids = [equipment.id for equipment in lifts]
    rows = [(0.0, i, dict(PARKED)) for i in range(len(lifts))]
    rows += [(at, i, {"mains_power": False}) for i, at in off_s.items()]
    for second in range(600):
        due = [
            {"id": ids[i], "t": T0 + seconds(at), "v": v}
            for at, i, v in sorted(rows, key=lambda row: row[:2])
            if second - 1 < at <= second
        ]
        if due:
            findings += bank.step(make_batch(Kind.LIFT, due, ids=ids))
        findings += bank.tick(T0 + seconds(second), second)
    return [finding for finding in findings if finding.kind == KIND]


def causes(findings: list[Finding]) -> list[tuple[Any, Any]]:
    """Lifts without mains and cause, as each finding shows them."""
    shown = [{e.name: e.value for e in f.evidence} for f in findings]
    return [(e.get("estate_lifts_without_mains"), e.get("cause")) for e in shown]


def test_an_estate_that_goes_dark_is_one_cause_in_every_finding() -> None:
    """Two feeders: lifts 0 to 2 at once, lift 3 a minute later; lift 4 lives elsewhere."""
    areas = ["district/town/a"] * 4 + ["district/town/b"]
    found = cut(areas, {0: 100.0, 1: 100.4, 2: 101.0, 3: 160.0, 4: 100.0})
    assert [f.equipment_id for f in found] == ["L0", "L4", "L1", "L2", "L3"]
    cause = "estate_power_cut"
    assert causes(found) == [(3, cause), (1, "unknown"), (3, cause), (3, cause), (4, cause)]
    assert {e.value for e in found[0].evidence if e.name == "estate"} == {"district/town/a"}
    assert {e.value for e in found[0].evidence if e.name == "estate_lifts"} == {4}


def test_losses_far_apart_are_not_one_cut_and_an_address_stands_in_for_an_area() -> None:
    assert causes(cut(["x"] * 3, {0: 10.0, 1: 150.0, 2: 500.0}))[-1] == (1, "unknown")
    by_address = cut([""] * 3, {0: 100.0, 1: 100.0, 2: 100.0}, address="1 Lake Road")
    assert causes(by_address) == [(3, "estate_power_cut")] * 3
    assert causes(cut([""] * 3, {0: 100.0, 1: 100.0, 2: 100.0})) == [(None, None)] * 3
