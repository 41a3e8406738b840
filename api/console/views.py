"""What the pages show, gathered from the stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.console.texts import Language, pick
from api.context import Context
from api.details import allowed_acts, code_meanings, known_equipment
from api.live import latest_values
from api.permissions import Action, allowed
from api.schemas import CodeOut
from api.telemetry_schemas import LatestOut
from dispatch import lifecycle
from domain.accounts import Principal
from domain.channels import CHANNELS, Channel
from domain.equipment import Equipment, Firm
from domain.findings import Finding
from domain.incidents import (
    ENDED_STATES,
    RESCUE,
    CloseReason,
    Incident,
    IncidentEvent,
    IncidentState,
)
from domain.instants import seconds, to_iso
from domain.ledger import HOUR_NS, LedgerRow, by_hour, lag_trend_ms_per_h
from domain.notifications import Delivery, Notification
from domain.ports import IncidentQuery, StateTransaction, TelemetryStore

RESCUES_MAX = 200
OTHERS_MAX = 100
RECENT_MAX = 20
RECENT_LOOKED_AT = 100
FINDINGS_MAX = 50
"""Newest findings whose evidence the incident page shows."""

PLOT_MARGIN_NS = seconds(300)
PLOT_AFTER_MAX_NS = seconds(1_800)
"""A detection may come long after the onset; the plot ends at most this much after it."""

PLOT_RECENT_NS = seconds(1_800)


@dataclass(frozen=True, slots=True)
class Row:
    """One incident of a listing, with its device and firm."""

    incident: Incident
    equipment: Equipment | None
    firm: Firm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Open incidents, most pressing first, and what ended lately."""

    rescues: Sequence[Row]
    others: Sequence[Row]
    recent: Sequence[Row]
    others_cut: bool

    @property
    def waiting(self) -> int:
        """Rescue cases that nobody acknowledged."""
        return sum(row.incident.state is IncidentState.OPEN for row in self.rescues)


def board(tx: StateTransaction, firm_id: str | None) -> Board:
    """Board as one firm, or everybody else, sees it."""
    find = tx.incidents.find
    rescues = find(IncidentQuery(open_only=True, case=RESCUE, firm_id=firm_id, limit=RESCUES_MAX))
    opened = find(IncidentQuery(open_only=True, firm_id=firm_id, limit=RESCUES_MAX + OTHERS_MAX))
    others = [incident for incident in opened if incident.case != RESCUE]
    newest = find(IncidentQuery(firm_id=firm_id, limit=RECENT_LOOKED_AT))
    recent = [incident for incident in newest if incident.state in ENDED_STATES]
    rows = _Rows(tx)
    return Board(
        rescues=[rows.of(incident) for incident in sorted(rescues, key=_urgency)],
        others=[rows.of(incident) for incident in sorted(others, key=_urgency)[:OTHERS_MAX]],
        recent=[rows.of(incident) for incident in recent[:RECENT_MAX]],
        others_cut=len(others) > OTHERS_MAX or len(opened) == RESCUES_MAX + OTHERS_MAX,
    )


def _urgency(incident: Incident) -> tuple[bool, int, int]:
    waiting = incident.state is IncidentState.OPEN
    return not waiting, -incident.level.rank, -incident.detected_at_ns


