"""Properties that every detector must have, over random rows of the whole contract."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import Bank
from domain.equipment import Equipment, Kind, build_fleet
from domain.findings import Finding
from domain.instants import seconds
from domain.readings import Quality, ReadingBatch, Stream
from tests.support.batches import make_batch
from tests.support.story import PARKED, T0

IDS = ("D0", "D1", "D2")

VALUES: dict[Kind, dict[str, st.SearchStrategy[Any]]] = {
    Kind.LIFT: {
        "service_mode": st.sampled_from([0, 1, 2, 7, None]),
        "car_status": st.sampled_from([0, 1, None]),
        "door_zone": st.sampled_from([False, True, None]),
        "door_closed": st.sampled_from([False, True, True]),
        "passenger_present": st.sampled_from([False, True, True, None]),
        "mains_power": st.booleans(),
        "speed_mps": st.sampled_from([0.0, 1.0]),
        "load_kg": st.sampled_from([0.0, 150.0]),
    },
    Kind.BOILER: {
        "steam_pressure_mpa": st.floats(0.7, 0.9),
        "water_level_mm": st.floats(-100, 50),
        "flame_on": st.booleans(),
        "low_water": st.booleans(),
    },
    Kind.CRANE: {"hook_load_t": st.floats(0, 13), "radius_m": st.floats(1, 20)},
}


@st.composite
def traffic(draw: st.DrawFn) -> tuple[Kind, list[dict[str, Any]]]:
    """Rows of three devices of one kind over some minutes, in order of arrival."""
    kind = draw(st.sampled_from(list(VALUES)))
    received_s = 0.0
    rows: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 25))):
        received_s += draw(st.sampled_from([0.0, 0.2, 1.0, 20.0, 50.0]))
        lag_s, quality = draw(st.sampled_from([(0.1, 0), (0.1, 0), (300.0, Quality.LATE)]))
        row: dict[str, Any] = {
            "id": draw(st.sampled_from(IDS)),
            "t": T0 + seconds(received_s - lag_s),
            "received_at_ns": T0 + seconds(received_s),
            "quality": int(quality),
        }
        what = draw(st.sampled_from(["values", "values", "values", "code", "alive"]))
        if what == "values":
            row["v"] = draw(st.fixed_dictionaries({}, optional=VALUES[kind]))
        elif what == "code" and kind is Kind.LIFT:
            row |= {"code": draw(st.sampled_from(["gbt24476:03", "gbt24476:90"]))}
            row |= {"active": draw(st.booleans()), "stream": Stream.FAULT}
        else:
            row |= {"online": draw(st.integers(0, 1)), "stream": Stream.ALIVE, "quality": 0}
        rows.append(row)
    return kind, rows


def equipment(identity: str, kind: Kind) -> Equipment:
    return Equipment(
        id=identity,
        kind=kind,
        rated_pressure_mpa=0.8,
        rated_load_t=10.0,
        report_interval_s=30.0,
    )


def fresh(kind: Kind) -> Bank:
    return Bank(build_fleet(1, [equipment(identity, kind) for identity in IDS]))


def steps(kind: Kind, rows: list[dict[str, Any]]) -> list[tuple[int, ReadingBatch | None]]:
    """Batches of the rows of each second, and the ticks between them (as ``None``)."""
    found: list[tuple[int, ReadingBatch | None]] = []
    last_s = int((rows[-1]["received_at_ns"] - T0) / seconds(1)) + 200
    left = [dict(row) for row in rows]
    for second in range(last_s):
        now_ns = T0 + seconds(second)
        now = [row for row in left if row["received_at_ns"] < now_ns]
        left = left[len(now) :]
        if now:
            for row in now:
                row["position"] = 2 * second
            found.append((now_ns, make_batch(kind, now, ids=IDS)))
        found.append((now_ns, None))
    return found


def run(
    bank: Bank, work: list[tuple[int, ReadingBatch | None]], *, one_by_one: bool = False
) -> list[Finding]:
    findings: list[Finding] = []
    for now_ns, batch in work:
        if batch is None:
            findings += bank.tick(now_ns, int((now_ns - T0) / seconds(1)) * 2 + 1)
        elif one_by_one:
            for row in range(len(batch)):
                findings += bank.step(single(batch, row))
        else:
            findings += bank.step(batch)
    return sorted(findings, key=lambda f: (f.position, f.detected_at_ns, f.id))


def single(batch: ReadingBatch, row: int) -> ReadingBatch:
    names = ("device", "event_time_ns", "received_at_ns", "position", "ordinal", "seq", "stream")
    more = ("quality", "values", "unknown", "code", "active", "online")
    return ReadingBatch(
        kind=batch.kind,
        ids=batch.ids,
        vocabulary=batch.vocabulary,
        **{name: getattr(batch, name)[row : row + 1].copy() for name in (*names, *more)},
    )


@given(traffic())
@settings(deadline=None, max_examples=30)
def test_any_split_of_the_rows_gives_the_same_findings(
    world: tuple[Kind, list[dict[str, Any]]],
) -> None:
    kind, rows = world
    work = steps(kind, rows)
    assert run(fresh(kind), work) == run(fresh(kind), work, one_by_one=True)


@given(traffic(), st.data())
@settings(deadline=None, max_examples=20)
def test_a_restart_from_a_snapshot_changes_nothing(
    world: tuple[Kind, list[dict[str, Any]]], data: st.DataObject
) -> None:
    kind, rows = world
    work = steps(kind, rows)
    cut = data.draw(st.integers(0, len(work)))
    first, second = fresh(kind), fresh(kind)
    before = run(first, work[:cut])
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    whole = run(fresh(kind), work)
    assert sorted(f.id for f in before + run(second, work[cut:])) == sorted(f.id for f in whole)


@given(traffic())
@settings(deadline=None, max_examples=20)
def test_devices_do_not_influence_each_other(world: tuple[Kind, list[dict[str, Any]]]) -> None:
    kind, rows = world
    alone = [row for row in rows if row["id"] == "D1"]
    if not alone:
        return
    end_s = rows[-1]["received_at_ns"]
    together = [f for f in run(fresh(kind), steps(kind, rows)) if f.equipment_id == "D1"]
    apart = run(
        fresh(kind),
        steps(kind, [*alone, {**alone[-1], "id": "D2", "received_at_ns": end_s}]),
    )
    mine = [f for f in apart if f.equipment_id == "D1"]
    assert [(f.kind, f.level, f.phase, f.onset_ns) for f in together] == [
        (f.kind, f.level, f.phase, f.onset_ns) for f in mine
    ]


@given(traffic())
@settings(deadline=None, max_examples=20)
def test_rows_that_report_nothing_change_nothing(world: tuple[Kind, list[dict[str, Any]]]) -> None:
    kind, rows = world
    doubled = [more for row in rows for more in ((row, {**row, "v": {}}) if "v" in row else (row,))]
    assert run(fresh(kind), steps(kind, doubled)) == run(fresh(kind), steps(kind, rows))


def test_a_grown_fleet_keeps_its_state() -> None:
    bank = fresh(Kind.LIFT)
    rows = [{"id": "D1", "t": T0, "v": {**PARKED, "door_zone": False, "passenger_present": True}}]
    bank.step(make_batch(Kind.LIFT, rows, ids=IDS))
    more = [equipment(identity, Kind.LIFT) for identity in (*IDS, "D3", "D4")]
    bank.set_fleet(build_fleet(2, more))
    findings = sum((bank.tick(T0 + seconds(s), s) for s in range(60)), list[Finding]())
    assert [(f.equipment_id, f.level) for f in findings] == [("D1", "suspected")]


def test_several_rows_of_one_device_in_a_batch_are_taken_in_order() -> None:
    rows = [{"id": "D0", "t": T0 + seconds(n / 10), "v": {"hook_load_t": 12.5}} for n in range(30)]
    batch = make_batch(Kind.CRANE, rows, ids=IDS)
    before = batch.values.copy()
    findings = fresh(Kind.CRANE).step(batch)
    assert [f.kind for f in findings] == ["overload"]
    assert np.array_equal(batch.values, before, equal_nan=True)
