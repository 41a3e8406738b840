"""Findings become incidents: one open incident per equipment and case.

Everything a finding causes is written in the caller's transaction: incident, history,
notifications, and the finding itself with what became of it. A finding that is kept already changes
nothing, so a replay of the journal changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from dispatch import lifecycle, notices
from dispatch.lifecycle import SYSTEM
from domain.equipment import Equipment, Fleet
from domain.findings import Finding, Phase, standing_claims
from domain.incidents import (
    ENDED_STATES,
    Incident,
    IncidentAction,
    IncidentEvent,
    IncidentKind,
    IncidentState,
    Level,
    LevelReached,
    case_of,
    most_specific,
)
from domain.ports import StateTransaction

JOINED_LIMIT = 100
"""Most findings that an incident lists: the one that opened it and the newest. Each finding is kept
with its incident all the same; beyond the limit only a change is worth a line of history."""

LEVELS_LIMIT = 100
"""Most entries of the level history; a kind that flaps at one level adds no more."""


class Disposition(StrEnum):
    """What became of a finding; stored with it."""

    OPENED = "opened"
    LEVEL_RAISED = "level_raised"
    JOINED = "joined"
    RETURNED = "returned"
    ENDED = "ended"
    ENDED_IN_PART = "ended_in_part"
    ALREADY_CLOSED = "already_closed"
    NOTHING_OPEN = "nothing_open"
    NOT_STANDING = "not_standing"


def take(tx: StateTransaction, findings: Sequence[Finding], fleet: Fleet) -> list[Incident]:
    """Group findings into incidents.

    Parameters
    ----------
    findings
        In the order in which they were raised.
    fleet
        Registry that names the maintenance firms.

    Returns
    -------
    list of Incident
        The incidents that changed, each once, as they stand now.
    """
    changed: dict[str, Incident] = {}
    for finding in findings:
        incident = take_one(tx, finding, fleet.find(finding.equipment_id))
        if incident is not None:
            changed[incident.id] = incident
    return list(changed.values())


def take_one(
    tx: StateTransaction, finding: Finding, equipment: Equipment | None, *, actor: str = SYSTEM
) -> Incident | None:
    """Take one finding; return the incident it changed, or ``None``."""
    if tx.incidents.finding(finding.id) is not None:
        return None
    intake = _Intake(tx=tx, finding=finding, equipment=equipment, actor=actor)
    found = tx.incidents.open_for(finding.equipment_id, case_of(finding.kind))
    if finding.phase is Phase.ENDED:
        return _end(intake, found)
    return _open(intake) if found is None else _join(intake, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intake:
    """One finding on its way in."""

    tx: StateTransaction
    finding: Finding
    equipment: Equipment | None
    actor: str

    def keep(self, incident_id: str | None, disposition: Disposition) -> None:
        self.tx.incidents.add_finding(self.finding, incident_id, disposition)

    def line(self, incident: Incident, action: IncidentAction, note: str) -> None:
        self.tx.incidents.add_event(
            IncidentEvent(
                incident_id=incident.id,
                at_ns=self.finding.detected_at_ns,
                actor=self.actor,
                action=action,
                state=incident.state,
                note=note,
            )
        )

    def occasion(
        self, incident: Incident, action: IncidentAction, *, first: bool = True
    ) -> notices.Occasion:
        return notices.Occasion(
            incident=incident,
            equipment=self.equipment,
            action=action,
            at_ns=self.finding.detected_at_ns,
            evidence=self.finding.evidence,
            first=first,
        )


def _open(intake: _Intake) -> Incident | None:
    finding = intake.finding
    if finding.late and _closed_since(intake):
        intake.keep(None, Disposition.ALREADY_CLOSED)
        return None
    incident = _new_incident(finding, intake.equipment)
    intake.tx.incidents.save(incident)
    intake.keep(incident.id, Disposition.OPENED)
    intake.line(incident, IncidentAction.OPENED, _said(finding))
    notices.announce(intake.tx, intake.occasion(incident, IncidentAction.OPENED))
    return incident


def _new_incident(finding: Finding, equipment: Equipment | None) -> Incident:
    reached = LevelReached(level=finding.level, kind=finding.kind, at_ns=finding.detected_at_ns)
    digest = hashlib.blake2b(f"incident\x1f{finding.id}".encode(), digest_size=16)
    return Incident(
        id=digest.hexdigest(),
        case=case_of(finding.kind),
        kind=finding.kind,
        equipment_id=finding.equipment_id,
        firm_id=equipment.maintenance_firm if equipment else "",
        level=finding.level,
        state=IncidentState.OPEN,
        opened_at_ns=finding.onset_ns,
        detected_at_ns=finding.detected_at_ns,
        late=finding.late,
        levels=(reached,),
        finding_ids=(finding.id,),
    )


def _closed_since(intake: _Intake) -> bool:
    """Whether the newest incident of the case ended at or after the finding's onset."""
    finding = intake.finding
    last = intake.tx.incidents.last_for(finding.equipment_id, case_of(finding.kind))
    if last is None or last.state not in ENDED_STATES:
        return False
    lines = intake.tx.incidents.events(last.id)
    ending = next(line for line in lines if line.state in ENDED_STATES)
    # What telemetry ended, ended when the device says so; the frame that told us came later.
    ended_by_telemetry = ending.actor == SYSTEM and last.condition_ended_at_ns is not None
    ended_at_ns = last.condition_ended_at_ns if ended_by_telemetry else ending.at_ns
    return ended_at_ns is not None and ended_at_ns >= finding.onset_ns


