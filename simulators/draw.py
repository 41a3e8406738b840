"""What befalls a fleet at random: entries drawn from rates, on devices that are not alike.

Per device and injection the number of events is Poisson with a mean that holds the device's gamma
factor, so that over the fleet it is negative binomial (elevators.md 6.3). Physical injections of
one device never overlap: those that would are dropped, and `Draw.dropped` counts them, since a
density that drops many is no longer the factor that it says. A lift from which people were freed,
or where somebody called for help, is looked at before it serves again: two such events of one lift
are further apart.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from domain.equipment import Equipment
from domain.errors import UsageError
from domain.incidents import RESCUE, case_of
from simulators.catalog import INJECTIONS, Injection
from simulators.drawn import DAYS_PER_YEAR, Drawn
from simulators.injection import Value
from simulators.scenario import Entry, Scenario, make_entry

DRAWN_MAX = 200_000
"""Expected entries of one world: each takes about 1 KB while the world lasts."""

REST_S = 180.0
"""Time between two physical injections of one device: machines and people recover."""

RESCUE_REST_S = 3_600.0
"""Time between two injections of one lift that call for a rescue (ours): in nature they are months
apart, and the second one would belong to an incident that is still open."""

_SECONDS_PER_YEAR = DAYS_PER_YEAR * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Drawn entries in order of their start, and how many would have overlapped."""

    entries: tuple[Entry, ...]
    dropped: int


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    """One event; ordered by time, then by the order of drawing."""

    start_s: float
    order: int
    equipment_id: str
    name: str
    lasts_s: float


def draw_entries(
    scenario: Scenario, equipment: Sequence[Equipment], rng: np.random.Generator
) -> Draw:
    """Entries that the rates of a scenario bring, besides its written ones.

    Raises
    ------
    UsageError
        If more than `DRAWN_MAX` are to be expected.
    """
    if scenario.drawn is None:
        return Draw(entries=(), dropped=0)
    expected = _expected(scenario, scenario.drawn, equipment)
    if expected > DRAWN_MAX:
        raise UsageError(
            f"scenario {scenario.name} would draw about {expected:.0f} entries, at most "
            f"{DRAWN_MAX}: lower the density, the fleet or duration_s"
        )
    events = sorted(_events(scenario, scenario.drawn, equipment, rng))
    calendar = _Calendar(scenario)
    entries = tuple(_entry(event, rng) for event in events if calendar.takes(event))
    return Draw(entries=entries, dropped=len(events) - len(entries))


def _expected(scenario: Scenario, drawn: Drawn, equipment: Sequence[Equipment]) -> float:
    rates = sum(
        drawn.rate_per_year(injection)
        for injection in INJECTIONS.values()
        for one in equipment
        if applies(injection, one)
    )
    return rates * scenario.duration_s / _SECONDS_PER_YEAR


def applies(injection: Injection, equipment: Equipment) -> bool:
    """Whether an injection can befall a device."""
    if injection.name == "long_express_run" and not equipment.express_zone_m:
        return False
    return equipment.kind in injection.kinds


def _events(
    scenario: Scenario, drawn: Drawn, equipment: Sequence[Equipment], rng: np.random.Generator
) -> Iterator[_Event]:
    years = scenario.duration_s / _SECONDS_PER_YEAR
    shape = drawn.dispersion
    factors = {
        nuisance: rng.gamma(shape, 1.0 / shape, len(equipment)) for nuisance in (False, True)
    }
    order = 0
    for injection in INJECTIONS.values():
        rate = drawn.rate_per_year(injection) * years
        members = [n for n, one in enumerate(equipment) if applies(injection, one)]
        if rate == 0.0 or not members:
            continue
        groups = _estates(equipment, members) if injection.estate else [[n] for n in members]
        means = rate * np.array([factors[injection.nuisance][group].mean() for group in groups])
        for group, count in zip(groups, rng.poisson(means), strict=True):
            for _ in range(int(count)):
                start_s = float(rng.uniform(0.0, scenario.duration_s))
                lasts_s = float(np.exp(rng.uniform(*np.log(injection.lasts_s))))
                for n in group:
                    order += 1
                    yield _Event(
                        round(start_s, 1), order, equipment[n].id, injection.name, round(lasts_s, 1)
                    )


def _estates(equipment: Sequence[Equipment], members: Sequence[int]) -> list[list[int]]:
    """Members by estate: the same user unit at the same address."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for n in members:
        groups[equipment[n].user_unit, equipment[n].address].append(n)
    return list(groups.values())


class _Calendar:
    """When devices are taken by physical injections."""

    def __init__(self, scenario: Scenario) -> None:
        self._written: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for entry in scenario.entries:
            if entry.injection.physical:
                self._written[entry.equipment_id].append((entry.start_s, entry.end_s))
        self._until_s: dict[str, float] = {}
        self._rescued_s: dict[str, float] = {}

    def takes(self, event: _Event) -> bool:
        """Take the device for an event if it is free; events come in order of their start."""
        if not INJECTIONS[event.name].physical:
            return True
        start_s, end_s = event.start_s - REST_S, event.start_s + event.lasts_s
        if start_s < self._until_s.get(event.equipment_id, start_s):
            return False
        rescue = _calls_for_rescue(INJECTIONS[event.name])
        rested_s = event.start_s - RESCUE_REST_S
        if rescue and rested_s < self._rescued_s.get(event.equipment_id, rested_s):
            return False
        written = self._written.get(event.equipment_id, ())
        if any(start_s < end and begin < end_s + REST_S for begin, end in written):
            return False
        self._until_s[event.equipment_id] = end_s
        if rescue:
            self._rescued_s[event.equipment_id] = end_s
        return True


def _calls_for_rescue(injection: Injection) -> bool:
    return injection.truth is not None and case_of(injection.truth) == RESCUE


def _entry(event: _Event, rng: np.random.Generator) -> Entry:
    parameters: dict[str, Value] = {
        name: parameter.drawn[int(rng.integers(len(parameter.drawn)))]
        for name, parameter in INJECTIONS[event.name].parameters.items()
        if parameter.drawn
    }
    return make_entry(
        event.name,
        event.equipment_id,
        start_s=event.start_s,
        duration_s=event.lasts_s,
        parameters=parameters,
    )
