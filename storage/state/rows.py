"""Values to rows and back, and the few statements that SQLAlchemy spells per dialect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from domain.ports import PAGE_LIMIT

CHUNK = 500
"""Most values that one IN list holds; databases limit the parameters of a statement."""

T = TypeVar("T")


def page(limit: int) -> int:
    """``limit`` cut to 0 ... `PAGE_LIMIT` (a negative one would mean "all" to SQLite)."""
    return max(0, min(limit, PAGE_LIMIT))


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `CHUNK` values."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def columns_of(table: Table, value: object) -> dict[str, Any]:
    """Row of a value: those columns of ``table`` that are fields of it."""
    return {c.name: getattr(value, c.name) for c in table.c if hasattr(value, c.name)}


def count_rows(connection: Connection, table: Table) -> int:
    """Rows of a table."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


# Building a statement costs several times what SQLite needs to run it.
@cache
def _upserting(dialect: str, table: Table, key: str, names: tuple[str, ...]) -> Insert:
    statement = _insert(dialect, table)
    replaced = {name: statement.excluded[name] for name in names if name != key}
    return statement.on_conflict_do_update(index_elements=[key], set_=replaced)


@cache
def _inserting_new(dialect: str, table: Table, key: str) -> Insert:
    return _insert(dialect, table).on_conflict_do_nothing(index_elements=[key])


def upsert(connection: Connection, table: Table, key: str, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace the given columns of the one with the same key."""
    connection.execute(_upserting(connection.dialect.name, table, key, tuple(row)), dict(row))


def insert_new(connection: Connection, table: Table, key: str, row: Mapping[str, Any]) -> None:
    """Insert a row unless its key is known."""
    connection.execute(_inserting_new(connection.dialect.name, table, key), dict(row))


def upsert_all(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    *,
    replaced: Sequence[str] | None = None,
) -> None:
    """Insert many rows, or replace columns of those with the same key.

    The driver takes the values as they are, without the columns' own types: preparing 18 columns of
    20,000 rows value by value costs six times what SQLite does.

    Parameters
    ----------
    rows
        Values of all columns in the order of the table, as the database keeps them.
    replaced
        Columns that an existing row takes over; ``None`` = all but the key.
    """
    statement = _insert(connection.dialect.name, table)
    names = [column.name for column in table.c if column.name not in key]
    taken = {name: statement.excluded[name] for name in (names if replaced is None else replaced)}
    upserting = statement.on_conflict_do_update(index_elements=key, set_=taken)
    compiled = upserting.compile(dialect=connection.dialect)
    values: list[Any] = list(rows)
    if not compiled.positional:
        columns = table.c.keys()
        values = [dict(zip(columns, row, strict=True)) for row in values]
    if values:
        connection.exec_driver_sql(str(compiled), values)
