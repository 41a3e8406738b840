r"""Drift: the CUSUM of `detectors.statistics.level_shift` on block values, k = 1/2.

.. math:: C^\pm = \max(0, C^\pm \pm \bar z / s - 1/2)

A block is the mean over `block_s` of deviations from the slow location, clipped at 1.5 scales
(Huber's location: as deaf to a spike as a median, without keeping the samples). Its own scale is
learned, so the correlation that is left between blocks widens it.

Fails on drifts slower than the slow location's memory, and takes a step for a drift when nothing
else speaks first. State 36 bytes.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics import siegmund
from detectors.statistics.core import CLIP, FROM_MAD, Frame
from detectors.statistics.lanes import Column, Columns, Floats, Single, State
from detectors.statistics.level_shift import SUM_MAX
from domain.incidents import IncidentKind
from domain.instants import seconds

_CLIP = np.float32(1.5)
_MEMORY = np.float32(1_000.0)
_KNOWN = np.float32(30.0)
_K = 0.5
_INTERVAL_LEAST_S = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """See the module.

    Parameters
    ----------
    warm_up
        Samples before it counts (ours).
    block_s
        Length of a block; one sample where samples are further apart.
    """

    warm_up: int = 2_000
    block_s: float = 60.0
    name: str = "drift"
    incident: IncidentKind = IncidentKind.SENSOR_DRIFT
    learned: bool = False

    @property
    def columns(self) -> Columns:
        """The open block, the blocks' scale, and both sums."""
        return {
            "due_ns": Column("i8"),
            "sum": Column(),
            "samples": Column(),
            "blocks": Column(),
            "mad": Column(),
            "last": Column(),
            "up": Column(),
            "down": Column(),
        }

    def score(self, state: State, seen: Frame) -> Single:
        """Score what the last finished block says, 2kC."""
        ended = np.flatnonzero(seen.event_ns >= state["due_ns"])
        if len(ended):
            part = {name: array[ended] for name, array in state.items()}
            self._close(part, seen.count[ended])
            block_ns = seconds(self.block_s)
            part["due_ns"] = (seen.event_ns[ended] // block_ns + 1) * block_ns
            for name, array in part.items():
                state[name][ended] = array
        bounded = np.maximum(seen.z, -_CLIP)
        state["sum"] += np.minimum(bounded, _CLIP, out=bounded)
        state["samples"] += 1
        return state["last"].copy()

    def limit(self, samples: Floats, interval_s: Floats) -> Floats:
        """Siegmund's limit, counted in blocks."""
        a_block = np.maximum(self.block_s / np.maximum(interval_s, _INTERVAL_LEAST_S), 1.0)
        return 2 * _K * siegmund.limit(samples / a_block, _K)

    def _close(self, state: State, count: Single) -> None:
        mean = state["sum"] / np.maximum(state["samples"], 1)
        scale = FROM_MAD * state["mad"]
        value = np.divide(mean, scale, out=np.zeros_like(mean), where=scale > 0)
        value = np.minimum(np.maximum(value, -CLIP), CLIP)
        value[(state["blocks"] < _KNOWN) | (count < self.warm_up)] = 0
        for name, side in (("up", value), ("down", -value)):
            sums = np.maximum(state[name] + side - np.float32(_K), 0)
            state[name][:] = np.minimum(sums, SUM_MAX)
        state["last"][:] = np.maximum(state["up"], state["down"]) * np.float32(2 * _K)
        filled = state["samples"] > 0
        state["blocks"] += filled
        gain = 1 / np.minimum(np.maximum(state["blocks"], 1), _MEMORY)
        limit = np.where(state["blocks"] < _KNOWN, np.float32(np.inf), scale * CLIP)
        state["mad"] += filled * gain * (np.minimum(np.abs(mean), limit) - state["mad"])
        state["sum"][:] = 0
        state["samples"][:] = 0
