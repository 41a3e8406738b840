"""What the API takes and gives, as pydantic models: the one place where values become JSON."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Generic, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.permissions import Action, allowed
from domain.accounts import Principal
from domain.equipment import ID_PATTERN, Equipment, Firm, IdentifierScheme, Kind
from domain.errors import UsageError
from domain.findings import Evidence, Finding, Phase
from domain.incidents import (
    KIND_NAMES,
    CloseReason,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
    LevelReached,
)
from domain.instants import to_iso
from domain.notifications import Delivery, Notification, Outcome

NOTE_LENGTH_MAX = 2_000

T = TypeVar("T")

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds."""

Id = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN.pattern}$")]
Note = Annotated[str, StringConstraints(max_length=NOTE_LENGTH_MAX, strip_whitespace=True)]


def _plausible(instant: datetime) -> datetime:
    if not _EARLIEST <= instant <= _LATEST:
        raise ValueError("the time lies outside 1970 to 2200")
    return instant


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)

InstantIn = Annotated[AwareDatetime, AfterValidator(_plausible)]
"""ISO 8601 with an offset or Z."""


def iso(instant_ns: int | None) -> str | None:
    """Text of an instant that may be absent."""
    return None if instant_ns is None else to_iso(instant_ns)


class Out(BaseModel):
    """Base of what the API gives."""

    model_config = ConfigDict(frozen=True)


class In(BaseModel):
    """Base of what the API takes: unknown members are errors, not noise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Out, Generic[T]):
    """One page of a listing; ``next`` is the address of the following one."""

    items: Sequence[T]
    next: str | None = None


class IdentifierOut(Out):
    """Official number of a device."""

    scheme: IdentifierScheme
    value: str


class ChartPointOut(Out):
    """Point of a crane's load chart."""

    radius_m: float
    capacity_t: float


class EquipmentOut(Out):
    """One registry row; empty and null mean "not known"."""

    id: str
    kind: Kind
    identifiers: list[IdentifierOut]
    name_zh: str
    name_en: str
    area_path: str
    address: str
    latitude: float | None
    longitude: float | None
    place_class: str
    user_unit: str
    user_contact: str
    maintenance_firm: str
    installed_on: date | None
    inspection_due_on: date | None
    registered: bool | None
    gateway_id: str
    dialect: str
    report_interval_s: float | None
    rated_speed_mps: float | None
    floors: int | None
    express_zone_m: float | None
    rated_pressure_mpa: float | None
    safety_valve_set_mpa: float | None
    rated_evaporation_tph: float | None
    rated_load_t: float | None
    load_chart: list[ChartPointOut]
    classification: str
    wind_limit_mps: float | None

    @classmethod
    def of(cls, equipment: Equipment) -> Self:
        """Model of a registry row."""
        plain = {
            name: getattr(equipment, name)
            for name in cls.model_fields
            if name not in {"identifiers", "load_chart"}
        }
        return cls(
            identifiers=[IdentifierOut(scheme=s, value=v) for s, v in equipment.identifiers],
            load_chart=[ChartPointOut(radius_m=r, capacity_t=c) for r, c in equipment.load_chart],
            **plain,
        )


class FirmOut(Out):
    """A maintenance firm; of its webhook secret only whether there is one.

    Only who may change firms reads the whole ``webhook_url``: some receivers put a key into it.
    """

    id: str
    name_zh: str
    name_en: str
    phone: str
    webhook_url: str
    webhook_secret_set: bool
    mqtt_notify: bool

    @classmethod
    def of(cls, firm: Firm, reader: Principal) -> Self:
        """Model of a firm as ``reader`` may see it."""
        url = firm.webhook_url
        if url and not allowed(reader, Action.WRITE_FIRMS):
            parts = urlsplit(url)
            url = f"{parts.scheme}://{parts.hostname}/..."
        return cls(
            id=firm.id,
            name_zh=firm.name_zh,
            name_en=firm.name_en,
            phone=firm.phone,
            webhook_url=url,
            webhook_secret_set=bool(firm.webhook_secret),
            mqtt_notify=firm.mqtt_notify,
        )


class FirmIn(In):
    """A firm to store. Without ``webhook_secret`` the stored one stays; an empty one clears it."""

    name_zh: str = Field("", max_length=200)
    name_en: str = Field("", max_length=200)
    phone: str = Field("", max_length=64)
    webhook_url: Annotated[str, StringConstraints(max_length=2_000)] = Field(
        "", pattern=r"^(https?://[^\s]+)?$"
    )
    webhook_secret: str | None = Field(None, max_length=256)
    mqtt_notify: bool = True

    def firm(self, firm_id: str, known: Firm | None) -> Firm:
        """Firm to store under an id, given the one that is known under it.

        Raises
        ------
        UsageError
            If there is a webhook and no secret to sign it with.
        """
        secret = self.webhook_secret
        if secret is None:
            secret = known.webhook_secret if known else ""
        if self.webhook_url and not secret:
            raise UsageError("a webhook_url needs a webhook_secret: every webhook is signed")
        return Firm(
            id=firm_id,
            name_zh=self.name_zh,
            name_en=self.name_en,
            phone=self.phone,
            webhook_url=self.webhook_url,
            webhook_secret=secret,
            mqtt_notify=self.mqtt_notify,
        )


class RefusedRowOut(Out):
    """A registry row that was not taken over, and everything that is wrong with it."""

    line: int
    id: str
    reasons: list[str]


class RowWarningOut(Out):
    """Something unusual about a registry row that was taken over."""

    line: int
    id: str
    text: str


class ImportOut(Out):
    """Result of a registry import; the lists hold at most 1,000 rows, the counts all."""

    accepted: int
    refused_count: int
    refused: list[RefusedRowOut]
    warning_count: int
    warnings: list[RowWarningOut]


