r"""Stuck sensor: the run of equal values against its learned tail.

With p the learned share of samples that repeat the last one exactly, a run of L repeats has
probability :math:`p^L`; the score is :math:`-L \ln p`. A sensor that never repeats is stuck after
three samples, a coarse or slow one only after a run that it never showed: its runs come in bursts,
so the fleet's observed tail raises the limit.

Says nothing of a series that has never changed; fails where every standstill of the process is a
run of its own kind. State 12 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.core import Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from domain.incidents import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """See the module.

    Parameters
    ----------
    changes_min
        Changes that a series must have shown (ours).
    memory_samples
        Memory of the share of repeats (ours).
    warm_up
        Samples before it counts (ours).
    """

    changes_min: float = 30.0
    memory_samples: float = 10_000.0
    warm_up: int = 300
    name: str = "stuck"
    incident: IncidentKind = IncidentKind.SENSOR_STUCK
    learned: bool = False

    @property
    def columns(self) -> Columns:
        """Repeats so far, share of repeats, changes seen."""
        return {"run": Column(), "share": Column(), "changes": Column()}

    def score(self, state: State, seen: Frame) -> Single:
        """Score one sample of each lane."""
        run, share, changes = state["run"], state["share"], state["changes"]
        # A repeat that never happened in n samples has a share of about 1 / n.
        least = seen.count + 2
        np.minimum(least, np.float32(self.memory_samples), out=least)
        np.divide(np.float32(1), least, out=least)
        if seen.same.any():
            run += 1
            run *= seen.same
            score: Single = run * -np.log(np.minimum(np.maximum(share, least), np.float32(1)))
            target: Single = seen.same - share
        else:
            run[:] = 0
            score = np.zeros_like(run)
            target = -share
        if changes.min(initial=self.changes_min) < self.changes_min:
            score *= changes >= self.changes_min
            changed = ~seen.same & (seen.count > 0)
            np.minimum(changes + changed, np.float32(self.changes_min), out=changes)
        target *= least
        share += target
        return score

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Geometric tail: the chance of a run that starts at any one sample."""
        return np.log(samples)
