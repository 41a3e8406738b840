"""The state store: transactions over everything but telemetry."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import DependencyError
from storage.state.accounts import SqlAccounts
from storage.state.engines import TURN_TIMEOUT_S, Engines
from storage.state.incidents import SqlIncidents
from storage.state.ledger import SqlLedger
from storage.state.offsets import SqlOffsets
from storage.state.outbox import SqlOutbox
from storage.state.quarantine import SqlQuarantine
from storage.state.registry import SqlRegistry
from storage.state.shadow import SqlShadow


class SqlTransaction:
    """`domain.ports.StateTransaction` on one connection; it ends with its block."""

    def __init__(self, connection: Connection) -> None:
        self.registry = SqlRegistry(connection)
        self.incidents = SqlIncidents(connection)
        self.outbox = SqlOutbox(connection)
        self.quarantine = SqlQuarantine(connection)
        self.accounts = SqlAccounts(connection)
        self.offsets = SqlOffsets(connection)
        self.ledger = SqlLedger(connection)
        self.shadow = SqlShadow(connection)


class SqlStateStore:
    """`domain.ports.StateStore` on SQLite or PostgreSQL; threads and processes may share it.

    Every method raises `DependencyError` when the database cannot be reached, is locked longer than
    `TURN_TIMEOUT_S`, or refuses to work (such as a full disk).
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._turn = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[SqlTransaction]:
        """Begin a transaction that commits at the end of the block, and rolls back on an error.

        Writers take turns: keep the block short, and never begin another one inside it.
        """
        with reachable(), self._own_turn(), self._engines.writer.begin() as connection:
            yield SqlTransaction(connection)

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """Hand the turn from thread to thread at once, where SQLite would poll for it."""
        if not self._turn.acquire(timeout=TURN_TIMEOUT_S):
            raise DependencyError(
                f"No turn to write the state store within {TURN_TIMEOUT_S} s: "
                "another thread holds it"
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        """Begin a transaction over one consistent view, fixed by its first read.

        It writes nothing: the database refuses to.
        """
        with reachable(), self._engines.reader.begin() as connection:
            yield SqlTransaction(connection)

    def close(self) -> None:
        """Release connections."""
        self._engines.close()


@contextmanager
def reachable() -> Iterator[None]:
    """Turn what the database's state causes into `DependencyError`; our own mistakes pass."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DependencyError(f"The state store does not work: {_cause(error)}") from error
    except DatabaseError as error:
        # Subclasses are wrong statements and values; the bare class is a damaged or foreign file.
        if type(error) is not DatabaseError:
            raise
        raise DependencyError(f"The state store is damaged: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).strip() or type(original).__name__
