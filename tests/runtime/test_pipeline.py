"""The pipeline's effects are the same wherever it is stopped and whichever call fails."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from domain.equipment import Equipment, Firm, Kind
from domain.errors import DependencyError
from domain.instants import NS_PER_S, seconds, to_iso
from domain.messages import Message
from domain.ports import StateStore, StateTransaction, TelemetryStore
from domain.readings import ReadingBatch
from ingest.journal import JournalReader, JournalWriter
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER, Pipeline
from runtime.snapshots import SnapshotDirectory
from storage.memory import MemoryStore
from tests.support.states import new_state

START_NS = 1_772_668_800 * NS_PER_S
LENGTH_S = 16
REGISTRY = [
    Equipment(id="L1", kind=Kind.LIFT, maintenance_firm="acme"),
    Equipment(id="C1", kind=Kind.CRANE, maintenance_firm="acme", rated_load_t=10.0),
]
EXPECTED = [("L1", "alarm_button"), ("C1", "overload"), ("L1", "lift_fault")]


def messages(second: int) -> Iterator[tuple[str, dict[str, Any] | bytes]]:
    """What the devices send in one second: faults, a repetition, a gap, and rubbish."""
    head = {"ts": to_iso(START_NS + second * NS_PER_S), "seq": second, "boot": "b"}
    lift = {"service_mode": 1, "car_status": 0, "door_zone": True, "trips": second}
    load = 13.0 if 4 <= second < 9 else 3.0
    yield "lift/L1/status", {**head, "v": lift}
    yield "crane/C1/telemetry", {**head, "v": {"hook_load_t": load, "unheard_of": second}}
    if second == 3:
        yield "lift/L1/event", {**head, "seq": 1_000, "code": "90"}
    if second in (10, 13):
        yield "lift/L1/fault", {**head, "seq": 2_000 + second, "code": "06", "active": second < 13}
    if second % 6 == 3:
        yield "lift/L1/status", {**head, "v": lift}
        yield "lift/L1/status", b"rubbish"
        yield "lift/nobody/status", {**head, "v": lift}


def write_journal(directory: Path) -> None:
    writer = JournalWriter(directory, durable=False)
    for second in range(LENGTH_S):
        at_ns = START_NS + second * NS_PER_S
        writer.tick(at_ns)
        sent = [
            Message(
                f"ew/v1/{place}",
                body if isinstance(body, bytes) else json.dumps(body).encode(),
                at_ns + seconds(0.3),
            )
            for place, body in messages(second)
        ]
        writer.append(sent, at_ns + seconds(0.4))
    writer.close()


@dataclass
class Bench:
    """Stores, and a pipeline over them that can be made anew at any time."""

    directory: Path
    reader: JournalReader
    telemetry: MemoryStore
    state: StateStore

    def pipeline(
        self,
        *,
        telemetry: TelemetryStore | None = None,
        state: StateStore | None = None,
        loader_reader: JournalReader | None = None,
        give_up_to: int = 0,
    ) -> Pipeline:
        return Pipeline(
            reader=self.reader,
            telemetry=telemetry or self.telemetry,
            state=state or self.state,
            snapshots=SnapshotDirectory(self.directory / "snapshots"),
            loader_reader=loader_reader,
            give_up_to=give_up_to,
            batch_messages=1,
            commit_interval_s=2.0,
            snapshot_interval_s=5.0,
        )

    def result(self) -> dict[str, Any]:
        """Everything that people and programs can see afterwards."""
        incidents = all_incidents(self.state)
        with self.state.reading() as tx:
            return {
                "incidents": incidents,
                "history": [
                    [(e.at_ns, e.action, e.state, e.note) for e in tx.incidents.events(i.id)]
                    for i in incidents
                ],
                "findings": tx.incidents.count_findings(),
                "outbox": [
                    sorted(n.id for n, _ in tx.outbox.for_incident(i.id)) for i in incidents
                ],
                "quarantine": sorted(
                    (e.sender, e.reason, e.count, e.first_at_ns, e.last_at_ns)
                    for e in tx.quarantine.find()
                ),
                "counters": dict(tx.offsets.counters(CONSUMER)),
                "position": tx.offsets.get(CONSUMER),
                "rows": [
                    self.telemetry.history(e.kind, e.id, start_ns=0, end_ns=2 * START_NS)
                    for e in REGISTRY
                ],
                "stored": self.telemetry.count(),
            }


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """Directory in memory where there is one: hundreds of runs need no disk to be durable."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def journal(quick: Path) -> Path:
    directory = quick / "journal"
    write_journal(directory)
    return directory


