"""Load of known content: what the plan says is what the messages hold and the broker takes."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from domain.equipment import build_fleet
from domain.errors import UsageError
from domain.incidents import IncidentKind
from ingest import topics
from ingest.broker import INGEST_USER
from simulators.load import LoadPlan, LoadPublisher
from simulators.publisher import BrokerAddress, PublishLimits
from tests.support import brokers

START_NS = 1_790_000_000_000_000_000
SINGLE = LoadPlan(devices=40, items=2_000, rate_per_s=2_000, alarms=5, overloads=3)
BATCHES = LoadPlan(
    devices=50, items=8_000, rate_per_s=8_000, gateways=4, items_per_batch=40, alarms=5, overloads=3
)
PLANS = pytest.mark.parametrize("plan", [SINGLE, BATCHES], ids=["single", "batches"])


def items(plan: LoadPlan, payload: bytes, topic: str) -> list[dict[str, object]]:
    parsed = topics.parse(topic)
    decoded = json.loads(payload)
    if isinstance(parsed, topics.GatewayTopic):
        assert len(decoded) == plan.items_per_batch
        return list(decoded)
    assert isinstance(parsed, topics.DeviceTopic)
    return [{**decoded, "id": parsed.equipment_id}]


@PLANS
def test_the_messages_hold_the_items_that_the_arithmetic_names(plan: LoadPlan) -> None:
    sent = [
        (item["id"], item["seq"])
        for message in plan.outgoing(START_NS)
        for item in items(plan, message.payload, message.topic)
    ]
    device, seq = plan.identities(np.arange(plan.messages))
    assert sent == [
        (plan.equipment[d].id, s) for d, s in zip(device.tolist(), seq.tolist(), strict=True)
    ]
    assert len(set(sent)) == len(sent) >= plan.items
    # Every device numbers its items without a gap, or the service would count losses.
    for number in range(plan.devices):
        own = np.sort(seq[device == number])
        assert own.tolist() == list(range(1, len(own) + 1))


@PLANS
def test_the_planned_incidents_are_in_the_messages(plan: LoadPlan) -> None:
    pressed, heavy = set(), set()
    for message in plan.outgoing(START_NS):
        for item in items(plan, message.payload, message.topic):
            if item.get("code") == "90":
                pressed.add(item["id"])
            values = item.get("v")
            if isinstance(values, dict) and values.get("hook_load_t", 0) > 10:
                heavy.add(item["id"])
    expected = plan.expected()
    assert pressed == {device for device, kind in expected if kind is IncidentKind.ALARM_BUTTON}
    assert heavy == {device for device, kind in expected if kind is IncidentKind.OVERLOAD}
    assert (len(pressed), len(heavy)) == (5, 3)


def test_a_plan_is_the_same_for_the_same_seed_only() -> None:
    def stream(seed: int) -> list[tuple[str, bytes]]:
        plan = LoadPlan(devices=20, items=400, rate_per_s=100, seed=seed)
        return [(m.topic, m.payload) for m in plan.outgoing(START_NS)]

    assert stream(3) == stream(3) != stream(4)


def test_messages_are_due_at_the_rate() -> None:
    due = np.array([m.at_ns for m in SINGLE.outgoing(START_NS)])
    assert np.allclose(np.diff(due), 1e9 / 2_000, atol=2)
    due = np.array([m.at_ns for m in BATCHES.outgoing(START_NS)])
    assert np.allclose(np.diff(due), 40 * 1e9 / 8_000, atol=2)
    assert BATCHES.duration_s == pytest.approx(1.0)


def test_a_device_with_too_few_items_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 400 items"):
        LoadPlan(devices=40, items=399, rate_per_s=10)


@pytest.mark.broker
@PLANS
def test_what_is_acknowledged_has_reached_the_subscriber(plan: LoadPlan, tmp_path: Path) -> None:
    fleet = build_fleet(1, plan.equipment)
    with brokers.running(tmp_path, "nats", fleet) as (broker, passwords):
        listener = brokers.connect(broker.url, INGEST_USER, passwords[INGEST_USER])
        got = brokers.collect(listener, topics.DEVICE_FILTER)
        port = int(broker.url.rsplit(":", 1)[1])
        publisher = LoadPublisher(
            plan=plan,
            address=BrokerAddress(port=port),
            passwords=passwords,
            limits=PublishLimits(drain_s=20.0),
        )
        publisher.start(time.time_ns())
        report = publisher.finish()
        assert report.offered == report.acknowledged == plan.messages
        assert brokers.eventually(lambda: len(got) >= plan.messages)
        received = {(m.topic, m.payload) for m in got}
        brokers.disconnect(listener)
    assert len(received) == plan.messages
    device, seq = publisher.accepted()
    assert len(set(zip(device.tolist(), seq.tolist(), strict=True))) == len(device) >= plan.items
    assert 0 < report.latency_p50_s <= report.latency_p99_s <= report.latency_max_s
