"""Alarms of the statistics as findings: advisories for engineers, never work for dispatch.

The statistics look at gauges whose own past says what is usual: pressures, temperatures, levels,
speeds that a controller holds. Loads, positions and counters follow what people do and are left
out. They are given live rows only: late and retained ones would be judged against a future that is
known already.

A finding names the statistic and the channel, so that each alarm ends by itself. What the figures
mean, how limits follow from the budget, and where they fail: `detectors.statistics`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.current import Ints
from detectors.statistics.alarms import Alarm
from detectors.statistics.calibrator import Rate
from detectors.statistics.engine import Statistics, StatisticsParameters
from domain.channels import COLUMNS
from domain.equipment import Kind
from domain.findings import Evidence, Finding, Phase
from domain.incidents import Level
from domain.readings import Quality, ReadingBatch

CHANNELS_JUDGED: Mapping[Kind, tuple[str, ...]] = {
    Kind.LIFT: ("cabin_temperature_c",),
    Kind.ESCALATOR: ("speed_mps", "handrail_speed_left_mps", "handrail_speed_right_mps"),
    Kind.BOILER: (
        "steam_pressure_mpa",
        "water_level_mm",
        "steam_temperature_c",
        "flue_gas_temperature_c",
        "feed_water_temperature_c",
    ),
    Kind.CRANE: ("wind_speed_mps",),
    Kind.VESSEL: ("internal_pressure_mpa", "temperature_c"),
}
"""Gauges whose own past says what is usual."""

WHOLE_DEVICE = "all"
"""Stands for the channel where channels are judged together."""

_HISTORY = int(Quality.LATE | Quality.RETAINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoriesParameters:
    """Parameters of the statistics.

    Parameters
    ----------
    alarms_per_device_day
        Budget of all statistics of a device together; 0 runs none (EEMUA 191: 144 alarms a day for
        an operator, here of 20,000 devices).
    """

    alarms_per_device_day: float = 0.0072


class Advisories:
    """Statistics of the devices of one kind.

    Parameters
    ----------
    kind
        One of `CHANNELS_JUDGED`.
    """

    def __init__(self, kind: Kind, parameters: AdvisoriesParameters) -> None:
        self._channels = CHANNELS_JUDGED[kind]
        self._columns = [COLUMNS[kind][name] for name in self._channels]
        budget = StatisticsParameters(alarms_per_device_day=parameters.alarms_per_device_day)
        self._statistics = Statistics(len(self._channels), budget)
        self._ids: tuple[str, ...] = ()

    def grow(self, ids: tuple[str, ...]) -> None:
        """Make room for a larger fleet."""
        self._ids = ids
        self._statistics.grow(len(ids))

    def step(self, batch: ReadingBatch, selected: Ints) -> list[Finding]:
        """Take in one round."""
        selected = selected[(batch.quality[selected] & _HISTORY) == 0]
        values = batch.values[selected[:, None], self._columns]
        told = ~np.isnan(values).all(axis=1)
        selected, values = selected[told], values[told]
        if not len(selected):
            return []
        device = batch.device[selected]
        alarms = self._statistics.step(device, batch.event_time_ns[selected], values)
        if not alarms:
            return []
        rows = dict(zip(device.tolist(), selected.tolist(), strict=True))
        return [self._finding(alarm, batch, rows[alarm.device]) for alarm in alarms]

    def rates(self) -> tuple[Rate, ...]:
        """Realised against nominal alarm rate of every statistic."""
        return self._statistics.rates()

    def arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """State by name, for a snapshot."""
        return self._statistics.arrays()

    def restore(self, saved: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from saved arrays of the same or a smaller fleet."""
        self._statistics.restore(saved)

    def _finding(self, alarm: Alarm, batch: ReadingBatch, row: int) -> Finding:
        channel = self._name(alarm.channel)
        return Finding(
            detector=f"{alarm.statistic}:{channel}",
            kind=alarm.incident,
            equipment_id=self._ids[alarm.device],
            level=Level.ADVISORY,
            phase=Phase.ENDED if alarm.ended else Phase.RAISED,
            onset_ns=alarm.event_ns,
            detected_at_ns=int(batch.received_at_ns[row]),
            position=int(batch.position[row]),
            evidence=() if alarm.ended else self._evidence(alarm, channel),
            reason="usual_again" if alarm.ended else "",
        )

    def _evidence(self, alarm: Alarm, channel: str) -> tuple[Evidence, ...]:
        figures = {
            channel: alarm.value,
            "usual_value": alarm.usual,
            "usual_spread": alarm.spread,
            "statistic_score": alarm.score,
            "statistic_limit": alarm.limit,
            "once_in_days": alarm.once_in_days,
        }
        named = (
            Evidence(name=name, value=float(value))
            for name, value in figures.items()
            if np.isfinite(value) and name != WHOLE_DEVICE
        )
        shares = (
            Evidence(name=f"share_{self._name(index)}", value=float(share))
            for index, share in alarm.contributions
        )
        others = ", ".join(alarm.corroborated_by)
        corroborated = (Evidence(name="corroborated_by", value=others),) if others else ()
        statistic = Evidence(name="statistic", value=alarm.statistic)
        return (statistic, *named, *shares, *corroborated)

    def _name(self, channel: int) -> str:
        return WHOLE_DEVICE if channel < 0 else self._channels[channel]
