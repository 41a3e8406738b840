"""Which incidents count as found, missed and made up."""

from typing import Any

from domain.incidents import Incident, IncidentKind, IncidentState, Level, LevelReached, case_of
from domain.instants import seconds
from runtime.verdict import DECISION_NS, judge
from simulators.truth import Truth

T0 = 1_772_668_800_000_000_000
END = T0 + seconds(300)


def truth(kind: str | None = "overload", **values: Any) -> Truth:
    fields: dict[str, Any] = {
        "kind": kind,
        "equipment_id": "C1",
        "cause": "injected",
        "from_ns": T0 + seconds(10),
        "to_ns": None,
        "evidence_from_ns": T0 + seconds(12),
        "may_raise": (),
    }
    return Truth(**{**fields, **values})


def incident(
    kind: IncidentKind = IncidentKind.OVERLOAD, equipment_id: str = "C1", at_s: float = 15.0
) -> Incident:
    at_ns = T0 + seconds(at_s)
    level = LevelReached(level=Level.CONFIRMED, kind=kind, at_ns=at_ns)
    return Incident(
        id=f"{kind}-{equipment_id}-{at_s}",
        equipment_id=equipment_id,
        firm_id="",
        state=IncidentState.OPEN,
        late=False,
        case=case_of(kind),
        kind=kind,
        level=Level.CONFIRMED,
        opened_at_ns=at_ns,
        detected_at_ns=at_ns,
        levels=(level,),
    )


def test_a_fault_with_its_incident_is_found() -> None:
    verdict = judge([truth()], [incident()], ended_ns=END)
    assert (verdict.missed, verdict.spurious) == ((), ())
    assert verdict.found == (
        {
            "id": "overload-C1-15.0",
            "kind": "overload",
            "equipment_id": "C1",
            "level": "confirmed",
            "truth": "overload",
            "detected_after_s": 5.0,
        },
    )


def test_a_fault_without_an_incident_is_missed() -> None:
    assert judge([truth()], [], ended_ns=END).missed == (truth(),)
    elsewhere = judge([truth()], [incident(equipment_id="C2")], ended_ns=END)
    assert elsewhere.missed == (truth(),)
    other_case = judge([truth()], [incident(IncidentKind.DEVICE_OFFLINE)], ended_ns=END)
    assert other_case.missed == (truth(),)


def test_an_incident_without_a_cause_is_spurious() -> None:
    made_up = incident(equipment_id="C2")
    verdict = judge([truth()], [incident(), made_up], ended_ns=END)
    assert verdict.spurious == (made_up,)
    assert verdict.found[1]["truth"] is None
    assert verdict.found[1]["detected_after_s"] is None


def test_an_incident_long_before_its_fault_is_not_that_fault() -> None:
    late = truth(from_ns=T0 + seconds(200), evidence_from_ns=T0 + seconds(200))
    verdict = judge([late], [incident()], ended_ns=END)
    assert verdict.missed == (late,)


def test_evidence_that_came_too_late_or_never_is_not_missed() -> None:
    young = truth(evidence_from_ns=END - DECISION_NS + 1)
    silent = truth(evidence_from_ns=None)
    assert judge([young, silent], [], ended_ns=END).missed == ()
    assert judge([truth(evidence_from_ns=END - DECISION_NS)], [], ended_ns=END).missed


def test_kinds_of_one_case_and_side_effects_explain_an_incident() -> None:
    trapped = truth("entrapment_off_level", equipment_id="L1", may_raise=("lift_fault",))
    alarm = incident(IncidentKind.ALARM_BUTTON, "L1")
    fault = incident(IncidentKind.LIFT_FAULT, "L1")
    verdict = judge([trapped], [alarm, fault], ended_ns=END)
    assert (verdict.missed, verdict.spurious) == ((), ())
    nuisance = truth(None, may_raise=("shock_load",))
    assert judge([nuisance], [incident(IncidentKind.SHOCK_LOAD)], ended_ns=END).spurious == ()
    overload = incident()
    assert judge([nuisance], [overload], ended_ns=END).spurious == (overload,)
