"""Notifications and their deliveries in the state store."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from domain.errors import NotFoundError
from domain.notifications import Delivery, Notification, Outcome
from storage.state.rows import columns_of, insert_new, page
from storage.state.tables import deliveries, notifications

_NOTIFICATION = [column for column in notifications.c if column.name != "number"]
_DELIVERY = [column for column in deliveries.c if column.name != "number"]


class SqlOutbox:
    """`domain.ports.Outbox` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, notification: Notification) -> None:
        """Queue a notification; a known id changes nothing."""
        row = columns_of(notifications, notification)
        insert_new(self._connection, notifications, "id", row)

    def due(self, now_ns: int, limit: int) -> Sequence[Notification]:
        """Undecided notifications whose next attempt is due, oldest due first."""
        statement = (
            select(*_NOTIFICATION)
            .where(notifications.c.outcome.is_(None), notifications.c.due_at_ns <= now_ns)
            .order_by(notifications.c.due_at_ns, notifications.c.number)
            .limit(page(limit))
        )
        return [Notification(**row) for row in self._connection.execute(statement).mappings()]

    def record(self, delivery: Delivery, next_due_at_ns: int | None) -> None:
        """Keep an attempt; without a next one the notification is decided.

        A last attempt that would have been worth a retry decides it as given up.

        Raises
        ------
        NotFoundError
            If the notification is unknown.
        """
        changes: dict[str, object] = {"attempts": notifications.c.attempts + 1}
        if next_due_at_ns is not None:
            changes["due_at_ns"] = next_due_at_ns
        else:
            retry = delivery.outcome is Outcome.RETRY
            changes["outcome"] = Outcome.GIVEN_UP if retry else delivery.outcome
        matching = notifications.c.id == delivery.notification_id
        statement = update(notifications).where(matching).values(changes)
        if self._connection.execute(statement).rowcount == 0:
            raise NotFoundError(f"No notification {delivery.notification_id}")
        self._connection.execute(deliveries.insert().values(columns_of(deliveries, delivery)))

    def for_incident(self, incident_id: str) -> Sequence[tuple[Notification, Sequence[Delivery]]]:
        """Notifications of an incident with their attempts, oldest first."""
        of_incident = notifications.c.incident_id == incident_id
        sent = self._connection.execute(
            select(*_NOTIFICATION).where(of_incident).order_by(notifications.c.number)
        ).mappings()
        attempts: dict[str, tuple[Notification, list[Delivery]]] = {
            row["id"]: (Notification(**row), []) for row in sent
        }
        tried = select(*_DELIVERY).join(notifications).where(of_incident)
        for row in self._connection.execute(tried.order_by(deliveries.c.number)).mappings():
            attempts[row["notification_id"]][1].append(Delivery(**row))
        return list(attempts.values())

    def pending(self) -> int:
        """Notifications not decided yet."""
        statement = select(func.count()).where(notifications.c.outcome.is_(None))
        return self._connection.execute(statement.select_from(notifications)).scalar_one()
