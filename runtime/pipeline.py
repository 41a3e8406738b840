"""The pipeline: journal → decode → batch → detectors → telemetry, incidents and outbox.

Everything here is a function of the journal: ticks are frames, so a replay gives the same findings.
Telemetry records the journal position in its own transaction; findings, refusals, counters and the
position commit together in the state store. After a crash the newest snapshot is restored and the
frames after it are applied again; what a store already holds is left out by its position.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from detectors.bank import Bank
from dispatch.intake import take
from domain.equipment import Fleet
from domain.findings import Finding
from domain.incidents import Incident
from domain.instants import seconds
from domain.messages import Frame
from domain.ports import StateStore, TelemetryStore
from domain.readings import ReadingBatch
from domain.refusals import SECURITY_REASONS, Refusal
from ingest.decoder import Decoder
from runtime.snapshots import Snapshot, SnapshotDirectory

CONSUMER = "pipeline"
"""Name under which the state store keeps the pipeline's position and counters."""

_FLUSH_ROWS = 20_000
"""Rows held back at most before they are stored."""

_log = structlog.get_logger(__name__)
_security_log = structlog.get_logger("security")


class FrameReader(Protocol):
    """What the pipeline needs of the journal."""

    def read(self, after_position: int, limit_messages: int) -> list[Frame]:
        """Frames after a position, in order."""


