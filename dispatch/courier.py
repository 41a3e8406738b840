"""Delivers what the outbox holds, at least once.

A notification is delivered outside any transaction and its result recorded afterwards. When the
process dies in between, the same notification, with the same id, is delivered again: its id is the
idempotency key of the receiver. One courier serves one outbox.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import structlog

from dispatch import notices
from domain.equipment import Firm
from domain.instants import seconds
from domain.notifications import Delivery, Notification, Outcome
from domain.ports import Channel, StateStore, StateTransaction

BATCH_LIMIT = 500
"""Most due notifications looked at in one run."""
WORKERS = 8
"""Most deliveries on their way at a time."""
RECEIVER_LIMIT = 2
"""Most deliveries on their way to one receiver over one channel, so that a receiver that does not
answer leaves workers to the others."""
RUN_LIMIT_S = 2.0
"""How long one run waits for deliveries; slower ones are recorded by a later run."""
DETAIL_LIMIT = 500
"""Most characters kept of a delivery's detail."""

_log = structlog.get_logger("dispatch.courier")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try again.

    Parameters
    ----------
    first_s, cap_s
        Delay after the first attempt; it doubles with every attempt up to the cap.
    jitter
        Share of the delay by which it is spread at most, up or down.
    attempts_max
        Attempts after which a notification is given up. The defaults span about 35 minutes.
    retry_after_max_s
        Longest wait that a receiver may ask for.
    """

    first_s: float = 5.0
    cap_s: float = 300.0
    jitter: float = 0.2
    attempts_max: int = 12
    retry_after_max_s: float = 900.0

    def delay_s(self, delivery: Delivery) -> float:
        """Delay after a failed attempt; the same for the same notification and attempt."""
        doublings = min(delivery.attempt - 1, self.attempts_max)
        delay_s = min(self.first_s * 2.0**doublings, self.cap_s)
        spread = self.jitter * (2.0 * _fraction(delivery) - 1.0)
        asked_s = min(delivery.retry_after_s or 0.0, self.retry_after_max_s)
        return max(delay_s * (1.0 + spread), asked_s)


def _fraction(delivery: Delivery) -> float:
    seed = f"{delivery.notification_id}\x1f{delivery.attempt}".encode()
    return int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) / 2.0**64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """A notification that is to be delivered, or the reason why not."""

    notification: Notification
    firm: Firm | None
    withdrawn: str


@dataclass(slots=True)
class _OnTheWay:
    """Deliveries handed to workers and not recorded yet."""

    futures: dict[Future[Delivery], Notification] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        return {notification.id for notification in self.futures.values()}

    def to(self) -> Counter[tuple[str, str]]:
        return Counter((one.channel, one.receiver) for one in self.futures.values())


class Courier:
    """Brings notifications to their receivers.

    Parameters
    ----------
    store
        Holds the outbox.
    channels
        By the name under which notifications ask for them.
    """

    def __init__(
        self,
        store: StateStore,
        channels: Mapping[str, Channel],
        *,
        retry: RetryPolicy | None = None,
        batch_limit: int = BATCH_LIMIT,
        workers: int = WORKERS,
        receiver_limit: int = RECEIVER_LIMIT,
        run_limit_s: float = RUN_LIMIT_S,
    ) -> None:
        self._store = store
        self._channels = channels
        self._retry = retry or RetryPolicy()
        self._batch_limit = batch_limit
        self._workers = workers
        self._receiver_limit = receiver_limit
        self._run_limit_s = run_limit_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="courier")
        self._on_the_way = _OnTheWay()
        self._lock = threading.Lock()

    def run_once(self, now_ns: int) -> int:
        """Deliver what is due, and record every result.

        Returns
        -------
        int
            Attempts and withdrawals recorded in this run.
        """
        with self._lock:
            recorded = self._record_done(now_ns)
            parcels = self._due(now_ns)
            recorded += self._withdraw(parcels, now_ns)
            return recorded + self._send([one for one in parcels if not one.withdrawn], now_ns)

    def close(self, now_ns: int, *, wait_s: float = 10.0) -> int:
        """Wait a bounded time for what is on its way, record it, and stop the workers.

        What did not end in time stays in the outbox and is delivered again after the next start.
        """
        with self._lock:
            wait(self._on_the_way.futures, timeout=wait_s)
            recorded = self._record_done(now_ns)
            self._pool.shutdown(wait=False, cancel_futures=True)
            return recorded

    def _due(self, now_ns: int) -> list[_Parcel]:
        """What may set out now; what has to wait for another delivery stays due."""
        on_the_way = self._on_the_way.ids
        with self._store.reading() as tx:
            due = tx.outbox.due(now_ns, self._batch_limit)
            parcels = (_parcel(tx, one, on_the_way) for one in due if one.id not in on_the_way)
            return [parcel for parcel in parcels if parcel is not None]

    def _withdraw(self, parcels: Sequence[_Parcel], now_ns: int) -> int:
        withdrawn = [parcel for parcel in parcels if parcel.withdrawn]
        for parcel in withdrawn:
            given_up = _result(parcel.notification, now_ns, Outcome.GIVEN_UP, parcel.withdrawn)
            with self._store.writing() as tx:
                tx.outbox.record(given_up, None)
        return len(withdrawn)

    def _send(self, parcels: list[_Parcel], now_ns: int) -> int:
        """Deliver and record until all are done or the run's time is over."""
        recorded = 0
        started: set[tuple[str, str, str]] = set()
        ends_s = time.monotonic() + self._run_limit_s
        while True:
            parcels = self._hand_out(parcels, started, now_ns)
            left_s = ends_s - time.monotonic()
            if not self._on_the_way.futures or left_s <= 0:
                return recorded
            wait(self._on_the_way.futures, timeout=left_s, return_when=FIRST_COMPLETED)
            recorded += self._record_done(now_ns)

    def _hand_out(
        self, parcels: Sequence[_Parcel], started: set[tuple[str, str, str]], now_ns: int
    ) -> list[_Parcel]:
        """Give workers what they may take now; return the rest."""
        to = self._on_the_way.to()
        rest = []
        for parcel in parcels:
            one = parcel.notification
            way = (one.channel, one.receiver)
            busy = len(self._on_the_way.futures) >= self._workers
            # One delivery per incident, way and run keeps an incident's notifications in order.
            if busy or to[way] >= self._receiver_limit or (*way, one.incident_id) in started:
                rest.append(parcel)
                continue
            started.add((*way, one.incident_id))
            to[way] += 1
            future = self._pool.submit(self._deliver, one, parcel.firm, now_ns)
            self._on_the_way.futures[future] = one
        return rest

    def _deliver(self, notification: Notification, firm: Firm | None, now_ns: int) -> Delivery:
        channel = self._channels.get(notification.channel)
        if channel is None:
            text = f"no channel named {notification.channel} is configured"
            return _result(notification, now_ns, Outcome.GIVEN_UP, text)
        if firm is None:
            text = f"firm {notification.receiver} is not in the registry"
            return _result(notification, now_ns, Outcome.GIVEN_UP, text)
        return channel.deliver(notification, firm, now_ns)

    def _record_done(self, now_ns: int) -> int:
        done = [future for future in self._on_the_way.futures if future.done()]
        for future in done:
            notification = self._on_the_way.futures[future]
            self._record(notification, _outcome(future, notification, now_ns), now_ns)
            del self._on_the_way.futures[future]
        return len(done)

    def _record(self, notification: Notification, delivery: Delivery, now_ns: int) -> None:
        delivery = self._limited(delivery)
        due_at_ns = None
        if delivery.outcome is Outcome.RETRY:
            due_at_ns = now_ns + seconds(self._retry.delay_s(delivery))
        with self._store.writing() as tx:
            tx.outbox.record(delivery, due_at_ns)
            if delivery.outcome is Outcome.GIVEN_UP:
                _tell_operator(tx, notification, delivery)

    def _limited(self, delivery: Delivery) -> Delivery:
        detail = delivery.detail[:DETAIL_LIMIT]
        exhausted = delivery.attempt >= self._retry.attempts_max
        if delivery.outcome is Outcome.RETRY and exhausted:
            detail = f"gave up after {delivery.attempt} attempts: {detail}"
            return replace(delivery, outcome=Outcome.GIVEN_UP, detail=detail)
        return replace(delivery, detail=detail)


