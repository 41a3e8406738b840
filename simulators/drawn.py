"""Drawn entries: how often injections befall devices at random, as scenario files say it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial

from simulators.catalog import INJECTIONS, Injection
from simulators.checking import attempt, known_keys, nearest, number

DAYS_PER_YEAR = 365.25

DENSITY_MAX = 100_000.0
"""Largest density: an event once in 30 years comes several times a day with it."""

RATE_PER_YEAR_MAX = 100_000.0
"""Largest rate: one event every five minutes."""

DISPERSION = 0.4
"""Shape of the gamma law of devices' factors (elevators.md 6.3: 0.3-0.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Table ``[drawn]`` of a scenario.

    Parameters
    ----------
    faults, nuisances
        Density: factor on all rates of faults, and of nuisances.
    dispersion
        Shape of the gamma law, mean 1, from which each device gets its factor; small = a few
        devices have nearly all events.
    defaults
        Whether injections that no rate names occur at their default rate.
    per_year
        Rate per device-year by injection.
    """

    faults: float = 1.0
    nuisances: float = 1.0
    dispersion: float = DISPERSION
    defaults: bool = True
    per_year: Mapping[str, float] = field(default_factory=dict)

    def rate_per_year(self, injection: Injection) -> float:
        """Rate of an injection per device-year, density included."""
        base = injection.rate_per_year if self.defaults else 0.0
        density = self.nuisances if injection.nuisance else self.faults
        return self.per_year.get(injection.name, base) * density


_FACTORS: Mapping[str, tuple[float, float]] = {
    "faults": (0.0, DENSITY_MAX),
    "nuisances": (0.0, DENSITY_MAX),
    "dispersion": (0.05, 1_000.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Table ``[reports]`` of a scenario: how often terminals speak.

    Parameters
    ----------
    lift_s, escalator_s
        Full snapshots; changes are sent at once.
    boiler_s
        Everything; pressure and level come each second.
    crane_s, vessel_s
        Samples at rest.
    crane_hz
        Samples a second while working: 1, 5 or 10, sent as one array each second.
    heartbeat_s
        Mean period of the heartbeat; devices differ by a fifth.
    """

    lift_s: float = 30.0
    escalator_s: float = 30.0
    boiler_s: float = 5.0
    crane_s: float = 10.0
    vessel_s: float = 10.0
    crane_hz: float = 1.0
    heartbeat_s: float = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Table ``[work]`` of a scenario.

    Parameters
    ----------
    crane_pause_s
        Longest pause between two hoisting cycles; the shortest is a twelfth of it.
    crane_lift_m
        Cranes lift no higher: short lifts give many cycles an hour.
    """

    crane_pause_s: float = 60.0
    crane_lift_m: float = 100.0


_WORK_BOUNDS: Mapping[str, tuple[float, float]] = {
    "crane_pause_s": (1.0, 86_400.0),
    "crane_lift_m": (2.0, 100.0),
}

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "lift_s": (1.0, 900.0),
    "escalator_s": (1.0, 900.0),
    "boiler_s": (1.0, 900.0),
    "crane_s": (1.0, 900.0),
    "vessel_s": (1.0, 900.0),
    "crane_hz": (1.0, 10.0),
    "heartbeat_s": (5.0, 900.0),
}


_CRANE_HZ = (1.0, 5.0, 10.0)


def parse_reports(table: object, errors: list[str]) -> Reports:
    """Table ``[reports]``; errors are added to the list."""
    if not isinstance(table, dict):
        errors.append("[reports] is a table")
        return Reports()
    known_keys("[reports]", table, set(_BOUNDS), errors)
    given = _numbers("reports", {k: v for k, v in table.items() if k in _BOUNDS}, _BOUNDS, errors)
    if given.get("crane_hz", 1.0) not in _CRANE_HZ:
        errors.append(f"reports.crane_hz is one of {_CRANE_HZ}, not {given['crane_hz']:g}")
    return Reports(**given)


def parse_work(table: object, errors: list[str]) -> Work:
    """Table ``[work]``; errors are added to the list."""
    if not isinstance(table, dict):
        errors.append("[work] is a table")
        return Work()
    known_keys("[work]", table, set(_WORK_BOUNDS), errors)
    given = {k: v for k, v in table.items() if k in _WORK_BOUNDS}
    return Work(**_numbers("work", given, _WORK_BOUNDS, errors))


def parse_drawn(table: object, errors: list[str]) -> Drawn:
    """Table ``[drawn]``; errors are added to the list."""
    if not isinstance(table, dict):
        errors.append("[drawn] is a table")
        return Drawn()
    known_keys("[drawn]", table, {one.name for one in fields(Drawn)} | {"per_day"}, errors)
    given = _numbers("drawn", {k: v for k, v in table.items() if k in _FACTORS}, _FACTORS, errors)
    rates = _rates("per_year", table.get("per_year", {}), 1.0, errors)
    rates |= _rates("per_day", table.get("per_day", {}), DAYS_PER_YEAR, errors)
    defaults = table.get("defaults", True)
    if not isinstance(defaults, bool):
        errors.append(f"drawn.defaults is true or false, not {defaults!r}")
    return Drawn(**given, per_year=rates, defaults=bool(defaults))


def _rates(name: str, table: object, per_year: float, errors: list[str]) -> dict[str, float]:
    if not isinstance(table, dict):
        errors.append(f"[drawn.{name}] is a table")
        return {}
    errors.extend(
        f'drawn.{name}: unknown injection "{what}"{nearest(what, INJECTIONS)}'
        for what in table
        if what not in INJECTIONS
    )
    bounds = dict.fromkeys(table, (0.0, RATE_PER_YEAR_MAX / per_year))
    return {
        what: rate * per_year
        for what, rate in _numbers(f"drawn.{name}", table, bounds, errors).items()
    }


def _numbers(
    where: str,
    table: Mapping[str, object],
    bounds: Mapping[str, tuple[float, float]],
    errors: list[str],
) -> dict[str, float]:
    checked = {
        key: attempt(partial(number, f"{where}.{key}", value, *bounds[key]), errors)
        for key, value in table.items()
    }
    return {key: value for key, value in checked.items() if value is not None}