@dataclass(slots=True)
class _Pending:
    """Results of frames not yet recorded in both stores."""

    batches: list[ReadingBatch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows: int = 0


class Pipeline:
    """Applies journal frames in order, each with effect once.

    Parameters
    ----------
    parameters
        Detector parameters by detector and name.
    snapshots
        Where state is saved; ``None`` for a run that is never resumed.
    commit_interval_s
        Journal time after which results are recorded though nothing happened.
    snapshot_interval_s
        Journal time between two snapshots.
    on_incidents
        Called with the incidents that a commit opened or changed.
    """

    def __init__(
        self,
        *,
        reader: FrameReader,
        telemetry: TelemetryStore,
        state: StateStore,
        snapshots: SnapshotDirectory | None = None,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        batch_messages: int = 5_000,
        commit_interval_s: float = 1.0,
        snapshot_interval_s: float = 30.0,
        on_incidents: Callable[[Sequence[Incident]], None] | None = None,
    ) -> None:
        self._reader = reader
        self._telemetry = telemetry
        self._state = state
        self._snapshots = snapshots
        self._batch_messages = batch_messages
        self._commit_interval_ns = seconds(commit_interval_s)
        self._snapshot_interval_ns = seconds(snapshot_interval_s)
        self._on_incidents = on_incidents
        with state.reading() as tx:
            self._fleet: Fleet = tx.registry.fleet()
            self._recorded = tx.offsets.get(CONSUMER)
        self._parameters = parameters or {}
        self._decoder = Decoder(self._fleet)
        self._bank = Bank(self._fleet, self._parameters)
        self._counters: Counter[str] = Counter()
        self._pending = _Pending()
        self._unrecorded = False
        self._position = 0
        self._now_ns = 0
        self._committed_at_ns = 0
        self._saved_at_ns = 0
        self._restore()

    @property
    def position(self) -> int:
        """Last frame applied."""
        return self._position

    @property
    def now_ns(self) -> int:
        """Received time of the last frame applied; 0 before the first."""
        return self._now_ns

    @property
    def counters(self) -> Mapping[str, int]:
        """Totals over all frames applied."""
        return dict(self._counters)

    def heard_ns(self, equipment_id: str) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it was never heard."""
        return self._bank.heard_ns(equipment_id)

    def step(self) -> int:
        """Apply what the journal has next, within the batch limit; return the number of frames.

        Raises
        ------
        DependencyError
            If a store cannot take the results; they are kept, and the next step tries again first.
        """
        if self._unrecorded:
            self.flush()
        frames = self._reader.read(self._position, self._batch_messages)
        for messages, tick in _slices(frames):
            self._apply(messages, tick)
        if frames:
            self._position = frames[-1].position
            self._now_ns = frames[-1].received_at_ns
            self._record_when_due()
        return len(frames)

    def flush(self) -> None:
        """Record everything applied so far in both stores."""
        self._unrecorded = True
        self._telemetry.append(self._pending.batches, self._position)
        self._commit()
        self._pending = _Pending()
        self._unrecorded = False
        self._committed_at_ns = self._now_ns

    def save(self) -> None:
        """Flush, and save a snapshot when the pipeline has a place for them."""
        self.flush()
        self._saved_at_ns = self._now_ns
        if self._snapshots is not None:
            self._snapshots.save(
                Snapshot(
                    position=self._position,
                    decoder=self._decoder.snapshot(),
                    bank=self._bank.snapshot(),
                    counters=dict(self._counters),
                )
            )

    def refresh_fleet(self) -> bool:
        """Take over registry changes; say whether there were any."""
        with self._state.reading() as tx:
            if tx.registry.version() == self._fleet.version:
                return False
            self._fleet = tx.registry.fleet()
        self._decoder.set_fleet(self._fleet)
        self._bank.set_fleet(self._fleet)
        _log.info("registry_reloaded", version=self._fleet.version, devices=len(self._fleet.slots))
        return True

    def _restore(self) -> None:
        stored = min(self._telemetry.position(), self._recorded)
        snapshot = None if self._snapshots is None else self._snapshots.newest(stored)
        if snapshot is not None:
            self._take_over(snapshot)
        _log.info("pipeline_restored", position=self._position, recorded=stored)

    def _take_over(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot; one of another version is left, and the journal read anew."""
        try:
            self._decoder.restore(snapshot.decoder)
            self._bank.restore(snapshot.bank)
        except (ValueError, KeyError) as error:
            _log.warning(
                "snapshot_of_another_version", position=snapshot.position, error=str(error)
            )
            self._decoder = Decoder(self._fleet)
            self._bank = Bank(self._fleet, self._parameters)
            return
        self._counters.update(snapshot.counters)
        self._position = snapshot.position

    def _apply(self, messages: Sequence[Frame], tick: Frame | None) -> None:
        if messages:
            decoded = self._decoder.decode(messages)
            self._counters.update(decoded.counts.as_dict())
            self._pending.refusals += decoded.refusals
            for batch in decoded.batches:
                self._pending.batches.append(batch)
                self._pending.rows += len(batch)
                self._pending.findings += self._bank.step(batch)
        if tick is not None:
            self._pending.findings += self._bank.tick(tick.received_at_ns, tick.position)

    def _record_when_due(self) -> None:
        pending = self._pending
        waited_ns = self._now_ns - self._committed_at_ns
        if (
            pending.findings
            or pending.refusals
            or pending.rows >= _FLUSH_ROWS
            or waited_ns >= self._commit_interval_ns
        ):
            self.flush()
        if self._now_ns - self._saved_at_ns >= self._snapshot_interval_ns:
            self.save()

    def _commit(self) -> None:
        findings = [f for f in self._pending.findings if f.position > self._recorded]
        refusals = [r for r in self._pending.refusals if r.position > self._recorded]
        if self._position <= self._recorded:
            return
        with self._state.writing() as tx:
            changed = take(tx, findings, self._fleet) if findings else []
            tx.quarantine.add(refusals)
            tx.offsets.put(CONSUMER, self._position)
            tx.offsets.put_counters(CONSUMER, dict(self._counters))
        self._recorded = self._position
        _report(refusals)
        if changed and self._on_incidents is not None:
            self._on_incidents(changed)


def _slices(frames: Sequence[Frame]) -> Iterator[tuple[list[Frame], Frame | None]]:
    """Group message frames up to the next tick, which detectors must see after them."""
    messages: list[Frame] = []
    for frame in frames:
        if frame.messages:
            messages.append(frame)
        else:
            yield messages, frame
            messages = []
    if messages:
        yield messages, None


def _report(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals:
        if refusal.reason in SECURITY_REASONS:
            _security_log.warning(
                "refused", reason=refusal.reason, sender=refusal.sender, topic=refusal.topic
            )
