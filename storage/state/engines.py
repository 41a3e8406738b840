"""Database connections: what SQLite and PostgreSQL need to behave alike.

Writers take turns on both, across threads and processes, so a transaction reads what it changes
without losing another's change, and history numbers become visible in rising order. SQLite does it
with ``BEGIN IMMEDIATE``, PostgreSQL with an advisory lock held until commit. Readers never wait.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from domain.errors import UsageError

TURN_TIMEOUT_S = 15
"""Longest wait for the turn to write."""

IDLE_TIMEOUT_S = 60
"""PostgreSQL ends a writer that holds the turn and does nothing for so long."""

CONNECT_TIMEOUT_S = 5
POOL_SIZE = 8
POOL_OVERFLOW = 32
POOL_TIMEOUT_S = 15
"""At most ``POOL_SIZE + POOL_OVERFLOW`` connections of each engine; one more waits so long."""

TURN_LOCK = 0x6571_7761
"""Key of PostgreSQL's advisory lock, the same in every process that shares the database."""

_SUPPORTED = "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Connections by purpose.

    Parameters
    ----------
    writer
        Its transactions hold the turn to write from their beginning.
    reader
        Its transactions see one consistent view and refuse to write.
    migrator
        As ``writer``, but SQLite's foreign keys are off: changing a table there means to build it
        anew, which would otherwise delete what refers to it.
    """

    writer: Engine
    reader: Engine
    migrator: Engine

    def close(self) -> None:
        """Release all connections."""
        for engine in (self.writer, self.reader, self.migrator):
            engine.dispose()


def open_engines(url: str) -> Engines:
    """Engines of a database URL; SQLite's file and its folder are made when missing.

    Raises
    ------
    UsageError
        If the URL is malformed or names an unsupported database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(f"The state store needs {_SUPPORTED}") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite_engines(parsed)
        case "postgresql" | "postgres":
            return _postgresql_engines(parsed.set(drivername="postgresql+psycopg"))
        case other:
            raise UsageError(f"The state store cannot be kept in {other}: use {_SUPPORTED}")


def _sqlite_engines(url: URL) -> Engines:
    if url.database in {None, "", ":memory:"}:
        raise UsageError("The state store needs a file: sqlite:///PATH")
    _make_private(Path(str(url.database)))
    common = {"check_same_thread": False, "timeout": TURN_TIMEOUT_S}
    pool = {"pool_size": POOL_SIZE, "max_overflow": POOL_OVERFLOW, "pool_timeout": POOL_TIMEOUT_S}
    writer = create_engine(url, connect_args=common, **pool)
    reader = create_engine(url, connect_args=common, **pool)
    migrator = create_engine(url, connect_args=common, poolclass=NullPool)
    _prepare_sqlite(writer, "BEGIN IMMEDIATE", foreign_keys=True)
    _prepare_sqlite(reader, "BEGIN", "PRAGMA query_only=ON", foreign_keys=True)
    _prepare_sqlite(migrator, "BEGIN IMMEDIATE", foreign_keys=False)
    return Engines(writer=writer, reader=reader, migrator=migrator)


def _make_private(path: Path) -> None:
    """Make the file for the owner alone: it holds webhook secrets. SQLite's side files follow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _prepare_sqlite(engine: Engine, begin: str, *pragmas: str, foreign_keys: bool) -> None:
    """Let ``begin`` open transactions; pysqlite's own comes too late to fix the view."""

    def connect(connection: Any, _record: object) -> None:  # noqa: ANN401  the driver's connection
        connection.isolation_level = None
        switch = "ON" if foreign_keys else "OFF"
        settings = ("journal_mode=WAL", "synchronous=FULL", f"foreign_keys={switch}")
        for statement in (*(f"PRAGMA {setting}" for setting in settings), *pragmas):
            connection.execute(statement)

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin_transaction)


def _postgresql_engines(url: URL) -> Engines:
    engine = create_engine(
        url,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "equipwatch"},
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
    )
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    writer = engine.execution_options(isolation_level="READ COMMITTED")
    event.listen(writer, "begin", _take_turn)
    return Engines(writer=writer, reader=reader, migrator=writer)


def _take_turn(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TURN_TIMEOUT_S}s'")
    connection.exec_driver_sql(
        f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT_S}s'"
    )
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN_LOCK})")
