"""An outage of our own for three minutes hides nothing, whichever process was away.

Devices go on sending; the broker keeps their messages for ingest, the journal keeps them for the
core. Time line of every story here, in seconds (the outage is the hole):

    sent        ──────────┤100                280├──────────────────
    received    ──────────┤        hole          ├█─────────────────
                                                  burst: all that was sent in the hole, in order
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from domain.equipment import Equipment, Kind
from domain.incidents import Incident, IncidentKind, Level
from domain.instants import NS_PER_S, seconds, to_iso
from domain.messages import Message
from ingest.journal import JournalReader, JournalWriter
from runtime.offline import all_incidents
from runtime.pipeline import Pipeline
from runtime.snapshots import SnapshotDirectory
from storage.memory import MemoryStore
from tests.support.states import new_state

START_NS = 1_772_668_800 * NS_PER_S
HOLE_S = (100, 280)
LENGTH_S = 500
BURST_MESSAGES = 40
LAG_S = 0.2
BURST, SLOW = 1_000.0, 6.0
"""How much faster than it was sent a hole's content comes in."""

LIFT = Equipment(id="L1", kind=Kind.LIFT, report_interval_s=5.0)
BOILER = Equipment(
    id="B1",
    kind=Kind.BOILER,
    report_interval_s=2.0,
    rated_pressure_mpa=1.0,
    safety_valve_set_mpa=1.04,
)
PARKED: Mapping[str, Any] = {
    "service_mode": 1,
    "car_status": 0,
    "car_direction": 0,
    "door_zone": True,
    "door_closed": True,
    "passenger_present": False,
    "car_position": "1",
    "mains_power": True,
}


