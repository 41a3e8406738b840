"""What a statistic is: a score per sample, higher = more unlike the series' own past."""

from typing import Protocol

from detectors.statistics.core import Frame
from detectors.statistics.lanes import Columns, Floats, Single, State
from domain.incidents import IncidentKind


class Statistic(Protocol):
    """One statistic over lanes; a module and a line in `detectors.statistics.catalog`."""

    @property
    def name(self) -> str:
        """Name in alarms and settings."""

    @property
    def incident(self) -> IncidentKind:
        """Kind of advisory that its alarms become."""

    @property
    def warm_up(self) -> int:
        """Samples of a series before its scores count; until then they are masked."""

    @property
    def learned(self) -> bool:
        """Whether the fleet's observed block maxima alone set the limit.

        Else they may only raise it above `limit`.
        """

    @property
    def columns(self) -> Columns:
        """Own state a lane."""

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane and take it in; 0 = nothing unusual at all."""

    def limit(self, samples: Floats, interval_s: Floats, /) -> Floats:
        """Score that pure chance passes once in so many samples, by the statistic's own model.

        Parameters
        ----------
        interval_s
            Mean time between samples.
        """
