"""What shows over hours and days: tube leak by mass balance, fouling by flue temperature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors.bank import Bank
from detectors.steam import saturation_c
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from domain.instants import NS_PER_S, seconds
from tests.support.batches import make_batch
from tests.support.story import T0

H = 3_600
DAY_H = 24
PARAMETERS = {
    "boiler_balance": {"gap_max_s": 400.0, "warm_up_blocks": 12.0},
    "boiler_fouling": {"period_min_s": 300.0},
}
"""Rows of these tests lie further apart than a boiler's."""

Values = dict[str, float | bool | None]
Row = tuple[int, Values]


def judged(cases: Mapping[str, Sequence[Row]], kind: str) -> dict[str, list[tuple[str, float]]]:
    """Phase and hour of the findings of one kind about boilers of 2 t/h, one a case."""
    rating: dict[str, Any] = {"rated_pressure_mpa": 0.8, "rated_evaporation_tph": 2.0}
    ids = list(cases)
    members = [Equipment(id=name, kind=Kind.BOILER, **rating) for name in ids]
    bank = Bank(build_fleet(1, members), PARAMETERS)
    found: list[Finding] = []
    for together in zip(*cases.values(), strict=True):
        rows = [
            {"id": name, "t": T0 + seconds(t), "v": values}
            for name, (t, values) in zip(ids, together, strict=True)
        ]
        found += bank.step(make_batch(Kind.BOILER, rows, ids=ids))
    hours: dict[str, list[tuple[str, float]]] = {name: [] for name in ids}
    for f in found:
        if f.kind == kind:
            hours[f.equipment_id].append((f.phase, (f.detected_at_ns - T0) / NS_PER_S / H))
    return hours


def flows(hours: int, loss_tph: float, *, until_h: int = 99, **fixed: float | None) -> list[Row]:
    """Draw of 1.2 t/h, a pump that runs a quarter of each hour, and a loss from hour 16 on."""
    rows: list[Row] = []
    for t in range(0, hours * H, 300):
        runs = t % H < 900
        loss = loss_tph if 16 * H <= t < until_h * H else 0.0
        steam = 1.2 + 0.1 * (t // 300 % 5 - 2)
        feed = 4 * (1.24 + loss) if runs else 0.0
        values: Values = {"feed_water_flow_tph": feed, "steam_flow_tph": steam}
        rows.append((t, values | {"feed_pump_on": runs} | fixed))
    return rows


def test_a_tube_leak_is_claimed_within_hours_and_ends_when_it_is_mended() -> None:
    """A loss of 7 % of the rated evaporation; the usual 2 % blow-down is not one."""
    found = judged(
        {
            "leaks": flows(44, 0.14, until_h=26),
            "usual": flows(44, 0.0),
            "slack": flows(44, 0.02),
            "without_steam_flow": flows(44, 0.14, steam_flow_tph=None),
            "stuck_meter": flows(44, 0.14, steam_flow_tph=0.9),
        },
        "tube_leak",
    )
    (raised, raised_h), (ended, ended_h) = found.pop("leaks")
    assert (raised, ended) == ("raised", "ended")
    assert 17 < raised_h < 20
    assert 26 < ended_h < 44
    assert not any(found.values())


def days(rise_k: list[float], **fixed: float | bool | None) -> list[Row]:
    """High fire in the afternoon; the flue gas at 205 degC and so much above it."""
    rows: list[Row] = []
    for day, rise in enumerate(rise_k):
        for minute in range(9):
            pressure = 0.7 + 0.01 * (minute % 3)
            boils = float(saturation_c(np.array([pressure]))[0] - saturation_c(np.array([0.7]))[0])
            values: Values = {
                "burner_stage": 4 if minute else 0,
                "flame_on": minute > 0,
                "steam_pressure_mpa": pressure,
                "flue_gas_temperature_c": round(205 + rise + boils, 1),
            }
            rows.append((day * DAY_H * H + minute * 60, values | fixed))
    return rows


def test_fouling_is_claimed_in_weeks_and_ends_with_cleaning() -> None:
    """
    1 K a day for 24 days, then cleaned: 15 K above clean after some 18 days.
    """
    dirty = [float(day) for day in range(24)] + [0.0] * 6
    found = judged(
        {
            "fouled": days(dirty),
            "scatter": days([2.0 * (day % 3) for day in range(30)]),
            "season": days([0.08 * day for day in range(30)]),
            "other_thermometer": days([0.0] * 8 + [25.0] * 22),
            "unknown_load": days(dirty, burner_stage=None),
            "unknown_pressure": days(dirty, steam_pressure_mpa=None),
        },
        "flue_fouling",
    )
    (raised, raised_h), (ended, ended_h) = found.pop("fouled")
    assert (raised, ended) == ("raised", "ended")
    assert 15 * DAY_H < raised_h < 21 * DAY_H
    assert ended_h < 29 * DAY_H
    assert not any(found.values())
