"""Telemetry may be away as long as it likes: detection goes on, and every row comes in the end."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.errors import DependencyError
from domain.instants import NS_PER_S, seconds
from domain.messages import Message
from domain.ports import TelemetryStore
from domain.readings import ReadingBatch
from ingest.journal import JournalCorruptError, JournalReader, JournalRewoundError, JournalWriter
from runtime import loader as module
from runtime.core import Health, PipelineLoop
from runtime.pipeline import Pipeline
from runtime.reopening import ReopeningStore
from runtime.retention import Retention
from runtime.settings import JournalSettings, Settings, load
from runtime.site import Site
from runtime.snapshots import (
    KEPT_BETWEEN,
    KEPT_SNAPSHOTS,
    Snapshot,
    SnapshotDirectory,
    superfluous,
)
from storage.duckdb import DuckDBStore
from storage.memory import MemoryStore
from storage.state import open_state_store
from tests.runtime.test_pipeline import (
    EXPECTED,
    REGISTRY,
    START_NS,
    Bench,
    FailingState,
    bench,
    finish,
    quick,
    write_journal,
)
from tests.support.states import new_state

__all__ = ["quick"]

PATIENCE_S = 30.0


class Away:
    """A telemetry store that can be away as a whole, or only now and then."""

    def __init__(self, store: TelemetryStore, *, random: Random | None = None) -> None:
        self._store = store
        self._random = random
        self.away = random is None

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        self._answer()
        self._store.append(batches, position)
        self._answer()

    def position(self) -> int:
        self._answer()
        return self._store.position()

    def _answer(self) -> None:
        if self.away or (self._random and self._random.random() < 0.3):
            raise DependencyError("the store is away")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture(scope="module")
def journal(quick: Path) -> Path:
    directory = quick / "journal"
    write_journal(directory)
    return directory


@pytest.fixture(scope="module")
def undisturbed(journal: Path, quick: Path) -> dict[str, Any]:
    with bench(quick / "undisturbed", journal) as whole:
        finish(whole.pipeline())
        return whole.result()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so small that a few seconds of outage go beyond them."""
    monkeypatch.setattr(module, "HELD_ROWS_MAX", 6)
    monkeypatch.setattr(module, "HELD_STEPS_MAX", 4)
    monkeypatch.setattr(module, "CATCH_UP_MESSAGES", 3)


def steps(pipeline: Pipeline, count: int) -> None:
    for _ in range(count):
        pipeline.step()


def run_out(pipeline: Pipeline) -> None:
    while pipeline.step():
        pass


def incidents(place: Bench) -> list[tuple[str, str]]:
    return [(i.equipment_id, i.kind) for i in place.result()["incidents"]]


@pytest.mark.usefixtures("narrow")
def test_detection_goes_on_in_an_outage_and_no_row_is_lost(
    journal: Path, undisturbed: dict[str, Any], quick: Path
) -> None:
    with bench(quick / "outage", journal) as place:
        store = Away(place.telemetry)
        store.away = False
        pipeline = place.pipeline(telemetry=store)
        steps(pipeline, 5)
        stored = place.telemetry.count()
        store.away = True
        while pipeline.step():
            assert pipeline.loader.held_rows <= 6 + 4
        pipeline.save()
        assert incidents(place) == EXPECTED
        assert place.telemetry.count() == stored < undisturbed["stored"]
        assert "away" in pipeline.loader.error
        assert pipeline.loader.behind
        store.away = False
        # Catching up takes turns with detection: every step of the pipeline does a bounded part.
        turns = sum(1 for _ in iter(lambda: pipeline.loader.behind and not pipeline.step(), False))
        assert turns > 5
        pipeline.finish()
        assert place.result() == undisturbed
        assert pipeline.loader.error == ""
        assert pipeline.loader.lag().frames == 0
        assert pipeline.loader.dropped_rows > 0


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("heard", [True, False], ids=["position-known", "position-unknown"])
def test_a_restart_in_an_outage_does_not_wait_for_telemetry(
    heard: bool, journal: Path, undisturbed: dict[str, Any], quick: Path
) -> None:
    for first in range(0, 29, 4):
        with bench(quick / "restart", journal) as place:
            store = Away(place.telemetry)
            store.away = False
            steps(place.pipeline(telemetry=store), first)
            store.away = True
            steps(place.pipeline(telemetry=store), 9)
            again = place.pipeline(telemetry=store)
            if heard:
                store.away = False
                again.loader.step()
                store.away = True
            run_out(again)
            again.save()
            assert incidents(place) == EXPECTED
            lag = again.loader.lag()
            assert lag.known == heard
            assert lag.behind_s > 0
            store.away = False
            finish(place.pipeline(telemetry=store))
            assert place.result() == undisturbed, f"outage began after {first} steps"


