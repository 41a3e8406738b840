"""How far a series is from its usual, for the test that a statistic is one module and one line."""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Height:
    warm_up: int = 5
    name: str = "height"
    incident: IncidentKind = IncidentKind.STATISTICAL_ANOMALY
    learned: bool = False

    @property
    def columns(self) -> Columns:
        return {"highest": Column()}

    def score(self, state: State, seen: Frame) -> Single:
        np.maximum(state["highest"], seen.z, out=state["highest"])
        return np.abs(seen.z)

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        return np.full(len(samples), 8.0)
