"""What could have raised false alarms, in years of natural operation, and what bounds follow.

A nuisance counts as often as it happened: that many events over the natural rate of one device are
so many device-years of this nuisance, however dense the scenario was. Normal operation of a lift is
its traffic: trips over its natural trips a day are so many days of it; so are hoisting cycles of a
crane. Of other kinds it is the time watched.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detectors.intervals import gamma_quantile, weighted_interval
from detectors.scoring import Score
from domain.equipment import Equipment, Kind
from runtime.backtest.judging import Run
from simulators.catalog import INJECTIONS
from simulators.draw import applies
from simulators.truth import Line, Statistic

NORMAL = "normal"

_TRIPS = ("trips", "hoist_cycles")

SHARE = 0.95
"""Confidence of the one-sided upper bounds: 3.0 over the exposure where nothing was false."""

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What devices of some kinds went through.

    Parameters
    ----------
    events
        Nuisances by name.
    rates
        Natural events a device-year by nuisance, over all devices: some cannot have it.
    trips
        Trips of lifts, hoisting cycles of cranes; ``None`` where nobody counted them.
    normal_years
        Natural device-years of normal operation.
    """

    events: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    trips: float | None = None
    normal_years: float = 0.0

    @property
    def nuisance_years(self) -> dict[str, float]:
        """Natural device-years by nuisance."""
        return {name: count / self.rates[name] for name, count in self.events.items()}


def exposure_of(run: Run, lines: Iterable[Line], kinds: Collection[Kind]) -> Exposure:
    """Exposure of the devices of some kinds.

    Parameters
    ----------
    lines
        Of the truth file, with the statistics ``trips`` or ``hoist_cycles``, and ``traffic_days``.
    """
    own = run.of(frozenset(kinds))
    ids = {one.id for one in own.equipment}
    events = Counter(
        fact.cause for fact in own.facts if fact.kind is None and fact.from_ns is not None
    )
    rates = {name: _natural_rate(name, own.equipment) for name in sorted(events)}
    statistics = [o for o in lines if isinstance(o, Statistic) and o.equipment_id in ids]
    traffic = {one.equipment_id: one for one in statistics if one.statistic == "traffic_days"}
    counted = {one.id for one in own.equipment if one.id in traffic}
    return Exposure(
        events={name: events[name] for name, rate in rates.items() if rate},
        rates=rates,
        trips=sum(o.value for o in statistics if o.statistic in _TRIPS) if counted else None,
        normal_years=sum(one.value for one in traffic.values()) / _DAYS_PER_YEAR
        + (len(ids) - len(counted)) * run.years,
    )


def _natural_rate(name: str, equipment: Sequence[Equipment]) -> float:
    """Events a device-year of a nuisance; 0 for one that is only ever written down."""
    injection = INJECTIONS.get(name)
    if injection is None or not equipment:
        return 0.0
    able = sum(applies(injection, one) for one in equipment)
    return injection.rate_per_year * able / len(equipment)


def exposure_report(exposure: Exposure) -> dict[str, Any]:
    """Exposure as one plain object."""
    return {
        NORMAL: {
            "trips": exposure.trips,
            **_years(exposure.normal_years),
        },
        "nuisances": {
            name: {
                "events": count,
                "natural_per_device_year": round(exposure.rates[name], 4),
                **_years(exposure.nuisance_years[name]),
            }
            for name, count in exposure.events.items()
        },
    }


def false_bounds(score: Score, exposure: Exposure) -> dict[str, Any]:
    """False alarms of a detector over what could have raised them, with 95 % upper bounds.

    Notes
    -----
    The rate over all nuisances is the sum of those of each, so an alarm weighs one over the years
    of its nuisance (Fay and Feuer 1997); the next one might be of the nuisance with the fewest.
    """
    years = exposure.nuisance_years
    found = {name: count for name, count in score.occasions.items() if name in years}
    rate = sum(count / years[name] for name, count in found.items())
    squares = sum(count / years[name] ** 2 for name, count in found.items())
    fewest = min(years.values(), default=0.0)
    upper = weighted_interval(rate, squares, 1.0 / fewest, 2.0 * SHARE - 1.0)[1] if fewest else None
    normal = score.occasions.get(NORMAL, 0)
    return {
        NORMAL: {
            "false": normal,
            "per_device_year": _over(normal, exposure.normal_years),
            "upper95": _over(gamma_quantile(normal + 1, SHARE), exposure.normal_years),
        },
        "nuisances": {
            "false": sum(found.values()),
            "per_device_year": round(rate, 5) if fewest else None,
            "upper95": None if upper is None else round(upper, 5),
        },
    }


def _years(years: float) -> dict[str, float | None]:
    return {
        "device_years": round(years, 4),
        "upper95_without_false": _over(gamma_quantile(1, SHARE), years),
    }


def _over(count: float, years: float) -> float | None:
    return round(count / years, 5) if years else None
