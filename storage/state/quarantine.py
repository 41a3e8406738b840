"""Refusals in the state store, grouped by reason and sender."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from domain.errors import NotFoundError
from domain.ports import QuarantineDrop, QuarantineEntry
from domain.refusals import Refusal, RefusalReason
from storage.state.rows import chunks, columns_of, count_rows, page
from storage.state.tables import quarantine_drops as drops
from storage.state.tables import quarantine_entries as entries
from storage.state.tables import quarantine_originals as originals
from storage.state.tables import quarantine_seen as seen

ENTRIES_LIMIT = 10_000
"""Entries of their own; a further reason and sender counts on the reason's `OVERFLOW_SENDER`."""

ORIGINALS_LIMIT = 20
"""Newest refusals kept whole for each entry."""

PAYLOAD_LIMIT_BYTES = 64 * 1024
"""Bytes kept of a payload; the detail says when there were more."""

SEEN_LIMIT = 100_000
"""Newest refusals that a replay is recognised by."""

OVERFLOW_SENDER = "*"
"""Sender of the entries that take what is beyond `ENTRIES_LIMIT`; no id has this form."""

_ORIGINAL = [column for column in originals.c if column.name not in {"number", "entry_id"}]
_DROP = [column for column in drops.c if column.name != "number"]


