"""Positions and counters of the journal's consumers in the state store."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from storage.state.rows import upsert
from storage.state.tables import consumers


class SqlOffsets:
    """`domain.ports.Offsets` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, consumer: str) -> int:
        """Journal position of a consumer; 0 when it never recorded one."""
        statement = select(consumers.c.position).where(consumers.c.consumer == consumer)
        return self._connection.execute(statement).scalar_one_or_none() or 0

    def put(self, consumer: str, position: int) -> None:
        """Record a consumer's position."""
        self._put(consumer, {"position": position}, {"counters": {}})

    def counters(self, consumer: str) -> Mapping[str, int]:
        """Counters recorded with the position, empty when none."""
        statement = select(consumers.c.counters).where(consumers.c.consumer == consumer)
        return self._connection.execute(statement).scalar_one_or_none() or {}

    def put_counters(self, consumer: str, counters: Mapping[str, int]) -> None:
        """Record counters beside the position."""
        self._put(consumer, {"counters": counters}, {"position": 0})

    def _put(
        self, consumer: str, changes: Mapping[str, object], others: Mapping[str, object]
    ) -> None:
        statement = consumers.update().where(consumers.c.consumer == consumer).values(**changes)
        if self._connection.execute(statement).rowcount == 0:
            upsert(
                self._connection, consumers, "consumer", {"consumer": consumer, **changes, **others}
            )
