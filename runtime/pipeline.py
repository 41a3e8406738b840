"""The pipeline: journal → decode → batch → detectors → telemetry, incidents and outbox.

Everything here is a function of the journal: ticks are frames, so a replay gives the same findings.
Findings, refusals, counters and the position commit together in the state store; rows go to the
loader, which brings them into the telemetry store and never holds the rest up. After a crash the
newest snapshot is restored and the frames after it are applied again; what a store already holds is
left out by its position.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from detectors.crane_duty import DutyReport
from dispatch.intake import take
from domain.equipment import Fleet
from domain.errors import DependencyError
from domain.findings import Finding
from domain.incidents import Incident
from domain.instants import seconds
from domain.messages import OWN_GAP_NS, Frame
from domain.ports import StateStore, TelemetryStore
from domain.readings import ReadingBatch
from domain.refusals import SECURITY_REASONS, Refusal
from ingest.decoder import Decoded, Decoder
from ingest.journal import JournalError
from ingest.ledger import Ledger
from ingest.service import finding_of
from runtime.frames import FrameReader, Frames
from runtime.loader import Loader
from runtime.shadow import Detection, all_acts
from runtime.snapshots import Snapshot, Snapshots

CONSUMER = "pipeline"
"""Name under which the state store keeps the pipeline's position and counters."""

LEDGER_INTERVAL_NS = seconds(120)
"""How often the ledger's rows are stored; until then the snapshots hold what changed."""

_FLUSH_ROWS = 20_000
"""Rows applied at most before results are recorded."""

_log = structlog.get_logger(__name__)
_security_log = structlog.get_logger("security")


@dataclass(slots=True)
class _Pending:
    """Results of frames not yet recorded in the state store."""

    findings: list[Finding] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows: int = 0


