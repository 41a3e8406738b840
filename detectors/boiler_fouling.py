r"""Flue fouling: flue gas hotter and hotter at equal load (scale on the water side, soot).

Loads are equal within a class: burner stage low or high; for burners without a stage, the quarter
of the rated steam flow. A sample counts :math:`T_{flue} - T_{sat}(p)`, firing, once its class has
stood for `settle_s`. The mean :math:`d` of each class over a period of `period_s` moves

.. math::

    m \leftarrow m + (d - m) / 2, \qquad c \leftarrow \min(c + f, m)

:math:`m` is the recent and :math:`c` the clean temperature, which forgets :math:`f` a day: a season
warms and cools the air by as much. An advisory when :math:`m - c` of a class exceeds `rise_k` after
`periods_min`; it ends below half of that, as after cleaning. A period that is `step_k` above the
recent ones is another burner setting or another thermometer, and begins anew.

    day        1    5    10   15   20   21 cleaned
    m - c      0    2    8    14   16 K  0

Fouling of 1 K a day is claimed after some 18 days. It fails for fouling slower than `forget_k`, and
says nothing without flue temperature, pressure, and stage or steam flow. State: 220 B a boiler.

Reference: 0.1-2 K a day at equal load (industrial.md 1.5, derived); 15-20 K cost a point of
efficiency (usual practice).
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import NO_LIMITS, Context, Judgement, column, levels, same
from detectors.boiler_samples import reported
from detectors.boiler_trace import firing, observed, quantity
from detectors.current import NEVER, Devices, Floats, Ints, Rows, grown
from detectors.steam import saturation_c
from domain.equipment import Fleet, Kind
from domain.findings import Evidence
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

_LOW, _HIGH = 3, 4
_QUARTERS = 4
_CLASSES = 2 + _QUARTERS
_NO_CLASS = -1.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerFoulingParameters:
    """Parameters of the fouling rule.

    Parameters
    ----------
    rise_k, periods_min
        Rise over the clean temperature, and the periods of a class that must be known.
    settle_s, gap_max_s
        Time after which a class is steady, and the longest time that a sample stands for.
    period_s, period_min_s
        Length of a period, and the time at a class that is enough for it.
    step_k
        A period so much above the recent ones is no fouling.
    forget_k
        The clean temperature rises by so much a day.
    over_hold_s
        The end must stand so long.
    """

    rise_k: float = 15.0
    periods_min: float = 5.0
    settle_s: float = 90.0
    gap_max_s: float = 60.0
    period_s: float = 14_400.0
    period_min_s: float = 600.0
    step_k: float = 10.0
    forget_k: float = 0.1
    over_hold_s: float = 60.0


class BoilerFouling:
    """Flue temperatures of n boilers at 6 classes of load.

    Attributes
    ----------
    load
        float64[n], present class, -1 = none.
    load_ns, row_ns, period_ns
        int64[n], since when it is that, the sample before, and the begin of the period.
    sum_ks, time_s
        float64[n, 6], sum of the period's samples by their time, and that time.
    recent_k, clean_k
        float64[n, 6], above saturation, NaN = unknown.
    periods
        float64[n, 6], periods known.
    """

    name = "boiler_fouling"
    kinds = (Kind.BOILER,)
    incident = IncidentKind.FLUE_FOULING
    channels = (
        "flue_gas_temperature_c",
        "steam_pressure_mpa",
        "steam_flow_tph",
        "flame_on",
        "burner_stage",
    )
    limits = NO_LIMITS
    every_row = True

    def __init__(self, parameters: BoilerFoulingParameters) -> None:
        self._p = parameters
        self.load: Floats = np.empty(0)
        self.load_ns: Ints = np.empty(0, dtype=np.int64)
        self.row_ns: Ints = np.empty(0, dtype=np.int64)
        self.period_ns: Ints = np.empty(0, dtype=np.int64)
        self.sum_ks: Floats = np.empty((0, _CLASSES))
        self.time_s: Floats = np.empty((0, _CLASSES))
        self.recent_k: Floats = np.empty((0, _CLASSES))
        self.clean_k: Floats = np.empty((0, _CLASSES))
        self.periods: Floats = np.empty((0, _CLASSES))
        self._rated_tph: Floats = np.empty(0)

    def grow(self, fleet: Fleet, kind: Kind) -> None:
        """Read rated evaporations."""
        self._rated_tph = fleet.rating(kind, "rated_evaporation_tph")
        fills = {"load": _NO_CLASS, "recent_k": np.nan, "clean_k": np.nan}
        for name in self.arrays():
            array = grown(getattr(self, name), len(self._rated_tph), fills.get(name, 0))
            setattr(self, name, array)

    def arrays(self) -> tuple[str, ...]:
        """Class, the open period, and what is recent and clean."""
        return (*self.times(), "load", "sum_ks", "time_s", "recent_k", "clean_k", "periods")

    def times(self) -> tuple[str, ...]:
        """Times of class, sample and period."""
        return ("load_ns", "row_ns", "period_ns")

    def judge(self, rows: Rows, context: Context) -> Judgement:
        """See `detectors.base.Staged`."""
        p, device, m = self._p, rows.device, len(rows.device)
        self._close_period(device, rows.event_ns)
        self._sample(rows, context)
        self._classify(rows, context)
        rise = self._rise_k(device)
        none = np.zeros(m, dtype=np.bool_)
        return Judgement(
            standing=levels(rise > p.rise_k, none, none),
            hold_ns=np.zeros((m, 3), dtype=np.int64),
            over=rise < p.rise_k / 2,
            over_hold_ns=same(m, p.over_hold_s),
            known=context.current.known[device]
            & (self.periods[device] >= p.periods_min).any(axis=1),
        )

    def evidence(self, device: int, event_ns: int, context: Context) -> tuple[Evidence, ...]:
        """See `detectors.base.Staged`."""
        del event_ns
        rise = np.nan_to_num(self.recent_k[device] - self.clean_k[device], nan=-np.inf)
        worst = int(np.argmax(np.where(self.periods[device] >= self._p.periods_min, rise, -np.inf)))
        flue = observed(context, device, "flue_gas_temperature_c")
        return (
            quantity("rise_k", rise[worst], "K"),
            quantity("above_saturation_k", self.recent_k[device, worst], "K"),
            quantity("periods", self.periods[device, worst]),
            Evidence(name="load", value=_class_name(worst)),
            quantity("flue_gas_temperature_c", flue, "°C"),
        )

    def end_reason(self, device: int, context: Context) -> str:
        """See `detectors.base.Staged`."""
        del device, context
        return "flue_clean"

    def _rise_k(self, device: Devices) -> Floats:
        """Largest rise of the classes that are known for long enough, 0 where none is."""
        rise = self.recent_k[device] - self.clean_k[device]
        known = self.periods[device] >= self._p.periods_min
        return np.asarray(np.where(known, rise, 0.0).max(axis=1))

    def _classify(self, rows: Rows, context: Context) -> None:
        """Note the class of the load from this row on."""
        device = rows.device
        stage = column(context, device, "burner_stage")
        share = column(context, device, "steam_flow_tph") / self._rated_tph[device]
        quarter = 2 + np.clip(np.floor(share * _QUARTERS), 0, _QUARTERS - 1)
        by_flow = np.where(np.isnan(stage) & ~np.isnan(share), quarter, _NO_CLASS)
        load = np.select([stage == _LOW, stage == _HIGH], [0.0, 1.0], by_flow)
        load = np.where(firing(device, context)[0], load, _NO_CLASS)
        changes = load != self.load[device]
        self.load_ns[device] = np.where(changes, rows.event_ns, self.load_ns[device])
        self.load[device] = load

    def _sample(self, rows: Rows, context: Context) -> None:
        """Count a sample in its class, for the time since the sample before."""
        p = self._p
        fresh = ~np.isnan(reported(rows, "flue_gas_temperature_c"))
        fresh &= rows.event_ns > self.row_ns[rows.device]
        device, event_ns = rows.device[fresh], rows.event_ns[fresh]
        passed_s = np.minimum((event_ns - self.row_ns[device]) / NS_PER_S, p.gap_max_s)
        flue = column(context, device, "flue_gas_temperature_c")
        above = flue - saturation_c(column(context, device, "steam_pressure_mpa"))
        load = self.load[device]
        steady = (load != _NO_CLASS) & (event_ns - self.load_ns[device] >= seconds(p.settle_s))
        counts = steady & (self.row_ns[device] != NEVER) & ~np.isnan(above)
        self.row_ns[device] = event_ns
        cell = (device[counts], load[counts].astype(np.intp))
        self.sum_ks[cell] += above[counts] * passed_s[counts]
        self.time_s[cell] += passed_s[counts]

    def _close_period(self, device: Devices, event_ns: Ints) -> None:
        """Take a period's means into account, and begin the next one."""
        p = self._p
        begins = self.period_ns[device] == NEVER
        over = ~begins & (event_ns - self.period_ns[device] >= seconds(p.period_s))
        self.period_ns[device[begins | over]] = event_ns[begins | over]
        device = device[over]
        time_s = self.time_s[device]
        enough = time_s >= p.period_min_s
        mean = self.sum_ks[device] / np.where(enough, time_s, 1.0)
        recent, clean = self.recent_k[device], self.clean_k[device]
        anew = enough & ~(mean - recent <= p.step_k)
        moved = recent + (mean - recent) / 2
        recent = np.where(anew, mean, np.where(enough, moved, recent))
        cleaner = np.minimum(clean + p.forget_k * p.period_s / _DAY_S, recent)
        self.clean_k[device] = np.where(anew, mean, np.where(enough, cleaner, clean))
        self.recent_k[device] = recent
        self.periods[device] = np.where(anew, 1.0, self.periods[device] + enough)
        self.sum_ks[device], self.time_s[device] = 0.0, 0.0


def _class_name(number: int) -> str:
    """Stable word of a class of load."""
    quarters = tuple(f"steam_flow_quarter_{quarter + 1}" for quarter in range(_QUARTERS))
    return ("low_fire", "high_fire", *quarters)[number]