def _parcel(
    tx: StateTransaction, notification: Notification, on_the_way: set[str]
) -> _Parcel | None:
    history = tx.outbox.for_incident(notification.incident_id)
    if notices.waits_for(notification, history) & on_the_way:
        return None
    incident = tx.incidents.get(notification.incident_id)
    return _Parcel(
        notification=notification,
        firm=tx.registry.firm(notification.receiver),
        withdrawn=notices.withdrawal(notification, incident, history),
    )


def _outcome(future: Future[Delivery], notification: Notification, now_ns: int) -> Delivery:
    error = future.exception()
    if error is None:
        return future.result()
    # A channel reports failures as values: an exception is its defect, and still must not lose
    # the notification.
    _log.error(
        "channel raised",
        channel=notification.channel,
        notification_id=notification.id,
        error=type(error).__name__,
        exc_info=error,
    )
    return _result(notification, now_ns, Outcome.RETRY, f"channel raised {error!r}")


def _result(notification: Notification, now_ns: int, outcome: Outcome, detail: str) -> Delivery:
    return Delivery(
        notification_id=notification.id,
        attempt=notification.attempts + 1,
        at_ns=now_ns,
        outcome=outcome,
        detail=detail,
    )


def _tell_operator(tx: StateTransaction, notification: Notification, delivery: Delivery) -> None:
    _log.warning(
        "receiver not reached",
        channel=notification.channel,
        receiver=notification.receiver,
        incident_id=notification.incident_id,
        detail=delivery.detail,
    )
    incident = tx.incidents.get(notification.incident_id)
    if incident is not None:
        note = notices.not_reached(notification, delivery.detail)
        tx.incidents.add_event(notices.system_comment(incident, delivery.at_ns, note))
