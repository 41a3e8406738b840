"""A broker as MQTT 3.1.1 and 5 describe it, with one persistent session: that of ingest.

It queues while ingest is away, keeps at most a window of messages unacknowledged, sends those again
after a reconnect, keeps retained messages, and counts what it drops. When faults are enabled it
loses its session or what it had not yet written when it crashes.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tests.simulation.network import Connection
from tests.simulation.plan import Fault, Plan
from tests.simulation.world import World, require

DROPS_EVERY_S = 10.0
"""How often the count of dropped messages is published."""

QUEUE_MAX = 40
"""Messages that are queued at most where that fault is enabled."""


class Sent(NamedTuple):
    """A published message: what makes it the same message wherever it turns up."""

    topic: str
    payload: bytes


class Subscriber(Protocol):
    """What the broker calls at ingest's end of the connection."""

    def take(self, sent: Sent, mid: int, *, retain: bool, dup: bool) -> None:
        """Take a message with quality of service 1."""

    def take_drops(self, total: int) -> None:
        """Take the broker's count of dropped messages."""


@dataclass(slots=True)
class _Session:
    queue: deque[tuple[Sent, bool]]
    in_flight: OrderedDict[int, tuple[Sent, bool]]
    next_mid: int = 1

    def copy(self) -> "_Session":
        return _Session(self.queue.copy(), self.in_flight.copy(), self.next_mid)

    def held(self) -> list[Sent]:
        return [sent for sent, _ in (*self.in_flight.values(), *self.queue)]


class Broker:
    """Broker with ingest's session.

    Attributes
    ----------
    up
        Whether it runs.
    published
        Every message that it took from a device.
    lost
        Messages that it took and did not keep: dropped, not yet written at a crash, or forgotten
        with the session. Another copy may still have come through.
    acknowledged
        Messages that ingest acknowledged.
    sessions_lost
        Answers to ingest that its session is gone, once it had journalled something.
    """

    def __init__(
        self,
        world: World,
        plan: Plan,
        *,
        acknowledged: Callable[[Sent], None],
        known: Callable[[], bool],
    ) -> None:
        self.up = True
        self.published: dict[Sent, None] = {}
        self.lost: set[Sent] = set()
        self.sessions_lost = 0
        self.dropped_total = 0
        self.crash_listeners: list[Callable[[], None]] = []
        self._world = world
        self._plan = plan
        self._dice = world.dice("broker")
        self._on_acknowledged = acknowledged
        self._known = known
        self._session: _Session | None = None
        self._retained: dict[str, Sent] = {}
        self._saved: tuple[_Session | None, dict[str, Sent]] = (None, {})
        self._connection: Connection | None = None
        self._subscriber: Subscriber | None = None
        self._save_s = self._dice.uniform(3, 15)
        if Fault.BROKER_UNSYNCED in plan:
            world.after(self._save_s, self._save)
        world.after(DROPS_EVERY_S, self._tell_drops)

    def backlog(self) -> int:
        """Messages not acknowledged by ingest."""
        return len(self._session.held()) if self._session else 0

    # Devices.

    def publish(self, sent: Sent, *, retain: bool = False) -> None:
        """Take a message; the caller sends the acknowledgement."""
        self.published[sent] = None
        if retain:
            self._retained[sent.topic] = sent
        if self._session is None:
            self.lost.add(sent)
            self._world.say("broker", f"nobody subscribes {sent.topic}")
            return
        if Fault.QUEUE_LIMIT in self._plan and len(self._session.queue) >= QUEUE_MAX:
            self.dropped_total += 1
            self.lost.add(sent)
            self._world.say("broker", f"drop {sent.topic}")
            return
        self._session.queue.append((sent, False))
        self._pump()

    # Ingest.

    def connect(self, connection: Connection, subscriber: Subscriber) -> bool:
        """Take ingest's connection over; say whether its session is there."""
        self.disconnect()
        self._connection, self._subscriber = connection, subscriber
        present = self._session is not None
        if not present:
            self.sessions_lost += self._known()
            self._session = _Session(deque(), OrderedDict())
            self._session.queue.extend((sent, True) for sent in self._retained.values())
        self._world.say("broker", f"connect session_present={present} backlog={self.backlog()}")
        return present

    def resume(self) -> None:
        """Send what is unacknowledged again, and go on with the queue."""
        session = self._session
        if session is None:
            return
        if self._plan.renumbers:
            session.in_flight = OrderedDict(enumerate(session.in_flight.values(), 1))
            session.next_mid = len(session.in_flight) + 1
        for mid, (sent, retain) in session.in_flight.items():
            self._send(mid, sent, retain=retain, dup=True)
        self._pump()

    def disconnect(self) -> None:
        """Forget ingest's connection."""
        if self._connection is not None:
            self._connection.alive = False
        self._connection = self._subscriber = None

    def puback(self, mid: int) -> None:
        """Take an acknowledgement; it must be that of the oldest unacknowledged message."""
        in_flight = self._session.in_flight if self._session else OrderedDict()
        require(mid in in_flight, f"acknowledged {mid}, which is not in flight")
        oldest = next(iter(in_flight))
        require(mid == oldest, f"acknowledged {mid} before {oldest}")
        sent, _ = in_flight.pop(mid)
        self._world.say("broker", f"acked {mid}")
        self._on_acknowledged(sent)
        self._pump()

    # Faults.

    def crash(self, down_s: float) -> None:
        """Die, lose what the enabled faults make it lose, and come back later."""
        if not self.up:
            return
        self.disconnect()
        before = self._session.held() if self._session else []
        if Fault.SESSION_LOST in self._plan and self._dice.random() < 0.6:
            self._session = None
        elif Fault.BROKER_UNSYNCED in self._plan:
            session, retained = self._saved
            self._session = session.copy() if session else None
            self._retained = dict(retained)
        kept = self._session.held() if self._session else []
        self.lost.update(set(before).difference(kept))
        self.up = False
        self.dropped_total = 0
        self._world.say("broker", f"crash held={len(before)} kept={len(kept)}")
        for listener in self.crash_listeners:
            listener()
        self._world.after(down_s, self._restart)

    def _restart(self) -> None:
        self.up = True
        self._world.say("broker", "up")

    def _save(self) -> None:
        if self.up:
            session = self._session.copy() if self._session else None
            self._saved = session, dict(self._retained)
        self._world.after(self._save_s, self._save)

    def _tell_drops(self) -> None:
        subscriber, total = self._subscriber, self.dropped_total
        if self._connection is not None and subscriber is not None:
            self._connection.down(lambda: subscriber.take_drops(total))
        self._world.after(DROPS_EVERY_S, self._tell_drops)

    def _pump(self) -> None:
        session = self._session
        if session is None or self._connection is None:
            return
        while session.queue and len(session.in_flight) < self._plan.receive_maximum:
            sent, retain = session.queue.popleft()
            mid, session.next_mid = session.next_mid, session.next_mid % 65_535 + 1
            session.in_flight[mid] = (sent, retain)
            self._send(mid, sent, retain=retain, dup=False)

    def _send(self, mid: int, sent: Sent, *, retain: bool, dup: bool) -> None:
        subscriber = self._subscriber
        if self._connection is not None and subscriber is not None:
            self._connection.down(lambda: subscriber.take(sent, mid, retain=retain, dup=dup))
