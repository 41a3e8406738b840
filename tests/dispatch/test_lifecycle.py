from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dispatch import lifecycle
from dispatch.lifecycle import SYSTEM, Change
from domain.errors import ConflictError
from domain.incidents import (
    ENDED_STATES,
    RESCUE,
    CloseReason,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
    case_of,
)

RESCUE_STEPS = [
    (IncidentAction.ACKNOWLEDGED, IncidentState.ACKNOWLEDGED),
    (IncidentAction.ACCEPTED, IncidentState.ACCEPTED),
    (IncidentAction.ARRIVED, IncidentState.ON_SITE),
    (IncidentAction.FREED, IncidentState.FREED),
    (IncidentAction.VERIFIED, IncidentState.VERIFIED),
]


def incident(
    kind: IncidentKind = IncidentKind.ENTRAPMENT_AT_LEVEL, level: Level = Level.SUSPECTED
) -> Incident:
    return Incident(
        id="i",
        case=case_of(kind),
        kind=kind,
        equipment_id="L1",
        firm_id="acme",
        level=level,
        state=IncidentState.OPEN,
        opened_at_ns=1,
        detected_at_ns=2,
        late=False,
        levels=(),
    )


def end(subject: Incident, *kinds: IncidentKind) -> Change:
    joined = {subject.kind, *kinds}
    return lifecycle.end_by_telemetry(subject, joined, ended_at_ns=3, now_ns=4, note="over")


def test_a_rescue_goes_through_every_state_to_rescued() -> None:
    subject = incident()
    for action, state in RESCUE_STEPS:
        change = lifecycle.advance(subject, action, actor="user:a", now_ns=9)
        subject = change.incident
        assert (subject.state, change.event.state, change.event.actor) == (state, state, "user:a")
    closed = lifecycle.close(subject, CloseReason.RESCUED, actor="user:a", now_ns=10).incident
    assert (closed.state, closed.close_reason) == (IncidentState.CLOSED, CloseReason.RESCUED)


def test_a_refusal_says_what_is_allowed_now() -> None:
    with pytest.raises(ConflictError, match="may record now: acknowledged, closed"):
        lifecycle.advance(incident(), IncidentAction.FREED, actor="user:a", now_ns=9)
    with pytest.raises(ConflictError, match="allowed reasons now: duplicate, false_alarm"):
        lifecycle.close(incident(), CloseReason.RESCUED, actor="user:a", now_ns=9)


def test_a_closed_incident_allows_nothing() -> None:
    closed = lifecycle.close(incident(), CloseReason.TEST, actor="user:a", now_ns=9).incident
    assert lifecycle.allowed_actions(closed) == ()
    with pytest.raises(ConflictError, match="nothing, it is closed"):
        lifecycle.advance(closed, IncidentAction.ACKNOWLEDGED, actor="user:a", now_ns=9)
    with pytest.raises(ConflictError, match="it is closed"):
        lifecycle.close(closed, CloseReason.TEST, actor="user:a", now_ns=9)


@pytest.mark.parametrize(
    ("subject", "extra", "state"),
    [
        (incident(), (), IncidentState.CLOSED),
        (incident(), (IncidentKind.ALARM_BUTTON,), IncidentState.OPEN),
        (incident(IncidentKind.CALLER), (), IncidentState.OPEN),
        (incident(level=Level.CONFIRMED), (), IncidentState.OPEN),
        (incident(IncidentKind.OVERPRESSURE, Level.CONFIRMED), (), IncidentState.RESOLVED),
        (
            replace(incident(IncidentKind.OVERPRESSURE), acknowledged_at_ns=2),
            (),
            IncidentState.OPEN,
        ),
    ],
    ids=["suspected", "alarm", "caller", "confirmed", "other", "latched"],
)
def test_what_telemetry_may_end(
    subject: Incident, extra: tuple[IncidentKind, ...], state: IncidentState
) -> None:
    change = end(subject, *extra)
    assert change.incident.state is state
    assert change.incident.condition_ended_at_ns == 3
    assert (change.event.actor, change.event.at_ns) == (SYSTEM, 4)


def test_the_service_itself_takes_no_persons_step() -> None:
    with pytest.raises(ConflictError):
        lifecycle.advance(incident(), IncidentAction.ACKNOWLEDGED, actor=SYSTEM, now_ns=9)
    with pytest.raises(ConflictError):
        lifecycle.close(incident(), CloseReason.TEST, actor=SYSTEM, now_ns=9)