class Pipeline:
    """Applies journal frames in order, each with effect once.

    Parameters
    ----------
    parameters
        Detector parameters by detector and name; promoted candidates win over them.
    held_back
        Detectors that run in candidates only (`runtime.shadow`).
    snapshots
        Where state is saved; ``None`` for a run that is never resumed.
    loader_reader
        Reader of the loader's own, when another thread runs ``loader.step``. Without one the
        pipeline runs the loader within its own steps.
    give_up_to
        Last journal position whose damage is passed over (`runtime.frames`).
    commit_interval_s
        Journal time after which results are recorded though nothing happened.
    snapshot_interval_s
        Journal time between two snapshots.
    gap_hold_s
        How long items must be missing before the ledger tells of it.
    on_incidents
        Called with the incidents that a commit opened or changed.

    Attributes
    ----------
    loader
        Brings the rows into the telemetry store.
    snapshot_error
        Why the last snapshot could not be saved, empty when it could.
    """

    def __init__(
        self,
        *,
        reader: FrameReader,
        telemetry: TelemetryStore,
        state: StateStore,
        snapshots: Snapshots | None = None,
        loader_reader: FrameReader | None = None,
        give_up_to: int = 0,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        held_back: Collection[str] = (),
        batch_messages: int = 5_000,
        commit_interval_s: float = 1.0,
        snapshot_interval_s: float = 30.0,
        gap_hold_s: float = 120.0,
        on_incidents: Callable[[Sequence[Incident]], None] | None = None,
    ) -> None:
        self._frames = Frames(reader, give_up_to)
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
        self._held_back = held_back
        self._gap_hold_s = gap_hold_s
        self._begin_anew()
        self._counters: Counter[str] = Counter()
        self._pending = _Pending()
        self._unrecorded = False
        self._position = 0
        self._now_ns = 0
        self._committed_at_ns = 0
        self._saved_at_ns = 0
        self._ledger_at_ns = 0
        self.snapshot_error = ""
        self._restored_to = self._recorded
        self._restore()
        self._loads_itself = loader_reader is None
        self.loader = Loader(
            frames=Frames(loader_reader or reader, give_up_to),
            telemetry=telemetry,
            snapshots=snapshots,
            fleet=self._fleet,
            position=self._position,
        )

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
        return self._detection.heard_ns(equipment_id)

    def duty(self, equipment_id: str) -> DutyReport | None:
        """Duty of a crane so far, ``None`` when it is none that is known."""
        return self._detection.duty(equipment_id)

    def alarm_rates(self) -> Mapping[str, float]:
        """Blocks of the statistics over their limit, as many as should have been, and alarms."""
        return {
            f"statistics_{kind}_{rate.statistic}_{name}": float(value)
            for kind, rates in self._detection.rates().items()
            for rate in rates
            for name, value in (
                ("realised", rate.realised),
                ("nominal", rate.nominal),
                ("alarms", rate.alarms),
            )
        }

    def step(self) -> int:
        """Apply what the journal has next, within the batch limit; return the number of frames.

        Raises
        ------
        DependencyError
            If the state store cannot take the results; they are kept, and the next step tries
            again first. A telemetry store that is away raises nothing: `loader` says so.
        JournalError
            If the next frame is damaged, or the journal ends before the position.
        """
        if self._unrecorded:
            self.flush()
        frames = self._frames.read(self._position, self._batch_messages)
        if frames:
            frames = self._detection.until_change(frames)
            redone = self._position < self._restored_to <= frames[-1].position
            self._apply(frames)
            self._record_when_due()
            if redone:
                # Who is killed again soon does not redo the same frames a second time.
                self.save(ledger=False)
        if self._loads_itself and self.loader.behind:
            self._load()
        return len(frames)

    def flush(self) -> None:
        """Record everything applied so far in the state store, and give rows to telemetry."""
        self._unrecorded = True
        self._commit()
        self._pending = _Pending()
        self._unrecorded = False
        self._committed_at_ns = self._now_ns
        if self._loads_itself:
            self._load()

    def save(self, *, ledger: bool = True) -> None:
        """Flush, store the ledger, and save a snapshot when the pipeline has a place for them.

        A snapshot that cannot be written is told by `snapshot_error`: older ones serve as well.
        """
        self.flush()
        if ledger:
            self._write_ledger()
        self._saved_at_ns = self._now_ns
        if self._snapshots is None:
            return
        bank, shadow = self._detection.snapshot()
        snapshot = Snapshot(
            position=self._position,
            decoder=self._decoder.snapshot(),
            bank=bank,
            ledger=self._ledger.snapshot(),
            counters=dict(self._counters),
            shadow=shadow,
        )
        try:
            self._snapshots.save(snapshot, self.loader.needed_position())
        except DependencyError as error:
            if not self.snapshot_error:
                _log.warning("snapshot_failed", error=str(error))
            self.snapshot_error = str(error)
        else:
            self.snapshot_error = ""

    def finish(self) -> None:
        """Record everything applied so far in both stores; for a run that ends here.

        Raises
        ------
        DependencyError, JournalError
            If a store does not take it.
        """
        self.flush()
        self._write_ledger()
        self.loader.drain()

    def _write_ledger(self) -> None:
        """Store the ledger's rows: absolute values, so they need not share a transaction."""
        with self._state.writing() as tx:
            tx.ledger.put(self._ledger.rows())
        self._ledger.written()
        self._ledger_at_ns = self._now_ns

    def refresh_fleet(self) -> bool:
        """Take over registry changes; say whether there were any."""
        with self._state.reading() as tx:
            if tx.registry.version() == self._fleet.version:
                return False
            self._fleet = tx.registry.fleet()
        self._decoder.set_fleet(self._fleet)
        self._detection.set_fleet(self._fleet)
        self._ledger.set_fleet(self._fleet)
        self.loader.set_fleet(self._fleet)
        _log.info("registry_reloaded", version=self._fleet.version, devices=len(self._fleet.slots))
        return True

    def refresh_candidates(self) -> bool:
        """Let the acts that people made on candidates take effect; say whether there were any."""
        with self._state.reading() as tx:
            acts = tx.shadow.acts_after(self._detection.acts_seen)
        if not acts:
            return False
        self.flush()
        if self._position < self._recorded:
            # What is recorded is being redone: an act must not change it.
            return False
        waiting = [act.number for act in acts if act.position is None]
        if waiting:
            with self._state.writing() as tx:
                tx.shadow.take_effect(waiting, self._position)
        for act in acts:
            planned = replace(act, position=self._position) if act.number in waiting else act
            self._detection.plan(planned)
        return True

    def _begin_anew(self) -> None:
        with self._state.reading() as tx:
            acts = all_acts(tx)
        self._decoder = Decoder(self._fleet)
        self._detection = Detection(
            self._fleet, self._parameters, held_back=self._held_back, acts=acts
        )
        self._ledger = Ledger(self._fleet, gap_hold_s=self._gap_hold_s)

    def _restore(self) -> None:
        snapshot = None if self._snapshots is None else self._snapshots.newest(self._recorded)
        if snapshot is not None:
            self._take_over(snapshot)
        _log.info("pipeline_restored", position=self._position, recorded=self._recorded)

    def _take_over(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot; one of another version is left, and the journal read anew."""
        try:
            self._decoder.restore(snapshot.decoder)
            self._detection.restore(snapshot.bank, snapshot.shadow, snapshot.position)
            self._ledger.restore(snapshot.ledger)
        except (ValueError, KeyError) as error:
            _log.warning(
                "snapshot_of_another_version", position=snapshot.position, error=str(error)
            )
            self._begin_anew()
            return
        self._counters.update(snapshot.counters)
        self._position = snapshot.position

    def _apply(self, frames: Sequence[Frame]) -> None:
        missing = frames[0].position - self._position - 1
        if missing:
            _log.error("journal_frames_missing", after=self._position, frames=missing)
            self._counters["frames_missing"] += missing
        batches: list[ReadingBatch] = []
        for part in _slices(frames):
            heard = [frame.messages for frame in part if frame.messages]
            if heard:
                newest_ns = max(messages[-1].received_at_ns for messages in heard)
                self._detection.hear(heard[0][0].received_at_ns, newest_ns)
            decoded = self._decoder.decode(part)
            batches += decoded.batches
            self._take_in(decoded)
            if not part[-1].messages:
                self._pass(part[-1])
        self._position = frames[-1].position
        self._now_ns = frames[-1].received_at_ns
        self._detection.advance(self._position)
        self.loader.offer(batches, frames)

    def _take_in(self, decoded: Decoded) -> None:
        """Give what devices said to everything that judges it."""
        self._counters.update(decoded.counts.as_dict())
        self._pending.refusals += decoded.refusals
        self._pending.findings += map(finding_of, decoded.service)
        self._ledger.take(decoded, self._decoder.device)
        for batch in decoded.batches:
            self._pending.rows += len(batch)
            self._pending.findings += self._detection.step(batch)

    def _pass(self, tick: Frame) -> None:
        """Let time pass for everything that judges it."""
        now_ns, position = tick.received_at_ns, tick.position
        self._pending.findings += self._detection.tick(now_ns, position)
        self._pending.findings += self._ledger.due(now_ns, position, self._decoder.device)

    def _load(self) -> None:
        """Let the loader store what is held, or take one step of catching up."""
        try:
            while self.loader.step() and not self.loader.behind:
                pass
        except (DependencyError, JournalError):
            # The loader keeps the rows and says what is wrong; detection goes on.
            return

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
            self.save(ledger=self._now_ns - self._ledger_at_ns >= LEDGER_INTERVAL_NS)

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
            self._detection.store(tx, self._recorded)
        self._detection.stored()
        self._recorded = self._position
        _report(refusals)
        if changed and self._on_incidents is not None:
            self._on_incidents(changed)


def _slices(frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
    """Group frames up to the next tick, which detectors must see after the messages before it.

    A time in which we were away ends a group too: it must pass between the same frames however
    many of them are read at once.
    """
    first, heard_ns = 0, 0
    for number, frame in enumerate(frames):
        if not frame.messages:
            yield frames[first : number + 1]
            first = number + 1
            continue
        if first < number and frame.messages[0].received_at_ns - heard_ns > OWN_GAP_NS:
            yield frames[first:number]
            first = number
        newest_ns = frame.messages[-1].received_at_ns
        heard_ns = newest_ns if first == number else max(heard_ns, newest_ns)
    if first < len(frames):
        yield frames[first:]


def _report(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals:
        if refusal.reason in SECURITY_REASONS:
            _security_log.warning(
                "refused", reason=refusal.reason, sender=refusal.sender, topic=refusal.topic
            )
