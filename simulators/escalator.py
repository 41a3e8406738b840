"""Escalators: steps, two handrails, and what stops them.

Figures are defaults of the simulation (elevators.md 1.6); handrails may lead by up to 2 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.terminal import Terminals

RAMP_MPS2 = 0.25
"""Start and stop of the steps."""

STEP_NOISE_MPS = 0.003
HANDRAIL_NOISE_MPS = 0.004
HANDRAIL_LEAD = (1.0, 1.02)
"""Range of handrail over step speed of a healthy escalator."""

TELEMETRY_S = 5.0
"""Sampling interval of the speeds while the steps move."""

SIDES = {"left": 0, "right": 1}

_STATUS = Stream.STATUS
_TELEMETRY = Stream.TELEMETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalatorDesign:
    """What one escalator is; ``direction`` is 1 up or 2 down."""

    rated_speed_mps: float
    direction: int
    report_interval_s: float


class Escalators:
    """The state of n escalators."""

    def __init__(self, designs: Sequence[EscalatorDesign], rng: np.random.Generator) -> None:
        n = len(designs)
        self.designs = tuple(designs)
        self.rated_mps = np.array([design.rated_speed_mps for design in designs])
        self.direction = np.array([design.direction for design in designs], dtype=np.int8)
        self.service_mode = np.ones(n, dtype=np.int32)
        self.running = np.ones(n, dtype=bool)
        self.speed_mps = self.rated_mps.copy()
        self.handrail = rng.uniform(*HANDRAIL_LEAD, (n, 2))
        self.deviation = np.zeros((n, 2))
        self._now_s = 0.0

    def __len__(self) -> int:
        """Return the number of escalators."""
        return len(self.designs)

    @property
    def handrail_mps(self) -> NDArray[np.float64]:
        """Speed of both handrails, float64[n, 2]."""
        return np.asarray(self.speed_mps[:, None] * (self.handrail + self.deviation))

    def step(self, now_s: float) -> None:
        """Advance all escalators to ``now_s``."""
        change = RAMP_MPS2 * (now_s - self._now_s)
        self._now_s = now_s
        target = np.where(self.running, self.rated_mps, 0.0)
        self.speed_mps += np.clip(target - self.speed_mps, -change, change)


class EscalatorReporter:
    """Reports n escalators: changes at once, snapshots and sampled speeds."""

    def __init__(
        self,
        escalators: Escalators,
        terminals: Terminals,
        first_device: int,
        rng: np.random.Generator,
    ) -> None:
        n = len(escalators)
        self._escalators = escalators
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self._interval_s = np.array([d.report_interval_s for d in escalators.designs])
        self._next_full_s = np.zeros(n)
        self._next_speed_s = np.zeros(n)
        self._reported: NDArray[np.int32] = np.full((n, 3), -1, dtype=np.int32)

    def resend(self, slot: int) -> None:
        """Send a full snapshot at the next report."""
        self._next_full_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send what changed and what is due; call it every second."""
        if not len(self._escalators):
            return
        status = self._status()
        full = now_s >= self._next_full_s
        for slot in np.flatnonzero(full | (status != self._reported).any(axis=1)).tolist():
            mode, operation, direction = status[slot].tolist()
            values = {
                "service_mode": mode,
                "operation_status": operation,
                "operation_direction": direction,
            }
            self._terminals.send(self._first + slot, _STATUS, {"v": values})
        self._reported = status
        self._next_full_s[full] = now_s + self._interval_s[full]
        self._sample(now_s)

    def _status(self) -> NDArray[np.int32]:
        escalators = self._escalators
        moving = escalators.speed_mps > 0.0
        columns = (escalators.service_mode, moving, np.where(moving, escalators.direction, 0))
        return np.stack([np.asarray(column, dtype=np.int32) for column in columns], axis=1)

    def _sample(self, now_s: float) -> None:
        escalators = self._escalators
        due = np.flatnonzero(now_s >= self._next_speed_s)
        if not due.size:
            return
        noise = self._rng.normal(0.0, 1.0, (due.size, 3))
        rails = escalators.handrail_mps[due] + HANDRAIL_NOISE_MPS * noise[:, 1:]
        steps = escalators.speed_mps[due] + STEP_NOISE_MPS * noise[:, 0]
        for slot, step, (left, right) in zip(
            due.tolist(), steps.tolist(), rails.tolist(), strict=True
        ):
            moving = escalators.speed_mps[slot] > 0.0
            values = {
                "speed_mps": round(step, 3) if moving else 0.0,
                "handrail_speed_left_mps": round(left, 3) if moving else 0.0,
                "handrail_speed_right_mps": round(right, 3) if moving else 0.0,
            }
            self._terminals.send(self._first + slot, _TELEMETRY, {"v": values})
        moving = escalators.speed_mps[due] > 0.0
        self._next_speed_s[due] = now_s + np.where(moving, TELEMETRY_S, self._interval_s[due])