@contextlib.contextmanager
def bench(directory: Path, journal: Path) -> Iterator[Bench]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    state = new_state(directory / "state.sqlite")
    telemetry = MemoryStore()
    reader = JournalReader(journal)
    with state.writing() as tx:
        tx.registry.put(REGISTRY)
        tx.registry.put_firm(Firm(id="acme", mqtt_notify=True))
    try:
        yield Bench(directory, reader, telemetry, state)
    finally:
        reader.close()
        state.close()


def finish(pipeline: Pipeline) -> None:
    while pipeline.step():
        pass
    pipeline.save()
    pipeline.finish()


@pytest.fixture(scope="module")
def undisturbed(journal: Path, quick: Path) -> dict[str, Any]:
    with bench(quick / "undisturbed", journal) as whole:
        finish(whole.pipeline())
        return whole.result()


def test_the_undisturbed_run_is_what_the_stream_says(undisturbed: dict[str, Any]) -> None:
    assert [(i.equipment_id, i.kind) for i in undisturbed["incidents"]] == EXPECTED
    counters = undisturbed["counters"]
    assert counters["messages"] == counters["decoded"] + counters["quarantined"]
    assert undisturbed["stored"] == counters["accepted"] == 2 * LENGTH_S + 3
    assert counters["duplicated"] == 3
    refused = {(sender, reason): count for sender, reason, count, _, _ in undisturbed["quarantine"]}
    assert refused == {("L1", "not_json"): 3, ("nobody", "unknown_equipment"): 3}
    # Opened; opened and over; an advisory is no work for a firm.
    assert [len(sent) for sent in undisturbed["outbox"]] == [1, 2, 0]


def test_a_kill_after_any_frame_changes_nothing(
    journal: Path, undisturbed: dict[str, Any], quick: Path
) -> None:
    kills = 0
    finished = False
    while not finished:
        kills += 1
        with bench(quick / "killed", journal) as killed:
            first = killed.pipeline()
            finished = not all(first.step() for _ in range(kills))
            finish(killed.pipeline())
            assert killed.result() == undisturbed, f"killed after {kills} steps"
    assert kills > 2 * LENGTH_S


class FailingTelemetry:
    """A store whose n-th append fails, before or after it took effect."""

    def __init__(self, store: TelemetryStore, nth: int, *, after: bool) -> None:
        self._store = store
        self._nth = nth
        self._after = after
        self.calls = 0

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        self.calls += 1
        failing = self.calls == self._nth
        if failing and not self._after:
            raise DependencyError("the store is away")
        self._store.append(batches, position)
        if failing:
            raise DependencyError("the store's answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class FailingState:
    """A store whose n-th transaction fails: rolled back, or committed without an answer."""

    def __init__(self, store: StateStore, nth: int, *, after: bool) -> None:
        self._store = store
        self._nth = nth
        self._after = after
        self.calls = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[StateTransaction]:
        self.calls += 1
        failing = self.calls == self._nth
        with self._store.writing() as tx:
            yield tx
            if failing and not self._after:
                raise DependencyError("the store is away")
        if failing:
            raise DependencyError("the store's answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def run_on(pipeline: Pipeline, anew: Callable[[], Pipeline] | None) -> None:
    """Go on after failures as the service does, or with a new pipeline after each."""
    failures = 0
    while True:
        try:
            if not pipeline.step():
                pipeline.save()
                pipeline.finish()
                return
        except DependencyError:
            failures += 1
        if anew is not None and pipeline.loader.failures + failures:
            pipeline, failures = anew(), 0


@pytest.mark.parametrize(
    ("store", "after", "restart"),
    [
        pytest.param("telemetry", False, False, id="telemetry-away-retried"),
        pytest.param("telemetry", True, False, id="telemetry-answer-lost-retried"),
        pytest.param("telemetry", True, True, id="killed-between-the-stores"),
        pytest.param("state", False, False, id="state-away-retried"),
        pytest.param("state", True, False, id="state-answer-lost-retried"),
    ],
)
def test_a_failure_of_any_call_of_a_store_changes_nothing(
    store: str,
    after: bool,
    restart: bool,
    journal: Path,
    undisturbed: dict[str, Any],
    quick: Path,
) -> None:
    nth, failed_call = 0, True
    while failed_call:
        nth += 1
        with bench(quick / "failed", journal) as failed:
            failing: FailingTelemetry | FailingState
            if store == "telemetry":
                failing = FailingTelemetry(failed.telemetry, nth, after=after)
                make = partial(failed.pipeline, telemetry=failing)
            else:
                failing = FailingState(failed.state, nth, after=after)
                make = partial(failed.pipeline, state=failing)
            run_on(make(), make if restart else None)
            failed_call = failing.calls >= nth
            assert failed.result() == undisturbed, f"call {nth} failed"
    assert nth > 5
