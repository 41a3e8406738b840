"""A hot cabin, for the test that a new rule is one module and one line of the catalogue.

A lift whose cabin is hotter than `HotCabinParameters.limit_c` for `HotCabinParameters.hold_s` is
suspected; it ends when a reading is at or below the limit. It says nothing of a lift that does not
report the temperature, and fails where the sensor does.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, holds, levels, same
from detectors.current import Rows
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind


@dataclass(frozen=True, kw_only=True)
class HotCabinParameters:
    """Parameters of the scratch detector."""

    limit_c: float = 45.0
    hold_s: float = 10.0


class HotCabin:
    """A lift whose cabin is hot: what a new detector has to be, and no more."""

    name = "hot_cabin"
    kinds = (Kind.LIFT,)
    incident = IncidentKind.STATISTICAL_ANOMALY
    channels = ("cabin_temperature_c",)
    limits = NO_LIMITS
    every_row = False

    def __init__(self, parameters: HotCabinParameters) -> None:
        self._p = parameters

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """No rating is needed."""

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        temperature, m = column(context, rows.device, "cabin_temperature_c"), len(rows.device)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(temperature > self._p.limit_c, none, none),
            hold_ns=holds(m, self._p.hold_s, 0, 0),
            over=temperature <= self._p.limit_c,
            over_hold_ns=same(m, 0),
            known=~np.isnan(temperature),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        value = column(context, np.array([device], dtype=np.int32), "cabin_temperature_c")[0]
        return (Evidence(name="cabin_temperature_c", value=float(value), unit="°C"),)

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "cool_again"

    def arrays(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()

    def times(self) -> tuple[str, ...]:
        """No state of its own."""
        return ()
