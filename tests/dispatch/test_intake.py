import pytest

from dispatch import desk, intake
from domain.findings import Finding, Phase
from domain.incidents import (
    CloseReason,
    Incident,
    IncidentAction,
    IncidentKind,
    IncidentState,
    Level,
)
from domain.instants import NS_PER_S
from domain.ports import IncidentQuery, StateStore
from tests.support.dispatch_world import FLEET, NOW_NS, OPERATOR, finding

ALARM = IncidentKind.ALARM_BUTTON
AT_LEVEL = IncidentKind.ENTRAPMENT_AT_LEVEL
OFF_LEVEL = IncidentKind.ENTRAPMENT_OFF_LEVEL
ENDED = Phase.ENDED


def take(store: StateStore, *findings: Finding) -> list[Incident]:
    with store.writing() as tx:
        return intake.take(tx, findings, FLEET)


def actions(store: StateStore, incident: Incident) -> list[str]:
    with store.reading() as tx:
        return [str(event.action) for event in tx.incidents.events(incident.id)]


def incidents(store: StateStore) -> list[Incident]:
    with store.reading() as tx:
        return list(tx.incidents.find(IncidentQuery()))


def test_a_finding_opens_an_incident_that_can_be_read_back(store: StateStore) -> None:
    raised = finding(at_s=60, onset_s=0)
    [opened] = take(store, raised)
    assert incidents(store) == [opened]
    assert (opened.state, opened.level, opened.firm_id) == ("open", "suspected", "acme")
    assert (opened.opened_at_ns, opened.detected_at_ns) == (NOW_NS, raised.detected_at_ns)
    assert [entry.level for entry in opened.levels] == [Level.SUSPECTED]
    assert actions(store, opened) == ["opened"]


def test_an_incident_is_open_since_the_earliest_onset_judged_live(store: StateStore) -> None:
    take(store, finding(ALARM, at_s=40, onset_s=40, detector="codes"))
    [joined] = take(store, finding(at_s=50, onset_s=20))
    assert joined.opened_at_ns == NOW_NS + 20 * NS_PER_S
    [late] = take(store, finding(AT_LEVEL, at_s=60, onset_s=-900, late=True))
    assert late.opened_at_ns == NOW_NS + 20 * NS_PER_S


def test_a_replay_changes_nothing(store: StateStore) -> None:
    batch = [
        finding(),
        finding(level=Level.CONFIRMED, at_s=30),
        finding(ALARM, at_s=40, detector="codes"),
        finding(phase=ENDED, at_s=90),
    ]
    take(store, *batch)
    before = (incidents(store), actions(store, incidents(store)[0]))
    assert take(store, *batch) == []
    assert (incidents(store), actions(store, incidents(store)[0])) == before


def test_levels_rise_and_never_fall(store: StateStore) -> None:
    take(store, finding())
    take(store, finding(level=Level.CONFIRMED, at_s=30))
    [after] = take(store, finding(ALARM, at_s=40, detector="codes"))
    assert after.level is Level.CONFIRMED
    assert after.kind is AT_LEVEL
    assert [(one.level, one.at_ns) for one in after.levels] == [
        (Level.SUSPECTED, NOW_NS),
        (Level.CONFIRMED, NOW_NS + 30 * NS_PER_S),
    ]
    assert actions(store, after) == ["opened", "level_raised", "evidence_added"]


def test_a_more_specific_kind_is_shown_and_noted(store: StateStore) -> None:
    take(store, finding(ALARM, detector="codes"))
    [after] = take(store, finding(OFF_LEVEL, at_s=5))
    assert after.kind is OFF_LEVEL
    assert [one.kind for one in after.levels] == [ALARM, OFF_LEVEL]


def test_other_kinds_are_cases_of_their_own(store: StateStore) -> None:
    kinds = (IncidentKind.OVERPRESSURE, IncidentKind.LOW_WATER_FIRING)
    take(store, *(finding(kind, equipment_id="B1") for kind in kinds))
    assert {one.case for one in incidents(store)} == {"overpressure", "low_water_firing"}


def test_a_suspected_entrapment_that_ends_is_closed(store: StateStore) -> None:
    [after] = take(store, finding(), finding(phase=ENDED, at_s=50))
    assert (after.state, after.close_reason) == ("closed", CloseReason.CONDITION_ENDED)
    assert after.condition_ended_at_ns == NOW_NS + 50 * NS_PER_S
    assert actions(store, after) == ["opened", "closed"]


def test_another_case_that_ends_is_resolved_and_opens_anew(store: StateStore) -> None:
    kind = IncidentKind.OVERPRESSURE
    take(store, finding(kind, equipment_id="B1"))
    [ended] = take(store, finding(kind, equipment_id="B1", phase=ENDED, at_s=9))
    assert ended.state is IncidentState.RESOLVED
    [again] = take(store, finding(kind, equipment_id="B1", at_s=20))
    assert again.id != ended.id


def test_a_confirmed_rescue_stays_open_and_may_return(store: StateStore) -> None:
    take(store, finding(level=Level.CONFIRMED))
    [ended] = take(store, finding(phase=ENDED, at_s=50))
    assert (ended.state, ended.condition_ended_at_ns) == ("open", NOW_NS + 50 * NS_PER_S)
    [returned] = take(store, finding(at_s=70))
    assert returned.condition_ended_at_ns is None
    assert actions(store, returned) == ["opened", "condition_ended", "condition_returned"]


