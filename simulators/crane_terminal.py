"""What crane terminals report: samples at 1 Hz while working, slower while idle."""

import numpy as np

from domain.readings import Stream
from simulators.crane import TARE_NOISE, Cranes
from simulators.terminal import Terminals

WORKING_S = 1.0
"""Sampling interval while a cycle is under way."""


class CraneReporter:
    """Reports n cranes through their terminals."""

    def __init__(
        self, cranes: Cranes, terminals: Terminals, first_device: int, rng: np.random.Generator
    ) -> None:
        self._cranes = cranes
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self._interval_s = np.array([design.report_interval_s for design in cranes.designs])
        self._next_s = np.zeros(len(cranes))

    def resend(self, slot: int) -> None:
        """Send a sample at the next report."""
        self._next_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send the samples that are due; call it every `WORKING_S`."""
        due = self._cranes.working | (now_s >= self._next_s)
        if not due.any():
            return
        sway_deg, command = self._cranes.sway_deg, self._cranes.command
        for slot in np.flatnonzero(due).tolist():
            values = self._values(slot, float(sway_deg[slot]), int(command[slot]))
            self._terminals.send(self._first + slot, Stream.TELEMETRY, {"v": values})
        self._next_s[due] = now_s + self._interval_s[due]

    def _values(self, slot: int, sway_deg: float, command: int) -> dict[str, object]:
        cranes = self._cranes
        noise_t = float(self._rng.normal(0.0, TARE_NOISE)) * float(cranes.rated_t[slot])
        load_t = round(float(cranes.hook_t[slot]) + noise_t, 3)
        reach_m = round(float(cranes.reach_m[slot]), 2)
        values: dict[str, object] = {
            "hook_load_t": load_t,
            "hook_height_m": round(float(cranes.height_m[slot]), 2),
            "hoist_speed_mps": round(float(cranes.hoist_speed_mps[slot]), 3) + 0.0,
            "hoist_command": command,
            "hoist_brake_closed": command == 0,
            "wind_speed_mps": round(float(cranes.wind_mps[slot]), 1),
            "sway_deg": round(sway_deg + float(self._rng.normal(0.0, 0.05)), 2),
        }
        if cranes.charted[slot]:
            moment_tm = round(load_t * reach_m, 2)
            return values | {"radius_m": reach_m, "load_moment_tm": moment_tm}
        bridge_m = round(float(cranes.bridge_m[slot]), 2)
        return values | {"trolley_position_m": reach_m, "bridge_position_m": bridge_m}
