"""Messages of a world: reproducible, complete, legal by the contract."""

import json
from collections import defaultdict
from itertools import pairwise

import pytest

from domain.channels import COLUMNS
from domain.equipment import build_fleet
from domain.instants import NS_PER_S, from_iso
from domain.messages import Frame, Message
from domain.readings import Stream
from ingest.decoder import Decoded, Decoder
from simulators.demo import demo_scenario
from simulators.outgoing import Outgoing
from simulators.world import World
from tests.support.simulated import START_NS, entry, item, items_of, states, truth_s, world


def demo(seed: int = 3, *, devices: int = 200) -> World:
    return World(demo_scenario(seed, devices=devices), seed, START_NS)


def decode(messages: list[Outgoing], simulated: World) -> Decoded:
    frames = [
        Frame(n, o.at_ns, (Message(o.topic, o.payload, o.at_ns),))
        for n, o in enumerate(messages, start=1)
    ]
    return Decoder(build_fleet(1, simulated.registry())).decode(frames)


def test_the_same_seed_gives_the_same_bytes_in_whatever_portions() -> None:
    whole = list(demo(devices=60).outgoing(100.0))
    other = demo(devices=60)
    portions: list[Outgoing] = []
    until_ns = START_NS
    for step_ms in (70, 1300, 200, 5, 999) * 400:
        until_ns = min(until_ns + step_ms * 1_000_000, START_NS + 100 * NS_PER_S)
        portions += other.step(until_ns)
    assert portions == whole
    assert other.registry() == demo(devices=60).registry()
    assert list(demo(seed=4, devices=60).outgoing(1.0)) != list(demo(devices=60).outgoing(1.0))


def test_messages_come_in_order_of_time() -> None:
    times = [outgoing.at_ns for outgoing in demo(devices=60).outgoing(60.0)]
    assert times == sorted(times)
    assert times[-1] <= START_NS + 60 * NS_PER_S


def test_a_decoder_accepts_every_message_of_the_demo() -> None:
    simulated = demo(devices=200)
    messages = list(simulated.outgoing(120.0))
    decoded = decode(messages, simulated)
    assert decoded.refusals == ()
    assert decoded.counts.messages == decoded.counts.decoded == len(messages)
    assert decoded.counts.unknown_channels == 0
    assert decoded.counts.duplicated <= simulated.repeats
    assert decoded.counts.clock_wrong > 0
    assert decoded.counts.bad_values > 0


def test_a_quiet_world_has_nothing_remarkable() -> None:
    simulated = world(lifts=20, boilers=3, cranes=3)
    decoded = decode(list(simulated.outgoing(200.0)), simulated)
    counts = decoded.counts
    assert (counts.lost, counts.duplicated, counts.late, counts.clock_wrong) == (0, 0, 0, 0)
    assert (counts.bad_values, counts.quarantined) == (0, 0)
    assert all(not batch.quality.any() for batch in decoded.batches)


def test_sequences_have_no_holes_over_all_streams_and_boots() -> None:
    by_boot: dict[tuple[str, str], list[int]] = defaultdict(list)
    reboot = entry("terminal_reboot", "lift-0001", 50, 1, off_s=10)
    offline = entry("device_offline", "crane-0001", 50, 100)
    for outgoing in world(reboot, offline, lifts=8, boilers=2, cranes=2).outgoing():
        one = item(outgoing)
        by_boot[one.equipment_id, one.body["boot"]].append(one.body["seq"])
    assert len(by_boot) == 13
    for numbers in by_boot.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_payloads_hold_catalogued_channels_and_no_truth() -> None:
    simulated = demo(devices=100)
    kinds = {equipment.id: equipment.kind for equipment in simulated.registry()}
    for outgoing in simulated.outgoing(60.0):
        one = item(outgoing)
        assert set(one.body) <= {"ts", "seq", "boot", "v", "code", "active", "online"}
        assert set(one.values) <= set(COLUMNS[kinds[one.equipment_id]])


