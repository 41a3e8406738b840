from typing import Any

from domain.equipment import Kind
from storage.memory import MemoryStore
from tests.support.batches import T0_NS, make_batch


def loads(store: MemoryStore, equipment_id: str = "D-1") -> list[object]:
    rows = store.history(Kind.LIFT, equipment_id, start_ns=0, end_ns=2**62)
    return [row.values["load_kg"] for row in rows]


def test_the_oldest_arrivals_of_a_kind_are_dropped_and_counted() -> None:
    store = MemoryStore(max_rows=3)
    late_first = [{"t": T0_NS + 90 - n, "v": {"load_kg": float(n)}} for n in range(3)]
    store.append([make_batch(Kind.LIFT, late_first)], 1)
    assert (store.count(), store.dropped) == (3, 0)
    more: list[dict[str, Any]] = [
        {"t": T0_NS, "v": {"load_kg": 7.0}},
        {"id": "D-2", "v": {"load_kg": 8.0}},
    ]
    store.append([make_batch(Kind.LIFT, more, position=2, first_ordinal=3)], 2)
    assert (store.count(), store.dropped) == (3, 2)
    assert loads(store) == [7.0, 2.0], "rows 0 and 1 came first"
    assert loads(store, "D-2") == [8.0]


def test_one_kind_does_not_crowd_out_another() -> None:
    store = MemoryStore(max_rows=1)
    store.append([make_batch(Kind.LIFT, [{"v": {"load_kg": 1.0}}])], 1)
    rows = [{"v": {"radius_m": float(n)}} for n in range(5)]
    store.append([make_batch(Kind.CRANE, rows, position=2)], 2)
    assert loads(store) == [1.0]
    assert (store.count(), store.dropped) == (2, 4)
