"""The demo's scenario: every fault that dispatch must see, between nuisances that it must not."""

from collections.abc import Iterator, Mapping

import numpy as np

from domain.equipment import Kind
from domain.errors import UsageError
from simulators.catalog import Value
from simulators.scenario import (
    DEVICES_MAX,
    Entry,
    FleetSize,
    Scenario,
    device_id,
    make_entry,
)

DEVICES_MIN = 12
"""Smallest fleet with a device for every fault of the demo."""

DURATION_S_MIN = 60.0

SMALL_KIND_SHARE = 0.075
"""Share of boilers, and of cranes, in the fleet; the rest are lifts."""

WAVE_S = 600.0
"""A longer demo repeats faults and nuisances on other devices this often."""

STANDS_S = 900.0
"""Faults stand until people end them, longer than a short demo lasts."""

_FAULTS: tuple[tuple[Kind, str, Mapping[str, Value]], ...] = (
    (Kind.LIFT, "entrapment_off_level", {"alarm_after_s": 20.0, "people": 2.0}),
    (Kind.LIFT, "entrapment_at_level", {"alarm_after_s": 25.0, "mode": "door_fails"}),
    (Kind.LIFT, "alarm_button", {}),
    (Kind.BOILER, "overpressure", {}),
    (Kind.BOILER, "low_water_firing", {"drain_tph": 6.0}),
    (Kind.CRANE, "overload", {"factor": 1.25}),
)

_NUISANCES: tuple[tuple[Kind, str, Mapping[str, Value]], ...] = (
    (Kind.LIFT, "cleaner_holding_door", {}),
    (Kind.LIFT, "out_of_service_with_person", {}),
    (Kind.LIFT, "inspection", {}),
    (Kind.LIFT, "fire_return", {}),
    (Kind.LIFT, "long_express_run", {"people": 3.0}),
    (Kind.LIFT, "presence_held", {}),
    (Kind.LIFT, "level_switch_lost", {}),
    (Kind.LIFT, "terminal_reboot", {}),
    (Kind.LIFT, "out_of_order", {}),
    (Kind.LIFT, "duplicates", {}),
    (Kind.LIFT, "retained_message", {}),
    (Kind.LIFT, "clock_wrong", {"offset_s": -300.0}),
    (Kind.LIFT, "clock_wrong", {"offset_s": -28_800.0}),
    (Kind.LIFT, "clock_wrong", {"epoch": True}),
    (Kind.LIFT, "sentinel_values", {}),
    (Kind.BOILER, "load_swing", {}),
    (Kind.BOILER, "sentinel_values", {}),
    (Kind.BOILER, "out_of_order", {}),
    (Kind.CRANE, "gusts", {}),
    (Kind.CRANE, "shock_at_lift_off", {}),
    (Kind.CRANE, "duplicates", {}),
)

_FROM_THE_START = frozenset({"clock_wrong"})
"""Nuisances that a device has from its first message on."""


def demo_fleet(devices: int) -> FleetSize:
    """Split of a demo's devices: 200 are 170 lifts, 15 boilers and 15 cranes.

    >>> demo_fleet(200)
    FleetSize(lifts=170, boilers=15, cranes=15)
    """
    small = max(2, round(SMALL_KIND_SHARE * devices))
    return FleetSize(lifts=devices - 2 * small, boilers=small, cranes=small)


def demo_scenario(
    seed: int, *, devices: int = 200, duration_s: float = 120.0, nuisances: bool = True
) -> Scenario:
    """Scenario of a demo, decided by the seed.

    Every fault begins within seconds, so that its two stages fit into a short demo.

    Raises
    ------
    UsageError
        If there are too few or too many devices or too little time.
    """
    if not DEVICES_MIN <= devices <= DEVICES_MAX:
        raise UsageError(f"a demo has {DEVICES_MIN} to {DEVICES_MAX} devices, not {devices}")
    if duration_s < DURATION_S_MIN:
        raise UsageError(f"a demo lasts at least {DURATION_S_MIN:g} s, not {duration_s:g} s")
    rng = np.random.default_rng(seed)
    fleet = demo_fleet(devices)
    free = {kind: _shuffled(kind, fleet, rng) for kind in (Kind.LIFT, Kind.BOILER, Kind.CRANE)}
    entries = list(_entries(rng, free, duration_s, nuisances=nuisances))
    return Scenario(name="demo", duration_s=duration_s, fleet=fleet, entries=tuple(entries))


def _entries(
    rng: np.random.Generator, free: Mapping[Kind, list[str]], duration_s: float, *, nuisances: bool
) -> Iterator[Entry]:
    wave_s = 0.0
    while wave_s + DURATION_S_MIN <= duration_s:
        for kind, what, parameters in _FAULTS:
            if free[kind]:
                start_s = wave_s + round(float(rng.uniform(1.0, 5.0)), 1)
                yield _entry(what, free[kind].pop(), start_s, STANDS_S, parameters)
        for kind, what, parameters in _NUISANCES if nuisances else ():
            if free[kind]:
                first_s = 0.0 if what in _FROM_THE_START else float(rng.uniform(1.0, 15.0))
                lasts_s = float(rng.uniform(60.0, max(61.0, min(duration_s, 240.0))))
                equipment_id = free[kind].pop()
                yield _entry(what, equipment_id, wave_s + round(first_s, 1), lasts_s, parameters)
        wave_s += WAVE_S


def _entry(
    what: str,
    equipment_id: str,
    start_s: float,
    duration_s: float,
    parameters: Mapping[str, Value],
) -> Entry:
    return make_entry(
        what,
        equipment_id,
        start_s=start_s,
        duration_s=round(duration_s, 1),
        parameters=dict(parameters),
    )


def _shuffled(kind: Kind, fleet: FleetSize, rng: np.random.Generator) -> list[str]:
    numbers = rng.permutation(fleet.of(kind)) + 1
    return [device_id(kind, int(number)) for number in numbers]
