"""The chain from a connection to the journal: journal first, acknowledge last.

Two callers share it. The side of the network reports connections and hands over what arrives; it
never waits for the disk. The side of the loop commits what has arrived as one frame and then
acknowledges it in order of arrival. An acknowledgement belongs to one connection, its generation:
after a reconnect the broker sends unacknowledged messages again, under numbers that mean something
else.

The chain has no thread, no socket and no clock of its own, so that a simulation can drive it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from domain.equipment import Kind
from domain.instants import NS_PER_S, seconds
from domain.messages import Message
from domain.readings import Stream
from ingest import service, topics
from ingest.disk import Mark, mark_of
from ingest.segments import JournalWriteError
from ingest.service import ServiceEvent, ServiceEventKind

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""A longer payload is journalled cut to this; the decoder's own limits are far lower."""

FRAME_PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
"""Payload bytes after which a frame ends, however few messages it has."""

PENDING_MAX = 50_000
PENDING_BYTES_MAX = 128 * 1024 * 1024
"""Messages and bytes that wait for their commit; beyond them nothing is read from the network, so
the broker queues."""

TICK_NS = NS_PER_S
"""Ticks in the journal are this far apart."""

LARGE_FRAMES_FACTOR = 4
"""How much longer and larger frames become above `Mark.LARGE_FRAMES`."""

THINNED_NS = seconds(10)
"""While shedding, one sampled message of a topic is kept in this time: dangers stay visible."""

THINNED_TOPICS_MAX = 100_000
"""Topics remembered for thinning; beyond them all begin anew."""

REOPEN_FIRST_NS = seconds(1)
REOPEN_LONGEST_NS = seconds(15)
"""Waits before a journal that could not be written is opened again."""

_log = structlog.get_logger(__name__)


class FrameWriter(Protocol):
    """What the chain needs of a journal writer."""

    @property
    def last_position(self) -> int:
        """Position of the newest frame."""

    @property
    def messages(self) -> int:
        """Messages journalled in total."""

    def append(self, messages: Sequence[Message], received_at_ns: int) -> int:
        """Make a frame durable; `JournalWriteError` when it may not be."""

    def tick(self, now_ns: int) -> int:
        """Make a frame without messages durable."""

    def close(self) -> None:
        """Give the journal free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLimits:
    """What makes a frame.

    Parameters
    ----------
    commit_messages
        Messages that make one.
    commit_messages_max
        Bound of the larger frames, below the broker's window for unacknowledged messages.
    """

    commit_messages: int = 500
    commit_messages_max: int = 2_000


_Arrived = tuple[Message, int, int, int]
"""Message, its number and quality of service, and the generation of its connection.

