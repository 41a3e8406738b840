"""The ledger of the state store, the same on SQLite and on PostgreSQL."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.equipment import Equipment, Kind
from domain.ledger import HOUR_NS, HourMissing, LedgerChanges, LedgerRow, Missing, SeqRange
from domain.ports import LedgerQuery, StateStore
from storage.state import ledger

I64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**53)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
RANGES = st.lists(st.builds(SeqRange, TEXT, COUNT, COUNT), max_size=3).map(tuple)
ALL_HOURS = LedgerQuery(start_ns=0, end_ns=100 * HOUR_NS)


def row(equipment_id: str, hour: int, missing: int = 0, **changes: Any) -> LedgerRow:
    ranges = (SeqRange("b", 10, 9 + missing),) if missing else ()
    plain = LedgerRow(
        equipment_id=equipment_id,
        hour_start_ns=hour * HOUR_NS,
        received=60,
        missing=Missing(count=missing, ranges=ranges),
    )
    return replace(plain, **changes)


def put(store: StateStore, *rows: LedgerRow, missing: tuple[HourMissing, ...] = ()) -> None:
    with store.writing() as tx:
        tx.ledger.put(LedgerChanges(rows=rows, missing=missing))


def hours(store: StateStore, equipment_id: str) -> list[LedgerRow]:
    with store.reading() as tx:
        return list(tx.ledger.hours(equipment_id, start_ns=0, end_ns=2**62))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.builds(
        LedgerRow,
        equipment_id=st.just("L-1"),
        hour_start_ns=st.just(HOUR_NS),
        received=COUNT,
        refused=COUNT,
        last_boot=TEXT,
        last_seq=COUNT | st.none(),
        lag_first_ns=I64 | st.none(),
        lag_max_ns=I64 | st.none(),
        clock_wrong=st.booleans(),
        missing=st.builds(Missing, count=COUNT, ranges=RANGES),
    )
)
def test_a_row_comes_back_as_it_was_and_replaces_the_former_one(
    store: StateStore, given_row: LedgerRow
) -> None:
    put(store, given_row)
    put(store, given_row)
    assert hours(store, "L-1") == [given_row]


def test_text_that_no_database_takes_is_stored_all_the_same(store: StateStore) -> None:
    odd = row("L-1", 1, missing=1)
    ranges = (SeqRange("b\0\ud800", 1, 2),)
    put(store, replace(odd, last_boot="\ud800", missing=Missing(count=2, ranges=ranges)))
    (found,) = hours(store, "L-1")
    assert found.missing.ranges[0].boot.isprintable()
    assert found.missing.count == 2


def test_what_is_missing_of_a_closed_hour_changes_alone(store: StateStore) -> None:
    put(store, row("L-1", 1, missing=3), row("L-1", 2))
    filled = HourMissing(equipment_id="L-1", hour_start_ns=HOUR_NS, missing=Missing())
    put(store, missing=(filled,))
    assert hours(store, "L-1") == [row("L-1", 1), row("L-1", 2)]


def test_a_listing_is_cut_by_time_and_comes_oldest_first(store: StateStore) -> None:
    put(store, *(row("L-1", hour) for hour in (3, 1, 2)), row("L-2", 1))
    with store.reading() as tx:
        found = tx.ledger.hours("L-1", start_ns=HOUR_NS, end_ns=3 * HOUR_NS)
        assert [one.hour_start_ns // HOUR_NS for one in found] == [1, 2]
        assert len(tx.ledger.hours("L-1", start_ns=0, end_ns=2**62, limit=1)) == 1


def test_the_worst_devices_come_first_and_sums_go_over_hours(store: StateStore) -> None:
    put(
        store,
        row("a-fine", 1),
        row("b-slow", 1, lag_min_ns=-9_000, lag_max_ns=50),
        row("c-refused", 1, refused=2),
        row("d-loses", 1, missing=1),
        row("e-loses", 1, missing=1),
        row("e-loses", 2, missing=4, refused=1),
        row("f-early", 200, missing=99),
    )
    with store.reading() as tx:
        found = tx.ledger.worst(ALL_HOURS)
        second = tx.ledger.worst(replace(ALL_HOURS, limit=1, offset=1))
    assert [one.equipment_id[0] for one in found] == ["e", "d", "c", "b", "a"]
    assert (found[0].missing, found[0].refused, found[0].received, found[0].hours) == (5, 1, 120, 2)
    assert [one.lag_max_abs_ns for one in found][-2:] == [9_000, None]
    assert second == found[1:2]


def test_a_firm_sees_its_own_devices_only(store: StateStore) -> None:
    with store.writing() as tx:
        tx.registry.put(
            [
                Equipment(id="L-1", kind=Kind.LIFT, maintenance_firm="acme"),
                Equipment(id="L-2", kind=Kind.LIFT, maintenance_firm="boden"),
            ]
        )
    put(store, row("L-1", 1), row("L-2", 1, missing=7))
    with store.reading() as tx:
        found = tx.ledger.worst(replace(ALL_HOURS, firm_id="acme"))
    assert [one.equipment_id for one in found] == ["L-1"]


def test_old_hours_are_deleted(store: StateStore) -> None:
    put(store, row("L-1", 1), row("L-2", 2), row("L-2", 3))
    with store.writing() as tx:
        assert tx.ledger.prune(3 * HOUR_NS) == 2
    assert hours(store, "L-1") == []
    assert hours(store, "L-2") == [row("L-2", 3)]


def test_old_hours_are_deleted_in_parts_that_let_others_write(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PRUNE_LIMIT", 2)
    put(store, *(row("L-1", hour) for hour in (3, 1, 2)))
    with store.writing() as tx:
        assert tx.ledger.prune(9 * HOUR_NS) == 2
    assert hours(store, "L-1") == [row("L-1", 3)]
