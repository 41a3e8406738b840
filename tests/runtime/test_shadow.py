"""Candidates beside live detection: what they show, and that they change nothing but that.

Time line of the lift's journal, live detection suspecting after 30 s and the candidate after 10 s:

    s           0    5          25                400  410        455
    car         ride |off level | at level, opens | ride |off level | at level, opens
    candidate             ▲ 15                                ▲ 420
    live                                                           ▲ 440
                          added                               both
"""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api import candidates
from domain.equipment import Equipment, Kind
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds, to_iso
from domain.messages import Message
from domain.ports import EpisodeQuery, StateStore
from domain.shadow import CandidateState, EpisodeOutcome
from ingest.journal import JournalReader, JournalWriter
from runtime.offline import all_incidents
from runtime.pipeline import Pipeline
from runtime.snapshots import SnapshotDirectory
from storage.memory import MemoryStore
from tests.support.states import new_state

T0_NS = 1_772_668_800 * NS_PER_S
LENGTH_S = 480
TIGHT = {"entrapment": {"off_level_hold_s": 10.0}}
NAME = "tight"


def car(second: int) -> dict[str, Any]:
    """What the lift says in a second."""
    stuck = 5 <= second < 25 or 410 <= second < 455
    riding = second < 5 or 400 <= second < 410
    open_door = not stuck and not riding and second >= 28
    return {
        "service_mode": 1,
        "car_status": int(riding),
        "car_direction": int(riding),
        "door_zone": not stuck and not riding,
        "door_closed": not open_door,
        "passenger_present": not open_door,
        "mains_power": True,
    }


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """Directory in memory where there is one: nothing here needs a disk to be durable."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def journal(quick: Path) -> Path:
    directory = quick / "journal"
    writer = JournalWriter(directory, durable=False)
    for second in range(LENGTH_S):
        at_ns = T0_NS + second * NS_PER_S
        writer.tick(at_ns)
        if second % 10 and car(second) == car(second - 1):
            continue
        body = {"ts": to_iso(at_ns), "seq": second, "boot": "b", "v": car(second)}
        message = Message("ew/v1/lift/L1/status", json.dumps(body).encode(), at_ns + seconds(0.3))
        writer.append([message], at_ns + seconds(0.4))
    writer.close()
    return directory


@dataclass
class World:
    """Stores of one installation over the same journal."""

    directory: Path
    reader: JournalReader
    state: StateStore

    def pipeline(self, **changes: Any) -> Pipeline:
        options: dict[str, Any] = {"batch_messages": 1, "snapshot_interval_s": 60.0}
        return Pipeline(
            reader=self.reader,
            telemetry=MemoryStore(),
            state=self.state,
            snapshots=SnapshotDirectory(self.directory / "snapshots"),
            **options | changes,
        )

    def do(self, act: Callable[..., object], *arguments: Any) -> None:
        with self.state.writing() as tx:
            act(tx, NAME, *arguments, actor="user:eve", reason="a try", now_ns=T0_NS)

    def seen(self) -> dict[str, Any]:
        """Everything that people see of the candidate and of incidents."""
        with self.state.reading() as tx:
            return {
                "candidate": tx.shadow.candidate(NAME),
                "episodes": tx.shadow.episodes(EpisodeQuery(candidate=NAME)),
                "acts": tx.shadow.acts(),
                "findings": tx.incidents.findings(),
                "incidents": all_incidents(self.state),
            }


@contextlib.contextmanager
def world(quick: Path, journal: Path) -> Iterator[World]:
    directory = Path(tempfile.mkdtemp(dir=quick))
    state = new_state(directory / "state.sqlite")
    reader = JournalReader(journal)
    with state.writing() as tx:
        tx.registry.put([Equipment(id="L1", kind=Kind.LIFT)])
    try:
        yield World(directory, reader, state)
    finally:
        reader.close()
        state.close()


@pytest.fixture
def place(quick: Path, journal: Path) -> Iterator[World]:
    with world(quick, journal) as made:
        yield made


def run(pipeline: Pipeline, until_s: float = LENGTH_S) -> Pipeline:
    """Apply frames up to a second of the journal."""
    while pipeline.now_ns < T0_NS + seconds(until_s) and pipeline.step():
        pass
    pipeline.flush()
    return pipeline


def raised(place: World) -> list[str]:
    """Level and second of every entrapment off level that live detection raised."""
    with place.state.reading() as tx:
        found = [f for f in tx.incidents.findings() if f.phase == "raised"]
    return sorted(
        f"{f.level} {(f.detected_at_ns - T0_NS) // NS_PER_S}"
        for f in found
        if f.kind is IncidentKind.ENTRAPMENT_OFF_LEVEL
    )


def test_a_tighter_threshold_shows_what_it_would_add_and_touches_no_incident(
    place: World, quick: Path, journal: Path
) -> None:
    with world(quick, journal) as alone:
        run(alone.pipeline())
        expected = alone.seen()
    place.do(candidates.start, TIGHT)
    pipeline = place.pipeline()
    assert pipeline.refresh_candidates()
    run(pipeline)
    seen = place.seen()
    assert seen["incidents"] == expected["incidents"]
    assert seen["findings"] == expected["findings"]
    both, added = seen["episodes"]
    assert (added.outcome, both.outcome) == (EpisodeOutcome.ADDED, EpisodeOutcome.BOTH)
    assert added.live is None
    assert added.shadow.detected_at_ns == pytest.approx(T0_NS + seconds(15), abs=seconds(2))
    assert (both.live.detected_at_ns - both.shadow.detected_at_ns) / NS_PER_S == pytest.approx(
        20, abs=2
    )
    assert {one.name for one in added.evidence} >= {"stopped_s", "door_zone"}
    totals = seen["candidate"].totals
    tally = {t.kind: (t.both, t.added, t.missed) for t in totals.tallies}
    assert tally[IncidentKind.ENTRAPMENT_OFF_LEVEL] == (1, 1, 0)
    assert tally[IncidentKind.ENTRAPMENT_AT_LEVEL] == (0, 0, 0)
    assert totals.device_ns[Kind.LIFT] / NS_PER_S == pytest.approx(LENGTH_S, abs=12)


def test_a_restart_in_between_changes_nothing(place: World, quick: Path, journal: Path) -> None:
    """Killed at awkward times: right after the start, in an episode, before it is decided."""
    place.do(candidates.start, TIGHT)
    pipeline = run(place.pipeline(), 8)
    pipeline.refresh_candidates()
    run(pipeline)
    expected = place.seen()
    assert len(expected["episodes"]) == 2
    with world(quick, journal) as killed:
        killed.do(candidates.start, TIGHT)
        pipeline = run(killed.pipeline(), 8)
        pipeline.refresh_candidates()
        for second in (9, 14, 17, 90, 326, 328, 422, 441):
            run(pipeline, second)
            pipeline = killed.pipeline(batch_messages=second % 3 + 1)
            pipeline.refresh_candidates()
        run(pipeline)
        assert killed.seen() == expected


def test_a_candidate_that_starts_while_a_case_stands_does_not_count_it(place: World) -> None:
    pipeline = run(place.pipeline(), 445)
    place.do(candidates.start, TIGHT)
    pipeline.refresh_candidates()
    run(pipeline)
    assert place.seen()["episodes"] == []
    assert raised(place) == ["suspected 440"]


def test_promotion_makes_it_live_without_a_restart_and_reverting_takes_it_back(
    place: World,
) -> None:
    place.do(candidates.start, TIGHT)
    pipeline = place.pipeline()
    pipeline.refresh_candidates()
    run(pipeline, 350)
    assert raised(place) == []
    place.do(candidates.promote)
    pipeline.refresh_candidates()
    run(pipeline, 425)
    assert raised(place) == ["suspected 420"]
    seen = place.seen()
    assert seen["candidate"].state is CandidateState.PROMOTED
    assert [(act.kind, act.actor, act.reason) for act in seen["acts"]] == [
        ("promoted", "user:eve", "a try"),
        ("started", "user:eve", "a try"),
    ]
    assert all(act.position is not None for act in seen["acts"])


def test_a_promotion_outlives_a_kill_and_wins_over_the_configuration(place: World) -> None:
    slow = {"entrapment": {"off_level_hold_s": 200.0}}
    place.do(candidates.start, TIGHT)
    pipeline = run(place.pipeline(parameters=slow), 300)
    pipeline.refresh_candidates()
    run(pipeline, 310)
    place.do(candidates.promote)
    pipeline.refresh_candidates()
    pipeline = run(place.pipeline(parameters=slow), 425)
    assert raised(place) == ["suspected 420"]
    place.do(candidates.revert)
    pipeline.refresh_candidates()
    assert place.seen()["candidate"].state is CandidateState.REVERTED


def test_a_promotion_that_nobody_took_over_yet_hides_nothing_recorded(place: World) -> None:
    """Promoted while the pipeline is down; what is redone is redone as it was.

    s           0   5        12 killed, promoted; 16 taken over, raised by the row of 20
    recorded    ─────────────┤
    snapshot    ┤ redone as it was
    """
    options: dict[str, Any] = {"snapshot_interval_s": 1_000.0, "batch_messages": 1}
    place.do(candidates.start, TIGHT)
    pipeline = place.pipeline(**options)
    pipeline.refresh_candidates()
    run(pipeline, 12)
    place.do(candidates.promote)
    pipeline = place.pipeline(**options)
    pipeline.refresh_candidates()
    assert place.seen()["acts"][0].position is None
    run(pipeline, 16)
    pipeline.refresh_candidates()
    run(pipeline, 30)
    assert raised(place) == ["suspected 20"]


def test_a_detector_that_is_held_back_adds_everything_until_it_is_promoted(place: World) -> None:
    place.do(candidates.start, {"entrapment": {"off_level_hold_s": 15.0}})
    pipeline = place.pipeline(held_back=["entrapment"])
    pipeline.refresh_candidates()
    run(pipeline, 390)
    (episode,) = place.seen()["episodes"]
    assert episode.outcome is EpisodeOutcome.ADDED
    place.do(candidates.promote)
    pipeline.refresh_candidates()
    run(pipeline)
    assert raised(place) == ["suspected 426"]
    run(place.pipeline(held_back=["entrapment"]))
    assert raised(place) == ["suspected 426"]


def test_a_candidate_that_fails_is_stopped_says_why_and_hurts_nothing(
    place: World, quick: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(quick, journal) as alone:
        run(alone.pipeline())
        expected = alone.seen()
    place.do(candidates.start, TIGHT)
    pipeline = place.pipeline()
    pipeline.refresh_candidates()
    run(pipeline, 100)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mean of nothing")

    with monkeypatch.context() as patch:
        patch.setattr("detectors.episodes.Comparison.elapse", broken)
        run(pipeline, 110)
    run(place.pipeline())
    seen = place.seen()
    assert seen["candidate"].state is CandidateState.FAILED
    assert seen["acts"][0].reason == "ZeroDivisionError: a mean of nothing"
    assert seen["acts"][0].actor == "system"
    assert seen["incidents"] == expected["incidents"]
    assert seen["findings"] == expected["findings"]


def test_a_stopped_candidate_keeps_what_it_found(place: World) -> None:
    place.do(candidates.start, TIGHT)
    pipeline = place.pipeline()
    pipeline.refresh_candidates()
    run(pipeline, 20)
    place.do(candidates.stop)
    pipeline.refresh_candidates()
    run(pipeline)
    seen = place.seen()
    (episode,) = seen["episodes"]
    assert episode.outcome is EpisodeOutcome.UNDECIDED
    assert seen["candidate"].totals.device_ns[Kind.LIFT] < seconds(30)