A plain tuple: one is made for every message.
"""


@dataclass(slots=True)
class _Frame:
    """What is committed together, and the position that it was tried at."""

    entries: list[_Arrived]
    messages: list[Message]
    position: int = 0


Acknowledge = Callable[[int, int], object]
"""Sends the acknowledgement of a message number and quality of service."""


class Chain:
    """Receives, journals and acknowledges.

    Parameters
    ----------
    open_writer
        Opens the journal; called again after a failed commit, when only a fresh look can tell
        whether the frame is there.
    clock
        Received time in nanoseconds.
    disk_share
        Share of the disk budget in use; measured once a tick.

    """

    def __init__(
        self,
        open_writer: Callable[[], FrameWriter],
        *,
        clock: Callable[[], int],
        limits: ChainLimits | None = None,
        disk_share: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._open_writer = open_writer
        self._writer: FrameWriter | None = None
        self._limits = limits or ChainLimits()
        self._clock = clock
        self._disk_share = disk_share
        self._arrived: deque[_Arrived] = deque()
        self._bytes_in = self._bytes_out = 0
        self._frame_due = threading.Event()
        self._known = False
        # Guards generation and connection against an acknowledgement on its way out.
        self._ack_lock = threading.Lock()
        self._generation = 0
        self._connected = False
        self._received_here = self._settled_here = 0
        self._frame: _Frame | None = None
        self._reopen_at_ns = 0
        self._reopen_wait_ns = REOPEN_FIRST_NS
        self._tick_number: int | None = None
        self._mark = Mark.NORMAL
        self._kept_at_ns: dict[str, int] = {}
        self._shed_unsaid = self._shed_said_ns = 0
        self._dropped_total = 0
        self._last_received_ns = 0
        self._counts = dict.fromkeys(COUNTERS, 0)

    def stats(self) -> Mapping[str, float]:
        """Counters since the start, and the state now."""
        frame = self._frame
        return {
            **self._counts,
            "connected": float(self._connected),
            "pending": float(len(self._arrived) + (len(frame.entries) if frame else 0)),
            "unacknowledged": float(self.unacknowledged()),
            "disk_mark": float(self._mark),
            "journal_away": float(self._writer is None),
        }

    def unacknowledged(self) -> int:
        """Messages received on the present connection and not acknowledged yet."""
        return max(self._received_here - self._settled_here, 0)

    def open(self) -> bool:
        """Open the journal before the first connection; ``False`` while it cannot be written."""
        writer = self._writing()
        if writer is not None:
            self._known = bool(writer.messages)
        return writer is not None

    # The side of the network.

    def connected(self, *, session_present: bool) -> None:
        """Begin a connection's generation; say so in the journal when its session was lost."""
        self._new_generation(connected=True)
        known, self._known = self._known, True
        self._counts["connects"] += 1
        if known and not session_present:
            self._counts["sessions_lost"] += 1
            since_ns = self._last_received_ns
            self._say(ServiceEvent(kind=ServiceEventKind.SESSION_LOST, since_ns=since_ns))

    def disconnected(self) -> None:
        """Void every acknowledgement of the connection."""
        self._new_generation(connected=False)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connected

    def is_full(self) -> bool:
        """Whether nothing more may be received for now."""
        waiting_bytes = self._bytes_in - self._bytes_out
        return len(self._arrived) >= PENDING_MAX or waiting_bytes >= PENDING_BYTES_MAX

    def receive(self, topic: str, payload: bytes, mid: int, qos: int, *, retain: bool) -> None:
        """Take a message in; it is acknowledged once it is durable."""
        if len(payload) > MESSAGE_BYTES_MAX:
            payload = payload[:MESSAGE_BYTES_MAX]
            self._counts["cut"] += 1
        if qos:
            self._received_here += 1
        self._counts["received"] += 1
        self._put((Message(topic, payload, self._clock(), retain), mid, qos, self._generation))

    def broker_dropped(self, total: int) -> None:
        """Take the broker's count of messages it had to drop; a change goes into the journal."""
        if total != self._dropped_total:
            self._dropped_total = self._counts["broker_dropped"] = total
            self._say(ServiceEvent(kind=ServiceEventKind.BROKER_DROPPED, count=total))

    def _say(self, event: ServiceEvent) -> None:
        self._put((service.message_of(event, self._clock()), 0, 0, 0))
        # Until it is committed only this process knows of it.
        self._frame_due.set()

    def _put(self, arrived: _Arrived) -> None:
        self._bytes_in += len(arrived[0].payload)
        self._arrived.append(arrived)
        if len(self._arrived) >= self._limits.commit_messages:
            self._frame_due.set()

    def _new_generation(self, *, connected: bool) -> None:
        with self._ack_lock:
            self._generation += 1
            self._connected = connected
            self._received_here = self._settled_here = 0

    # The side of the loop.

    def wait(self, timeout_s: float) -> None:
        """Wait until a frame is full, at most for a time."""
        factor = LARGE_FRAMES_FACTOR if self._mark >= Mark.LARGE_FRAMES else 1
        self._frame_due.wait(timeout_s * factor)
        self._frame_due.clear()

    def commit(self, acknowledge: Acknowledge) -> int:
        """Make one frame of what has arrived durable, acknowledge it, return its messages.

        While the journal cannot be written, or the disk budget is used up, nothing happens: what
        has arrived stays unacknowledged.
        """
        if self._frame is None and self._mark < Mark.STOPPED:
            self._frame = self._take()
        frame = self._frame
        if frame is None or not self._journalled(frame):
            return 0
        self._frame = None
        self._acknowledge(frame.entries, acknowledge)
        return len(frame.entries)

    def tick(self) -> None:
        """Tick once in each second of the clock, also when the clock is set back."""
        now_ns = self._clock()
        number = now_ns // TICK_NS
        if number == self._tick_number:
            return
        self._tick_number = number
        self._measure_disk()
        writer = self._writing()
        # Whether a frame that was tried is in the journal is told by the end of the journal.
        tried = self._frame is not None and self._frame.position
        if writer is None or tried:
            return
        try:
            writer.tick(now_ns)
        except JournalWriteError as error:
            self._failed(error)

    def close(self) -> None:
        """Give the journal free."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _take(self) -> _Frame | None:
        limits = self._limits
        large = self._mark >= Mark.LARGE_FRAMES
        most = limits.commit_messages_max if large else limits.commit_messages
        arrived, entries, size_bytes = self._arrived, list[_Arrived](), 0
        while arrived and len(entries) < most and size_bytes < FRAME_PAYLOAD_BYTES_MAX:
            entry = arrived.popleft()
            entries.append(entry)
            size_bytes += len(entry[0].payload)
        self._bytes_out += size_bytes
        if not entries:
            return None
        self._last_received_ns = entries[-1][0].received_at_ns
        return _Frame(entries, self._kept([message for message, *_ in entries]))

    def _kept(self, messages: list[Message]) -> list[Message]:
        """Messages of a frame; what is shed of them is said in their place."""
        if self._mark < Mark.SHEDDING and not self._shed_unsaid:
            return messages
        kept = [message for message in messages if not self._is_shed(message)]
        now_ns = messages[-1].received_at_ns
        self._counts["shed"] += len(messages) - len(kept)
        self._shed_unsaid += len(messages) - len(kept)
        lately = 0 <= now_ns - self._shed_said_ns < THINNED_NS
        if self._shed_unsaid and not (kept and lately):
            event = ServiceEvent(kind=ServiceEventKind.SHED, count=self._shed_unsaid)
            kept.append(service.message_of(event, now_ns))
            self._shed_unsaid, self._shed_said_ns = 0, now_ns
        return kept

    def _journalled(self, frame: _Frame) -> bool:
        """Whether a frame is durable, writing it unless a failed commit has left it there."""
        writer = self._writing()
        if writer is None:
            return False
        if not frame.position or writer.last_position < frame.position:
            frame.position = writer.last_position + 1
            try:
                writer.append(frame.messages, self._clock())
            except JournalWriteError as error:
                self._failed(error)
                return False
        self._counts["journalled"] += len(frame.messages)
        self._reopen_wait_ns = REOPEN_FIRST_NS
        return True

    def _is_shed(self, message: Message) -> bool:
        """Whether a message is one sample too many; nothing that may tell of an entrapment is."""
        topic = topics.parse(message.topic)
        if self._mark < Mark.SHEDDING or not isinstance(topic, topics.DeviceTopic):
            return False
        if topic.kind is Kind.LIFT or topic.stream is not Stream.TELEMETRY:
            return False
        now_ns = message.received_at_ns
        if len(self._kept_at_ns) >= THINNED_TOPICS_MAX:
            self._kept_at_ns.clear()
        if 0 <= now_ns - self._kept_at_ns.get(message.topic, -THINNED_NS) < THINNED_NS:
            return True
        self._kept_at_ns[message.topic] = now_ns
        return False

    def _acknowledge(self, frame: list[_Arrived], acknowledge: Acknowledge) -> None:
        with self._ack_lock:
            generation = self._generation if self._connected else -1
            settled = voided = 0
            for _, mid, qos, received_on in frame:
                if qos and received_on == generation:
                    acknowledge(mid, qos)
                    settled += 1
                elif qos:
                    voided += 1
            self._settled_here += settled
            self._counts["acknowledged"] += settled
            self._counts["voided"] += voided

    def _writing(self) -> FrameWriter | None:
        """The journal, opened anew when a failed commit closed it and its wait is over."""
        # A longer wait than the longest one is a clock that was set back.
        if self._writer is not None or 0 < self._reopen_at_ns - self._clock() <= REOPEN_LONGEST_NS:
            return self._writer
        try:
            self._writer = self._open_writer()
        except JournalWriteError as error:
            self._failed(error)
        else:
            _log.info("journal_open", position=self._writer.last_position)
        return self._writer

    def _failed(self, error: JournalWriteError) -> None:
        if self._reopen_wait_ns == REOPEN_FIRST_NS:
            _log.error("journal_away", error=str(error))
        self._counts["journal_failures"] += 1
        self.close()
        self._reopen_at_ns = self._clock() + self._reopen_wait_ns
        self._reopen_wait_ns = min(2 * self._reopen_wait_ns, REOPEN_LONGEST_NS)

    def _measure_disk(self) -> None:
        mark = mark_of(self._disk_share())
        if mark is not self._mark:
            _log.warning("disk_mark", mark=mark.name, former=self._mark.name)
        if mark < Mark.SHEDDING:
            self._kept_at_ns.clear()
        self._mark = mark


COUNTERS = (
    "received",
    "journalled",
    "acknowledged",
    "voided",
    "connects",
    "sessions_lost",
    "cut",
    "shed",
    "broker_dropped",
    "journal_failures",
)
"""Counters of a chain since its start."""