@dataclass
class Script:
    """What one device sends, by the second it happens."""

    equipment: Equipment
    stream: str
    interval_s: int
    values: dict[str, Any]
    full: bool = True
    changes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def at(self, second: int, **values: Any) -> "Script":
        self.changes.setdefault(second, []).append({"v": values})
        return self

    def code(self, second: int, code: str, *, active: bool = True) -> "Script":
        self.changes.setdefault(second, []).append({"code": code, "active": active})
        return self

    def items(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Second, stream and item of everything sent, numbered."""
        values, seq = dict(self.values), 0
        for second in range(LENGTH_S):
            sent: list[tuple[str, dict[str, Any]]] = []
            for change in self.changes.get(second, ()):
                values |= change.get("v", {})
                sent.append((self.stream if "v" in change else "fault", change))
            if second % self.interval_s == 0:
                report = {"v": dict(values)} if self.full or not second else {"online": True}
                sent.append((self.stream if "v" in report else "alive", report))
            for stream, item in sent:
                seq += 1
                yield second, stream, {"seq": seq, "boot": "b", **item}


def lift(*, full: bool = True) -> Script:
    """A lift parked with nobody in it; on changes only, it sends signs of life in between."""
    return Script(LIFT, "status", 5, dict(PARKED), full=full)


def ride(script: Script, second: int, run_s: int = 20) -> int:
    """Somebody boards and the car leaves; return the second at which it would arrive."""
    script.at(second, door_closed=False).at(second + 2, passenger_present=True)
    script.at(second + 6, door_closed=True)
    script.at(second + 8, car_status=1, car_direction=1, door_zone=False)
    return second + 8 + run_s


def stuck(script: Script, second: int) -> Script:
    """A car that stops between floors with the passenger in it."""
    stop = ride(script, second - 28)
    return script.at(stop, car_status=0, car_direction=0)


def freed(script: Script, second: int) -> Script:
    """The car reaches a floor, the passenger leaves."""
    script.at(second, door_zone=True, car_position="2").at(second + 1, door_closed=False)
    return script.at(second + 5, passenger_present=False).at(second + 10, door_closed=True)


def boiler() -> Script:
    values = {"steam_pressure_mpa": 0.9, "water_level_mm": 0.0, "flame_on": True, "burner_stage": 3}
    return Script(BOILER, "telemetry", 2, values)


def pressure(script: Script, begin: int, end: int) -> Script:
    """Pressure beyond the set pressure between two seconds."""
    script.at(begin, steam_pressure_mpa=1.06)
    return script.at(end, steam_pressure_mpa=0.9)


@dataclass(frozen=True)
class Received:
    """A message and the instant [s] it was received."""

    at_s: float
    message: Message


@dataclass(frozen=True, kw_only=True)
class Outage:
    """Who is away during `HOLE_S`, and how fast the hole's content comes in afterwards."""

    ingest: bool = False
    core: bool = False
    drain: float = BURST


def received(scripts: Sequence[Script], outage: Outage) -> dict[int, list[Message]]:
    """Messages as ingest gets them, by the second they are received in."""
    begin_s, end_s = HOLE_S
    found: list[tuple[float, Message]] = []
    for script in scripts:
        for second, stream, item in script.items():
            at_s = second + LAG_S
            if outage.ingest and at_s >= begin_s:
                at_s = max(at_s, end_s + (second - begin_s) / outage.drain + LAG_S)
            topic = f"ew/v1/{script.equipment.kind}/{script.equipment.id}/{stream}"
            body = {"ts": to_iso(START_NS + second * NS_PER_S), **item}
            message = Message(topic, json.dumps(body).encode(), START_NS + seconds(at_s))
            found.append((at_s, message))
    by_second: dict[int, list[Message]] = defaultdict(list)
    for at_s, message in sorted(found, key=lambda one: one[0]):
        by_second[int(at_s)].append(message)
    return by_second


def write(journal: Path, messages: Mapping[int, list[Message]], outage: Outage) -> None:
    """Journal with a tick a second and a frame a second, but for the hole."""
    writer = JournalWriter(journal, durable=False)
    for second in range(LENGTH_S):
        if outage.ingest and HOLE_S[0] <= second < HOLE_S[1]:
            continue
        writer.tick(START_NS + second * NS_PER_S)
        frame = messages.get(second, [])
        for first in range(0, len(frame), BURST_MESSAGES):
            part = frame[first : first + BURST_MESSAGES]
            writer.append(part, part[-1].received_at_ns)
    writer.close()


def run(directory: Path, scripts: Sequence[Script], outage: Outage) -> dict[str, list[Incident]]:
    """Incidents of each device, through the real journal and pipeline."""
    directory.mkdir()
    messages = received(scripts, outage)
    write(directory / "journal", messages, outage)
    state, telemetry = new_state(directory / "state.sqlite"), MemoryStore()
    with state.writing() as tx:
        tx.registry.put([script.equipment for script in scripts])

    def pipeline(reader: JournalReader) -> Pipeline:
        return Pipeline(
            reader=reader,
            telemetry=telemetry,
            state=state,
            snapshots=SnapshotDirectory(directory / "snapshots"),
            batch_messages=20,
        )

    with closing(state), closing(JournalReader(directory / "journal")) as reader:
        made, alive = pipeline(reader), outage.core
        while made.step():
            if alive and made.now_ns >= START_NS + HOLE_S[0] * NS_PER_S:
                # Killed: what it had not recorded is read again, with all that came meanwhile.
                made, alive = pipeline(reader), False
        made.finish()
        assert made.counters["messages"] == sum(map(len, messages.values()))
        assert made.counters["quarantined"] == made.counters["lost"] == 0
        found: dict[str, list[Incident]] = defaultdict(list)
        for incident in all_incidents(state):
            found[incident.equipment_id].append(incident)
        return found


def shown(incidents: Sequence[Incident]) -> list[tuple[IncidentKind, Level, float]]:
    """Kind, highest level and onset [s] of incidents."""
    return [
        (i.kind, i.level, (i.opened_at_ns - START_NS) / NS_PER_S)
        for i in sorted(incidents, key=lambda i: i.opened_at_ns)
    ]


Story = Callable[[], Script]

STANDING: Mapping[str, Story] = {
    "entrapment-before-the-hole": lambda: stuck(lift(), 60),
    "entrapment-into-the-hole": lambda: stuck(lift(), 95),
    "entrapment-in-the-hole": lambda: stuck(lift(), 120),
    "entrapment-at-the-end": lambda: stuck(lift(), 240),
    "entrapment-of-a-lift-that-sends-changes-only": lambda: stuck(lift(full=False), 120),
    "alarm-early": lambda: lift().code(105, "90"),
    "alarm-late": lambda: lift().code(260, "90"),
    "alarm-between-changes": lambda: lift(full=False).code(150, "90"),
    "fault-that-ends-in-the-hole": lambda: lift().code(200, "06").code(250, "06", active=False),
    "overpressure-that-stands": lambda: pressure(boiler(), 130, 480),
}
"""What stands at the end of the hole, is momentary, or is short before its end."""

OVER: Mapping[str, Story] = {
    "entrapment-began-and-ended": lambda: freed(stuck(lift(), 110), 200),
    "entrapment-ended-just-before": lambda: freed(stuck(lift(), 180), 270),
    "entrapment-begun-before": lambda: freed(stuck(lift(), 90), 200),
    "entrapment-raised-before": lambda: freed(stuck(lift(), 60), 200),
    "overpressure-began-and-ended": lambda: pressure(boiler(), 110, 150),
    "overpressure-ended-just-before": lambda: pressure(boiler(), 200, 250),
    "overpressure-begun-before": lambda: pressure(boiler(), 97, 130),
    "fault-began-and-ended": lambda: lift().code(110, "06").code(150, "06", active=False),
    "fault-that-stands": lambda: lift().code(110, "06"),
}
"""What was over when the hole ended, and a fault whose beginning was in the hole's early part."""


STORIES: Mapping[str, Story] = {**STANDING, **OVER}

Found = Callable[[str, Outage], list[Incident]]


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    """Incidents of a story in an outage; all stories share one run, each with its own device."""
    scripts = [_of_own(name, make()) for name, make in STORIES.items()]
    known: dict[Outage, dict[str, list[Incident]]] = {}
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:

        def of(story: str, outage: Outage) -> list[Incident]:
            if outage not in known:
                known[outage] = run(Path(directory) / str(len(known)), scripts, outage)
            return known[outage][story]

        yield of


def _of_own(name: str, script: Script) -> Script:
    return replace(script, equipment=replace(script.equipment, id=name))


NOBODY = Outage()


@pytest.mark.parametrize("drain", [BURST, SLOW], ids=["burst", "slow"])
@pytest.mark.parametrize("story", STANDING)
def test_ingest_away_hides_nothing_that_stands(story: str, drain: float, found: Found) -> None:
    normal = found(story, NOBODY)
    late = found(story, Outage(ingest=True, drain=drain))
    assert normal
    assert shown(late) == shown(normal)
    # Known at the latest when what was sent in the hole has come in and is quiet.
    drained_s = HOLE_S[1] + (HOLE_S[1] - HOLE_S[0]) / drain * 1.2
    for incident in late:
        assert incident.detected_at_ns < START_NS + seconds(drained_s + 10)


@pytest.mark.parametrize("story", OVER)
def test_ingest_away_hides_nothing_that_is_over(story: str, found: Found) -> None:
    normal = found(story, NOBODY)
    assert normal
    assert shown(found(story, Outage(ingest=True))) == shown(normal)


@pytest.mark.parametrize("story", STORIES)
def test_core_away_changes_nothing(story: str, found: Found) -> None:
    assert found(story, Outage(core=True)) == found(story, NOBODY)


@pytest.mark.parametrize("story", STORIES)
def test_both_away_is_ingest_away(story: str, found: Found) -> None:
    assert found(story, Outage(ingest=True, core=True)) == found(story, Outage(ingest=True))
