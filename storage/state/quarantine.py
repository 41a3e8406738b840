"""Refusals in the state store, grouped by reason and sender."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from domain.ports import QuarantineEntry
from domain.refusals import Refusal, RefusalReason
from storage.state.rows import chunks, columns_of, count_rows, page
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
        self._remember(new)

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

    def _remember(self, refusals: Sequence[Refusal]) -> None:
        if not refusals:
            return
        self._connection.execute(seen.insert(), [columns_of(seen, r) for r in refusals])
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

    def count(self) -> int:
        """Refusals counted since the store was made."""
        total = select(func.coalesce(func.sum(entries.c.count), 0))
        return int(self._connection.execute(total).scalar_one())


def _cut(refusal: Refusal) -> Refusal:
    size = len(refusal.payload)
    if size <= PAYLOAD_LIMIT_BYTES:
        return refusal
    note = f"{refusal.detail} [payload cut from {size} to {PAYLOAD_LIMIT_BYTES} bytes]"
    return replace(refusal, payload=refusal.payload[:PAYLOAD_LIMIT_BYTES], detail=note.strip())