def _join(intake: _Intake, before: Incident) -> Incident:
    finding = intake.finding
    after = _returned(_levelled(before, finding), finding)
    after = replace(
        after,
        opened_at_ns=_onset_ns(before, finding),
        finding_ids=_joined_ids(before, finding, lambda: _joined(intake.tx, before)),
    )
    intake.tx.incidents.save(after)
    disposition = _join_disposition(before, after)
    intake.keep(after.id, disposition)
    if disposition is Disposition.LEVEL_RAISED:
        intake.line(after, IncidentAction.LEVEL_RAISED, f"to {after.level}: {_said(finding)}")
        first = before.level is Level.ADVISORY
        notices.announce(
            intake.tx, intake.occasion(after, IncidentAction.LEVEL_RAISED, first=first)
        )
    elif _worth_a_line(before) or after.kind is not before.kind:
        returned = disposition is Disposition.RETURNED
        action = IncidentAction.CONDITION_RETURNED if returned else IncidentAction.EVIDENCE_ADDED
        intake.line(after, action, _said(finding))
    return after


def _join_disposition(before: Incident, after: Incident) -> Disposition:
    if after.level is not before.level:
        return Disposition.LEVEL_RAISED
    if after.condition_ended_at_ns != before.condition_ended_at_ns:
        return Disposition.RETURNED
    return Disposition.JOINED


def _levelled(incident: Incident, finding: Finding) -> Incident:
    level = max(incident.level, finding.level, key=lambda one: one.rank)
    kind = most_specific(incident.kind, finding.kind)
    raised = level is not incident.level
    if not raised and (kind is incident.kind or len(incident.levels) >= LEVELS_LIMIT):
        return replace(incident, kind=kind)
    reached = LevelReached(level=level, kind=kind, at_ns=finding.detected_at_ns)
    return replace(incident, level=level, kind=kind, levels=(*incident.levels, reached))


def _returned(incident: Incident, finding: Finding) -> Incident:
    ended_at_ns = incident.condition_ended_at_ns
    # Late history from before the end says nothing about what came after it.
    if ended_at_ns is None or (finding.late and finding.onset_ns <= ended_at_ns):
        return incident
    return replace(incident, condition_ended_at_ns=None)


def _end(intake: _Intake, found: Incident | None) -> Incident | None:
    if found is None:
        intake.keep(None, Disposition.NOTHING_OPEN)
        return None
    joined = _joined(intake.tx, found)
    claims = standing_claims(joined)
    ended = _claim(intake.finding)
    if ended not in claims:
        intake.keep(found.id, Disposition.NOT_STANDING)
        return None
    if remaining := {kind for _, kind in claims - {ended}}:
        return _end_in_part(intake, found, joined, remaining)
    return _end_whole(intake, found, joined)


def _end_in_part(
    intake: _Intake, found: Incident, joined: Sequence[Finding], remaining: Iterable[IncidentKind]
) -> Incident:
    after = replace(found, finding_ids=_joined_ids(found, intake.finding, lambda: joined))
    intake.tx.incidents.save(after)
    intake.keep(after.id, Disposition.ENDED_IN_PART)
    if _worth_a_line(found):
        listed = ", ".join(sorted(remaining))
        note = f"{_said(intake.finding)}; still standing: {listed}"
        intake.line(after, IncidentAction.EVIDENCE_ADDED, note)
    return after


def _end_whole(intake: _Intake, found: Incident, joined: Sequence[Finding]) -> Incident:
    finding = intake.finding
    change = lifecycle.end_by_telemetry(
        found,
        {one.kind for one in joined},
        ended_at_ns=finding.onset_ns,
        now_ns=finding.detected_at_ns,
        note=_said(finding),
    )
    after = replace(change.incident, finding_ids=_joined_ids(found, finding, lambda: joined))
    intake.tx.incidents.save(after)
    intake.keep(after.id, Disposition.ENDED)
    ended = after.state is not found.state
    if ended or _worth_a_line(found):
        intake.tx.incidents.add_event(change.event)
    if ended:
        notices.call_off(intake.tx, intake.occasion(after, change.event.action))
    return after


def _worth_a_line(before: Incident) -> bool:
    return len(before.finding_ids) < JOINED_LIMIT


def _joined(tx: StateTransaction, incident: Incident) -> list[Finding]:
    found = (tx.incidents.finding(finding_id) for finding_id in incident.finding_ids)
    return [finding for finding in found if finding is not None]


def _claim(finding: Finding) -> tuple[str, IncidentKind]:
    return finding.detector, finding.kind


def _joined_ids(
    before: Incident, finding: Finding, joined: Callable[[], Sequence[Finding]]
) -> tuple[str, ...]:
    """Finding ids with the new one; ``joined`` fetches the findings before it.

    At the limit the oldest leaves that a newer finding of its detector and kind replaces: what
    stands, and which kinds ever joined, can still be told from the rest.
    """
    ids = (*before.finding_ids, finding.id)
    if len(ids) <= JOINED_LIMIT:
        return ids
    listed = [*joined(), finding]
    newest = {_claim(one): one.id for one in listed}
    replaced = (one.id for one in listed[1:] if newest[_claim(one)] != one.id)
    leaving = next(replaced, None)
    return tuple(finding_id for finding_id in ids if finding_id != leaving)


def _onset_ns(before: Incident, finding: Finding) -> int:
    """Onset as judged live: an alarm may come before the stop that caused it is judged."""
    return before.opened_at_ns if finding.late else min(before.opened_at_ns, finding.onset_ns)


def _said(finding: Finding) -> str:
    """The finding in one line of the history."""
    late = ", late" if finding.late else ""
    reason = f", {finding.reason}" if finding.reason else ""
    return f"{finding.kind} {finding.phase} by {finding.detector}{late}{reason} [{finding.id}]"
