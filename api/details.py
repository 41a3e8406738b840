"""Everything that is shown about one incident, gathered."""

from collections.abc import Iterable, Sequence

from api.access import firm_scope
from api.permissions import INCIDENT_ACTS, Action, allowed
from api.schemas import (
    CodeOut,
    EquipmentOut,
    FindingOut,
    FirmOut,
    HistoryOut,
    IncidentDetailOut,
    IncidentOut,
    NotificationOut,
)
from dispatch import lifecycle
from domain.accounts import Principal
from domain.codes import CODES
from domain.equipment import Equipment
from domain.findings import Finding
from domain.incidents import Incident
from domain.ports import PAGE_LIMIT, StateTransaction


def incident_detail(
    tx: StateTransaction, principal: Principal, incident: Incident
) -> IncidentDetailOut:
    """Detail of an incident that the principal may see."""
    found = (tx.incidents.finding(finding_id) for finding_id in incident.finding_ids[-PAGE_LIMIT:])
    findings = [finding for finding in found if finding is not None]
    equipment = known_equipment(tx, principal, incident)
    firm = tx.registry.firm(incident.firm_id) if incident.firm_id else None
    return IncidentDetailOut(
        **IncidentOut.of(incident).model_dump(),
        equipment=EquipmentOut.of(equipment) if equipment else None,
        firm=FirmOut.of(firm, principal) if firm else None,
        history=[HistoryOut.of(event) for event in tx.incidents.events(incident.id)],
        findings=[FindingOut.of(finding) for finding in findings],
        notifications=[
            NotificationOut.of(notification, deliveries)
            for notification, deliveries in tx.outbox.for_incident(incident.id)
        ],
        codes=code_meanings(findings),
        actions=allowed_acts(principal, incident),
        close_reasons=(
            sorted(lifecycle.allowed_reasons(incident)) if allowed(principal, Action.CLOSE) else []
        ),
    )


def known_equipment(
    tx: StateTransaction, principal: Principal, incident: Incident
) -> Equipment | None:
    """Registry row, unless the device belongs to another firm by now."""
    equipment = tx.registry.get(incident.equipment_id)
    firm_id = firm_scope(principal)
    if equipment is None or (firm_id is not None and equipment.maintenance_firm != firm_id):
        return None
    return equipment


def allowed_acts(principal: Principal, incident: Incident) -> list[Action]:
    """What the principal may do with the incident now, in the order of the work."""
    now = lifecycle.allowed_actions(incident)
    acts = [act for act, step in INCIDENT_ACTS.items() if step in now and allowed(principal, act)]
    return [*acts, Action.COMMENT] if allowed(principal, Action.COMMENT) else acts


def code_meanings(findings: Iterable[Finding]) -> Sequence[CodeOut]:
    """Meanings of all codes that the evidence names, each once."""
    named = (
        key
        for finding in findings
        for evidence in finding.evidence
        for key in (evidence.name, evidence.value)
    )
    known = dict.fromkeys(key for key in named if isinstance(key, str) and key in CODES)
    return [CodeOut(code=key, en=CODES[key].en, zh=CODES[key].zh) for key in known]
