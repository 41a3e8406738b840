"""The ingest process: the production chain, driven as `ingest.session.Ingest` drives it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ingest import chain as chain_module
from ingest import service
from ingest.chain import Chain, ChainLimits
from ingest.service import ServiceEventKind
from tests.simulation.broker import Broker, Sent
from tests.simulation.disk import Disk, ProcessKilled, Trap
from tests.simulation.network import Connection
from tests.simulation.plan import Fault, Plan
from tests.simulation.world import World, require

NOTICED_S = 3.0
"""Longest time until a client notices that its connection broke."""

ROOM_POLL_S = 0.05


@dataclass(slots=True)
class _Inbox:
    """What paho's network thread still has to do; one message without room holds up the rest."""

    actions: deque[tuple[Callable[[], None], bool]]
    polling: bool = False


class IngestProcess:
    """One machine's ingest process, over all its lives.

    Attributes
    ----------
    chain
        The chain of the present life, ``None`` while the process is dead.
    up_since_ns
        True time since when it runs.
    sessions_untold, shed_untold
        Losses that only the memory of a process knew when it died: sessions lost whose event was
        not yet committed, and messages shed and not yet said.
    """

    def __init__(
        self,
        world: World,
        plan: Plan,
        broker: Broker,
        disk: Disk,
        *,
        chain: type[Chain],
        on_death: Callable[[ProcessKilled], None],
    ) -> None:
        self.trap = Trap(world, "ingest", disk.directory)
        self.chain: Chain | None = None
        self.up_since_ns = 0
        self.sessions_untold = 0
        self.shed_untold = 0
        self._world = world
        self._plan = plan
        self._broker = broker
        self._disk = disk
        self._make = chain
        self._on_death = on_death
        self._dice = world.dice("ingest")
        self._connection: Connection | None = None
        self._inbox = _Inbox(deque())
        self._opened = False
        self._breaks = False
        self._told_before = 0
        self._unanswered = 0
        self._life = 0
        self._said = 0
        broker.crash_listeners.append(self.break_connection)

    def start(self) -> None:
        """Begin, unless it runs."""
        if self.chain is not None:
            return
        self.chain = self._make(
            lambda: self._disk.open(self.trap),
            clock=self._world.wall_ns,
            limits=ChainLimits(
                commit_messages=self._plan.commit_messages,
                commit_messages_max=max(self._plan.receive_maximum // 2, 1),
            ),
            disk_share=lambda: self._disk.share,
        )
        self.up_since_ns = self._world.now_ns
        self._opened, self._said = False, 0
        self._told_before = self._disk.sessions_told
        self._world.say("ingest", "start")
        self._turn(self._life)

    def stop(self) -> None:
        """Die; the system closes what a dead process held."""
        if self.chain is None:
            return
        self._life += 1
        if self._connection is not None:
            self._connection.alive = False
            self._connection = None
            self._broker.disconnect()
        self._inbox = _Inbox(deque())
        told = self._disk.sessions_told - self._told_before
        self.sessions_untold += max(int(self.chain.stats()["sessions_lost"]) - told, 0)
        self.sessions_untold += self._unanswered
        self._unanswered = 0
        self.shed_untold += _shed_untold(self.chain)
        self.chain.close()
        self.chain = None
        self._world.say("ingest", "dead")

    def break_connection(self) -> None:
        """Break the connection; both ends notice it at their time."""
        if self._connection is None or self._breaks:
            return
        self._breaks = True
        self._world.say("net", "ingest's connection breaks")
        self._connection.alive = False
        self._broker.disconnect()
        notice_s = self._dice.choice((0.0, self._dice.uniform(0, NOTICED_S)))
        self._later(notice_s, lambda: self._network(self._disconnected))

    def check(self) -> None:
        """Check what must hold between any two turns."""
        if self.chain is None:
            return
        stats = self.chain.stats()
        require(
            stats["unacknowledged"] <= self._plan.receive_maximum,
            f"{stats['unacknowledged']} unacknowledged messages on one connection",
        )
        room = chain_module.PENDING_MAX + self._plan.receive_maximum
        require(stats["pending"] <= room, f"{stats['pending']} messages pending")
        if not stats["shed"]:
            arrived = stats["received"] + self._said
            kept = stats["journalled"] + stats["pending"]
            require(arrived == kept, f"received {arrived}, journalled and pending {kept}")

    # What the broker calls at our end of the connection.

    def take(self, sent: Sent, mid: int, *, retain: bool, dup: bool) -> None:
        """Receive a message once there is room for it."""
        chain = self.chain

        def receive() -> None:
            self._world.say("ingest", f"got {mid}{' dup' if dup else ''} {sent.topic}")
            if chain is not None:
                chain.receive(sent.topic, sent.payload, mid, 1, retain=retain)

        self._network(receive, needs_room=True)

    def take_drops(self, total: int) -> None:
        """Receive the broker's count of dropped messages."""
        chain = self.chain

        def receive() -> None:
            if chain is not None:
                before = chain.stats()["broker_dropped"]
                chain.broker_dropped(total)
                self._said += chain.stats()["broker_dropped"] != before

        self._network(receive)

    # The network thread.

    def _network(self, action: Callable[[], None], *, needs_room: bool = False) -> None:
        self._inbox.actions.append((action, needs_room))
        if not self._inbox.polling:
            self._drain()

    def _drain(self) -> None:
        inbox, chain = self._inbox, self.chain
        inbox.polling = False
        while inbox.actions and chain is not None:
            action, needs_room = inbox.actions[0]
            if needs_room and chain.is_full():
                inbox.polling = True
                self._later(ROOM_POLL_S, self._drain)
                return
            inbox.actions.popleft()
            action()

    def _connect(self) -> None:
        if not self._broker.up:
            self._later(self._dice.uniform(0.5, 3), self._connect)
            return
        slow = Fault.SLOW_NETWORK in self._plan
        connection = Connection(self._world, self._dice, (0.001, 0.8 if slow else 0.02))
        self._connection, self._breaks = connection, False

        def arrived() -> None:
            lost = self._broker.sessions_lost
            present = self._broker.connect(connection, self)
            self.sessions_untold += self._unanswered
            self._unanswered = self._broker.sessions_lost - lost
            connection.down(lambda: self._network(lambda: self._connected(present=present)))
            self._broker.resume()

        connection.up(arrived)

    def _connected(self, *, present: bool) -> None:
        self._unanswered = 0
        if self.chain is not None:
            lost = self.chain.stats()["sessions_lost"]
            self.chain.connected(session_present=present)
            self._said += int(self.chain.stats()["sessions_lost"] - lost)

    def _disconnected(self) -> None:
        if self.chain is not None:
            self.chain.disconnected()
            self._later(self._dice.uniform(0.2, 3), self._connect)

    # The loop.

    def _turn(self, life: int) -> None:
        if life != self._life or self.chain is None:
            return
        try:
            self._work(self.chain)
        except ProcessKilled as killed:
            self._on_death(killed)
            return
        self.check()
        self._world.after(self._plan.commit_interval_s, lambda: self._turn(life), process=True)

    def _work(self, chain: Chain) -> None:
        if not self._opened:
            self._opened = chain.open()
            if not self._opened:
                return
            self._connect()
        while committed := chain.commit(self._acknowledge):
            self._world.say("ingest", f"committed {committed}")
            if committed < self._plan.commit_messages:
                break
            chain.tick()
        chain.tick()

    def _acknowledge(self, mid: int, _qos: int) -> None:
        """As paho: onto the connection of now, and into nothing when that is broken."""
        connection = self._connection

        def send() -> None:
            if connection is not None:
                connection.up(lambda: self._broker.puback(mid))

        self.trap.call("acknowledge", send)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something unless the process has died by then."""
        life = self._life
        self._world.after(delay_s, lambda: action() if life == self._life else None)


def _shed_untold(chain: Chain) -> int:
    """Messages shed whose count is not durable: not said yet, or in a frame not committed."""
    said = chain._frame.messages if chain._frame is not None else []
    events = [service.event_of(m) for m in said if m.topic == service.TOPIC]
    counts = [event.count for event in events if event.kind is ServiceEventKind.SHED]
    return chain._shed_unsaid + sum(counts)
