"""A backtest says what production says: rows that span hours, against frames and ticks."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from detectors.bank import Bank
from domain.channels import CHANNELS, ChannelType
from domain.equipment import Equipment, Fleet, Kind, build_fleet
from domain.findings import Finding
from domain.incidents import Incident
from domain.instants import NS_PER_S, seconds
from domain.messages import Message
from domain.readings import ReadingBatch, Stream
from runtime.backtest.chunks import Chunk, decoded
from runtime.backtest.columns import PartWriter, read_chunks
from runtime.backtest.incidents import incidents_of
from runtime.backtest.playback import Playback
from runtime.backtest.tasks import Playing, Recording, play, record
from runtime.backtest.telemetry import TelemetrySource
from runtime.offline import replay_offline
from runtime.settings import load
from runtime.site import Site
from runtime.wiring import open_state, open_telemetry
from simulators.outgoing import Outgoing
from simulators.truth import Truth
from simulators.world import World
from storage.duckdb import DuckDBStore
from tests.detectors.test_bank import IDS, equipment, traffic
from tests.support.batches import make_batch
from tests.support.simulated import START_NS, entry, world
from tests.support.story import T0

SECONDS = 150


def told(findings: Iterable[Finding]) -> list[tuple[Any, ...]]:
    """Everything but the number of the frame, by device in its order."""
    rows = [dataclasses.astuple(dataclasses.replace(finding, position=0)) for finding in findings]
    return sorted(rows, key=lambda row: row[2])


def ticked(fleet: Fleet, kind: Kind, rows: Sequence[dict[str, Any]], end_s: int) -> list[Finding]:
    """The same rows as production sees them: a batch and a tick every second."""
    bank = Bank(fleet)
    findings: list[Finding] = []
    left = list(rows)
    for second in range(end_s):
        now_ns = T0 + seconds(second)
        findings += bank.tick(now_ns, 2 * second + 1)
        now = [row for row in left if row["received_at_ns"] < now_ns + NS_PER_S]
        left = left[len(now) :]
        if now:
            findings += bank.step(make_batch(kind, now, ids=IDS, position=2 * second + 2))
    return findings


@given(traffic())
@settings(max_examples=30, deadline=None)
def test_rows_at_once_say_what_a_batch_a_second_says(
    story: tuple[Kind, list[dict[str, Any]]],
) -> None:
    kind, rows = story
    fleet = build_fleet(1, [equipment(identity, kind) for identity in IDS])
    end_s = (rows[-1]["received_at_ns"] - T0) // NS_PER_S + 1_000
    playback = Playback(fleet, {}, start_ns=T0)
    batch = make_batch(kind, rows, ids=IDS)
    found = playback.step([batch], T0 + seconds(end_s))
    assert told(found) == told(ticked(fleet, kind, rows, end_s))


@pytest.fixture(scope="module")
def recorded() -> tuple[World, list[Outgoing]]:
    """Every way in which time and detectors meet: holds, late rows, silence, clocks, codes."""
    made = world(
        entry("entrapment_off_level", "lift-0001", 5, 300, alarm_after_s=60),
        entry("entrapment_at_level", "lift-0002", 10, 300),
        entry("device_offline", "lift-0003", 30, 200),
        entry("clock_wrong", "lift-0004", 20, 300, offset_s=-300),
        entry("out_of_order", "lift-0005", 0, 400),
        entry("terminal_reboot", "lift-0006", 60, 60),
        entry("overpressure", "boiler-0001", 5, 300),
        entry("low_water_firing", "boiler-0002", 5, 300),
        entry("overload", "crane-0001", 5, 200),
        duration_s=SECONDS,
        lifts=8,
        boilers=2,
        cranes=2,
    )
    return made, list(made.outgoing())


def messages(outgoing: Iterable[Outgoing]) -> Iterable[Message]:
    return (Message(one.topic, one.payload, one.at_ns, one.retain) for one in outgoing)


def shown(incidents: Iterable[Incident]) -> list[tuple[Any, ...]]:
    """What does not depend on the numbers of frames."""
    return sorted(
        (
            incident.equipment_id,
            incident.case,
            incident.kind,
            incident.state,
            incident.late,
            incident.opened_at_ns,
            incident.detected_at_ns,
            incident.condition_ended_at_ns or 0,
            incident.levels,
        )
        for incident in incidents
    )


def played(chunks: Iterable[Chunk], fleet: Fleet) -> list[Finding]:
    playback = Playback(fleet, {}, start_ns=START_NS)
    findings: list[Finding] = []
    for chunk in chunks:
        findings += playback.step(chunk.batches, chunk.until_ns)
    return findings + playback.finish(START_NS + seconds(SECONDS))


@pytest.fixture(scope="module")
def at_once(recorded: tuple[World, list[Outgoing]]) -> list[Finding]:
    """What the recording gives when its rows are played."""
    made, sent = recorded
    fleet = build_fleet(1, made.registry())
    return played(decoded(messages(sent), fleet, start_ns=START_NS, slice_ns=seconds(70)), fleet)


def test_a_recording_gives_the_incidents_of_an_offline_replay(
    recorded: tuple[World, list[Outgoing]], at_once: list[Finding], tmp_path: Path
) -> None:
    made, sent = recorded
    site = Site(tmp_path)
    state, telemetry = open_state(load(None), site), open_telemetry(load(None), site)
    try:
        with state.writing() as tx:
            tx.registry.put(made.registry())
        report = replay_offline(
            messages(sent),
            start_ns=START_NS,
            journal=site.journal,
            telemetry=telemetry,
            state=state,
        )
    finally:
        telemetry.close()
        state.close()
    expected = shown(one for one in report.incidents if one.kind != "data_gap")
    assert {one.case for one in report.incidents} >= {"rescue", "overpressure", "overload"}
    assert shown(incidents_of(at_once, closed_after_ns=None)) == expected


def test_columns_give_what_the_messages_gave(
    recorded: tuple[World, list[Outgoing]], at_once: list[Finding], tmp_path: Path
) -> None:
    """Two parts, each with a vocabulary of its own, read as one."""
    made, sent = recorded
    rows = made.registry()
    shards = [rows[::2], rows[1::2]]
    parts = []
    for number, shard in enumerate(shards):
        source = _Sent(equipment=shard, sent=sent)
        task = Recording(
            number=number,
            source=source,
            directory=tmp_path,
            start_ns=START_NS,
            slice_ns=seconds(70),
        )
        parts.append(record(task).part)
    found: list[Finding] = []
    deaf = {"entrapment": {"suspected_log_odds": 30.0}}
    for kind in (Kind.LIFT, Kind.BOILER, Kind.CRANE):
        playing = Playing(
            kind=kind,
            directory=tmp_path,
            parts=tuple(parts),
            equipment=tuple(one for shard in shards for one in shard if one.kind is kind),
            versions=({}, deaf) if kind is Kind.LIFT else ({},),
            start_ns=START_NS,
            end_ns=START_NS + seconds(SECONDS),
        )
        done = play(playing)
        found += done.findings[0]
        names = [{finding.detector for finding in version} for version in done.findings]
        if kind is Kind.LIFT:
            assert "entrapment_off_level" in names[0] - names[1]
    assert told(found) == told(at_once)


@dataclasses.dataclass(frozen=True)
class _Sent:
    """A recording that is in memory already."""

    equipment: tuple[Equipment, ...]
    sent: list[Outgoing]

    def chunks(self, fleet: Fleet, *, start_ns: int, slice_ns: int) -> Iterator[Chunk]:
        own = [one for one in messages(self.sent) if one.topic.split("/")[3] in fleet.slots]
        return decoded(own, fleet, start_ns=start_ns, slice_ns=slice_ns)

    def truths(self) -> tuple[Truth, ...]:
        return ()


def test_the_telemetry_store_gives_what_it_kept(
    recorded: tuple[World, list[Outgoing]], tmp_path: Path
) -> None:
    """But for heartbeats, which stand in between so that nobody counts as silent."""
    made, sent = recorded
    fleet = build_fleet(1, made.registry())
    chunks = list(decoded(messages(sent), fleet, start_ns=START_NS, slice_ns=seconds(70)))
    store = DuckDBStore(tmp_path / "telemetry.duckdb")
    for chunk in chunks:
        store.append(chunk.batches, 2 * (chunk.until_ns - START_NS) // NS_PER_S)
    store.close()
    source = TelemetrySource(path=tmp_path / "telemetry.duckdb", equipment=made.registry())
    again = list(source.chunks(fleet, start_ns=START_NS, slice_ns=seconds(50)))
    for kind in (Kind.LIFT, Kind.BOILER, Kind.CRANE):
        said = _said(chunks, kind)
        assert said
        assert _said(again, kind) == said
    beats = [batch for chunk in again for batch in chunk.batches if batch.kind is Kind.LIFT]
    assert sum(int((batch.online == 1).sum()) for batch in beats) >= 8 * 5
    found = played(again, fleet)
    assert {one.kind.value for one in found} >= {"entrapment_off_level", "overload"}
    assert "device_offline" not in {one.kind.value for one in found}


def _said(chunks: Iterable[Chunk], kind: Kind) -> list[tuple[Any, ...]]:
    """Everything but heartbeats, with texts for indices."""
    labels = [column for column, one in enumerate(CHANNELS[kind]) if one.type is ChannelType.LABEL]
    rows: list[tuple[Any, ...]] = []
    for batch in (batch for chunk in chunks for batch in chunk.batches if batch.kind is kind):
        for row in np.flatnonzero(batch.stream != Stream.ALIVE):
            values: list[Any] = batch.values[row].tolist()
            for column in labels:
                values[column] = batch.label(values[column])
            rows.append(
                (
                    batch.ids[batch.device[row]],
                    int(batch.received_at_ns[row]),
                    int(batch.event_time_ns[row]),
                    int(batch.quality[row]),
                    batch.label(float(batch.code[row])),
                    int(batch.active[row]) if batch.code[row] >= 0 else 0,
                    str(values),
                    batch.unknown[row].tolist(),
                )
            )
    return sorted(rows, key=lambda row: row[:2])


def test_what_a_part_keeps_is_what_was_decoded(
    recorded: tuple[World, list[Outgoing]], tmp_path: Path
) -> None:
    made, sent = recorded
    fleet = build_fleet(1, made.registry())
    chunks = list(decoded(messages(sent), fleet, start_ns=START_NS, slice_ns=seconds(40)))
    assert len(chunks) > 2
    writer = PartWriter(tmp_path, 0)
    for chunk in chunks:
        writer.write(chunk)
    part = writer.part(fleet.ids)
    again = list(read_chunks(tmp_path, [part], Kind.LIFT))
    assert [chunk.until_ns for chunk in again] == [chunk.until_ns for chunk in chunks]
    for chunk, other in zip(chunks, again, strict=True):
        (batch,) = (batch for batch in chunk.batches if batch.kind is Kind.LIFT)
        assert_same(batch, other.batches[0])


def assert_same(one: ReadingBatch, two: ReadingBatch) -> None:
    """The same rows of every device, in its order."""
    assert one.ids == two.ids
    first, second = (np.argsort(batch.device, kind="stable") for batch in (one, two))
    for name in ("device", "event_time_ns", "received_at_ns", "position", "stream", "quality"):
        np.testing.assert_array_equal(getattr(one, name)[first], getattr(two, name)[second])
    for name in ("values", "unknown", "code", "active", "online"):
        np.testing.assert_array_equal(getattr(one, name)[first], getattr(two, name)[second])
