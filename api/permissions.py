"""One table: which role may do what."""

from collections.abc import Mapping
from enum import StrEnum

from domain.accounts import Principal, Role
from domain.incidents import IncidentAction


class Action(StrEnum):
    """What a route does, as far as permissions care."""

    READ_EQUIPMENT = "read_equipment"
    READ_INCIDENTS = "read_incidents"
    READ_FIRMS = "read_firms"
    WRITE_FIRMS = "write_firms"
    EXPORT_REGISTRY = "export_registry"
    IMPORT_REGISTRY = "import_registry"
    READ_QUARANTINE = "read_quarantine"
    DROP_QUARANTINE = "drop_quarantine"
    READ_SHADOW = "read_shadow"
    RUN_SHADOW = "run_shadow"
    PROMOTE = "promote"
    READ_METRICS = "read_metrics"
    OPEN_INCIDENT = "open_incident"
    ACKNOWLEDGE = "acknowledge"
    ACCEPT = "accept"
    ARRIVE = "arrive"
    FREE = "free"
    VERIFY = "verify"
    RESOLVE = "resolve"
    CLOSE = "close"
    COMMENT = "comment"


_EVERYBODY = frozenset(Role)
_DISPATCH = frozenset({Role.OPERATOR, Role.ADMIN})
_RESCUERS = _DISPATCH | {Role.FIRM}
_ENGINEERS = frozenset({Role.ENGINEER, Role.ADMIN})

PERMISSIONS: Mapping[Action, frozenset[Role]] = {
    Action.READ_EQUIPMENT: _EVERYBODY,
    Action.READ_INCIDENTS: _EVERYBODY,
    Action.READ_FIRMS: _EVERYBODY,
    Action.WRITE_FIRMS: frozenset({Role.ADMIN}),
    Action.EXPORT_REGISTRY: frozenset({Role.OPERATOR}) | _ENGINEERS,
    Action.IMPORT_REGISTRY: _ENGINEERS,
    Action.READ_QUARANTINE: _ENGINEERS,
    Action.DROP_QUARANTINE: frozenset({Role.ADMIN}),
    Action.READ_SHADOW: _ENGINEERS,
    Action.RUN_SHADOW: _ENGINEERS,
    Action.PROMOTE: _ENGINEERS,
    Action.READ_METRICS: _ENGINEERS,
    Action.OPEN_INCIDENT: _DISPATCH,
    Action.ACKNOWLEDGE: _DISPATCH,
    Action.ACCEPT: _RESCUERS,
    Action.ARRIVE: _RESCUERS,
    Action.FREE: _RESCUERS,
    Action.VERIFY: _DISPATCH,
    Action.RESOLVE: _DISPATCH,
    Action.CLOSE: _DISPATCH,
    Action.COMMENT: _RESCUERS,
}
"""Roles by action. A firm only ever sees and touches its own equipment, whatever the table says."""

INCIDENT_ACTS: Mapping[Action, IncidentAction] = {
    Action.ACKNOWLEDGE: IncidentAction.ACKNOWLEDGED,
    Action.ACCEPT: IncidentAction.ACCEPTED,
    Action.ARRIVE: IncidentAction.ARRIVED,
    Action.FREE: IncidentAction.FREED,
    Action.VERIFY: IncidentAction.VERIFIED,
    Action.RESOLVE: IncidentAction.RESOLVED,
    Action.CLOSE: IncidentAction.CLOSED,
}
"""What people do to an incident's state, and the history line that it makes."""


def allowed(principal: Principal, action: Action) -> bool:
    """Whether the principal's role has the action."""
    return principal.role in PERMISSIONS[action]
