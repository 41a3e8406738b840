"""Readings and refusals as the API gives them."""

from typing import Self

from api.schemas import Instant, Out
from domain.equipment import Kind
from domain.instants import to_iso
from domain.ports import QuarantineEntry
from domain.refusals import RefusalReason


class LatestValueOut(Out):
    """Live value of one channel.

    ``value`` is null whenever the value is unknown: never reported, reported as unknown, or the
    device has been silent for longer than its stale limit. ``last_value`` is what was reported.
    """

    name: str
    en: str
    zh: str
    unit: str
    known: bool
    value: float | bool | str | None
    last_value: float | bool | str | None
    text_en: str | None
    text_zh: str | None
    at: Instant | None
    age_s: float | None


class LatestOut(Out):
    """Live values of a device."""

    equipment_id: str
    kind: Kind
    heard_at: Instant | None
    stale_after_s: float
    silent: bool
    channels: list[LatestValueOut]


class SampleOut(Out):
    """One stored row; channels that are missing were unchanged, null ones unknown from then on."""

    at: Instant
    received_at: Instant
    stream: str
    quality: list[str]
    seq: int | None
    values: dict[str, float | bool | str | None]
    code: str | None
    active: bool | None


class QuarantineOut(Out):
    """Refusals of one reason and sender."""

    id: int
    reason: RefusalReason
    sender: str
    topic: str
    detail: str
    count: int
    first_at: Instant
    last_at: Instant

    @classmethod
    def of(cls, entry: QuarantineEntry) -> Self:
        """Model of an entry."""
        return cls(
            id=entry.id,
            reason=entry.reason,
            sender=entry.sender,
            topic=entry.topic,
            detail=entry.detail,
            count=entry.count,
            first_at=to_iso(entry.first_at_ns),
            last_at=to_iso(entry.last_at_ns),
        )


class OriginalOut(Out):
    """A refused message as it came, and as much of it as is readable."""

    topic: str
    received_at: Instant
    detail: str
    payload_base64: str
    payload_bytes: int
    preview: str


class QuarantineDetailOut(QuarantineOut):
    """An entry with the original bytes that were kept."""

    originals: list[OriginalOut]