def test_every_device_beats_and_starts_with_a_snapshot() -> None:
    simulated = world(lifts=5, boilers=2, cranes=2)
    messages = list(simulated.outgoing(120.0))
    for equipment in simulated.registry():
        items = items_of(messages, equipment.id)
        assert items[0].body["online"] is True
        beats = [one.at_s for one in items if one.stream is Stream.ALIVE]
        gaps = [b - a for a, b in pairwise(beats)]
        assert all(19.9 <= gap <= 30.1 for gap in gaps)
        assert 120.0 - beats[-1] <= 30.2
    assert all(o.retain == o.topic.endswith("/alive") for o in messages)


def test_a_silent_terminal_says_nothing_and_its_will_comes() -> None:
    offline = entry("device_offline", "lift-0001", 40, 100, will_after_s=30)
    simulated = world(offline)
    messages = list(simulated.outgoing(200.0))
    between = [o for o in messages if "/lift-0001/" in o.topic and 40.4 < _s(o) < 140.0]
    assert [json.loads(o.payload) for o in between] == [{"online": False}]
    assert between[0].retain
    back = [one for one in items_of(messages, "lift-0001") if one.at_s > 140.0]
    assert back[0].body["online"] is True
    assert "service_mode" in back[1].values
    (truth,) = simulated.truth()
    assert truth.kind == "device_offline"
    assert truth_s(truth.from_ns) == 40.0
    assert truth_s(truth.to_ns) == pytest.approx(140.0, abs=0.3)
    assert truth.evidence_from_ns is not None


def test_a_momentary_fault_of_a_heard_device_has_evidence() -> None:
    simulated = world(entry("alarm_button", "lift-0001", 5, 10))
    list(simulated.outgoing(60.0))
    (truth,) = simulated.truth()
    assert truth.from_ns == truth.to_ns == truth.evidence_from_ns
    assert truth.from_ns is not None


def test_a_fault_of_a_silent_device_leaves_no_evidence() -> None:
    simulated = world(
        entry("device_offline", "lift-0001", 5, 290),
        entry("entrapment_off_level", "lift-0001", 6, 200),
    )
    list(simulated.outgoing())
    trapped = simulated.truth()[1]
    assert trapped.from_ns is not None
    assert trapped.evidence_from_ns is None
    assert json.loads(trapped.line())["evidence_sent"] is False


def test_disturbed_messages_are_disturbed() -> None:
    simulated = world(
        entry("out_of_order", "lift-0001", 0, 300, share=0.5),
        entry("duplicates", "boiler-0001", 0, 300, share=0.5),
        entry("retained_message", "crane-0001", 20, 60),
    )
    messages = list(simulated.outgoing())
    numbers = [one.body["seq"] for one in items_of(messages, "lift-0001")]
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))
    bytes_sent = [o.payload for o in messages if "/boiler-0001/" in o.topic]
    repeated = len(bytes_sent) - len(set(bytes_sent))
    retained = [o for o in messages if o.retain and not o.topic.endswith("/alive")]
    assert len(retained) == 1
    assert 80.0 <= _s(retained[0]) <= 80.5
    assert sum(o.payload == retained[0].payload for o in messages) == 2
    assert simulated.repeats == repeated + 1
    assert repeated > 50


@pytest.mark.parametrize(
    ("parameters", "offset_s"), [({"offset_s": -300.0}, -300.0), ({"epoch": True}, -START_NS / 1e9)]
)
def test_a_wrong_clock_tells_another_time(parameters: dict[str, object], offset_s: float) -> None:
    simulated = world(entry("clock_wrong", "lift-0001", 0, 1000, **parameters))
    for one in items_of(simulated.outgoing(60.0), "lift-0001"):
        stamp = one.body["ts"]
        told_ns = from_iso(stamp) if isinstance(stamp, str) else stamp * 1_000_000
        told_s = (told_ns - START_NS) / NS_PER_S
        assert told_s == pytest.approx(one.at_s + offset_s, abs=0.2)


def test_sentinels_replace_values_for_a_while() -> None:
    simulated = world(entry("sentinel_values", "lift-0001", 60, 60))
    seen = {
        state["cabin_temperature_c"] == -999.9 and state["load_kg"] == 32767
        for at_s, state in states(items_of(simulated.outgoing(), "lift-0001"))
        if 100.0 < at_s < 120.0 and "load_kg" in state
    }
    assert seen == {True}


def _s(outgoing: Outgoing) -> float:
    return (outgoing.at_ns - START_NS) / NS_PER_S
