"""kill -9 anywhere: nothing is lost, nothing is doubled, no incident is missed or raised twice."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from domain.equipment import Equipment, Kind
from domain.incidents import Incident
from domain.instants import to_iso
from domain.readings import Stream
from ingest import topics
from ingest.journal import JournalReader
from runtime.offline import all_incidents
from runtime.pipeline import Pipeline
from runtime.snapshots import SnapshotDirectory
from simulators.outgoing import Outgoing
from simulators.publisher import BrokerAddress, Publisher, PublishLimits, PublishReport
from storage.memory import MemoryStore
from storage.state import open_state_store
from tests.support import brokers
from tests.support.brokers import eventually
from tests.support.service import Service, running_service, stored_numbers

pytestmark = [pytest.mark.broker, pytest.mark.timeout(150)]

MESSAGES = 20_000
RATE_PER_S = 1_600
IN_FLIGHT_MIN = 100
"""Messages that the broker took and that are not acknowledged by ingest when a process dies."""

KILLS: Sequence[tuple[str, ...]] = (
    ("ingest",),
    ("core",),
    ("ingest", "core"),
    ("ingest",),
    ("supervisor", "ingest", "core"),
)
FIRST_KILL = 2_500
KILL_EVERY = 3_200

LIFTS = [Equipment(id=f"L{n}", kind=Kind.LIFT) for n in range(28)]
CRANES = [Equipment(id=f"C{n}", kind=Kind.CRANE, rated_load_t=10.0) for n in range(8)]
BOILERS = [Equipment(id=f"B{n}", kind=Kind.BOILER, rated_pressure_mpa=1.0) for n in range(4)]
REGISTRY = [*LIFTS, *CRANES, *BOILERS]

ALARMS = {f"L{n}": 40 + 80 * n for n in range(6)}
"""Lifts whose alarm button is pressed, and at which of their items; spread over all kills."""

OVERLOADED = {f"C{n}": 60 + 100 * n for n in range(4)}
"""Cranes that lift too much, and from which item on."""

EXPECTED = sorted(
    [(lift, "alarm_button") for lift in ALARMS] + [(crane, "overload") for crane in OVERLOADED]
)


def payload(equipment: Equipment, seq: int, at_ns: int) -> tuple[Stream, dict[str, object]]:
    head: dict[str, object] = {"ts": to_iso(at_ns), "seq": seq, "boot": "b"}
    if equipment.kind is Kind.LIFT:
        if ALARMS.get(equipment.id) == seq:
            return Stream.EVENT, {**head, "code": "90"}
        values = {"service_mode": 1, "car_status": 0, "door_zone": True, "trips": seq}
        return Stream.STATUS, {**head, "v": values}
    if equipment.kind is Kind.CRANE:
        load = 12.5 if seq >= OVERLOADED.get(equipment.id, MESSAGES) else 4.0
        return Stream.TELEMETRY, {**head, "v": {"hook_load_t": load, "hook_height_m": seq % 9}}
    return Stream.TELEMETRY, {**head, "v": {"steam_pressure_mpa": 0.7, "water_level_mm": seq % 9}}


def traffic(start_ns: int) -> Iterator[Outgoing]:
    for number in range(MESSAGES):
        equipment = REGISTRY[number % len(REGISTRY)]
        at_ns = start_ns + number * 1_000_000_000 // RATE_PER_S
        stream, body = payload(equipment, number // len(REGISTRY), at_ns)
        topic = topics.device(equipment.kind, equipment.id, stream)
        yield Outgoing(at_ns, topic, json.dumps(body).encode())


class Devices:
    """All devices on the broker, publishing in a thread."""

    def __init__(self, service: Service) -> None:
        self._publisher = Publisher(
            BrokerAddress(port=service.mqtt_port),
            service.passwords,
            limits=PublishLimits(drain_s=40.0, backoff_longest_s=1.0),
        )
        self._thread = threading.Thread(target=self._run)
        self._report: PublishReport | None = None
        self._thread.start()

    def published(self) -> int:
        report = self._publisher.report()
        return report.published - report.by_stream.get("alive", 0)

    def finish(self) -> PublishReport:
        self._thread.join(90)
        assert self._report is not None
        return self._report

    def _run(self) -> None:
        start_ns = time.time_ns()
        self._report = self._publisher.run(traffic(start_ns), start_ns=start_ns)


class Journalled:
    """Distinct messages in the journal, read on as it grows."""

    def __init__(self, directory: Path) -> None:
        self._reader = JournalReader(directory)
        self._position = 0
        self._seen: set[tuple[str, bytes]] = set()
        self.total = 0

    def distinct(self) -> int:
        while frames := self._reader.read(self._position, 50_000):
            self._position = frames[-1].position
            for frame in frames:
                self.total += len(frame.messages)
                self._seen |= {
                    (message.topic, message.payload)
                    for message in frame.messages
                    if not message.topic.endswith("/alive")
                }
        return len(self._seen)

    def close(self) -> None:
        self._reader.close()


def kill(service: Service, names: Sequence[str], devices: Devices, journalled: Journalled) -> int:
    """Kill processes while messages are unacknowledged; return how many."""
    ingest = service.wait_child("ingest")
    victims = [service.wait_child(name) for name in names if name != "supervisor"]
    os.kill(ingest, signal.SIGSTOP)
    done = journalled.distinct()
    assert eventually(lambda: devices.published() - done >= IN_FLIGHT_MIN, 15), service.tail()
    in_flight = devices.published() - journalled.distinct()
    assert service.process is not None
    if "supervisor" in names:
        service.process.kill()
        service.process.wait()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    if "ingest" not in names:
        os.kill(ingest, signal.SIGCONT)
    if "supervisor" in names:
        service.start()
    return in_flight


def story(incidents: Sequence[Incident]) -> list[tuple[object, ...]]:
    return sorted(
        (i.equipment_id, i.kind.value, i.id, i.opened_at_ns, i.detected_at_ns, i.levels)
        for i in incidents
    )


def undisturbed(journal: Path, directory: Path) -> tuple[Sequence[Incident], int]:
    """Incidents and rows that the same journal gives when nothing is killed."""
    state = open_state_store(f"sqlite:///{directory / 'undisturbed.sqlite'}")
    telemetry = MemoryStore()
    reader = JournalReader(journal)
    try:
        with state.writing() as tx:
            tx.registry.put(REGISTRY)
        pipeline = Pipeline(reader=reader, telemetry=telemetry, state=state)
        while pipeline.step():
            pass
        pipeline.flush()
        return all_incidents(state), telemetry.count()
    finally:
        reader.close()
        state.close()


@pytest.mark.parametrize("broker", brokers.BROKERS)
def test_killing_the_service_loses_doubles_and_misses_nothing(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := brokers.missing(broker):
        pytest.skip(reason)
    data = tmp_path / "data"
    with running_service(data, REGISTRY, broker=broker) as service:
        journalled = Journalled(service.site.journal)
        devices = Devices(service)
        for number, names in enumerate(KILLS):
            due = FIRST_KILL + number * KILL_EVERY
            assert eventually(lambda due=due: devices.published() >= due, 40), service.tail()  # type: ignore[misc]
            in_flight = kill(service, names, devices, journalled)
            with capsys.disabled():
                print(f"\n{broker}: killed {'+'.join(names)}, {in_flight} unacknowledged")  # noqa: T201
            assert in_flight >= IN_FLIGHT_MIN
        report = devices.finish()
        assert report.failed == 0
        assert eventually(lambda: journalled.distinct() == MESSAGES, 30), service.tail()
        service.wait_ready()
        service.drain()
        assert service.stop() == 0
        journalled.distinct()
    # A stop in good order leaves a snapshot at the very end, so that nothing is replayed.
    newest = SnapshotDirectory(service.site.snapshots).newest(service.recorded())
    assert newest is not None
    assert newest.position == service.recorded()
    counters = service.counters()
    stored = stored_numbers(service.site)
    expected = {
        (equipment.id, number // len(REGISTRY))
        for number in range(MESSAGES)
        for equipment in [REGISTRY[number % len(REGISTRY)]]
    }
    with capsys.disabled():
        print(f"{broker}: {journalled.total} journalled, {counters['duplicated']} delivered again")  # noqa: T201
    assert stored.keys() == expected
    assert set(stored.values()) == {1}
    assert counters["messages"] == journalled.total
    assert counters["accepted"] == MESSAGES
    assert counters["lost"] == 0
    found = service.incidents()
    assert sorted((i.equipment_id, i.kind.value) for i in found) == EXPECTED
    again, rows = undisturbed(service.site.journal, tmp_path)
    assert rows == MESSAGES
    assert story(found) == story(again)
    journalled.close()
