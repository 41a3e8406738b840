import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from dispatch import desk, intake
from dispatch.channels.webhook import EVENT_ID_HEADER, WebhookChannel
from dispatch.courier import Courier, RetryPolicy
from domain.equipment import Firm
from domain.findings import Finding
from domain.incidents import CloseReason, Incident, IncidentKind, Level
from domain.instants import NS_PER_S
from domain.notifications import Delivery, Notification, Outcome
from domain.ports import Channel, StateStore
from tests.support.dispatch_world import (
    FIRM,
    FLEET,
    NOW_NS,
    OPERATOR,
    SECRET,
    finding,
    receiver,
    status,
)

QUIET = RetryPolicy(first_s=10, cap_s=80, jitter=0.0, attempts_max=3)


class Script:
    """A channel whose deliveries a test decides."""

    name = "webhook"

    def __init__(self, answer: Callable[[Notification], Delivery | Outcome]) -> None:
        self._answer = answer
        self.seen: list[Notification] = []

    def deliver(self, notification: Notification, firm: Firm, now_ns: int) -> Delivery:
        assert firm.id == notification.receiver
        self.seen.append(notification)
        answer = self._answer(notification)
        if isinstance(answer, Delivery):
            return answer
        return Delivery(
            notification_id=notification.id,
            attempt=notification.attempts + 1,
            at_ns=now_ns,
            outcome=answer,
            detail=f"scripted {answer}",
        )

    @property
    def occasions(self) -> list[str]:
        return [notification.occasion for notification in self.seen]


@contextmanager
def courier(
    store: StateStore, channels: Mapping[str, Channel], *, run_limit_s: float = 10.0
) -> Iterator[Courier]:
    made = Courier(store, channels, retry=QUIET, run_limit_s=run_limit_s)
    yield made
    made.close(NOW_NS)


def opened(store: StateStore, *findings: Finding, url: str = "http://127.0.0.1:9/") -> Incident:
    firm = Firm(id=FIRM.id, webhook_url=url, webhook_secret=SECRET, mqtt_notify=False)
    with store.writing() as tx:
        tx.registry.put_firm(firm)
        return intake.take(tx, findings or [finding()], FLEET)[0]


def deliveries(store: StateStore, incident: Incident) -> list[Delivery]:
    with store.reading() as tx:
        return [one for _, tries in tx.outbox.for_incident(incident.id) for one in tries]


def last_note(store: StateStore, incident: Incident) -> str:
    with store.reading() as tx:
        return tx.incidents.events(incident.id)[-1].note


def queued(receiver: str, incident_id: str, due_at_ns: int) -> Notification:
    return Notification(
        id=f"to {receiver} on {incident_id}",
        incident_id=incident_id,
        occasion="opened",
        channel="webhook",
        receiver=receiver,
        body="{}",
        created_at_ns=due_at_ns,
        due_at_ns=due_at_ns,
    )


def at(seconds: float) -> int:
    return NOW_NS + round(seconds * NS_PER_S)


def test_a_signed_request_arrives_and_is_recorded(store: StateStore) -> None:
    with (
        receiver() as firm,
        courier(store, {"webhook": WebhookChannel(allow_private_addresses=True)}) as subject,
    ):
        incident = opened(store, url=firm.url)
        assert subject.run_once(NOW_NS) == 1
        assert subject.run_once(NOW_NS) == 0
    assert len(firm.requests) == 1
    [delivery] = deliveries(store, incident)
    assert (delivery.outcome, delivery.detail) == (Outcome.DELIVERED, "HTTP 200 OK")


def test_a_failure_is_tried_again_later_with_the_same_id(store: StateStore) -> None:
    with (
        receiver([status(500), status(200)]) as firm,
        courier(store, {"webhook": WebhookChannel(allow_private_addresses=True)}) as subject,
    ):
        incident = opened(store, url=firm.url)
        assert subject.run_once(NOW_NS) == 1
        assert subject.run_once(at(9.9)) == 0
        assert subject.run_once(at(10)) == 1
    assert [one.outcome for one in deliveries(store, incident)] == ["retry", "delivered"]
    assert len({request.headers[EVENT_ID_HEADER] for request in firm.requests}) == 1


