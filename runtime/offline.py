"""Offline replay: a recorded stream through the production pipeline on a virtual clock.

The capture goes into a fresh journal, received at ``start + t``, with the ticks that the ingest
process would have written; then the same pipeline that serves live traffic reads that journal.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.incidents import Incident
from domain.instants import NS_PER_S
from domain.messages import Message
from domain.ports import PAGE_LIMIT, IncidentQuery, StateStore, TelemetryStore
from ingest.journal import JournalReader, JournalWriter
from runtime.pipeline import Pipeline

FRAME_MESSAGES = 1_000
"""Messages per journal frame, as a busy ingest process commits them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineReport:
    """What an offline replay gave.

    Parameters
    ----------
    incidents
        Oldest detection first.
    counters
        Totals of the pipeline, `stored` and `findings` included.
    wall_s
        Time for journal and pipeline together.
    """

    incidents: tuple[Incident, ...]
    counters: Mapping[str, int]
    wall_s: float

    @property
    def messages_per_s(self) -> float:
        """Messages journalled, decoded, judged and stored per second of wall time."""
        return self.counters["journalled"] / self.wall_s if self.wall_s else 0.0


def replay_offline(
    messages: Iterable[Message],
    *,
    start_ns: int,
    journal: Path,
    telemetry: TelemetryStore,
    state: StateStore,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
) -> OfflineReport:
    """Run messages, in order of arrival, through journal and pipeline.

    Parameters
    ----------
    start_ns
        Received time of the first tick; no message may be older.
    journal
        Directory of the fresh journal.
    """
    began = time.perf_counter()
    journalled = _fill(journal, messages, start_ns)
    reader = JournalReader(journal)
    try:
        pipeline = Pipeline(
            reader=reader,
            telemetry=telemetry,
            state=state,
            parameters=parameters,
            commit_interval_s=86_400.0,
            snapshot_interval_s=86_400.0 * 365,
        )
        while pipeline.step():
            pass
        pipeline.finish()
    finally:
        reader.close()
    wall_s = time.perf_counter() - began
    with state.reading() as tx:
        findings = tx.incidents.count_findings()
    counters = {
        "journalled": journalled,
        **pipeline.counters,
        "stored": telemetry.count(),
        "findings": findings,
    }
    return OfflineReport(incidents=all_incidents(state), counters=counters, wall_s=wall_s)


def all_incidents(state: StateStore) -> tuple[Incident, ...]:
    """Every incident of a state store, oldest detection first."""
    found: list[Incident] = []
    with state.reading() as tx:
        while True:
            before_id = found[-1].id if found else None
            page = tx.incidents.find(IncidentQuery(limit=PAGE_LIMIT, before_id=before_id))
            found.extend(page)
            if len(page) < PAGE_LIMIT:
                return tuple(reversed(found))


def _fill(directory: Path, messages: Iterable[Message], start_ns: int) -> int:
    writer = JournalWriter(directory, durable=False)
    count = 0
    try:
        for frame, now_ns in _frames(messages, start_ns):
            if frame:
                writer.append(frame, now_ns)
                count += len(frame)
            else:
                writer.tick(now_ns)
    finally:
        writer.close()
    return count


def _frames(messages: Iterable[Message], start_ns: int) -> Iterator[tuple[list[Message], int]]:
    """Frames and, as empty ones, a tick for every full second since the start."""
    tick_ns = start_ns
    frame: list[Message] = []
    for message in messages:
        if frame and (message.received_at_ns >= tick_ns or len(frame) >= FRAME_MESSAGES):
            yield frame, frame[-1].received_at_ns
            frame = []
        while message.received_at_ns >= tick_ns:
            yield [], tick_ns
            tick_ns += NS_PER_S
        frame.append(message)
    if frame:
        yield frame, frame[-1].received_at_ns
    yield [], tick_ns