@pytest.mark.usefixtures("narrow")
def test_a_loader_in_a_thread_of_its_own_stores_the_same(
    journal: Path, undisturbed: dict[str, Any], quick: Path
) -> None:
    for seed in range(3):
        with bench(quick / f"thread-{seed}", journal) as place:
            store = Away(place.telemetry, random=Random(seed))
            reader = JournalReader(journal)
            pipeline = place.pipeline(telemetry=store, loader_reader=reader)
            stop = threading.Event()
            thread = threading.Thread(target=load_until, args=(pipeline, stop))
            thread.start()
            while pipeline.step():
                time.sleep(0.001)
            pipeline.save()
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
            assert place.result() == undisturbed, f"seed {seed}"
            reader.close()


def load_until(pipeline: Pipeline, stop: threading.Event) -> None:
    more = True
    while more or not stop.is_set():
        try:
            more = pipeline.loader.step()
        except DependencyError:
            more = True


def test_telemetry_goes_on_while_the_state_store_is_away(journal: Path, quick: Path) -> None:
    with bench(quick / "state-away", journal) as place:
        reader = JournalReader(journal)
        state = FailingState(place.state, 3, after=False)
        pipeline = place.pipeline(state=state, loader_reader=reader)
        with pytest.raises(DependencyError):
            run_out(pipeline)
        assert pipeline.loader.lag().frames > 0
        pipeline.loader.drain()
        assert place.telemetry.position() == pipeline.position
        reader.close()


def test_the_snapshot_that_a_late_store_needs_is_never_deleted(journal: Path, quick: Path) -> None:
    with bench(quick / "needed", journal) as place:
        directory = SnapshotDirectory(place.directory / "snapshots")
        store = Away(place.telemetry)
        store.away = False
        pipeline = place.pipeline(telemetry=store)
        steps(pipeline, 6)
        pipeline.save()
        stored = place.telemetry.position()
        assert stored > 0
        store.away = True
        while pipeline.step():
            pipeline.save()
            needed = directory.newest(stored)
            assert needed is not None
            assert needed.position == stored
        pipeline = place.pipeline(telemetry=store)
        pipeline.save()
        assert directory.newest(stored) == needed
        assert len(list(directory.path.iterdir())) <= KEPT_SNAPSHOTS + KEPT_BETWEEN + 1


def test_snapshots_in_between_are_few_and_spread() -> None:
    kept: list[int] = []
    for position in range(10, 10_000, 10):
        kept = sorted([*kept, position], reverse=True)
        gone = superfluous(kept, slowest_position=15)
        kept = [p for p in kept if p not in gone]
    assert kept[-1] == 10
    assert kept[:KEPT_SNAPSHOTS] == [9_990, 9_980, 9_970]
    assert len(kept) == KEPT_SNAPSHOTS + KEPT_BETWEEN + 1
    gaps = [newer - older for newer, older in itertools.pairwise(kept)]
    assert max(gaps) < 2_500