def test_a_receiver_may_ask_for_a_bounded_pause(store: StateStore) -> None:
    with (
        receiver([status(429, Retry_After="60"), status(200)]) as firm,
        courier(store, {"webhook": WebhookChannel(allow_private_addresses=True)}) as subject,
    ):
        opened(store, url=firm.url)
        subject.run_once(NOW_NS)
        assert subject.run_once(at(59)) == 0
        assert subject.run_once(at(60)) == 1


def test_a_receiver_never_reached_is_given_up_and_the_operator_told(store: StateStore) -> None:
    script = Script(lambda _: Outcome.RETRY)
    with courier(store, {"webhook": script}) as subject:
        incident = opened(store)
        for now_s in (0, 10, 30, 1_000):
            subject.run_once(at(now_s))
    assert len(script.seen) == QUIET.attempts_max
    assert [one.attempt for one in deliveries(store, incident)] == [1, 2, 3]
    assert last_note(store, incident) == (
        "acme was not reached by webhook (opened): gave up after 3 attempts: scripted retry"
    )
    with store.reading() as tx:
        assert tx.outbox.pending() == 0


def test_a_channel_that_raises_is_tried_again(store: StateStore) -> None:
    answers: Iterator[Outcome] = iter([Outcome.DELIVERED])

    def answer(notification: Notification) -> Outcome:
        if notification.attempts == 0:
            raise ValueError("broken")
        return next(answers)

    with courier(store, {"webhook": Script(answer)}) as subject:
        incident = opened(store)
        subject.run_once(NOW_NS)
        subject.run_once(at(10))
    first, second = deliveries(store, incident)
    assert (first.outcome, first.detail) == ("retry", "channel raised ValueError('broken')")
    assert second.outcome is Outcome.DELIVERED


def test_a_channel_that_is_not_configured_is_said_so(store: StateStore) -> None:
    with courier(store, {}) as subject:
        incident = opened(store)
        subject.run_once(NOW_NS)
    assert last_note(store, incident).endswith("no channel named webhook is configured")


def test_a_stalled_receiver_does_not_delay_the_others(store: StateStore) -> None:
    release = threading.Event()

    def answer(notification: Notification) -> Outcome:
        if notification.receiver == "stalled":
            release.wait(20)
        return Outcome.DELIVERED

    stalled = Firm(id="stalled", webhook_url="http://x/", webhook_secret="s", mqtt_notify=False)
    others = [
        finding(kind, Level.ADVISORY, equipment_id="B1") for kind in list(IncidentKind)[10:30]
    ]
    with courier(store, {"webhook": Script(answer)}, run_limit_s=0.2) as subject:
        incident = opened(store)
        with store.writing() as tx:
            tx.registry.put_firm(stalled)
            for other in intake.take(tx, others, FLEET):
                tx.outbox.add(queued("stalled", other.id, NOW_NS - 5))
        started_s = time.monotonic()
        assert subject.run_once(NOW_NS) == 1
        assert time.monotonic() - started_s < 5
        assert deliveries(store, incident)[0].outcome is Outcome.DELIVERED
        release.set()


def test_one_incidents_notifications_keep_their_order(store: StateStore) -> None:
    script = Script(lambda _: Outcome.DELIVERED)
    raised = [finding(), finding(level=Level.CONFIRMED, at_s=1)]
    opened(store, *raised)
    with courier(store, {"webhook": script}) as subject:
        assert [subject.run_once(at(2)) for _ in range(3)] == [1, 1, 0]
    assert script.occasions == ["opened", "level_raised"]


def test_a_slow_delivery_is_recorded_by_a_later_run_and_not_sent_twice(store: StateStore) -> None:
    release = threading.Event()

    def answer(_: Notification) -> Outcome:
        release.wait(20)
        return Outcome.DELIVERED

    script = Script(answer)
    with courier(store, {"webhook": script}, run_limit_s=0.05) as subject:
        opened(store)
        assert [subject.run_once(at(now_s)) for now_s in (0, 1)] == [0, 0]
        release.set()
        deadline_s = time.monotonic() + 5
        while (recorded := subject.run_once(at(2))) == 0:
            assert time.monotonic() < deadline_s
    assert recorded == 1
    assert len(script.seen) == 1


