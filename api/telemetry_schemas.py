"""Readings and refusals as the API gives them."""

from dataclasses import asdict
from typing import Self

from api.reexamination import Verdict
from api.schemas import FindingOut, Instant, Out
from detectors.crane_duty import DutyReport
from domain.equipment import Kind
from domain.instants import to_iso
from domain.ports import QuarantineDrop, QuarantineEntry
from domain.readings import Quality, Sample
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


class DutyOut(Out):
    """What a crane has done since it was first heard here; the years before are not in it."""

    equipment_id: str
    cycles: int
    uncertain_cycles: int
    spectrum: list[int]
    spectrum_factor: float | None
    load_class: str | None
    full_load_cycles: float
    overload_cycles: int
    peak_ratio_max: float
    working_s: float
    classification: str
    group: str
    design_cycles: float | None
    used_share: float | None
    state: str

    @classmethod
    def of(cls, equipment_id: str, report: DutyReport) -> Self:
        """Model of a crane's counters."""
        return cls(equipment_id=equipment_id, **asdict(report))


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

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Model of a row."""
        return cls(
            at=to_iso(sample.event_time_ns),
            received_at=to_iso(sample.received_at_ns),
            stream=sample.stream.name.lower(),
            quality=[flag.name.lower() for flag in Quality(sample.quality) if flag.name],
            seq=sample.seq,
            values=sample.values,
            code=sample.code,
            active=sample.active,
        )


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


class VerdictOut(Out):
    """What the present decoder makes of a refused message: ``now`` is an outcome or a reason."""

    topic: str
    received_at: Instant
    item: int
    then: RefusalReason
    now: str
    detail: str
    rows: list[SampleOut]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Model of a verdict."""
        return cls(
            topic=verdict.refusal.topic,
            received_at=to_iso(verdict.refusal.received_at_ns),
            item=verdict.refusal.item,
            then=verdict.refusal.reason,
            now=verdict.outcome.value if verdict.reason is None else verdict.reason.value,
            detail=verdict.detail,
            rows=[SampleOut.of(row) for row in verdict.rows],
        )


class ReexaminedOut(Out):
    """What would become of the originals kept for an entry. Nothing is stored."""

    outcomes: dict[str, int]
    refused_because: dict[str, int]
    messages: list[VerdictOut]
    findings: list[FindingOut]


class QuarantineDropOut(Out):
    """An entry that somebody dropped."""

    reason: RefusalReason
    sender: str
    count: int
    first_at: Instant
    last_at: Instant
    dropped_by: str
    dropped_at: Instant
    note: str

    @classmethod
    def of(cls, dropped: QuarantineDrop) -> Self:
        """Model of a drop."""
        return cls(
            reason=dropped.reason,
            sender=dropped.sender,
            count=dropped.count,
            first_at=to_iso(dropped.first_at_ns),
            last_at=to_iso(dropped.last_at_ns),
            dropped_by=dropped.dropped_by,
            dropped_at=to_iso(dropped.dropped_at_ns),
            note=dropped.note,
        )
