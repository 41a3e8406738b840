"""What must hold in the end: nothing lost, nothing doubled, and a restart changes nothing."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.incidents import Incident
from domain.instants import NS_PER_MS, seconds
from domain.messages import Frame, Message
from domain.ports import StateStore, TelemetryStore
from ingest import service
from ingest.journal import JournalReader
from ingest.sequence import Numbers
from ingest.service import ServiceEventKind
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER, Pipeline
from storage.memory import MemoryStore
from tests.simulation.broker import Broker, Sent
from tests.simulation.devices import Device
from tests.simulation.plan import CASES, Danger, Fault, Plan
from tests.simulation.world import START_NS, require

LIVE_NS = seconds(90)
"""A danger whose items all came within this time must be found, whatever else happened."""


@dataclass(slots=True)
class Journal:
    """The final journal, read with nothing but the reader and JSON.

    Attributes
    ----------
    items
        Per device, in order of arrival: what each not retained message said, and when it came.
    events
        Counts of our own events, by kind, in order.
    """

    frames: Sequence[Frame]
    sent: set[Sent] = field(default_factory=set)
    items: dict[str, list[tuple[dict[str, Any], int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    events: dict[ServiceEventKind, list[int]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, directory: Path) -> "Journal":
        """Read a journal directory."""
        reader = JournalReader(directory)
        frames: list[Frame] = []
        try:
            while more := reader.read(frames[-1].position if frames else 0, 100_000):
                frames += more
        finally:
            reader.close()
        journal = cls(frames)
        for frame in frames:
            for message in frame.messages:
                journal.take(message)
        return journal

    def take(self, message: Message) -> None:
        """Take one message in."""
        if message.topic == service.TOPIC:
            event = service.event_of(message)
            self.events[event.kind].append(event.count)
            return
        self.sent.add(Sent(message.topic, message.payload))
        if message.retain:
            return
        for device, item in _items(message):
            self.items[device].append((item, message.received_at_ns))


def _items(message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        body = json.loads(message.payload)
    except ValueError:
        return
    _, _, kind, sender, stream = message.topic.split("/")
    for item in body if isinstance(body, list) else [body]:
        if "seq" in item:
            yield (item["id"] if kind == "gateway" else sender), {"stream": stream} | item


def nothing_lost(journal: Journal, broker: Broker, shed: set[Sent], untold: int) -> None:
    """Every message that the broker took is in the journal, or known to be lost by the broker."""
    for sent in broker.published:
        known = sent in journal.sent or sent in broker.lost or sent in shed
        require(known, f"{sent.topic} {sent.payload!r} is missing, and nobody lost it")
    said = sum(journal.events[ServiceEventKind.SHED])
    require(len(shed) <= said + untold, f"{len(shed)} messages shed, {said} told")


def losses_told(journal: Journal, broker: Broker, untold: int) -> None:
    """What the broker lost is said in the journal, where the broker itself says it."""
    said = len(journal.events[ServiceEventKind.SESSION_LOST])
    require(
        said + untold >= broker.sessions_lost,
        f"the session was lost {broker.sessions_lost} times, the journal tells of {said}",
    )
    if broker.dropped_total:
        drops = journal.events[ServiceEventKind.BROKER_DROPPED]
        require(
            drops[-1:] == [broker.dropped_total],
            f"the broker dropped {broker.dropped_total}, the journal tells of {drops}",
        )


def gaps_named(journal: Journal, pipeline: Pipeline) -> None:
    """The decoder knows exactly which numbers of each boot arrived."""
    for device, items in journal.items.items():
        boots: dict[str, set[int]] = defaultdict(set)
        for item, _ in items:
            boots[item["boot"]].add(item["seq"])
        memory = pipeline._decoder.devices.get(device)
        require(memory is not None, f"the decoder does not know {device}")
        assert memory is not None
        for boot, arrived in boots.items():
            known = set(_numbers(memory.sequence.boots[boot]))
            require(
                known == arrived,
                f"{device} {boot}: arrived and unknown {sorted(arrived - known)}, "
                f"known and not arrived {sorted(known - arrived)}",
            )
        holes = sum(max(of) - min(of) + 1 - len(of) for of in boots.values())
        require(memory.sequence.lost == holes, f"{device}: {memory.sequence.lost} lost, {holes}")


def _numbers(numbers: Numbers) -> Iterator[int]:
    for start, end in zip(numbers.starts, numbers.ends, strict=True):
        yield from range(start, end + 1)


def stored_once(
    journal: Journal, plan: Plan, telemetry: TelemetryStore, counters: Mapping[str, int]
) -> None:
    """Each item of each boot that arrived is stored exactly once, and all are accounted for."""
    for equipment in plan.fleet:
        arrived = {
            item["seq"] for item, _ in journal.items[equipment.id] if item["stream"] != "alive"
        }
        rows = telemetry.history(equipment.kind, equipment.id, start_ns=0, end_ns=2 * START_NS)
        stored = Counter(-1 if row.seq is None else row.seq for row in rows)
        doubled = sorted(seq for seq, count in stored.items() if count > 1)
        require(not doubled, f"{equipment.id}: stored more than once: {doubled}")
        lost, surplus = sorted(arrived - stored.keys()), sorted(stored.keys() - arrived)
        require(
            not lost and not surplus, f"{equipment.id}: not stored {lost}, never sent {surplus}"
        )
    require(
        counters["items"]
        == counters["accepted"]
        + counters["duplicated"]
        + counters["refused_items"]
        + counters["alive"],
        f"items do not add up: {dict(counters)}",
    )
    require(
        counters["accepted"] == telemetry.count(),
        f"{counters['accepted']} accepted, {telemetry.count()} stored",
    )


def dangers_found(
    journal: Journal, plan: Plan, devices: Sequence[Device], incidents: Collection[Incident]
) -> None:
    """Clear dangers opened one incident each, and nothing else did."""
    opened = Counter((incident.equipment_id, incident.case) for incident in incidents)
    for device in devices:
        equipment_id = device.equipment.id
        script = plan.scripts.get(equipment_id)
        scripted = CASES[script.danger] if script else ""
        for case in set(CASES.values()):
            count = opened[equipment_id, case]
            if case != scripted or script is None:
                require(not count, f"{equipment_id}: {case} without a danger")
            elif _clear(script.danger, journal, plan, device):
                require(count == 1, f"{equipment_id}: {script.danger} opened {count} incidents")


def _clear(danger: Danger, journal: Journal, plan: Plan, device: Device) -> bool:
    """Whether all of a danger reached us in a way that leaves no doubt."""
    came: dict[int, int] = {}
    lags = []
    for item, received_at_ns in journal.items[device.equipment.id]:
        if item["seq"] in device.danger_items and item["seq"] not in came:
            came[item["seq"]] = received_at_ns
            lags.append(received_at_ns - item["ts"] * NS_PER_MS)
    if not came or came.keys() != set(device.danger_items):
        return False
    clocks_right = not {Fault.OUR_CLOCK, Fault.DEVICE_CLOCKS} & plan.faults
    whole = device.danger_is_over or danger is Danger.ALARM
    return danger is Danger.ALARM or (clocks_right and whole and max(lags) < LIVE_NS)


def results_of(plan: Plan, telemetry: TelemetryStore, state: StateStore) -> dict[str, Any]:
    """Everything that people and programs can see of a run."""
    incidents = all_incidents(state)
    with state.reading() as tx:
        return {
            # By id: incidents of one instant may be opened in any order.
            "incidents": {i.id: i for i in incidents},
            "history": {
                i.id: [(e.at_ns, e.action, e.state, e.note) for e in tx.incidents.events(i.id)]
                for i in incidents
            },
            "findings": sorted(f.id for f in tx.incidents.findings(limit=1_000)),
            "outbox": {
                i.id: sorted(n.id for n, _ in tx.outbox.for_incident(i.id)) for i in incidents
            },
            "quarantine": sorted(
                (e.sender, e.reason, e.count, e.first_at_ns, e.last_at_ns)
                for e in tx.quarantine.find(limit=1_000)
            ),
            "counters": dict(tx.offsets.counters(CONSUMER)),
            "position": tx.offsets.get(CONSUMER),
            "rows": {
                e.id: telemetry.history(e.kind, e.id, start_ns=0, end_ns=2 * START_NS)
                for e in plan.fleet
            },
            "order": _orders(telemetry),
        }


def _orders(telemetry: TelemetryStore) -> Any:
    if not isinstance(telemetry, MemoryStore):
        return None
    return {
        device: [(row.order, row.position) for row in rows]
        for (_, device), rows in telemetry._devices.items()
        if rows
    }


def same_as_replay(results: Mapping[str, Any], replayed: Mapping[str, Any]) -> None:
    """Disturbed or not, the same journal gives the same, bit for bit."""
    for name, value in replayed.items():
        if results[name] is not None:
            require(
                results[name] == value,
                f"{name} differ from an undisturbed replay: {_difference(results[name], value)}",
            )


def _difference(left: Any, right: Any) -> str:
    if isinstance(left, dict):
        names = [n for n in {**left, **right} if left.get(n) != right.get(n)]
        return "; ".join(f"{n}: {left.get(n)} != {right.get(n)}"[:600] for n in names[:3])
    if isinstance(left, list | tuple):
        pairs = [(a, b) for a, b in itertools.zip_longest(left, right) if a != b]
        return "; ".join(f"{a} != {b}"[:900] for a, b in pairs[:2])
    return f"{left} != {right}"[:900]