class SqlQuarantine:
    """`domain.ports.Quarantine` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, refusals: Sequence[Refusal]) -> None:
        """Count refusals that are not among the newest `SEEN_LIMIT`, and keep their bytes."""
        new = self._unseen(refusals)
        groups: dict[tuple[RefusalReason, str], list[Refusal]] = defaultdict(list)
        for refusal in new:
            groups[refusal.reason, refusal.sender].append(refusal)
        for (reason, sender), members in groups.items():
            entry_id = self._count(reason, sender, members)
            self._keep(entry_id, members[-ORIGINALS_LIMIT:])
            self._remember(entry_id, members)

    def _unseen(self, refusals: Sequence[Refusal]) -> list[Refusal]:
        positions = sorted({refusal.position for refusal in refusals})
        known = {
            tuple(row)
            for part in chunks(positions)
            for row in self._connection.execute(
                select(seen.c.position, seen.c.index, seen.c.item).where(seen.c.position.in_(part))
            )
        }
        by_identity = {(r.position, r.index, r.item): r for r in refusals}
        return [r for identity, r in by_identity.items() if identity not in known]

    def _remember(self, entry_id: int, refusals: Sequence[Refusal]) -> None:
        rows = [columns_of(seen, r) | {"entry_id": entry_id} for r in refusals]
        self._connection.execute(seen.insert(), rows)
        newest = self._connection.execute(select(func.max(seen.c.number))).scalar_one()
        self._connection.execute(delete(seen).where(seen.c.number <= newest - SEEN_LIMIT))

    def _count(self, reason: RefusalReason, sender: str, members: Sequence[Refusal]) -> int:
        entry = self._entry(reason, sender)
        if entry is None and count_rows(self._connection, entries) >= ENTRIES_LIMIT:
            sender = OVERFLOW_SENDER
            entry = self._entry(reason, sender)
        newest = _cut(members[-1])
        times = [refusal.received_at_ns for refusal in members]
        row: dict[str, Any] = {
            "topic": newest.topic,
            "detail": newest.detail,
            "payload": newest.payload,
            "count": len(members) + (entry.count if entry else 0),
            "first_at_ns": min([entry.first_at_ns, *times] if entry else times),
            "last_at_ns": max([entry.last_at_ns, *times] if entry else times),
        }
        if entry is not None:
            self._connection.execute(update(entries).where(entries.c.id == entry.id).values(row))
            return entry.id
        row |= {"reason": reason, "sender": sender}
        inserted = entries.insert().values(row).returning(entries.c.id)
        return int(self._connection.execute(inserted).scalar_one())

    def _keep(self, entry_id: int, members: Sequence[Refusal]) -> None:
        rows = [columns_of(originals, _cut(r)) | {"entry_id": entry_id} for r in members]
        self._connection.execute(originals.insert(), rows)
        of_entry = originals.c.entry_id == entry_id
        newest = select(originals.c.number).where(of_entry).order_by(originals.c.number.desc())
        kept = self._connection.execute(newest.limit(ORIGINALS_LIMIT)).scalars().all()
        self._connection.execute(delete(originals).where(of_entry, originals.c.number < kept[-1]))

    def _entry(self, reason: RefusalReason, sender: str) -> QuarantineEntry | None:
        statement = select(entries).where(entries.c.reason == reason, entries.c.sender == sender)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else QuarantineEntry(**row)

    def find(
        self, *, sender: str | None = None, reason: RefusalReason | None = None, limit: int = 100
    ) -> Sequence[QuarantineEntry]:
        """Entries, newest first."""
        statement = select(entries).order_by(entries.c.last_at_ns.desc(), entries.c.id.desc())
        if sender is not None:
            statement = statement.where(entries.c.sender == sender)
        if reason is not None:
            statement = statement.where(entries.c.reason == reason)
        rows = self._connection.execute(statement.limit(page(limit))).mappings()
        return [QuarantineEntry(**row) for row in rows]

    def get(self, entry_id: int) -> QuarantineEntry | None:
        """Entry by id."""
        statement = select(entries).where(entries.c.id == entry_id)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else QuarantineEntry(**row)

    def originals(self, entry_id: int, limit: int = 100) -> Sequence[Refusal]:
        """Refusals kept for an entry (`ORIGINALS_LIMIT`), newest first."""
        statement = select(*_ORIGINAL).where(originals.c.entry_id == entry_id)
        ordered = statement.order_by(originals.c.number.desc()).limit(page(limit))
        return [Refusal(**row) for row in self._connection.execute(ordered).mappings()]

    def identities(self, entry_id: int) -> Sequence[tuple[int, int, int]]:
        """Position, index and item of an entry's refusals, oldest first (`SEEN_LIMIT`)."""
        statement = select(seen.c.position, seen.c.index, seen.c.item)
        of_entry = statement.where(seen.c.entry_id == entry_id)
        ordered = of_entry.order_by(seen.c.position, seen.c.index, seen.c.item)
        return [(p, i, item) for p, i, item in self._connection.execute(ordered)]

    def drop(
        self, entry_id: int, *, dropped_by: str, dropped_at_ns: int, note: str
    ) -> QuarantineDrop:
        """Delete an entry with its originals, and keep who did it.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        entry = self.get(entry_id)
        if entry is None:
            raise NotFoundError(f"There is no quarantine entry {entry_id}.")
        dropped = QuarantineDrop(
            reason=entry.reason,
            sender=entry.sender,
            count=entry.count,
            first_at_ns=entry.first_at_ns,
            last_at_ns=entry.last_at_ns,
            dropped_by=dropped_by,
            dropped_at_ns=dropped_at_ns,
            note=note,
        )
        # The identities stay: a replay of the journal must not bring the entry back.
        forgotten = update(seen).where(seen.c.entry_id == entry_id).values(entry_id=None)
        self._connection.execute(forgotten)
        self._connection.execute(delete(originals).where(originals.c.entry_id == entry_id))
        self._connection.execute(delete(entries).where(entries.c.id == entry_id))
        self._connection.execute(drops.insert().values(columns_of(drops, dropped)))
        return dropped

    def drops(self, limit: int = 100) -> Sequence[QuarantineDrop]:
        """Entries that were dropped, newest first."""
        ordered = select(*_DROP).order_by(drops.c.number.desc()).limit(page(limit))
        return [QuarantineDrop(**row) for row in self._connection.execute(ordered).mappings()]

    def count(self) -> int:
        """Refusals counted since the store was made, dropped ones included."""
        left, dropped = (
            self._connection.execute(select(func.coalesce(func.sum(table.c.count), 0))).scalar_one()
            for table in (entries, drops)
        )
        return int(left) + int(dropped)


def _cut(refusal: Refusal) -> Refusal:
    size = len(refusal.payload)
    if size <= PAYLOAD_LIMIT_BYTES:
        return refusal
    note = f"{refusal.detail} [payload cut from {size} to {PAYLOAD_LIMIT_BYTES} bytes]"
    return replace(refusal, payload=refusal.payload[:PAYLOAD_LIMIT_BYTES], detail=note.strip())