class _Rows:
    """Looks each device and firm up once."""

    def __init__(self, tx: StateTransaction) -> None:
        self._tx = tx
        self._equipment: dict[str, Equipment | None] = {}
        self._firms: dict[str, Firm | None] = {}

    def of(self, incident: Incident) -> Row:
        """Row of an incident."""
        equipment_id, firm_id = incident.equipment_id, incident.firm_id
        if equipment_id not in self._equipment:
            self._equipment[equipment_id] = self._tx.registry.get(equipment_id)
        if firm_id not in self._firms:
            self._firms[firm_id] = self._tx.registry.firm(firm_id) if firm_id else None
        return Row(incident, self._equipment[equipment_id], self._firms[firm_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """Everything on the incident page."""

    incident: Incident
    equipment: Equipment | None
    firm: Firm | None
    events: Sequence[IncidentEvent]
    findings: Sequence[Finding]
    codes: Sequence[CodeOut]
    notifications: Sequence[tuple[Notification, Sequence[Delivery]]]
    acts: Sequence[Action]
    close_reasons: Sequence[CloseReason]


def incident(tx: StateTransaction, principal: Principal, found: Incident) -> IncidentView:
    """Page of an incident that the principal may see; newest findings first."""
    firm = tx.registry.firm(found.firm_id) if found.firm_id else None
    named = (tx.incidents.finding(one) for one in reversed(found.finding_ids[-FINDINGS_MAX:]))
    findings = [finding for finding in named if finding is not None]
    may_close = allowed(principal, Action.CLOSE)
    return IncidentView(
        incident=found,
        equipment=known_equipment(tx, principal, found),
        firm=firm,
        events=tx.incidents.events(found.id),
        findings=findings,
        codes=code_meanings(findings),
        notifications=tx.outbox.for_incident(found.id),
        acts=allowed_acts(principal, found),
        close_reasons=sorted(lifecycle.allowed_reasons(found)) if may_close else [],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentView:
    """A device, its firm and its incidents, newest first."""

    equipment: Equipment
    firm: Firm | None
    incidents: Sequence[Incident]


def equipment(tx: StateTransaction, firm_id: str | None, found: Equipment) -> EquipmentView:
    """Page of a device."""
    query = IncidentQuery(equipment_id=found.id, firm_id=firm_id, limit=RECENT_MAX)
    firm = tx.registry.firm(found.maintenance_firm) if found.maintenance_firm else None
    return EquipmentView(equipment=found, firm=firm, incidents=tx.incidents.find(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """A device's ledger: hours with their rows, newest first, ``None`` where nothing is known."""

    equipment: Equipment
    hours: Sequence[tuple[int, LedgerRow | None]]
    lag_trend_ms_per_h: float | None
    start_ns: int
    end_ns: int

    @property
    def later_ns(self) -> int:
        """End of the window that follows."""
        return 2 * self.end_ns - self.start_ns

    def over(self, hour_start_ns: int, now_ns: int) -> bool:
        """Whether an hour has ended."""
        return hour_start_ns + HOUR_NS <= now_ns


def ledger(tx: StateTransaction, found: Equipment, start_ns: int, end_ns: int) -> LedgerView:
    """Ledger page of a device for the hours that begin in ``start_ns <= t < end_ns``."""
    rows = tx.ledger.hours(found.id, start_ns=start_ns, end_ns=end_ns)
    return LedgerView(
        equipment=found,
        hours=list(by_hour(rows, start_ns, end_ns))[::-1],
        lag_trend_ms_per_h=lag_trend_ms_per_h(rows),
        start_ns=start_ns,
        end_ns=end_ns,
    )


def live(telemetry: TelemetryStore, found: Equipment, ctx: Context) -> LatestOut:
    """Live values of a device."""
    return latest_values(telemetry, found, ctx.clock(), ctx.heard(found.id))


def incident_plot(shown: IncidentView, language: Language) -> Mapping[str, Any] | None:
    """What the plot script needs, ``None`` for equipment that the registry does not know."""
    if shown.equipment is None:
        return None
    found = shown.incident
    start_ns = found.opened_at_ns - PLOT_MARGIN_NS
    latest_ns = found.opened_at_ns + PLOT_AFTER_MAX_NS
    end_ns = max(found.opened_at_ns, min(found.detected_at_ns, latest_ns)) + PLOT_MARGIN_NS
    evidence = [one.name for finding in shown.findings for one in finding.evidence]
    return {
        "equipment": shown.equipment.id,
        "start": to_iso(start_ns),
        "end": to_iso(end_ns),
        "marks": [
            {"at": to_iso(found.opened_at_ns), "text": "began"},
            {"at": to_iso(found.detected_at_ns), "text": "detected"},
        ],
        "first": list(dict.fromkeys(evidence)),
        "channels": _channels(shown.equipment, language),
    }


def equipment_plot(found: Equipment, language: Language, now_ns: int) -> Mapping[str, Any]:
    """What the plot script needs for the last half hour."""
    return {
        "equipment": found.id,
        "start": to_iso(now_ns - PLOT_RECENT_NS),
        "end": to_iso(now_ns),
        "marks": [],
        "first": [],
        "channels": _channels(found, language),
    }


def _channels(found: Equipment, language: Language) -> list[Mapping[str, Any]]:
    return [_channel(channel, language) for channel in CHANNELS[found.kind]]


def _channel(channel: Channel, language: Language) -> Mapping[str, Any]:
    return {
        "name": channel.name,
        "label": pick((channel.en, channel.zh), language),
        "unit": "" if channel.unit == "1" else channel.unit,
        "type": channel.type,
        "codes": {str(code): pick(pair, language) for code, pair in channel.codes.items()},
    }
