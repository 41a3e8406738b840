"""Crane kernels and duty counters find what scalar references find, with shortened times."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import Bank
from detectors.crane_duty import CraneDutyParameters
from domain.equipment import Equipment, Kind
from domain.readings import Stream
from tests.detectors.comparison import LATE, by_kernels, by_reference, row
from tests.detectors.reference import Device, Row
from tests.detectors.reference_crane import Duty

FLEET = (
    Equipment(id="C0", kind=Kind.CRANE, rated_load_t=10.03, wind_limit_mps=15.1),
    Equipment(
        id="C1",
        kind=Kind.CRANE,
        rated_load_t=20.07,
        load_chart=((5.0, 20.07), (10.0, 10.03), (20.0, 5.01)),
        wind_limit_mps=13.3,
        report_interval_s=10.0,
    ),
    Equipment(id="C2", kind=Kind.CRANE, load_chart=((5.0, 12.07), (15.0, 7.03))),
    Equipment(id="C3", kind=Kind.CRANE, wind_limit_mps=12.7),
)

# No value, difference or mean of a few lies on a limit: no rounding may decide a comparison.
CHANNELS: Mapping[str, st.SearchStrategy[float | None]] = {
    "hook_load_t": st.sampled_from([0.013, 0.013, 0.117, 0.61, 5.11, 5.13, 8.53, 12.17, None]),
    "radius_m": st.sampled_from([2.0, 7.3, 7.31, 15.2, None]),
    "hook_height_m": st.sampled_from([0.53, 0.61, 3.007, 6.011, 6.0, 5.973, 5.83, None]),
    "hoist_speed_mps": st.sampled_from([0.0, 0.0, 0.13, -0.13, None, None]),
    "trolley_position_m": st.sampled_from([3.0, 3.21, 4.57, None]),
    "wind_speed_mps": st.sampled_from([3.1, 11.7, 14.9, 21.3, None]),
    "sway_deg": st.sampled_from([0.2, 4.1, 4.3, -3.7, None]),
    "hoist_brake_closed": st.sampled_from([0, 1, 1, 1, None]),
    "hoist_command": st.sampled_from([-1, 0, 0, 0, 1, None]),
}

SHORT: Mapping[str, Mapping[str, float]] = {
    "crane_load_cell": {
        "persist_s": 7.0,
        "settle_s": 2.0,
        "strokes": 2.0,
        "stuck_s": 3.0,
        "drift_ratio": 0.003,
    },
    "crane_brake": {"settle_s": 0.5, "command_settle_s": 1.3, "loaded_ratio": 0.001},
    "crane_shock": {"plateau_s": 0.8, "verdict_s": 1.4, "memory_s": 9.0, "shock_ratio": 1.11},
    "crane_lost_load": {"steady_s": 0.5, "lowered_s": 1.0, "memory_s": 9.0},
    "crane_wind": {"mean_s": 4.0, "parked_s": 9.0, "over_hold_s": 5.0},
    "crane_side_pull": {"over_hold_s": 2.0},
    "crane_limiter": {"limit_ratio": 0.7, "over_ratio": 0.6},
}

SETTLE_S = 90
"""Ticks after the last row, until everything has settled."""


State = Mapping[str, float | None]


@st.composite
def scene(draw: st.DrawFn) -> list[tuple[float, State]]:
    """Something that happens to one crane: rows, each with the time since the one before."""
    what = draw(st.sampled_from(["any", "held", "snatched", "lost", "lifted", "idle"]))
    load = draw(st.sampled_from([5.11, 8.53, 12.17]))
    still: dict[str, float | None] = {
        "hoist_brake_closed": 1,
        "hoist_command": 0,
        "hook_load_t": load,
    }
    if what == "held":
        steps = st.sampled_from([0.0, 0.003, 0.013, 0.057, 0.41])
        falls = draw(st.lists(steps, min_size=4, max_size=14))
        heights = [6.011 - sum(falls[: k + 1]) for k in range(len(falls))]
        gap_s = draw(st.sampled_from([0.1, 1.0]))
        return [(gap_s, still | {"hook_height_m": round(height, 3)}) for height in heights]
    if what == "snatched":
        swings = draw(st.lists(st.sampled_from([1.27, 0.71, 1.43, 0.93, 1.11]), max_size=9))
        rest = [1.0] * draw(st.integers(0, 5))
        shares = [*draw(st.sampled_from([[0.0], [0.0, 0.37], [0.0, 0.9]])), *swings]
        taken = [(0.1, {"hook_load_t": round(load * share, 3)}) for share in shares]
        return [*taken, *((0.7, {"hook_load_t": round(load * share, 3)}) for share in rest)]
    if what == "lost":
        carried = [(0.7, still | {"hook_height_m": 6.011})] * draw(st.integers(1, 5))
        after = st.sampled_from([0.013, 0.117, load * 0.6, load])
        return [*carried, *((1.0, {"hook_load_t": value}) for value in draw(st.lists(after)))]
    if what == "lifted":
        rows = draw(st.integers(2, 7))
        lift: list[tuple[float, State]] = [
            (1.0, {"hook_load_t": load, "hook_height_m": 1.007 + k, "hoist_command": 1})
            for k in range(rows)
        ]
        return [*lift, *([(1.0, {"hook_load_t": 0.013, "hoist_command": 0})] * rows)]
    if what == "idle":
        zero = draw(st.sampled_from([0.013, 0.117, 0.21]))
        return [(9.0, {"hook_load_t": zero})] * draw(st.integers(1, 9))
    some = st.fixed_dictionaries({}, optional=dict(CHANNELS))
    gaps = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.0, 11.0, 70.0])
    return draw(st.lists(st.tuples(gaps, some), max_size=15))


@st.composite
def traffic(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of the fleet in order of arrival, scene after scene, with rows lost, late and silent."""
    ids = [equipment.id for equipment in FLEET]
    whole = st.fixed_dictionaries(dict(CHANNELS))
    rows = [row(identity, 0.0, 0.1, v=draw(whole)) for identity in ids]
    received_s = 0.0
    for _ in range(draw(st.integers(1, 8))):
        identity = draw(st.sampled_from(ids))
        for gap_s, values in draw(scene()):
            received_s += gap_s
            what = draw(st.integers(0, 39))
            if what == 0:
                online = draw(st.sampled_from([0, 1]))
                rows.append(row(identity, received_s, 0.1, online=online, stream=Stream.ALIVE))
            lag_s, quality = {1: (0.4, 0), 2: (130.0, LATE)}.get(what, (0.1, 0))
            rows.append(row(identity, received_s, lag_s, quality=quality, v=values))
    return rows


