"""Incidents, their history and findings in the state store."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select
from sqlalchemy.exc import IntegrityError

from domain.errors import ConflictError, UsageError
from domain.findings import Finding
from domain.incidents import ENDED_STATES, Incident, IncidentEvent
from domain.ports import PAGE_LIMIT, IncidentQuery
from storage.state.rows import columns_of, count_rows, insert_new, page, upsert
from storage.state.tables import equipment, findings, incident_events, incidents

_INCIDENT = [column for column in incidents.c if column.name != "number"]
_KEPT_ONLY = {"number", "id", "incident_id", "disposition"}
_FINDING = [column for column in findings.c if column.name not in _KEPT_ONLY]
_NEWEST_FIRST = (incidents.c.detected_at_ns.desc(), incidents.c.number.desc())
_IS_OPEN = incidents.c.state.not_in(sorted(ENDED_STATES))

# What every finding asks for is built once: building costs more than asking.
_OPEN_FOR = select(*_INCIDENT).where(
    incidents.c.equipment_id == bindparam("of_equipment"),
    incidents.c.case == bindparam("of_case"),
    _IS_OPEN,
)
_FINDING_OF = select(*_FINDING).where(findings.c.id == bindparam("of_id"))
_ADD_EVENT = incident_events.insert().returning(incident_events.c.number)


class SqlIncidents:
    """`domain.ports.Incidents` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open_for(self, equipment_id: str, case: str) -> Incident | None:
        """The one open incident of an equipment and case."""
        sought = {"of_equipment": equipment_id, "of_case": case}
        row = self._connection.execute(_OPEN_FOR, sought).mappings().one_or_none()
        return None if row is None else Incident(**row)

    def last_for(self, equipment_id: str, case: str) -> Incident | None:
        """The newest incident of an equipment and case, open or ended."""
        return self._newest(incidents.c.equipment_id == equipment_id, incidents.c.case == case)

    def get(self, incident_id: str) -> Incident | None:
        """Incident by id."""
        return self._newest(incidents.c.id == incident_id)

    def _newest(self, *conditions: ColumnElement[bool]) -> Incident | None:
        return next(iter(self._select(conditions, limit=1)), None)

    def _select(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[Incident]:
        statement = select(*_INCIDENT).where(*conditions).order_by(*_NEWEST_FIRST).limit(limit)
        return [Incident(**row) for row in self._connection.execute(statement).mappings()]

    def find(self, query: IncidentQuery) -> Sequence[Incident]:
        """Incidents that match, newest detection first.

        Raises
        ------
        UsageError
            If ``before_id`` is unknown.
        """
        conditions: list[ColumnElement[bool]] = [_IS_OPEN] if query.open_only else []
        wanted = (
            (incidents.c.equipment_id, query.equipment_id),
            (incidents.c.firm_id, query.firm_id),
            (incidents.c.case, query.case),
        )
        conditions += [column == value for column, value in wanted if value is not None]
        if query.before_id is not None:
            conditions.append(self._older_than(query.before_id))
        return self._select(conditions, page(query.limit))

    def _older_than(self, incident_id: str) -> ColumnElement[bool]:
        place = select(incidents.c.detected_at_ns, incidents.c.number)
        last = self._connection.execute(place.where(incidents.c.id == incident_id)).one_or_none()
        if last is None:
            raise UsageError(f"No incident {incident_id} to continue a listing after")
        detected_at_ns, number = last
        return or_(
            incidents.c.detected_at_ns < detected_at_ns,
            and_(incidents.c.detected_at_ns == detected_at_ns, incidents.c.number < number),
        )

    def save(self, incident: Incident) -> None:
        """Insert or replace by id; after a conflict the transaction may go on.

        Raises
        ------
        ConflictError
            If another incident of the same equipment and case is open.
        """
        try:
            with self._connection.begin_nested():
                upsert(self._connection, incidents, "id", columns_of(incidents, incident))
        except IntegrityError as error:
            raise ConflictError(
                f"{incident.equipment_id} already has an open incident of case {incident.case}"
            ) from error

    def add_event(self, event: IncidentEvent) -> IncidentEvent:
        """Append to the history; return the event with its number.

        Numbers rise in the order of commits, because writers take turns (`storage.state.engines`):
        a reader that has seen a number never misses a smaller one. A rolled-back transaction may
        leave a gap.
        """
        row = columns_of(incident_events, event)
        del row["number"]
        return replace(event, number=self._connection.execute(_ADD_EVENT, row).scalar_one())

    def events(self, incident_id: str) -> Sequence[IncidentEvent]:
        """History of one incident, oldest first."""
        statement = select(incident_events).where(incident_events.c.incident_id == incident_id)
        ordered = statement.order_by(incident_events.c.number)
        return [IncidentEvent(**row) for row in self._connection.execute(ordered).mappings()]

    def events_after(self, number: int, limit: int = PAGE_LIMIT) -> Sequence[IncidentEvent]:
        """History of all incidents after a number, oldest first: the event stream."""
        statement = select(incident_events).where(incident_events.c.number > number)
        ordered = statement.order_by(incident_events.c.number).limit(page(limit))
        return [IncidentEvent(**row) for row in self._connection.execute(ordered).mappings()]

    def add_finding(self, finding: Finding, incident_id: str | None, disposition: str) -> None:
        """Keep a finding with what became of it (a stable word); a known id changes nothing."""
        row = columns_of(findings, finding)
        row |= {"incident_id": incident_id, "disposition": disposition}
        insert_new(self._connection, findings, "id", row)

    def finding(self, finding_id: str) -> Finding | None:
        """Finding by id."""
        sought = {"of_id": finding_id}
        row = self._connection.execute(_FINDING_OF, sought).mappings().one_or_none()
        return None if row is None else Finding(**row)

    def findings(
        self, *, equipment_id: str | None = None, firm_id: str | None = None, limit: int = 100
    ) -> Sequence[Finding]:
        """Findings, newest detection first."""
        statement = select(*_FINDING).order_by(
            findings.c.detected_at_ns.desc(), findings.c.number.desc()
        )
        if equipment_id is not None:
            statement = statement.where(findings.c.equipment_id == equipment_id)
        if firm_id is not None:
            theirs = select(equipment.c.id).where(equipment.c.maintenance_firm == firm_id)
            statement = statement.where(findings.c.equipment_id.in_(theirs))
        rows = self._connection.execute(statement.limit(page(limit))).mappings()
        return [Finding(**row) for row in rows]

    def count_findings(self) -> int:
        """Findings kept."""
        return count_rows(self._connection, findings)
