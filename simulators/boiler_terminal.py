"""What boiler terminals report: pressure and level each second, everything each report interval."""

import numpy as np

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
        self._reported = [dict.fromkeys(SWITCHES, -1) for _ in range(n)]
        self._feed_c = rng.uniform(56.0, 64.0, n)

    def resend(self, slot: int) -> None:
        """Send everything at the next report."""
        self._next_full_s[slot] = 0.0

    def report(self, now_s: float) -> None:
        """Send one item for each boiler; call it every `FAST_S`."""
        n = len(self._boilers)
        pressure = self._boilers.pressure_mpa + self._rng.normal(0.0, PRESSURE_NOISE_MPA, n)
        level = self._boilers.level_mm + self._rng.normal(0.0, LEVEL_NOISE_MM, n)
        switches = self._switches()
        for slot in range(n):
            full = bool(now_s >= self._next_full_s[slot])
            values: dict[str, object] = {
                "steam_pressure_mpa": round(float(pressure[slot]), 3),
                "water_level_mm": round(float(level[slot]), 1),
            }
            if full:
                values |= self._slow(slot)
                self._next_full_s[slot] = now_s + self._interval_s[slot]
            values |= self._changed(slot, switches[slot], full=full)
            self._terminals.send(self._first + slot, Stream.TELEMETRY, {"v": values})

    def _switches(self) -> list[dict[str, int]]:
        boilers = self._boilers
        columns = (
            boilers.low_water,
            boilers.pump_on,
            boilers.flame,
            boilers.stage,
            boilers.valve_open,
        )
        rows = np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)
        return [dict(zip(SWITCHES, row, strict=True)) for row in rows.tolist()]

    def _changed(self, slot: int, now: dict[str, int], *, full: bool) -> dict[str, object]:
        before, self._reported[slot] = self._reported[slot], now
        return {
            name: value if name == "burner_stage" else bool(value)
            for name, value in now.items()
            if full or value != before[name]
        }

    def _slow(self, slot: int) -> dict[str, object]:
        boilers, noise = self._boilers, self._rng.normal(0.0, 1.0, 5)
        steam_tph = boilers.steam_kgps[slot] * 3.6 + FLOW_NOISE_TPH * noise[0]
        feed_tph = boilers.feed_kgps[slot] * 3.6 + FLOW_NOISE_TPH * noise[1]
        return {
            "steam_temperature_c": _c(boilers.steam_c[slot], noise[2]),
            "flue_gas_temperature_c": _c(boilers.flue_c[slot], noise[3]),
            "feed_water_temperature_c": _c(self._feed_c[slot], noise[4]),
            "feed_water_flow_tph": round(max(float(feed_tph), 0.0), 2),
            "steam_flow_tph": round(max(float(steam_tph), 0.0), 2),
        }


def _c(temperature_c: float, noise: float) -> float:
    return round(float(temperature_c) + TEMPERATURE_NOISE_C * float(noise), 1)
