"""Types of the injection catalogue: what a scenario can do to a device, as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.equipment import Kind
from domain.incidents import IncidentKind

Value = float | str | bool
"""Type of an injection's parameter."""

LIFTS = frozenset({Kind.LIFT})
ESCALATORS = frozenset({Kind.ESCALATOR})
BOILERS = frozenset({Kind.BOILER})
CRANES = frozenset({Kind.CRANE})
VESSELS = frozenset({Kind.VESSEL})
SIMULATED = LIFTS | ESCALATORS | BOILERS | CRANES | VESSELS
"""Kinds that have a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an injection; its default fixes its type.

    Parameters
    ----------
    minimum, maximum
        Bounds of a number, both included.
    choices
        Legal texts; empty = any.
    drawn
        Values among which a drawn entry chooses, each as often as it stands here; empty = the
        default.
    """

    default: Value
    text: str
    unit: str = ""
    minimum: float = float("-inf")
    maximum: float = float("inf")
    choices: tuple[str, ...] = ()
    drawn: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One kind of scenario entry.

    Parameters
    ----------
    truth
        Incident kind that the fault is; ``None`` for a nuisance, which is no danger.
    may_raise
        Incident kinds that are also true while it lasts: consequences, and what an engineer may
        legitimately be told about a nuisance.
    rate_per_year
        How often a drawn entry befalls a device by default.
    lasts_s
        Range of a drawn entry's duration, log-uniform.
    physical
        Whether it moves the machine itself; never two such at once on one device.
    estate
        Whether a drawn one befalls all lifts of an estate at once.
    """

    name: str
    kinds: frozenset[Kind]
    text: str
    truth: IncidentKind | None = None
    may_raise: tuple[IncidentKind, ...] = ()
    parameters: Mapping[str, Parameter]
    rate_per_year: float = 0.0
    lasts_s: tuple[float, float] = (60.0, 600.0)
    physical: bool = True
    estate: bool = False

    @property
    def nuisance(self) -> bool:
        """Whether no danger belongs to it."""
        return self.truth is None


def number(
    default: float, unit: str, low: float, high: float, text: str, *drawn: float
) -> Parameter:
    """Numeric parameter; ``drawn`` as in `Parameter`."""
    return Parameter(
        default=default, unit=unit, minimum=low, maximum=high, text=text, drawn=tuple(drawn)
    )
