"""The ledger's book-keeping: per device and hour what arrived, what is missing, what was refused.

A pure function of the journal: counts come from the columns of the decoder's batches, the rest from
its rare events (duplicates, refusals, holes) and from what it remembers of a device at ticks. Rows
are absolute values, so that writing them again after a replay changes nothing.

    received  ──12:00───────────────13:00──────────────►
    hour 12   ▐ counted, written at every snapshot ▌ 5 min more, then only its missing items change
    hour 13                         ▐ counted ...
"""

import msgspec
import numpy as np

from domain.equipment import Fleet, Kind
from domain.findings import Evidence, Finding, Phase
from domain.incidents import IncidentKind, Level
from domain.instants import seconds
from domain.ledger import HOUR_NS, NOTHING_MISSING, HourMissing, LedgerChanges, Missing
from domain.messages import OWN_GAP_NS
from domain.readings import ReadingBatch
from ingest.decoder import Decoded
from ingest.holes import Gaps
from ingest.sequence import Sequence
from ingest.sheets import DUPLICATED, REFUSED, DeviceOf, Sheet, SheetState, first_of_item

SAMPLE_S = 30.0
"""How often [s of received time] clock and newest number of the devices heard are looked at."""

GRACE_S = 300.0
"""An hour takes items so long [s] after its end: the journal holds them a moment later, and our own
clock may be set back. An item that belongs to an earlier hour counts in the oldest open one."""

AGAIN_S = 3_600.0
"""Further holes of a device whose gap is claimed are claimed at most so often [s]."""

NAME = "gaps"
"""Detector name in the findings."""

_NEVER_CUT = -1
_SNAPSHOT_VERSION = 1


class _State(msgspec.Struct):
    version: int
    sheets: list[SheetState]
    gaps: dict[str, Gaps]
    changed: list[tuple[str, int]]
    waiting: dict[str, int]
    oldest_hour: int
    cut_hour: int | None
    sampled: int
    now_ns: int
    awake_ns: int


