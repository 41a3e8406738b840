"""What a detector is: a pure judgement over rows, and words for what it saw.

The bank owns time: it keeps the hold timers (`detectors.stages.Stages`) of every staged detector
and builds findings. A detector says what stands, how long it must stand, and on what evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from detectors.boiler_sight import BoilerSight
from detectors.codes import ActiveCodes
from detectors.current import Bools, Current, Devices, Floats, Ints, Rows
from detectors.lift_history import LiftHistory
from detectors.lift_sight import LiftSight
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import seconds

Limits = Mapping[str, tuple[float, ...]]
"""Limits that divide gauges, by channel."""

NO_LIMITS: Limits = {}

SLOW_MAX_S = 15.0
NEXT_SAMPLE_SHARE = 1.2
EVEN_SHARE = 0.25
"""A gauge that samples this slowly or faster, at intervals that differ by no more than this share,
has its next sample within 1.2 intervals (ours)."""


@dataclass(frozen=True, slots=True)
class Context:
    """State of one kind that detectors share and never change.

    Parameters
    ----------
    history
        For lifts only; other kinds have an empty one.
    sight
        What lift rules read of a round.
    boilers
        What boiler rules have in common.
    """

    current: Current
    codes: ActiveCodes
    history: LiftHistory
    sight: LiftSight = field(default_factory=LiftSight)
    boilers: BoilerSight = field(default_factory=BoilerSight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What holds for m devices from a row on; see `Stages.update`."""

    standing: Bools
    hold_ns: Ints
    over: Bools
    over_hold_ns: Ints
    known: Bools
    onset_ns: Ints | None = None


class Staged(Protocol):
    """A detector whose conditions must stand for a while."""

    @property
    def name(self) -> str:
        """Name in findings and settings."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of equipment that it judges."""

    @property
    def incident(self) -> IncidentKind:
        """Kind of incident that it claims."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that it reads."""

    @property
    def limits(self) -> Limits:
        """Least values from which a gauge means something else, by channel, rising.

        A change between two of them tells this detector nothing; of channels that are not listed
        every change does.
        """

    @property
    def every_row(self) -> bool:
        """Whether a row that repeats what is known matters too, as a further sample of a gauge.

        Else it sees only rows that change one of its channels, a code, or what is known at all.
        """

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read the ratings of a possibly larger fleet."""

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """Judge the devices of a round after their rows were taken in."""

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """Observations behind the present judgement of one device."""

    def end_reason(self, device: int, context: Context) -> str:
        """Why the condition of one device is over, as a stable word."""

    def arrays(self) -> tuple[str, ...]:
        """Names of state arrays of its own, for snapshots; empty for most."""

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""


def holds(m: int, advisory_s: float, suspected_s: float, confirmed_s: float) -> Ints:
    """Hold times of m devices that all have the same."""
    row = [seconds(advisory_s), seconds(suspected_s), seconds(confirmed_s)]
    return np.broadcast_to(np.array(row, dtype=np.int64), (m, 3))


def sampled(context: Context, device: Devices, hold_s: float) -> Ints:
    """Hold of at least one further sample, so that one bad sample of a slow gauge proves nothing.

    Who does not report at even intervals of at most `SLOW_MAX_S` reports changes only: there a
    single row counts.
    """
    interval_ns = context.current.interval_ns[device]
    uneven_ns = np.abs(interval_ns - context.current.former_interval_ns[device])
    even = uneven_ns <= EVEN_SHARE * interval_ns
    periodic = even & (interval_ns > 0) & (interval_ns <= seconds(SLOW_MAX_S))
    next_ns = np.where(periodic, (interval_ns * NEXT_SAMPLE_SHARE).astype(np.int64), 0)
    return np.maximum(seconds(hold_s), next_ns)


def same(m: int, hold_s: float) -> Ints:
    """One duration for m devices."""
    return np.full(m, seconds(hold_s), dtype=np.int64)


def levels(advisory: Bools, suspected: Bools, confirmed: Bools) -> Bools:
    """Conditions of the three levels side by side, bool[m, 3]."""
    standing = np.empty((len(advisory), 3), dtype=np.bool_)
    standing[:, 0], standing[:, 1], standing[:, 2] = advisory, suspected, confirmed
    return standing


def column(context: Context, device: Devices, name: str) -> Floats:
    """Current values of one channel for devices, NaN = unknown."""
    values: Floats = context.current.values[device, COLUMNS[context.current.kind][name]]
    return values
