"""What lift terminals report: changed status channels, full snapshots, sampled telemetry."""

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.lift import Lifts, Phase
from simulators.terminal import Terminals

RUNNING_TELEMETRY_S = 2.0
"""Sampling interval of speed and load while the car runs; else it is the report interval."""

LOAD_NOISE_KG = 2.0
TEMPERATURE_STEP_C = 0.02
"""Random walk of the cabin temperature from sample to sample."""

_DIRECTION_CODES = np.array([0, 1, 2], dtype=np.int32)
"""Code of a direction; -1 for down is the last one."""

_STATUS = Stream.STATUS
_TELEMETRY = Stream.TELEMETRY
_MOVING, _STOPPING = int(Phase.MOVING), int(Phase.STOPPING)
_OPENING, _CLOSING = int(Phase.OPENING), int(Phase.CLOSING)

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
        self._reported: NDArray[np.int32] = np.full((len(STATUS), n), UNKNOWN - 1, dtype=np.int32)
        self._spare = self._reported.copy()
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
        slots = (full | changed.any(axis=0)).nonzero()[0]
        if slots.size:
            rows = (slots, status[:, slots].T, changed[:, slots].T, full[slots])
            for row in zip(*(column.tolist() for column in rows), strict=True):
                self._send_status(*row)
        self._spare = self._reported
        self._reported = status
        gap_s = self._interval_s if now_s > 0.0 else self._first_gap_s
        self._next_full_s[full] = now_s + gap_s[full]
        self._sample(now_s)

    def _status(self, now_s: float) -> NDArray[np.int32]:
        lifts, phase, status = self._lifts, self._lifts.phase, self._spare
        moving = (phase == _MOVING) | (phase == _STOPPING)
        open_door = (phase >= _OPENING) & (phase <= _CLOSING)
        open_door |= lifts.door_forced_open
        columns = (
            lifts.service_mode,
            moving,
            _DIRECTION_CODES[lifts.direction] * moving,
            lifts.at_zone & ~lifts.level_lost,
            lifts.floor,
            ~open_door,
            np.where(lifts.mains, lifts.present(now_s), UNKNOWN),
            lifts.mains,
        )
        for row, column in zip(status, columns, strict=True):
            row[:] = column
        return status

    def _send_status(self, slot: int, status: list[int], changed: list[bool], full: bool) -> None:
        values: dict[str, object] = {
            name: self._value(slot, name, value)
            for name, value, new in zip(STATUS, status, changed, strict=True)
            if full or new
        }
        if full:
            lifts = self._lifts
            values["running_time_h"] = round(float(lifts.running_s[slot]) / 3600.0, 2)
            values["trips"] = int(lifts.trips[slot])
            values["door_cycles"] = int(lifts.door_cycles[slot])
        self._terminals.send(self._first + slot, _STATUS, {"v": values})

    def _value(self, slot: int, name: str, value: int) -> object:
        if value == UNKNOWN:
            return None
        if name in _FLAGS:
            return value == 1
        return self._lifts.designs[slot].labels[value] if name == "car_position" else value

    def _sample(self, now_s: float) -> None:
        lifts = self._lifts
        due = now_s >= self._next_telemetry_s
        slots = due.nonzero()[0]
        if slots.size:
            noise = self._rng.normal(0.0, 1.0, (slots.size, 2))
            self._temperature_c[slots] += TEMPERATURE_STEP_C * noise[:, 0]
            load_kg = lifts.load_kg[slots] + lifts.goods_kg[slots] + LOAD_NOISE_KG * noise[:, 1]
            rows = (
                slots,
                np.round(lifts.speed_mps[slots], 3) + 0.0,
                np.round(load_kg).astype(np.int64),
                np.round(self._temperature_c[slots], 1),
            )
            for slot, speed_mps, load, temperature_c in zip(
                *(column.tolist() for column in rows), strict=True
            ):
                values = {
                    "speed_mps": speed_mps,
                    "load_kg": load,
                    "cabin_temperature_c": temperature_c,
                }
                self._terminals.send(self._first + slot, _TELEMETRY, {"v": values})
            self._next_telemetry_s[slots] = now_s + self._interval_s[slots]
        running = (lifts.phase == _MOVING).nonzero()[0]
        soon_s = now_s + RUNNING_TELEMETRY_S
        self._next_telemetry_s[running] = np.minimum(self._next_telemetry_s[running], soon_s)