class LevelOut(Out):
    """One entry of an incident's level history."""

    level: Level
    kind: IncidentKind
    at: Instant

    @classmethod
    def of(cls, reached: LevelReached) -> Self:
        """Model of a level history entry."""
        return cls(level=reached.level, kind=reached.kind, at=to_iso(reached.at_ns))


class IncidentOut(Out):
    """An incident as listings show it."""

    id: str
    case: str
    kind: IncidentKind
    kind_en: str
    kind_zh: str
    equipment_id: str
    firm_id: str
    level: Level
    state: IncidentState
    opened_at: Instant
    detected_at: Instant
    late: bool
    levels: list[LevelOut]
    condition_ended_at: Instant | None
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    closed_at: Instant | None
    close_reason: CloseReason | None

    @classmethod
    def of(cls, incident: Incident) -> Self:
        """Model of an incident."""
        en, zh = KIND_NAMES[incident.kind]
        return cls(
            id=incident.id,
            case=incident.case,
            kind=incident.kind,
            kind_en=en,
            kind_zh=zh,
            equipment_id=incident.equipment_id,
            firm_id=incident.firm_id,
            level=incident.level,
            state=incident.state,
            opened_at=to_iso(incident.opened_at_ns),
            detected_at=to_iso(incident.detected_at_ns),
            late=incident.late,
            levels=[LevelOut.of(reached) for reached in incident.levels],
            condition_ended_at=iso(incident.condition_ended_at_ns),
            acknowledged_at=iso(incident.acknowledged_at_ns),
            acknowledged_by=incident.acknowledged_by,
            closed_at=iso(incident.closed_at_ns),
            close_reason=incident.close_reason,
        )


class HistoryOut(Out):
    """One line of an incident's history."""

    number: int
    at: Instant
    actor: str
    action: IncidentAction
    state: IncidentState
    note: str

    @classmethod
    def of(cls, event: IncidentEvent) -> Self:
        """Model of a history line."""
        return cls(
            number=event.number,
            at=to_iso(event.at_ns),
            actor=event.actor,
            action=event.action,
            state=event.state,
            note=event.note,
        )


class EventOut(HistoryOut):
    """One line of the event stream: a history line and the incident it belongs to."""

    incident: IncidentOut

    @classmethod
    def joined(cls, event: IncidentEvent, incident: Incident) -> Self:
        """Model of a history line with its incident."""
        line = HistoryOut.of(event)
        return cls(**line.model_dump(), incident=IncidentOut.of(incident))


class HeartbeatOut(Out):
    """Proof that the event stream lives; ``number`` is the last history line it has passed."""

    number: int


class EvidenceOut(Out):
    """One observation behind a finding; a null value is unknown, which is evidence too."""

    name: str
    value: float | bool | str | None
    unit: str
    log_odds: float | None
    since: Instant | None

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """Model of one observation."""
        return cls(
            name=evidence.name,
            value=evidence.value,
            unit=evidence.unit,
            log_odds=evidence.log_odds,
            since=iso(evidence.since_ns),
        )


class FindingOut(Out):
    """A detector's claim with its evidence."""

    id: str
    detector: str
    kind: IncidentKind
    equipment_id: str
    level: Level
    phase: Phase
    onset_at: Instant
    detected_at: Instant
    late: bool
    reason: str
    evidence: list[EvidenceOut]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Model of a finding."""
        return cls(
            id=finding.id,
            detector=finding.detector,
            kind=finding.kind,
            equipment_id=finding.equipment_id,
            level=finding.level,
            phase=finding.phase,
            onset_at=to_iso(finding.onset_ns),
            detected_at=to_iso(finding.detected_at_ns),
            late=finding.late,
            reason=finding.reason,
            evidence=[EvidenceOut.of(item) for item in finding.evidence],
        )


class DeliveryOut(Out):
    """One attempt to deliver a notification."""

    attempt: int
    at: Instant
    outcome: Outcome
    detail: str

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Model of an attempt."""
        return cls(
            attempt=delivery.attempt,
            at=to_iso(delivery.at_ns),
            outcome=delivery.outcome,
            detail=delivery.detail,
        )


class NotificationOut(Out):
    """A notification and its attempts; no outcome means that it is not decided yet."""

    id: str
    occasion: str
    channel: str
    receiver: str
    created_at: Instant
    outcome: Outcome | None
    deliveries: list[DeliveryOut]

    @classmethod
    def of(cls, notification: Notification, deliveries: Sequence[Delivery]) -> Self:
        """Model of a notification."""
        return cls(
            id=notification.id,
            occasion=notification.occasion,
            channel=notification.channel,
            receiver=notification.receiver,
            created_at=to_iso(notification.created_at_ns),
            outcome=notification.outcome,
            deliveries=[DeliveryOut.of(delivery) for delivery in deliveries],
        )


class CodeOut(Out):
    """Meaning of a code."""

    code: str
    en: str
    zh: str


class IncidentDetailOut(IncidentOut):
    """Everything about one incident that its reader may know."""

    equipment: EquipmentOut | None
    firm: FirmOut | None
    history: list[HistoryOut]
    findings: list[FindingOut]
    notifications: list[NotificationOut]
    codes: list[CodeOut]
    actions: list[Action]
    close_reasons: list[CloseReason]


class NoteIn(In):
    """Words that go with an act."""

    note: Note = ""


class CommentIn(In):
    """A comment."""

    text: Annotated[Note, StringConstraints(min_length=1)]


class CloseIn(In):
    """Why an incident is closed."""

    reason: CloseReason
    note: Note = ""


class OpenIn(In):
    """An incident that a person opens for a caller."""

    equipment_id: Id
    note: Note = ""