Counted = list[tuple[int, int, int, float, float, float]]


def counted(bank: Bank) -> Counted:
    """What the duty counters of a bank say."""
    tare_t = dict(bank.arrays(Kind.CRANE))["duty/tare_t"]
    reports = [bank.duty(equipment.id) for equipment in FLEET]
    return [
        (
            report.cycles,
            report.uncertain_cycles,
            report.overload_cycles,
            report.full_load_cycles,
            report.peak_ratio_max,
            float(tare_t[slot]),
        )
        for slot, report in enumerate(reports)
        if report is not None
    ]


class Counting(Device):
    """A reference device that counts its duty beside its findings."""

    def __init__(
        self, equipment: Equipment, parameters: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        super().__init__(equipment, parameters)
        self.duty = Duty(equipment, CraneDutyParameters(gap_s=10.0))

    def _judge(self, row: Row, before: Mapping[str, float | None]) -> None:
        super()._judge(row, before)
        load = row.values.get("hook_load_t")
        if load is not None:
            self.duty.take(row.event, load, self.values)


@pytest.mark.parametrize("parameters", [{}, SHORT], ids=["defaults", "short"])
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_kernels_and_counters_find_what_the_references_find(
    parameters: Mapping[str, Mapping[str, float]], data: st.DataObject
) -> None:
    rows = data.draw(traffic())
    with_duty = {**parameters, "crane_duty": {"gap_s": 10.0}}
    found, bank = by_kernels(FLEET, rows, with_duty, settle_s=SETTLE_S)
    devices = [Counting(equipment, parameters) for equipment in FLEET]
    assert sorted(found) == sorted(by_reference(devices, rows, settle_s=SETTLE_S))
    duties = [device.duty for device in devices]
    expected = [(d.cycles, d.uncertain, d.overloads, d.full, d.peak, d.tare) for d in duties]
    for kernel, reference in zip(counted(bank), expected, strict=True):
        assert kernel == pytest.approx(reference, rel=1e-9, abs=1e-12)
