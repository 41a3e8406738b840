"""What each detector of the catalogue claims, and of which kinds of equipment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detectors import catalog, clock, silence
from domain.equipment import Kind
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Claims of one detector.

    Parameters
    ----------
    names
        Names that its findings carry; a detector of several cases has several.
    kinds
        Incident kinds.
    equipment
        Kinds of equipment that it judges.
    """

    names: frozenset[str]
    kinds: frozenset[IncidentKind]
    equipment: frozenset[Kind]


_CODES = frozenset(
    {IncidentKind.LIFT_FAULT, IncidentKind.ESCALATOR_FAULT, IncidentKind.ALARM_BUTTON}
)


def claims() -> Mapping[str, Claims]:
    """Claims by the detector's name in settings, or in findings where it has no settings."""
    found = {
        catalog.CODES_SETTINGS: _claims("codes", _CODES, (Kind.LIFT, Kind.ESCALATOR)),
        silence.NAME: _claims(silence.NAME, {IncidentKind.DEVICE_OFFLINE}, silence.KINDS),
        clock.NAME: _claims(clock.NAME, {IncidentKind.CLOCK_WRONG}, clock.KINDS),
    }
    for name, (_, make) in catalog.STAGED.items():
        parts = make(catalog.parameters_of(name, {}))
        found[name] = Claims(
            names=frozenset(part.name for part in parts),
            kinds=frozenset(part.incident for part in parts),
            equipment=frozenset(kind for part in parts for kind in part.kinds),
        )
    return found


def _claims(name: str, kinds: Iterable[IncidentKind], equipment: Iterable[Kind]) -> Claims:
    return Claims(names=frozenset({name}), kinds=frozenset(kinds), equipment=frozenset(equipment))
