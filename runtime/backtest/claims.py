"""What each detector of the catalogue claims, and of which kinds of equipment."""

from collections.abc import Mapping
from dataclasses import dataclass

from detectors import catalog
from detectors.bank import UNTIMED
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


def claims() -> Mapping[str, Claims]:
    """Claims by the detector's name in settings, or in findings where it has no settings."""
    found = {
        name: Claims(
            names=frozenset({name}),
            kinds=frozenset(kind for _, kind in claimed),
            equipment=frozenset(kind for kind, _ in claimed),
        )
        for name, claimed in UNTIMED.items()
    }
    for name, (_, make) in catalog.STAGED.items():
        parts = make(catalog.parameters_of(name, {}))
        found[name] = Claims(
            names=frozenset(part.name for part in parts),
            kinds=frozenset(part.incident for part in parts),
            equipment=frozenset(kind for part in parts for kind in part.kinds),
        )
    return found
