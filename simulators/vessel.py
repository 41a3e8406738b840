"""Quick-opening vessels: batches from open door to open door, with the interlock between.

The automaton is industrial.md 3.1: open, closed, locked, pressurising, hold, venting, zero
confirmed, unlocked, open. Pressure follows first-order laws; times are defaults of the simulation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.terminal import Terminals

OPEN_S = (120.0, 600.0)
HOLD_S = (300.0, 1_800.0)
"""Ranges of loading and of holding; real batches of dyeing take hours, these are compressed."""

CLOSED_S = 8.0
LOCKED_S = 5.0
ZERO_S = 10.0
UNLOCKED_S = 5.0
FILL_S = 40.0
VENT_S = 30.0
DOOR_S = 1.0
"""Time constants of filling, of venting, and of a door that opens under pressure."""

ZERO_MPA = 0.004
"""The interlock frees the lock below so much."""

FULL_SHARE = 0.97
AMBIENT_C = 30.0
HEAT_S = 90.0
PRESSURE_NOISE_MPA = 0.0006
TEMPERATURE_NOISE_C = 0.2
FAST_S = 1.0
"""Sampling interval while the vessel is pressurised or its door or lock moves."""

_TELEMETRY = Stream.TELEMETRY


class Batch(IntEnum):
    """Parts of a batch."""

    OPEN = 0
    CLOSED = 1
    LOCKED = 2
    PRESSURISING = 3
    HOLD = 4
    VENTING = 5
    ZERO = 6
    UNLOCKED = 7


_SPANS_S = {
    Batch.OPEN: OPEN_S,
    Batch.CLOSED: (CLOSED_S, CLOSED_S),
    Batch.LOCKED: (LOCKED_S, LOCKED_S),
    Batch.HOLD: HOLD_S,
    Batch.ZERO: (ZERO_S, ZERO_S),
    Batch.UNLOCKED: (UNLOCKED_S, UNLOCKED_S),
}
"""Ranges of the parts that end by time; the others end by pressure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VesselDesign:
    """What one vessel is; pressure is gauge."""

    working_mpa: float
    working_c: float
    report_interval_s: float


class Vessels:
    """The state of n vessels."""

    def __init__(self, designs: Sequence[VesselDesign], rng: np.random.Generator) -> None:
        n = len(designs)
        self.designs = tuple(designs)
        self._rng = rng
        self._now_s = 0.0
        self.working_mpa = np.array([design.working_mpa for design in designs])
        self.working_c = np.array([design.working_c for design in designs])
        self.part: NDArray[np.int8] = np.zeros(n, dtype=np.int8)
        self.part_end_s = rng.uniform(5.0, OPEN_S[1], n)
        self.pressure_mpa = np.zeros(n)
        self.temperature_c = np.full(n, AMBIENT_C)
        self.lock_refused = np.zeros(n, dtype=bool)
        self.lock_jammed = np.zeros(n, dtype=bool)
        self.lock_freed = np.zeros(n, dtype=bool)
        self.vent_s = np.full(n, VENT_S)
        self.offset_mpa = np.zeros(n)

    def __len__(self) -> int:
        """Return the number of vessels."""
        return len(self.designs)

    @property
    def door_closed(self) -> NDArray[np.bool_]:
        """Whether the door is in its closed position."""
        return np.asarray(self.part != Batch.OPEN)

    @property
    def lock_engaged(self) -> NDArray[np.bool_]:
        """Lock switch: engaged from locking to zero confirmed, unless a fault says otherwise."""
        locked = (self.part >= Batch.LOCKED) & (self.part <= Batch.ZERO)
        return (locked & ~self.lock_refused & ~self.lock_freed) | self.lock_jammed

    @property
    def vent_open(self) -> NDArray[np.bool_]:
        """Vent valve: open while venting and until the door is closed again."""
        return np.asarray((self.part >= Batch.VENTING) | (self.part == Batch.OPEN))

    def hurry(self, slot: int) -> None:
        """End loading now, so that a batch begins."""
        if self.part[slot] == Batch.OPEN:
            self.part_end_s[slot] = self._now_s

    def step(self, now_s: float) -> None:
        """Advance all vessels to ``now_s``."""
        dt_s = now_s - self._now_s
        self._now_s = now_s
        filling = (self.part == Batch.PRESSURISING) | (self.part == Batch.HOLD)
        target = np.where(filling, self.working_mpa, 0.0)
        lag_s = np.select([filling, self.part == Batch.OPEN], [FILL_S, DOOR_S], self.vent_s)
        self.pressure_mpa += (target - self.pressure_mpa) * (1.0 - np.exp(-dt_s / lag_s))
        heat = np.where(filling, self.working_c, AMBIENT_C)
        self.temperature_c += (heat - self.temperature_c) * (1.0 - np.exp(-dt_s / HEAT_S))
        for slot in (self._ended(now_s)).nonzero()[0].tolist():
            self._enter(slot, Batch((self.part[slot] + 1) % len(Batch)), now_s)

    def _ended(self, now_s: float) -> NDArray[np.bool_]:
        filled = self.pressure_mpa >= FULL_SHARE * self.working_mpa
        vented = self.pressure_mpa < ZERO_MPA
        by_pressure = ((self.part == Batch.PRESSURISING) & filled) | (
            (self.part == Batch.VENTING) & vented
        )
        return np.asarray((now_s >= self.part_end_s) | by_pressure)

    def _enter(self, slot: int, part: Batch, now_s: float) -> None:
        self.part[slot] = part
        span_s = _SPANS_S.get(part)
        self.part_end_s[slot] = np.inf if span_s is None else now_s + self._rng.uniform(*span_s)


class VesselReporter:
    """Reports n vessels: each second while anything moves, else at the report interval."""

    def __init__(
        self, vessels: Vessels, terminals: Terminals, first_device: int, rng: np.random.Generator
    ) -> None:
        n = len(vessels)
        self._vessels = vessels
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self._interval_s = np.array([design.report_interval_s for design in vessels.designs])
        self._next_s = np.zeros(n)
        self._switches: NDArray[np.bool_] = np.zeros((n, 3), dtype=bool)

    def resend(self, slot: int) -> None:
        """Send a sample at the next report."""
        self._next_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send the samples that are due; call it every `FAST_S`."""
        vessels = self._vessels
        if not len(vessels):
            return
        switches = np.stack([vessels.door_closed, vessels.lock_engaged, vessels.vent_open], axis=1)
        changed = (switches != self._switches).any(axis=1)
        due = changed | vessels.door_closed | (now_s >= self._next_s)
        self._switches = switches
        slots = due.nonzero()[0]
        noise = self._rng.normal(0.0, 1.0, (slots.size, 2))
        measured = vessels.pressure_mpa[slots] + vessels.offset_mpa[slots]
        pressure = (measured + PRESSURE_NOISE_MPA * noise[:, 0]).tolist()
        warmth = (vessels.temperature_c[slots] + TEMPERATURE_NOISE_C * noise[:, 1]).tolist()
        for place, slot in enumerate(slots.tolist()):
            door, lock, vent = switches[slot].tolist()
            values = {
                "internal_pressure_mpa": round(pressure[place], 3) + 0.0,
                "temperature_c": round(warmth[place], 1),
                "door_closed": door,
                "lock_engaged": lock,
                "vent_open": vent,
            }
            self._terminals.send(self._first + slot, _TELEMETRY, {"v": values})
        self._next_s[due] = now_s + self._interval_s[due]
