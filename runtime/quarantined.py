"""Refused messages with their bytes: out of the journal, else out of what the quarantine kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.reexamination import REEXAMINED_MAX
from domain.errors import NotFoundError
from domain.messages import Frame, Message
from domain.ports import PAGE_LIMIT, QuarantineEntry, StateTransaction
from domain.refusals import Refusal
from ingest.journal import JournalCorruptError, JournalReader, JournalRewoundError

Identity = tuple[int, int, int]
"""Position, index and item of a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Refusals with their bytes.

    Parameters
    ----------
    gone
        Refusals known by their place whose journal segment was deleted and of which no original
        was kept.
    unknown
        Refusals that are counted only: older than what the quarantine recognises.
    """

    refusals: tuple[Refusal, ...]
    gone: int
    unknown: int


def find_refused(
    tx: StateTransaction, reader: JournalReader, entry: QuarantineEntry, limit: int = REEXAMINED_MAX
) -> Found:
    """Newest refusals of an entry, whole, oldest first.

    Raises
    ------
    JournalReadError
        If the journal cannot be read.
    """
    kept = {(r.position, r.index, r.item): r for r in tx.quarantine.originals(entry.id, PAGE_LIMIT)}
    known = sorted({*tx.quarantine.identities(entry.id), *kept})
    wanted = known[-limit:]
    found = dict(_from_journal(reader, wanted, entry))
    refusals = [found.get(one) or kept.get(one) for one in wanted]
    whole = tuple(refusal for refusal in refusals if refusal is not None)
    return Found(
        refusals=whole,
        gone=len(wanted) - len(whole),
        unknown=max(0, entry.count - len(known)),
    )


def entry_of(tx: StateTransaction, entry_id: int) -> QuarantineEntry:
    """Entry by id.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    entry = tx.quarantine.get(entry_id)
    if entry is None:
        raise NotFoundError(f"There is no quarantine entry {entry_id}.")
    return entry


def _from_journal(
    reader: JournalReader, wanted: Sequence[Identity], entry: QuarantineEntry
) -> Iterator[tuple[Identity, Refusal]]:
    messages: dict[int, tuple[Message, ...]] = {}
    for position, index, item in wanted:
        if position not in messages:
            # Only the newest frame stays in memory: identities come in order.
            messages = {frame.position: frame.messages for frame in _frames(reader, position)}
        if index < len(messages.get(position, ())):
            message = messages[position][index]
            yield (position, index, item), _refusal((position, index, item), message, entry)


def _frames(reader: JournalReader, position: int) -> Sequence[Frame]:
    try:
        return reader.read(position - 1, 1)
    except (JournalRewoundError, JournalCorruptError):
        # Of what the journal lost, the originals that were kept are still there.
        return ()


def _refusal(identity: Identity, message: Message, entry: QuarantineEntry) -> Refusal:
    position, index, item = identity
    return Refusal(
        reason=entry.reason,
        position=position,
        index=index,
        item=item,
        topic=message.topic,
        sender=entry.sender,
        payload=message.payload,
        received_at_ns=message.received_at_ns,
        detail="",
    )