def test_a_crash_after_delivery_delivers_the_same_id_again(store: StateStore) -> None:
    class Crash(BaseException):
        """The process dies between delivery and record."""

    class Dying:
        """Reads as the store does, and dies when a result is to be recorded."""

        reading = store.reading
        close = store.close

        def writing(self) -> object:
            raise Crash

    script = Script(lambda _: Outcome.DELIVERED)
    incident = opened(store)
    with pytest.raises(Crash):
        Courier(Dying(), {"webhook": script}).run_once(NOW_NS)  # type: ignore[arg-type] # dies
    with courier(store, {"webhook": script}) as subject:
        assert subject.run_once(NOW_NS) == 1
    assert len(script.seen) == 2
    assert script.seen[0].id == script.seen[1].id
    assert len(deliveries(store, incident)) == 1


def test_what_was_not_sent_before_the_end_is_withdrawn(store: StateStore) -> None:
    script = Script(lambda _: Outcome.DELIVERED)
    incident = opened(store)
    with store.writing() as tx:
        desk.close(tx, incident.id, CloseReason.TEST, OPERATOR, at(1))
    with courier(store, {"webhook": script}) as subject:
        assert subject.run_once(at(2)) == 2
    assert script.seen == []
    assert [(one.outcome, one.detail) for one in deliveries(store, incident)] == [
        ("given_up", "withdrawn: the incident is closed"),
        ("given_up", "withdrawn: nothing was sent before"),
    ]


def test_who_was_told_of_the_beginning_is_told_of_the_end(store: StateStore) -> None:
    script = Script(lambda _: Outcome.DELIVERED)
    with courier(store, {"webhook": script}) as subject:
        incident = opened(store)
        subject.run_once(NOW_NS)
        with store.writing() as tx:
            desk.close(tx, incident.id, CloseReason.FALSE_ALARM, OPERATOR, at(1))
        subject.run_once(at(2))
    assert script.occasions == ["opened", "closed"]


def test_the_end_waits_for_the_beginning_that_is_on_its_way(store: StateStore) -> None:
    release = threading.Event()

    def answer(notification: Notification) -> Outcome:
        if notification.occasion == "opened":
            release.wait(20)
        return Outcome.DELIVERED

    script = Script(answer)
    with courier(store, {"webhook": script}, run_limit_s=0.05) as subject:
        incident = opened(store)
        subject.run_once(NOW_NS)
        with store.writing() as tx:
            desk.close(tx, incident.id, CloseReason.TEST, OPERATOR, at(1))
        assert subject.run_once(at(2)) == 0
        release.set()
        deadline_s = time.monotonic() + 5
        while len(deliveries(store, incident)) < 2:
            subject.run_once(at(3))
            assert time.monotonic() < deadline_s
    assert script.occasions == ["opened", "closed"]


def test_an_acknowledgement_does_not_stop_the_firms_first_notification(store: StateStore) -> None:
    script = Script(lambda _: Outcome.DELIVERED)
    incident = opened(store)
    with store.writing() as tx:
        desk.acknowledge(tx, incident.id, OPERATOR, at(1))
    with courier(store, {"webhook": script}) as subject:
        subject.run_once(at(2))
    assert script.occasions == ["opened"]


def test_a_batch_has_a_limit(store: StateStore) -> None:
    kinds = list(IncidentKind)[10:16]
    opened(store, *(finding(kind, equipment_id="B1") for kind in kinds))
    script = Script(lambda _: Outcome.DELIVERED)
    subject = Courier(store, {"webhook": script}, batch_limit=2, run_limit_s=10)
    runs = [subject.run_once(NOW_NS) for _ in range(4)]
    subject.close(NOW_NS)
    assert runs == [2, 2, 2, 0]


@pytest.mark.parametrize(
    ("attempt", "expected_s"), [(1, 5), (2, 10), (3, 20), (9, 300), (999, 300)]
)
def test_delays_double_up_to_the_cap_and_spread_by_the_id(attempt: int, expected_s: float) -> None:
    failed = Delivery(
        notification_id="n", attempt=attempt, at_ns=0, outcome=Outcome.RETRY, detail=""
    )
    policy = RetryPolicy()
    assert 0.8 * expected_s <= policy.delay_s(failed) <= 1.2 * expected_s
    assert policy.delay_s(failed) == policy.delay_s(failed)


def test_an_absurd_retry_after_is_bounded() -> None:
    asked = Delivery(
        notification_id="n",
        attempt=1,
        at_ns=0,
        outcome=Outcome.RETRY,
        detail="",
        retry_after_s=1e9,
    )
    assert RetryPolicy().delay_s(asked) == RetryPolicy().retry_after_max_s