NEXT = {
    RESCUE: {
        "open": {"acknowledged": "acknowledged"},
        "acknowledged": {"accepted": "accepted"},
        "accepted": {"arrived": "on_site"},
        "on_site": {"freed": "freed"},
        "freed": {"verified": "verified"},
    },
    "other": {
        "open": {"acknowledged": "acknowledged"},
        "acknowledged": {"resolved": "resolved"},
    },
}


class Life(RuleBasedStateMachine):
    """One incident against a dict; every call is tried, allowed or not."""

    @initialize(
        kind=st.sampled_from(
            [
                IncidentKind.ENTRAPMENT_OFF_LEVEL,
                IncidentKind.ALARM_BUTTON,
                IncidentKind.OVERPRESSURE,
            ]
        ),
        level=st.sampled_from([Level.SUSPECTED, Level.CONFIRMED]),
    )
    def begin(self, kind: IncidentKind, level: Level) -> None:
        self.now_ns = 10
        self.subject = incident(kind, level)
        self.history: list[IncidentEvent] = []
        rescue = self.subject.case == RESCUE
        self.model = {"state": "open", "table": RESCUE if rescue else "other"}
        self.latched = False
        self.asked = kind is IncidentKind.ALARM_BUTTON

    def applied(self, change: Change) -> None:
        assert change.event.state is change.incident.state
        self.subject = change.incident
        self.history.append(change.event)

    @rule(action=st.sampled_from(list(IncidentAction)))
    def person_advances(self, action: IncidentAction) -> None:
        self.now_ns += 1
        expected = NEXT[self.model["table"]].get(self.model["state"], {}).get(action)
        try:
            change = lifecycle.advance(self.subject, action, actor="user:a", now_ns=self.now_ns)
        except ConflictError:
            assert expected is None
        else:
            assert expected is not None
            self.model["state"] = expected
            self.latched |= action is IncidentAction.ACKNOWLEDGED
            self.applied(change)

    @rule(reason=st.sampled_from(list(CloseReason)))
    def person_closes(self, reason: CloseReason) -> None:
        self.now_ns += 1
        rescue, state = self.model["table"] == RESCUE, self.model["state"]
        expected = state != "closed" and (
            reason in {"false_alarm", "test", "duplicate"}
            or (reason == "self_released" and rescue)
            or (reason == "rescued" and rescue and state == "verified")
            or (reason in {"repaired", "condition_ended"} and not rescue)
        )
        try:
            change = lifecycle.close(self.subject, reason, actor="user:a", now_ns=self.now_ns)
        except ConflictError:
            assert not expected
        else:
            assert expected
            self.model["state"] = "closed"
            self.applied(change)

    @precondition(lambda self: self.subject.state not in ENDED_STATES)
    @rule()
    def telemetry_ends(self) -> None:
        self.now_ns += 1
        if not self.latched:
            if self.model["table"] == "other":
                self.model["state"] = "resolved"
            elif self.subject.level is Level.SUSPECTED and not self.asked:
                self.model["state"] = "closed"
        self.applied(
            lifecycle.end_by_telemetry(
                self.subject,
                {self.subject.kind},
                ended_at_ns=self.now_ns,
                now_ns=self.now_ns,
                note="",
            )
        )

    @precondition(lambda self: self.subject.state in ENDED_STATES)
    @rule()
    def telemetry_ends_nothing_twice(self) -> None:
        with pytest.raises(ConflictError):
            end(self.subject)

    @invariant()
    def state_is_the_models(self) -> None:
        assert self.subject.state == self.model["state"]
        assert self.subject.latched == self.latched

    @invariant()
    def history_is_complete(self) -> None:
        state = IncidentState.OPEN
        for before, event in zip([None, *self.history], self.history, strict=False):
            assert event.actor
            assert before is None or before.at_ns < event.at_ns
            assert event.action is not IncidentAction.CONDITION_ENDED or event.state is state
            state = event.state
        assert self.subject.state is state

    @invariant()
    def telemetry_never_ended_what_a_person_took_over(self) -> None:
        taken_over = False
        for event in self.history:
            taken_over |= event.action is IncidentAction.ACKNOWLEDGED
            ended = event.action in {IncidentAction.CLOSED, IncidentAction.RESOLVED}
            assert not (taken_over and ended and event.actor == SYSTEM)


TestLife = Life.TestCase
TestLife.settings = settings(deadline=None, max_examples=60, stateful_step_count=20)
