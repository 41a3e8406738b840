import json
from dataclasses import replace
from typing import Any

from dispatch import desk, intake, notices
from domain.equipment import Firm, build_fleet
from domain.findings import Evidence, Phase
from domain.incidents import CloseReason, IncidentKind, Level
from domain.notifications import Notification
from domain.ports import StateStore
from tests.support.dispatch_world import FIRM, FLEET, LIFT, NOW_NS, OPERATOR, finding


def sent(store: StateStore, incident_id: str) -> list[Notification]:
    with store.reading() as tx:
        return [notification for notification, _ in tx.outbox.for_incident(incident_id)]


def body(notification: Notification) -> Any:
    return json.loads(notification.body)


def test_the_firm_is_told_on_every_way_it_has(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding(at_s=60, onset_s=0)], FLEET)
    notifications = sent(store, opened.id)
    assert [(one.channel, one.receiver) for one in notifications] == [
        ("webhook", "acme"),
        ("mqtt", "acme"),
    ]
    content = body(notifications[0])
    assert content["event_id"] == notifications[0].id
    assert {key: content[key] for key in ("version", "occasion", "level", "kind", "late")} == {
        "version": 1,
        "occasion": "opened",
        "level": "suspected",
        "kind": "entrapment_at_level",
        "late": False,
    }
    assert content["kind_name"] == {"en": "Trapped at level", "zh": "平层困人"}
    assert content["opened_at"] == "2026-03-05T00:30:00.000Z"
    assert content["equipment"]["identifiers"] == [{"scheme": "rescue_code", "value": "123456"}]
    assert content["equipment"]["address"] == "1 Canal Street"
    assert content["evidence"] == [{"name": "stopped_s", "value": 93.5, "unit": "s"}]


def test_advisory_incidents_are_not_sent_until_they_concern_dispatch(store: StateStore) -> None:
    kind = IncidentKind.OVERPRESSURE
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding(kind, Level.ADVISORY, equipment_id="B1")], FLEET)
    assert sent(store, opened.id) == []
    with store.writing() as tx:
        intake.take(tx, [finding(kind, Level.SUSPECTED, equipment_id="B1", at_s=5)], FLEET)
        intake.take(tx, [finding(kind, Level.CONFIRMED, equipment_id="B1", at_s=9)], FLEET)
    told = [body(one) for one in sent(store, opened.id) if one.channel == "webhook"]
    assert [(one["occasion"], one["level"]) for one in told] == [
        ("level_raised", "suspected"),
        ("level_raised", "confirmed"),
    ]


def test_the_end_is_sent_once_to_whom_the_beginning_was(store: StateStore) -> None:
    kind = IncidentKind.OVERPRESSURE
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding(kind, equipment_id="B1")], FLEET)
        intake.take(tx, [finding(kind, equipment_id="B1", at_s=5, phase=Phase.ENDED)], FLEET)
        desk.close(tx, opened.id, CloseReason.REPAIRED, OPERATOR, NOW_NS + 9)
    assert [(one.occasion, one.channel) for one in sent(store, opened.id)] == [
        ("opened", "webhook"),
        ("opened", "mqtt"),
        ("resolved", "webhook"),
        ("resolved", "mqtt"),
    ]


def test_a_closing_body_says_why(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
        desk.close(tx, opened.id, CloseReason.FALSE_ALARM, OPERATOR, NOW_NS + 9)
    content = body(sent(store, opened.id)[-1])
    assert (content["occasion"], content["close_reason"]) == ("closed", "false_alarm")


def test_the_history_says_why_nobody_was_told(store: StateStore) -> None:
    mute = Firm(id=FIRM.id, mqtt_notify=False)
    with store.writing() as tx:
        [orphan] = intake.take(tx, [finding(equipment_id="L2")], FLEET)
        tx.registry.put_firm(mute)
        [unreachable] = intake.take(tx, [finding()], FLEET)
        notes = [tx.incidents.events(one.id)[-1].note for one in (orphan, unreachable)]
    assert notes == [
        "nobody was notified: the registry names no maintenance firm",
        "nobody was notified: maintenance firm acme has neither webhook nor MQTT",
    ]


def test_a_secret_never_leaves_in_a_body(store: StateStore) -> None:
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], FLEET)
    assert all(FIRM.webhook_secret not in one.body for one in sent(store, opened.id))


def test_a_body_is_bounded_and_always_json(store: StateStore) -> None:
    odd = (
        Evidence(name="gone", value=float("nan")),
        Evidence(name="long", value="x" * 10_000),
        *(Evidence(name="more", value=True) for _ in range(100)),
    )
    with store.writing() as tx:
        [opened] = intake.take(tx, [replace(finding(), evidence=odd)], FLEET)
    evidence = body(sent(store, opened.id)[0])["evidence"]
    assert len(evidence) == notices.EVIDENCE_LIMIT
    assert evidence[0]["value"] is None
    assert evidence[1]["value"] == "x" * notices.TEXT_LIMIT


def test_a_firm_that_the_registry_does_not_know_is_said_so(store: StateStore) -> None:
    stray = replace(LIFT, maintenance_firm="ghost")
    with store.writing() as tx:
        [opened] = intake.take(tx, [finding()], build_fleet(2, [stray]))
        note = tx.incidents.events(opened.id)[-1].note
    assert note == "nobody was notified: maintenance firm ghost is not in the registry"
