"""What boiler rules read of the pressure, kept once for all of them.

Each rule owns a view, which its snapshot keeps; with the first round all rules of an engine take
over the same one, and the round is taken into it once.
"""

import numpy as np

from detectors.boiler_samples import SAMPLES_MIN, SPAN_MIN_S, WINDOW_S, PressureTrace
from detectors.boiler_witness import PressureWitnesses
from detectors.current import Bools, Current, Devices, Floats, Rows
from detectors.parts import inside
from domain.channels import COLUMNS
from domain.equipment import Fleet, Kind

_BOILER = COLUMNS[Kind.BOILER]
_FLAME, _STAGE = _BOILER["flame_on"], _BOILER["burner_stage"]
_LOW, _HIGH = 3, 4


class PressureView:
    """Trace of the pressure of n boilers, and its witnesses."""

    def __init__(self) -> None:
        self.trace = PressureTrace()
        self.witness = PressureWitnesses()
        self.rated_mpa: Floats = np.empty(0)
        self.set_mpa: Floats = np.empty(0)
        self._rows: Rows | None = None
        self._line: tuple[tuple[float, float, float], tuple[Floats, Floats]] | None = None

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated and set pressures; without a rated one the set pressure stands for it."""
        rated = fleet.rating(kind, "rated_pressure_mpa")
        self.set_mpa = set_pressure_mpa(rated, fleet.rating(kind, "safety_valve_set_mpa"))
        self.rated_mpa = np.where(np.isnan(rated), self.set_mpa, rated)
        for part in (self.trace, self.witness.steam, self.witness.burner):
            part.grow(len(rated))

    def arrays(self) -> tuple[str, ...]:
        """Names of all arrays that a snapshot keeps."""
        return (
            *inside("trace", self.trace.arrays()),
            *inside("witness.steam", self.witness.steam.arrays()),
            *inside("witness.burner", self.witness.burner.arrays()),
        )

    def times(self) -> tuple[str, ...]:
        """Names of those that hold event times."""
        return (
            *inside("trace", self.trace.times()),
            *inside("witness.steam", self.witness.steam.times()),
            *inside("witness.burner", self.witness.burner.times()),
        )

    def take(self, rows: Rows, current: Current) -> None:
        """Take in a round; every rule that judges it is given the same object of rows."""
        if self._rows is rows:
            return
        self._rows, self._line = rows, None
        jumped, step_mpa = self.trace.push(rows)
        self.witness.jumped(jumped, step_mpa)
        self.witness.learn(rows, current, self.rated_mpa)

    def line(
        self,
        device: Devices,
        window_s: float = WINDOW_S,
        samples_min: float = SAMPLES_MIN,
        span_min_s: float = SPAN_MIN_S,
    ) -> tuple[Floats, Floats]:
        """Slope and fitted pressure; see `PressureTrace.line`. Computed once a round."""
        key = (window_s, samples_min, span_min_s)
        if self._rows is None or device is not self._rows.device:
            return self.trace.line(device, *key)
        if self._line is None or self._line[0] != key:
            self._line = key, self.trace.line(device, *key)
        return self._line[1]

    def one_off_mpa(
        self, device: int, event_ns: int, pressure_mpa: float, denied_k: float, warm_up_s: float
    ) -> float:
        """By how much the pressure of one boiler is shown too high."""
        one, now = np.array([device], dtype=np.int32), np.array([event_ns])
        shown = np.array([pressure_mpa])
        return float(self.witness.off_mpa(one, now, shown, denied_k, warm_up_s)[0])


class BoilerSight:
    """What the rules of one engine have in common."""

    def __init__(self) -> None:
        self._view: PressureView | None = None
        self._fires: tuple[Devices, Bools, Bools] | None = None

    def of(self, own: PressureView, rows: Rows, current: Current) -> PressureView:
        """The view of all rules, which is that of the first one to ask, with a round taken in."""
        if self._view is None:
            self._view = own
        self._view.take(rows, current)
        return self._view

    def firing(self, device: Devices, current: Current) -> tuple[Bools, Bools]:
        """Whether the main flame burns, and whether that is known: by flame, else by stage."""
        if self._fires is None or self._fires[0] is not device:
            flame, stage = current.values[device, _FLAME], current.values[device, _STAGE]
            by_stage = np.isnan(flame)
            fires = (flame == 1) | (by_stage & ((stage == _LOW) | (stage == _HIGH)))
            self._fires = device, fires, ~(by_stage & np.isnan(stage))
        return self._fires[1], self._fires[2]


def set_pressure_mpa(rated_mpa: Floats, registered_mpa: Floats) -> Floats:
    """Lowest safety-valve set pressure (gauge) of boilers, NaN when nothing is known.

    Without a registered one: rated + 0.03 MPa up to 0.8 MPa, 1.04 rated up to 5.9 MPa, 1.05 rated
    above (TSG 11-2020).
    """
    by_rule = np.where(
        rated_mpa <= 0.8,  # noqa: PLR2004 - limits of the rule
        rated_mpa + 0.03,
        np.where(rated_mpa <= 5.9, 1.04 * rated_mpa, 1.05 * rated_mpa),  # noqa: PLR2004
    )
    return np.where(np.isnan(registered_mpa), by_rule, registered_mpa)


def set_tolerance_mpa(set_mpa: Floats) -> Floats:
    """Tolerance of a set pressure: 0.015 MPa to 0.5, 3 % to 2.3, 0.07 MPa to 7.0, 1 % above."""
    conditions = [set_mpa <= 0.5, set_mpa <= 2.3, set_mpa <= 7.0]  # noqa: PLR2004 - the rule's bands
    return np.select(conditions, [0.015, 0.03 * set_mpa, 0.07], 0.01 * set_mpa)