def test_retention_keeps_what_a_late_store_must_still_read(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal", segment_s=60, durable=False)
    for minute in range(10):
        writer.tick(START_NS + minute * seconds(60))
    writer.close()
    snapshots = SnapshotDirectory(tmp_path / "snapshots")
    store, state = MemoryStore(), new_state(tmp_path / "state.sqlite")

    def oldest_left() -> int:
        retention = Retention(
            journal=tmp_path / "journal",
            snapshots=snapshots,
            telemetry=store,
            state=state,
            settings=Settings(journal=JournalSettings(keep_h=0.01)),
        )
        retention.run_when_due(START_NS + seconds(3_600))
        with closing(JournalReader(tmp_path / "journal")) as reader:
            return reader.oldest_position()

    def save(position: int) -> None:
        snapshot = Snapshot(position=position, decoder=b"", bank=b"", ledger=b"", counters={})
        snapshots.save(snapshot, store.position())

    save(6)
    # The store has nothing yet: its rows are decoded from the journal's very start.
    assert oldest_left() == 1
    store.append([], 7)
    for position in (7, 8, 9):
        save(position)
    assert oldest_left() == 8
    store.append([], 9)
    save(10)
    assert oldest_left() == 9
    state.close()


def damage(directory: Path, position: int) -> None:
    [segment] = directory.glob("*.journal")
    with closing(sqlite3.connect(segment)) as connection, connection:
        connection.execute("UPDATE frame SET crc = crc + 1 WHERE position = ?", (position,))


@pytest.mark.usefixtures("narrow")
def test_damage_stops_the_pipeline_until_it_is_given_up(quick: Path) -> None:
    directory = quick / "damaged-journal"
    write_journal(directory)
    damage(directory, 8)
    with bench(quick / "damaged", directory) as place:
        pipeline = place.pipeline()
        for _ in range(3):
            with pytest.raises(JournalCorruptError, match="frame 8 "):
                run_out(pipeline)
            assert pipeline.position == 7
        store = Away(place.telemetry)
        resumed = place.pipeline(telemetry=store, give_up_to=8)
        run_out(resumed)
        # The alarm button was in the frame that is lost.
        assert incidents(place) == EXPECTED[1:]
        assert resumed.counters["frames_missing"] == 1
        store.away = False
        resumed.finish()
        assert place.telemetry.count() == resumed.counters["accepted"]


def test_a_journal_that_was_replaced_is_an_error_and_not_a_silence(
    journal: Path, quick: Path
) -> None:
    with bench(quick / "replaced", journal) as place:
        place.telemetry.append([], 1_000)
        pipeline = place.pipeline()
        steps(pipeline, 5)
        pipeline.flush()
        assert "replaced or cut" in pipeline.loader.error
        with pytest.raises(JournalRewoundError):
            pipeline.finish()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[Site, Health, Away]]:
    """The service's own two threads over a site whose telemetry is away."""
    site = Site(tmp_path / "site")
    site.create()
    state = open_state_store(site.state_url)
    with state.writing() as tx:
        tx.registry.put(REGISTRY)
    store, health, stop = Away(MemoryStore()), Health(), threading.Event()
    made = PipelineLoop(load(None), site, state, store, health)
    threads = [threading.Thread(target=run, args=(stop,)) for run in (made.run, made.run_loader)]
    for thread in threads:
        thread.start()
    try:
        yield site, health, store
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        state.close()


def eventually(true: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return true()


def receive(writer: JournalWriter, second: int, at_ns: int) -> None:
    body = b'{"seq": %d, "boot": "b", "v": {"hook_load_t": 3.0}}' % second
    writer.append([Message("ew/v1/crane/C1/telemetry", body, at_ns)], at_ns)


def test_readiness_says_what_is_away_and_recovers_by_itself(
    loop: tuple[Site, Health, Away],
) -> None:
    site, health, store = loop
    now_ns = time.time_ns()
    with closing(JournalWriter(site.journal)) as writer:
        for second in range(30):
            receive(writer, second, now_ns - (30 - second) * NS_PER_S)
    assert eventually(lambda: health.position == 30)
    assert eventually(lambda: "the store is away" in str(health.readiness().get("telemetry")))
    assert health.readiness()["pipeline"] is True
    assert health.readiness()["telemetry"] == (
        "at least 29 s and 30 journal frames not stored: the store is away"
    )
    assert health.gauges()["telemetry_behind_seconds"] == pytest.approx(29.0)
    store.away = False
    assert eventually(lambda: health.readiness()["telemetry"] is True)
    assert eventually(lambda: store.count() == 30)
    assert health.gauges()["telemetry_behind_seconds"] == 0.0
    # A copy of the last frame under the next position: its checksum is of another one.
    for segment in site.journal.glob("*.journal"):
        with closing(sqlite3.connect(segment)) as connection, connection:
            connection.execute(
                "INSERT INTO frame SELECT 31, received_at_ns, first_message, message_count, kind, "
                "crc, body FROM frame WHERE position = 30"
            )
    assert eventually(lambda: "journal frame 31 " in str(health.readiness()["pipeline"]))
    assert health.readiness()["telemetry"] is True


def test_a_store_that_cannot_be_opened_is_opened_later(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.duckdb"
    file.write_bytes(b"no database")
    store = ReopeningStore(lambda: DuckDBStore(file))
    with pytest.raises(DependencyError):
        store.position()
    file.unlink()
    store.append([], 7)
    assert store.position() == 7
    store.close()