class Ledger:
    """Keeps the hours that still change; what is older is in the store.

    When the first frame it sees is not the journal's first, the hour of that frame began unseen: it
    is never given out, so that a journal read anew after an upgrade overwrites no whole hour by a
    part of it.

    Parameters
    ----------
    fleet
        Whose ledger it is: refusals of senders that the registry does not know are left out.
    gap_hold_s
        How long [s] items must be missing before `due` claims a `data_gap`: a sign of life or an
        alarm may overtake a buffer that is on its way.
    """

    def __init__(self, fleet: Fleet, *, gap_hold_s: float = 120.0) -> None:
        self._fleet = fleet
        self._hold_ns = seconds(gap_hold_s)
        self._sheets: dict[tuple[int, Kind], Sheet] = {}
        self._gaps: dict[str, Gaps] = {}
        self._changed: set[tuple[str, int]] = set()
        self._handed: set[tuple[str, int]] = set()
        self._waiting: dict[str, int] = {}
        self._oldest_hour = 0
        self._cut_hour: int | None = None
        self._sampled = 0
        self._now_ns = 0
        self._awake_ns = 0

    def set_fleet(self, fleet: Fleet) -> None:
        """Take over a changed registry; slots keep their figures."""
        self._fleet = fleet
        for (_, kind), sheet in self._sheets.items():
            sheet.grow(len(fleet.ids[kind]))

    def take(self, decoded: Decoded, device_of: DeviceOf) -> None:
        """Count what the decoder gave.

        Parameters
        ----------
        device_of
            `Decoder.device`, as it is after that call.
        """
        for batch in decoded.batches:
            self._begin(int(batch.position[0]), int(batch.received_at_ns[0]))
            self._count(batch)
        for equipment_id, received_at_ns in decoded.repeats:
            self._event(DUPLICATED, equipment_id, received_at_ns)
        for refusal in decoded.refusals:
            sender = refusal.equipment_id or refusal.sender
            self._event(REFUSED, sender, refusal.received_at_ns)
        for equipment_id in decoded.gaps:
            self._scan(equipment_id, device_of(equipment_id).sequence)

    def due(self, now_ns: int, position: int, device_of: DeviceOf) -> list[Finding]:
        """Let time pass up to a tick: look at clocks, close hours, claim gaps that stand.

        Returns
        -------
        list of Finding
            `IncidentKind.DATA_GAP` only, advisory. One is raised when items have been missing for
            ``gap_hold_s`` and ended when none is.
        """
        self._begin(position, now_ns)
        if self._now_ns:
            # Of a longer step only this much counts, for we were away.
            self._awake_ns += min(max(now_ns - self._now_ns, 0), OWN_GAP_NS)
        self._now_ns = now_ns
        if now_ns // seconds(SAMPLE_S) > self._sampled:
            self._sampled = now_ns // seconds(SAMPLE_S)
            for (_, kind), sheet in self._sheets.items():
                if sheet.heard.any():
                    sheet.sample(self._fleet.ids[kind], device_of)
        self._oldest_hour = max(self._oldest_hour, (now_ns - seconds(GRACE_S)) // HOUR_NS)
        ready = [one for one, due_ns in self._waiting.items() if due_ns <= self._awake_ns]
        found = (self._judge(equipment_id, now_ns, position) for equipment_id in ready)
        return [finding for finding in found if finding is not None]

    def rows(self) -> LedgerChanges:
        """Everything that changed and is not known to be written (`written`)."""
        self._handed |= self._changed
        self._changed.clear()
        closed: list[HourMissing] = []
        cut_hour = _NEVER_CUT if self._cut_hour is None else self._cut_hour
        for equipment_id, hour in sorted(self._handed):
            if hour <= cut_hour:
                continue
            kind, slot = self._fleet.slots[equipment_id]
            sheet = self._sheets.get((hour, kind))
            if sheet is not None:
                sheet.changed[slot] = True
                continue
            missing = self._missing(equipment_id, hour)
            start_ns = hour * HOUR_NS
            closed.append(
                HourMissing(equipment_id=equipment_id, hour_start_ns=start_ns, missing=missing)
            )
        rows = [
            row
            for (hour, kind), sheet in self._sheets.items()
            for row in sheet.hand_out(hour, self._fleet.ids[kind], self._missing)
            if hour > cut_hour
        ]
        return LedgerChanges(rows=rows, missing=closed)

    def written(self) -> None:
        """Say that what `rows` gave last is stored for good."""
        self._handed.clear()
        for sheet in self._sheets.values():
            sheet.handed[:] = False
        closed = [
            key for key, sheet in self._sheets.items() if key[0] < self._oldest_hour and sheet.clean
        ]
        for key in closed:
            del self._sheets[key]
        if closed and not self._changed:
            for gaps in self._gaps.values():
                gaps.forget(self._oldest_hour)

    def snapshot(self) -> bytes:
        """Everything remembered, as bytes."""
        sheets = [sheet.state(hour, kind) for (hour, kind), sheet in self._sheets.items()]
        state = _State(
            version=_SNAPSHOT_VERSION,
            sheets=sheets,
            gaps=self._gaps,
            changed=sorted(self._changed | self._handed),
            waiting=self._waiting,
            oldest_hour=self._oldest_hour,
            cut_hour=self._cut_hour,
            sampled=self._sampled,
            now_ns=self._now_ns,
            awake_ns=self._awake_ns,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot of the same or a smaller fleet.

        Raises
        ------
        ValueError
            If the snapshot is of another version or no snapshot at all.
        """
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except msgspec.MsgspecError as error:
            raise ValueError(f"unreadable ledger snapshot: {error}") from error
        if state.version != _SNAPSHOT_VERSION:
            raise ValueError(f"ledger snapshot of version {state.version}")
        self._sheets = {(one.hour, one.kind): Sheet.restored(one) for one in state.sheets}
        self._gaps = state.gaps
        self._changed, self._handed = set(state.changed), set()
        self._waiting = state.waiting
        self._oldest_hour, self._cut_hour = state.oldest_hour, state.cut_hour
        self._sampled = state.sampled
        self._now_ns, self._awake_ns = state.now_ns, state.awake_ns
        self.set_fleet(self._fleet)

    def _begin(self, position: int, received_at_ns: int) -> None:
        if self._cut_hour is None:
            self._cut_hour = received_at_ns // HOUR_NS if position > 1 else _NEVER_CUT

    def _count(self, batch: ReadingBatch) -> None:
        first = first_of_item(batch)
        hours = batch.received_at_ns // HOUR_NS
        if hours.min() == hours.max():
            self._sheet(int(hours[0]), batch.kind).count(batch, first)
            return
        for hour in np.unique(hours).tolist():
            self._sheet(hour, batch.kind).count(batch, first & (hours == hour))

    def _event(self, line: int, equipment_id: str, received_at_ns: int) -> None:
        place = self._fleet.slots.get(equipment_id)
        if place is not None:
            kind, slot = place
            self._sheet(received_at_ns // HOUR_NS, kind).event(line, slot)

    def _sheet(self, hour: int, kind: Kind) -> Sheet:
        key = (max(hour, self._oldest_hour), kind)
        found = self._sheets.get(key)
        if found is None:
            found = self._sheets[key] = Sheet(len(self._fleet.ids[kind]))
        return found

    def _scan(self, equipment_id: str, sequence: Sequence) -> None:
        gaps = self._gaps.setdefault(equipment_id, Gaps())
        newest = max((hour for hour, _ in self._sheets), default=self._oldest_hour)
        self._changed |= {(equipment_id, hour) for hour in gaps.scan(sequence, newest)}
        unclaimed = gaps.unclaimed_ns() is not None
        if not gaps.open and gaps.claimed_ns:
            self._waiting[equipment_id] = 0
        elif not unclaimed:
            self._waiting.pop(equipment_id, None)
        elif not self._waiting.get(equipment_id):
            due_ns = self._awake_ns + self._hold_ns
            if gaps.claimed_ns:
                due_ns = max(due_ns, gaps.claimed_at_ns + seconds(AGAIN_S))
            self._waiting[equipment_id] = due_ns

    def _judge(self, equipment_id: str, now_ns: int, position: int) -> Finding | None:
        """Claim or end the gap of a device whose time has come."""
        gaps = self._gaps[equipment_id]
        if not gaps.open:
            del self._waiting[equipment_id]
            gaps.claimed_ns = 0
            return _finding(equipment_id, Phase.ENDED, now_ns, now_ns, position)
        onset_ns = gaps.unclaimed_ns()
        if onset_ns is None:
            raise ValueError(f"{equipment_id} waits for a gap that it does not have")
        stands_ns = now_ns - onset_ns
        if stands_ns < self._hold_ns:
            self._waiting[equipment_id] = self._awake_ns + self._hold_ns - stands_ns
            return None
        del self._waiting[equipment_id]
        gaps.claimed_ns, gaps.claimed_at_ns = gaps.newest_ns(), self._awake_ns
        return _finding(equipment_id, Phase.RAISED, onset_ns, now_ns, position, gaps.evidence())

    def _missing(self, equipment_id: str, hour: int) -> Missing:
        gaps = self._gaps.get(equipment_id)
        return NOTHING_MISSING if gaps is None else gaps.missing(hour)


def _finding(
    equipment_id: str,
    phase: Phase,
    onset_ns: int,
    now_ns: int,
    position: int,
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    return Finding(
        detector=NAME,
        kind=IncidentKind.DATA_GAP,
        equipment_id=equipment_id,
        level=Level.ADVISORY,
        phase=phase,
        onset_ns=onset_ns,
        detected_at_ns=now_ns,
        position=position,
        evidence=evidence,
        reason="no_item_missing" if phase is Phase.ENDED else "",
    )