def test_late_history_from_before_the_end_does_not_bring_the_condition_back(
    store: StateStore,
) -> None:
    #  0 s confirmed ── 20 s what arrives late ── 50 s over
    take(store, finding(level=Level.CONFIRMED), finding(phase=ENDED, at_s=50))
    [after] = take(store, finding(late=True, at_s=900, onset_s=20))
    assert after.condition_ended_at_ns == NOW_NS + 50 * NS_PER_S


def test_an_acknowledged_rescue_is_only_told_of_its_end(store: StateStore) -> None:
    [opened] = take(store, finding())
    with store.writing() as tx:
        desk.acknowledge(tx, opened.id, OPERATOR, NOW_NS + NS_PER_S)
    [ended] = take(store, finding(phase=ENDED, at_s=50))
    assert ended.state is IncidentState.ACKNOWLEDGED
    assert ended.condition_ended_at_ns is not None


def test_the_end_of_the_entrapment_does_not_end_the_alarm(store: StateStore) -> None:
    take(store, finding(), finding(ALARM, at_s=5, detector="codes"))
    [after] = take(store, finding(phase=ENDED, at_s=50))
    assert (after.state, after.condition_ended_at_ns) == ("open", None)
    with store.reading() as tx:
        assert "still standing: alarm_button" in tx.incidents.events(after.id)[-1].note


def test_an_entrapment_ends_when_each_of_its_claims_has_ended(store: StateStore) -> None:
    take(store, finding(AT_LEVEL), finding(OFF_LEVEL, at_s=5))
    [still] = take(store, finding(AT_LEVEL, phase=ENDED, at_s=50))
    assert still.state is IncidentState.OPEN
    [after] = take(store, finding(OFF_LEVEL, phase=ENDED, at_s=51))
    assert after.state is IncidentState.CLOSED


def test_two_detectors_of_one_kind_end_it_together(store: StateStore) -> None:
    kind = IncidentKind.OVERPRESSURE
    limit, forecast = (
        [
            finding(kind, equipment_id="B1", detector=name, at_s=at_s, phase=phase)
            for at_s, phase in ((start_s, Phase.RAISED), (start_s + 10, ENDED))
        ]
        for name, start_s in (("limit", 0), ("forecast", 1))
    )
    take(store, limit[0], forecast[0])
    assert take(store, limit[1])[0].state is IncidentState.OPEN
    assert take(store, forecast[1])[0].state is IncidentState.RESOLVED


def test_an_end_of_nothing_changes_nothing(store: StateStore) -> None:
    assert take(store, finding(phase=ENDED)) == []
    [opened] = take(store, finding(ALARM, at_s=1, detector="codes"))
    assert take(store, finding(phase=ENDED, at_s=2)) == []
    assert incidents(store) == [opened]
    with store.reading() as tx:
        assert tx.incidents.count_findings() == 3


def test_late_findings_open_marked_late(store: StateStore) -> None:
    [opened] = take(store, finding(late=True, at_s=900, onset_s=0))
    assert opened.late


@pytest.mark.parametrize(("onset_s", "opens"), [(99, False), (100, False), (101, True)])
def test_late_findings_reopen_nothing_closed_after_their_onset(
    store: StateStore, onset_s: float, *, opens: bool
) -> None:
    #  0 s opened ── 100 s closed by a person ── 900 s late finding with its onset
    [opened] = take(store, finding())
    with store.writing() as tx:
        desk.close(tx, opened.id, CloseReason.TEST, OPERATOR, NOW_NS + 100 * NS_PER_S)
    changed = take(store, finding(late=True, at_s=900, onset_s=onset_s))
    assert bool(changed) is opens


def test_a_late_alarm_after_the_end_that_telemetry_saw_opens(store: StateStore) -> None:
    #  0 s raised ── 50 s over, known at 60 s ── 55 s alarm, arrives at 900 s
    over = finding(phase=ENDED, at_s=60, onset_s=50)
    take(store, finding(), over)
    alarm = finding(ALARM, late=True, at_s=900, onset_s=55, detector="codes")
    assert len(take(store, alarm)) == 1


def test_a_live_finding_opens_although_a_person_just_closed(store: StateStore) -> None:
    [opened] = take(store, finding())
    with store.writing() as tx:
        desk.close(tx, opened.id, CloseReason.FALSE_ALARM, OPERATOR, NOW_NS + NS_PER_S)
    [again] = take(store, finding(level=Level.CONFIRMED, at_s=30, onset_s=0))
    assert again.id != opened.id


def test_what_an_incident_lists_is_bounded_and_still_ends_rightly(store: StateStore) -> None:
    take(store, finding(ALARM, detector="codes"), finding(at_s=1, level=Level.CONFIRMED))
    flapping = [
        finding(at_s=2 + i, phase=ENDED if i % 2 == 0 else Phase.RAISED)
        for i in range(2 * intake.JOINED_LIMIT)
    ]
    take(store, *flapping)
    [incident] = incidents(store)
    assert len(incident.finding_ids) == intake.JOINED_LIMIT
    assert incident.finding_ids[0] == finding(ALARM, detector="codes").id
    assert len(actions(store, incident)) <= intake.JOINED_LIMIT + 2
    with store.reading() as tx:
        assert tx.incidents.count_findings() == 2 + len(flapping)
    # The alarm stands still, although its finding is the oldest but one of all.
    [after] = take(store, finding(at_s=900, phase=ENDED))
    assert after.condition_ended_at_ns is None


def test_equipment_that_the_registry_lost_still_gets_its_incident(store: StateStore) -> None:
    [opened] = take(store, finding(IncidentKind.INGEST_GAP, equipment_id="ingest"))
    assert opened.firm_id == ""
    assert actions(store, opened) == [IncidentAction.OPENED, IncidentAction.COMMENTED]
