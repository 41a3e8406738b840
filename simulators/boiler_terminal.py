"""What boiler terminals report: pressure and level each second, everything each report interval."""

import numpy as np
from numpy.typing import NDArray

from domain.readings import Stream
from simulators.boiler import Boilers
from simulators.terminal import Terminals

FAST_S = 1.0
"""Interval of pressure and level: blocked full fire takes 9-15 s to the safety valve."""

PRESSURE_NOISE_MPA = 0.0008
LEVEL_NOISE_MM = 0.8
TEMPERATURE_NOISE_C = 0.3
FLOW_NOISE_TPH = 0.01

SWITCHES = ("low_water", "feed_pump_on", "flame_on", "burner_stage", "safety_valve_lifted")
"""Discrete channels, also sent when they change."""

SLOW = (
    "steam_temperature_c",
    "flue_gas_temperature_c",
    "feed_water_temperature_c",
    "feed_water_flow_tph",
    "steam_flow_tph",
)
"""Channels of the full report only."""

_TELEMETRY = Stream.TELEMETRY


class BoilerReporter:
    """Reports n boilers through their terminals."""

    def __init__(
        self, boilers: Boilers, terminals: Terminals, first_device: int, rng: np.random.Generator
    ) -> None:
        n = len(boilers)
        self._boilers = boilers
        self._terminals = terminals
        self._first = first_device
        self._rng = rng
        self._interval_s = np.array([design.report_interval_s for design in boilers.designs])
        self._next_full_s = np.zeros(n)
        self._reported: NDArray[np.int64] = np.full((n, len(SWITCHES)), -1, dtype=np.int64)
        self._feed_c = rng.uniform(56.0, 64.0, n)

    def resend(self, slot: int) -> None:
        """Send everything at the next report."""
        self._next_full_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send one item for each boiler; call it every `FAST_S`."""
        boilers, n = self._boilers, len(self._boilers)
        if not n:
            return
        noise = self._rng.normal(0.0, 1.0, (2, n))
        pressure = np.round(boilers.pressure_mpa + PRESSURE_NOISE_MPA * noise[0], 3).tolist()
        level = np.round(boilers.level_mm + LEVEL_NOISE_MM * noise[1], 1).tolist()
        switches = self._switches()
        changed = (switches != self._reported).any(axis=1)
        full = now_s >= self._next_full_s
        told = np.flatnonzero(changed | full)
        before, self._reported = self._reported, switches
        extra = self._extra(told, full, before) if told.size else {}
        for slot in range(n):
            values: dict[str, object] = {
                "steam_pressure_mpa": pressure[slot],
                "water_level_mm": level[slot],
            }
            if slot in extra:
                values |= extra[slot]
            self._terminals.send(self._first + slot, _TELEMETRY, {"v": values})
        self._next_full_s[full] = now_s + self._interval_s[full]

    def _switches(self) -> NDArray[np.int64]:
        boilers = self._boilers
        columns = (
            boilers.low_water,
            boilers.pump_signal,
            boilers.flame,
            boilers.stage,
            boilers.valve_open,
        )
        return np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)

    def _extra(
        self, told: NDArray[np.intp], full: NDArray[np.bool_], before: NDArray[np.int64]
    ) -> dict[int, dict[str, object]]:
        """Switches that changed, and all else where a full report is due, by slot."""
        slow = dict(zip(*self._slow(np.flatnonzero(full)), strict=True))
        now = self._reported[told]
        new = (now != before[told]) | full[told][:, None]
        rows = zip(told.tolist(), now.tolist(), new.tolist(), strict=True)
        return {
            slot: {
                **slow.get(slot, {}),
                **{
                    name: value if name == "burner_stage" else value == 1
                    for name, value, tell in zip(SWITCHES, values, tells, strict=True)
                    if tell
                },
            }
            for slot, values, tells in rows
        }

    def _slow(self, slots: NDArray[np.intp]) -> tuple[list[int], list[dict[str, object]]]:
        boilers, noise = self._boilers, self._rng.normal(0.0, 1.0, (5, slots.size))
        columns = (
            np.round(boilers.shown_steam_c[slots] + TEMPERATURE_NOISE_C * noise[2], 1),
            np.round(boilers.flue_c[slots] + TEMPERATURE_NOISE_C * noise[3], 1),
            np.round(self._feed_c[slots] + TEMPERATURE_NOISE_C * noise[4], 1),
            _flow(boilers.feed_kgps[slots], noise[1]),
            _flow(boilers.process_kgps[slots], noise[0]),
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return slots.tolist(), [dict(zip(SLOW, row, strict=True)) for row in rows]


def _flow(kgps: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    flow_tph: NDArray[np.float64] = np.maximum(kgps * 3.6 + FLOW_NOISE_TPH * noise, 0.0)
    return flow_tph.round(2)
