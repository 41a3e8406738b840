"""The ledger in the state store: one row a device and hour."""

import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, delete, func, select, tuple_

from domain.ledger import HourMissing, LedgerChanges, LedgerRow, LedgerTotal, Missing, SeqRange
from domain.ports import PAGE_LIMIT, LedgerQuery
from storage.state.columns import clean_text
from storage.state.rows import page, upsert_all
from storage.state.tables import equipment, ledger

PRUNE_LIMIT = 50_000
"""Most rows that one `SqlLedger.prune` deletes: other writers wait meanwhile."""

_KEY = ("equipment_id", "hour_start_ns")
_PLAIN = tuple(c.name for c in ledger.c)[:-3]
_plain_of = attrgetter(*_PLAIN)
_NO_RANGES = "[]"
_SUMS = ("received", "alive", "duplicated", "late", "refused", "bad_values", "missing")


class SqlLedger:
    """`domain.ports.Ledger` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, changes: LedgerChanges) -> None:
        """Insert or replace rows, and what is missing of hours that are closed."""
        upsert_all(self._connection, ledger, _KEY, map(_row, changes.rows))
        replaced = ("missing", "missing_ranges")
        missing = map(_missing_row, changes.missing)
        upsert_all(self._connection, ledger, _KEY, missing, replaced=replaced)

    def hours(
        self, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[LedgerRow]:
        """Rows of one device with ``start_ns <= hour_start_ns < end_ns``, oldest first."""
        hour = ledger.c.hour_start_ns
        statement = (
            select(ledger)
            .where(ledger.c.equipment_id == equipment_id, hour >= start_ns, hour < end_ns)
            .order_by(hour)
            .limit(page(limit))
        )
        return [_value(row) for row in self._connection.execute(statement).mappings()]

    def worst(self, query: LedgerQuery) -> Sequence[LedgerTotal]:
        """Devices with a row, worst first: most missing, most refused, largest lag, id."""
        rows = self._connection.execute(_worst(query)).mappings()
        return [
            LedgerTotal(
                equipment_id=row["equipment_id"],
                hours=row["hours"],
                # PostgreSQL sums 64-bit integers to decimals.
                **{name: int(row[name]) for name in _SUMS},
                lag_max_abs_ns=None if row["lag"] is None else int(row["lag"]),
                clock_wrong=bool(row["wrong"]),
            )
            for row in rows
        ]

    def prune(self, before_ns: int) -> int:
        """Delete the oldest `PRUNE_LIMIT` rows of hours that began before an instant."""
        key = (ledger.c.equipment_id, ledger.c.hour_start_ns)
        old = (
            select(*key)
            .where(ledger.c.hour_start_ns < before_ns)
            .order_by(ledger.c.hour_start_ns)
            .limit(PRUNE_LIMIT)
        )
        return self._connection.execute(delete(ledger).where(tuple_(*key).in_(old))).rowcount


def _worst(query: LedgerQuery) -> Select[Any]:
    hour = ledger.c.hour_start_ns
    sums = [func.sum(ledger.c[name]).label(name) for name in _SUMS]
    furthest = func.max(func.abs(ledger.c.lag_max_ns)), func.max(func.abs(ledger.c.lag_min_ns))
    lag = case((furthest[0] > furthest[1], furthest[0]), else_=furthest[1]).label("lag")
    wrong = func.max(case((ledger.c.clock_wrong, 1), else_=0)).label("wrong")
    hours = func.count().label("hours")
    statement = (
        select(ledger.c.equipment_id, hours, *sums, lag, wrong)
        .where(hour >= query.start_ns, hour < query.end_ns)
        .group_by(ledger.c.equipment_id)
    )
    if query.firm_id is not None:
        own = select(equipment.c.id).where(equipment.c.maintenance_firm == query.firm_id)
        statement = statement.where(ledger.c.equipment_id.in_(own))
    missing, refused = func.sum(ledger.c.missing), func.sum(ledger.c.refused)
    ordered = statement.order_by(
        missing.desc(), refused.desc(), func.coalesce(lag, -1).desc(), ledger.c.equipment_id
    )
    return ordered.limit(page(query.limit)).offset(query.offset)


def _row(row: LedgerRow) -> tuple[Any, ...]:
    """Values of a row in the order of the table, as the database keeps them."""
    missing = row.missing
    ranges = _packed(missing.ranges) if missing.ranges else _NO_RANGES
    return (*_plain_of(row), clean_text(row.last_boot), missing.count, ranges)


def _missing_row(one: HourMissing) -> tuple[Any, ...]:
    """Row of an hour; figures other than the missing items stand only where there is none yet."""
    empty = LedgerRow(
        equipment_id=one.equipment_id, hour_start_ns=one.hour_start_ns, missing=one.missing
    )
    return _row(empty)


def _value(row: RowMapping) -> LedgerRow:
    values = {name: row[name] for name in (*_PLAIN, "last_boot")}
    return LedgerRow(
        **values, missing=Missing(count=row["missing"], ranges=_unpacked(row["missing_ranges"]))
    )


def _packed(ranges: Sequence[SeqRange]) -> str:
    listed = [(clean_text(one.boot), one.first, one.last) for one in ranges]
    return json.dumps(listed, separators=(",", ":"))


def _unpacked(text: str) -> tuple[SeqRange, ...]:
    return tuple(SeqRange(*values) for values in json.loads(text))
