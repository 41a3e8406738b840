"""What crane terminals report: samples while working, slower while idle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.crane import TARE_NOISE, Cranes
from simulators.terminal import Terminals

WORKING_S = 1.0
"""Sending interval while a cycle is under way; faster samples are sent as one array."""

SWAY_NOISE_DEG = 0.05
_TELEMETRY = Stream.TELEMETRY


class CraneReporter:
    """Reports n cranes through their terminals.

    Parameters
    ----------
    samples_per_s
        Samples of a working crane.

    Attributes
    ----------
    fast
        Whether `sample` is to be called for every sample.
    """

    def __init__(
        self,
        cranes: Cranes,
        terminals: Terminals,
        first_device: int,
        rng: np.random.Generator,
        *,
        samples_per_s: int = 1,
    ) -> None:
        self._cranes = cranes
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self.fast = samples_per_s > 1
        self._interval_s = np.array([design.report_interval_s for design in cranes.designs])
        self._next_s = np.zeros(len(cranes))
        self._kept: dict[int, list[tuple[int, Mapping[str, object]]]] = {}

    def resend(self, slot: int) -> None:
        """Send a sample at the next report."""
        self._next_s[slot] = 0.0

    def sample(self, at_ns: int) -> None:
        """Keep a sample of every working crane for the next report; a slow terminal does not."""
        if self.fast:
            slots = self._cranes.working.nonzero()[0]
            for slot, values in zip(slots.tolist(), self._values(slots), strict=True):
                self._kept.setdefault(slot, []).append((at_ns, {"v": values}))

    def report(self, now_s: float) -> None:
        """Send the samples that are due; call it every `WORKING_S`."""
        kept, self._kept = self._kept, {}
        for slot, samples in kept.items():
            self._terminals.send_samples(self._first + slot, _TELEMETRY, samples)
        due = self._cranes.working | (now_s >= self._next_s)
        due[list(kept)] = False
        slots = due.nonzero()[0]
        for slot, values in zip(slots.tolist(), self._values(slots), strict=True):
            self._terminals.send(self._first + slot, _TELEMETRY, {"v": values})
        due[list(kept)] = True
        self._next_s[due] = now_s + self._interval_s[due]

    def _values(self, slots: NDArray[np.intp]) -> list[dict[str, object]]:
        if not slots.size:
            return []
        rows = zip(*(column.tolist() for column in self.columns(slots)), strict=True)
        return [_sample(*row) for row in rows]

    def columns(self, slots: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """What sensors read now: load, height, speed, command, wind, sway, reach, bridge, chart."""
        cranes, noise = self._cranes, self._rng.normal(0.0, 1.0, (slots.size, 2))
        held = ~np.isnan(cranes.cell_held_t[slots])
        noise_t = np.where(held, 0.0, TARE_NOISE * noise[:, 0] * cranes.rated_t[slots])
        return (
            np.round(cranes.measured_t[slots] + noise_t, 3),
            np.round(cranes.height_m[slots], 2),
            np.round(cranes.speed_mps[slots], 3) + 0.0,
            cranes.command[slots],
            np.round(cranes.wind_mps[slots], 1),
            np.round(cranes.sway_deg[slots] + SWAY_NOISE_DEG * noise[:, 1], 2),
            np.round(cranes.reach_m[slots], 2),
            np.round(cranes.bridge_m[slots], 2),
            cranes.charted[slots],
        )


def _sample(
    load_t: float,
    height_m: float,
    speed_mps: float,
    command: int,
    wind_mps: float,
    sway_deg: float,
    reach_m: float,
    bridge_m: float,
    charted: bool,
) -> dict[str, object]:
    values: dict[str, object] = {
        "hook_load_t": load_t,
        "hook_height_m": height_m,
        "hoist_speed_mps": speed_mps,
        "hoist_command": command,
        "hoist_brake_closed": command == 0,
        "wind_speed_mps": wind_mps,
        "sway_deg": sway_deg,
    }
    if charted:
        return values | {"radius_m": reach_m, "load_moment_tm": round(load_t * reach_m, 2)}
    return values | {"trolley_position_m": reach_m, "bridge_position_m": bridge_m}
