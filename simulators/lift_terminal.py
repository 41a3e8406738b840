"""What lift terminals report: changed status channels, full snapshots, sampled telemetry."""

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.lift import Lifts, Phase
from simulators.terminal import Terminals

RUNNING_TELEMETRY_S = 2.0
"""Sampling interval of speed and load while the car runs; else it is the report interval."""

LOAD_NOISE_KG = 2.0

UNKNOWN = -1
"""Status value that is sent as null."""

_FLAGS = frozenset({"door_zone", "door_closed", "passenger_present", "mains_power"})

STATUS = (
    "service_mode",
    "car_status",
    "car_direction",
    "door_zone",
    "car_position",
    "door_closed",
    "passenger_present",
    "mains_power",
)
"""Status channels in column order."""


class LiftReporter:
    """Reports n lifts through their terminals.

    Parameters
    ----------
    first_device
        Device of slot 0 within ``terminals``.
    """

    def __init__(
        self, lifts: Lifts, terminals: Terminals, first_device: int, rng: np.random.Generator
    ) -> None:
        n = len(lifts)
        self._lifts = lifts
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self._interval_s = np.array([design.report_interval_s for design in lifts.designs])
        self._reported: NDArray[np.int32] = np.full((n, len(STATUS)), UNKNOWN - 1, dtype=np.int32)
        self._next_full_s = np.zeros(n)
        self._first_gap_s = rng.uniform(0.2, 1.0, n) * self._interval_s
        self._next_telemetry_s = rng.uniform(0.0, self._interval_s)
        self._temperature_c = rng.uniform(20.0, 31.0, n)

    def resend(self, slot: int) -> None:
        """Send a full snapshot at the next report."""
        self._next_full_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send what changed and what is due."""
        status = self._status(now_s)
        changed = status != self._reported
        full = now_s >= self._next_full_s
        for slot in np.flatnonzero(full | changed.any(axis=1)):
            self._send_status(int(slot), status[slot], changed[slot], full=bool(full[slot]))
        self._reported = status
        gap_s = self._interval_s if now_s > 0.0 else self._first_gap_s
        self._next_full_s[full] = now_s + gap_s[full]
        self._sample(now_s)

    def _status(self, now_s: float) -> NDArray[np.int32]:
        lifts = self._lifts
        moving = (lifts.phase == Phase.MOVING) | (lifts.phase == Phase.STOPPING)
        open_door = (lifts.phase >= Phase.OPENING) & (lifts.phase <= Phase.CLOSING)
        direction = np.where(lifts.direction < 0, 2, lifts.direction)
        columns = (
            lifts.service_mode,
            moving,
            np.where(moving, direction, 0),
            lifts.at_zone & ~lifts.level_lost,
            lifts.floor,
            ~open_door,
            np.where(lifts.mains, lifts.present(now_s), UNKNOWN),
            lifts.mains,
        )
        return np.stack([np.asarray(column, dtype=np.int32) for column in columns], axis=1)

    def _send_status(
        self, slot: int, status: NDArray[np.int32], changed: NDArray[np.bool_], *, full: bool
    ) -> None:
        values: dict[str, object] = {}
        for column, name in enumerate(STATUS):
            if full or changed[column]:
                values[name] = self._value(slot, name, int(status[column]))
        if full:
            lifts = self._lifts
            values["running_time_h"] = round(float(lifts.running_s[slot]) / 3600.0, 2)
            values["trips"] = int(lifts.trips[slot])
            values["door_cycles"] = int(lifts.door_cycles[slot])
        self._terminals.send(self._first + slot, Stream.STATUS, {"v": values})

    def _value(self, slot: int, name: str, value: int) -> object:
        if value == UNKNOWN:
            return None
        if name == "car_position":
            return self._lifts.designs[slot].labels[value]
        return bool(value) if name in _FLAGS else value

    def _sample(self, now_s: float) -> None:
        lifts = self._lifts
        due = now_s >= self._next_telemetry_s
        for slot in np.flatnonzero(due):
            self._temperature_c[slot] += self._rng.normal(0.0, 0.02)
            load_kg = float(lifts.load_kg[slot]) + self._rng.normal(0.0, LOAD_NOISE_KG)
            values = {
                "speed_mps": round(float(lifts.speed_mps[slot]), 3) + 0.0,
                "load_kg": round(load_kg),
                "cabin_temperature_c": round(float(self._temperature_c[slot]), 1),
            }
            self._terminals.send(self._first + int(slot), Stream.TELEMETRY, {"v": values})
        running = lifts.phase == Phase.MOVING
        self._next_telemetry_s[due] = now_s + self._interval_s[due]
        soon_s = now_s + RUNNING_TELEMETRY_S
        self._next_telemetry_s[running] = np.minimum(self._next_telemetry_s[running], soon_s)
