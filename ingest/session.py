"""The MQTT session of the ingest process: journal first, acknowledge last.

paho's network thread only appends what arrives to a bounded list. The loop of `Ingest.run` commits
that list to the journal as one frame, at most every `commit_interval_s`, and then acknowledges its
messages in order of arrival. An acknowledgement belongs to one connection: after a reconnect the
broker sends unacknowledged messages again, under numbers that mean something else.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from domain.errors import DependencyError, UsageError
from domain.instants import NS_PER_S
from domain.messages import Message
from ingest import topics
from ingest.broker import DROPPED_TOPIC
from ingest.journal import JournalWriter

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

DRAIN_S = 5.0
"""How long a stop may go on committing what still arrives."""

SILENT_REFUSALS_MAX = 2
"""Connections closed without an answer to MQTT 5 after which 3.1.1 is tried."""

_RECONNECT_MIN_S = 1
_RECONNECT_MAX_S = 15
_KEEPALIVE_S = 30
_ROOM_POLL_S = 0.1
_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_UNSUPPORTED_VERSION = 0x84
_LOGIN_REFUSED = frozenset({0x86, 0x87})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How ingest meets its broker.

    Parameters
    ----------
    url
        ``mqtt://host:port`` or ``mqtts://host:port``.
    client_id
        Fixed, so that the broker keeps the session; secret, because who knows it can take it over.
    tls_ca
        CA file for ``mqtts``; empty = the system's.
    commit_interval_s, commit_messages
        What makes a frame: this much time, or this many messages.
    receive_maximum
        Unacknowledged messages that the broker may send; far above ``commit_messages``, or both
        sides would wait for each other.
    session_expiry_s
        How long the broker queues while we are away (MQTT 5).
    """

    url: str
    client_id: str = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    tls_ca: str = ""
    commit_interval_s: float = 0.05
    commit_messages: int = 500
    receive_maximum: int = 4_000
    session_expiry_s: int = 86_400

    def address(self) -> tuple[str, int, bool]:
        """Host, port and whether to use TLS.

        Raises
        ------
        UsageError
            If ``url`` is no MQTT address.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise UsageError(f"{self.url!r} is no mqtt:// or mqtts:// address")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return parts.hostname, port, parts.scheme == "mqtts"


@dataclass(frozen=True, slots=True)
class _Arrived:
    message: Message
    mid: int
    qos: int
    generation: int


class _Pending:
    """Messages between the network thread and the commit, in order of arrival and bounded."""

    def __init__(self) -> None:
        self._arrived: deque[_Arrived] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._arrived)

    def put(self, arrived: _Arrived, notify_at: int) -> bool:
        """Add a message, waiting for room; ``False`` once closed: it stays unacknowledged."""
        with self._changed:
            while self._full() and not self._closed:
                self._changed.wait(_ROOM_POLL_S)
            if self._closed:
                return False
            self._arrived.append(arrived)
            self._bytes += len(arrived.message.payload)
            if len(self._arrived) >= notify_at:
                self._changed.notify_all()
            return True

    def take(self, limit: int, timeout_s: float) -> list[_Arrived]:
        """Wait for ``limit`` messages or the time-out, and take what makes a frame."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrived) >= limit, timeout_s)
            frame: list[_Arrived] = []
            size_bytes = 0
            while self._arrived and len(frame) < limit and size_bytes < FRAME_PAYLOAD_BYTES_MAX:
                frame.append(self._arrived.popleft())
                size_bytes += len(frame[-1].message.payload)
            self._bytes -= size_bytes
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self) -> bool:
        return len(self._arrived) >= PENDING_MAX or self._bytes >= PENDING_BYTES_MAX


class Ingest:
    """Receives, journals and acknowledges.

    Parameters
    ----------
    clock
        Received time in nanoseconds.
    on_session_lost
        Called by `run` when the broker had forgotten our session although messages came through it
        before: some may be missing.

    Raises
    ------
    UsageError
        If the address is none, or the receive window is so small that it would stall.
    """

    def __init__(
        self,
        settings: SessionSettings,
        writer: JournalWriter,
        *,
        clock: Callable[[], int] = time.time_ns,
        on_session_lost: Callable[[], None] | None = None,
    ) -> None:
        if settings.commit_messages * 2 > settings.receive_maximum:
            raise UsageError("receive_maximum must be at least twice commit_messages")
        settings.address()
        self._settings = settings
        self._writer = writer
        self._clock = clock
        self._on_session_lost = on_session_lost
        self._pending = _Pending()
        self._version = MQTTProtocolVersion.MQTTv5
        # Guards generation and connection against an acknowledgement on its way out.
        self._ack_lock = threading.Lock()
        self._generation = 0
        self._connected = False
        self._received_here = self._acknowledged_here = 0
        self._tick_number: int | None = None
        self._silent_refusals = 0
        self._version_refused = False
        self._session_lost = False
        self._failure: str | None = None
        self._subscribe_mid: int | None = None
        self._network: threading.Thread | None = None
        self._stopping = False
        self._counts = dict.fromkeys(_COUNTERS, 0)

    def stats(self) -> Mapping[str, float]:
        """Counters since the start, and ``connected``, ``pending``, ``unacknowledged`` now."""
        return {
            **self._counts,
            "connected": float(self._connected),
            "pending": float(len(self._pending)),
            "unacknowledged": float(self.unacknowledged()),
        }

    def unacknowledged(self) -> int:
        """Messages received on the present connection and not acknowledged yet."""
        return max(self._received_here - self._acknowledged_here, 0)

    def run(self, stop: threading.Event) -> None:
        """Receive until ``stop``; then commit and acknowledge what has arrived, and disconnect.

        While the broker is away, ticks go on.

        Raises
        ------
        ingest.journal.JournalWriteError
            If a frame could not be made durable; its messages stay unacknowledged.
        DependencyError
            If the broker refuses login or subscription, or the network thread died.
        """
        client = self._start()
        try:
            while not stop.is_set():
                self._commit(client, self._settings.commit_interval_s)
                self._tick()
                self._check()
                if self._version_refused:
                    client = self._fall_back(client)
            deadline = time.monotonic() + DRAIN_S
            while self._commit(client, 0) and time.monotonic() < deadline:
                pass
        finally:
            self._stopping = True
            self._pending.close()
            client.disconnect()
            client.loop_stop()

    def _start(self) -> Client:
        """Start the network thread; it connects by itself, again and again with back-off."""
        host, port, _ = self._settings.address()
        client = self._client()
        if self._version is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._settings.session_expiry_s
            properties.ReceiveMaximum = self._settings.receive_maximum
            client.connect_async(host, port, _KEEPALIVE_S, clean_start=False, properties=properties)
        else:
            client.connect_async(host, port, _KEEPALIVE_S)
        before = set(threading.enumerate())
        client.loop_start()
        name = f"paho-mqtt-client-{self._settings.client_id}"
        started = [t for t in threading.enumerate() if t.name == name and t not in before]
        self._network = started[0] if started else None
        return client

    def _client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=False if self._version is MQTTProtocolVersion.MQTTv311 else None,
            protocol=self._version,
            manual_ack=True,
        )
        if settings.username:
            client.username_pw_set(settings.username, settings.password)
        if settings.address()[2]:
            client.tls_set(ca_certs=settings.tls_ca or None)
        client.reconnect_delay_set(_RECONNECT_MIN_S, _RECONNECT_MAX_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _fall_back(self, client: Client) -> Client:
        """Replace the client by one of MQTT 3.1.1, the only version that some brokers speak."""
        client.disconnect()
        client.loop_stop()
        _log.info("mqtt5_refused", url=self._settings.url)
        self._version_refused = False
        self._version = MQTTProtocolVersion.MQTTv311
        return self._start()

    def _check(self) -> None:
        """Act on what the network thread noted, and on its death."""
        if self._session_lost:
            self._session_lost = False
            _log.error("session_lost", url=self._settings.url)
            if self._on_session_lost is not None:
                self._on_session_lost()
        if self._failure is not None:
            raise DependencyError(f"broker {self._settings.url}: {self._failure}")
        if self._network is not None and not self._network.is_alive() and not self._version_refused:
            raise DependencyError("the network thread of the MQTT client ended unexpectedly")

    def _on_connect(
        self,
        client: Client,
        _data: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._refused(reason)
            return
        with self._ack_lock:
            self._new_generation(connected=True)
        known = self._counts["connects"] or self._writer.messages
        self._counts["connects"] += 1
        if known and not flags.session_present:
            self._counts["sessions_lost"] += 1
            self._session_lost = True
        self._subscribe(client)
        _log.info("connected", url=self._settings.url, session_present=flags.session_present)

    def _subscribe(self, client: Client) -> None:
        if self._version is MQTTProtocolVersion.MQTTv5:
            # Retained messages were journalled when the subscription was new.
            new_only = SubscribeOptions(qos=1, retainHandling=1)
            _, self._subscribe_mid = client.subscribe(topics.DEVICE_FILTER, options=new_only)
            client.subscribe(DROPPED_TOPIC, options=SubscribeOptions(qos=0))
        else:
            _, self._subscribe_mid = client.subscribe(topics.DEVICE_FILTER, qos=1)

    def _refused(self, reason: ReasonCode) -> None:
        self._counts["refused"] += 1
        never_connected = not self._counts["connects"]
        if reason.value == _UNSUPPORTED_VERSION and self._version is MQTTProtocolVersion.MQTTv5:
            self._version_refused = True
        elif reason.value in _LOGIN_REFUSED and never_connected:
            self._failure = f"login {self._settings.username!r} refused ({reason})"
        else:
            _log.warning("connect_refused", url=self._settings.url, reason=str(reason))

    def _on_connect_fail(self, _client: Client, _data: object) -> None:
        if not self._counts["unreachable"]:
            _log.warning("broker_unreachable", url=self._settings.url)
        self._counts["unreachable"] += 1

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: object, _properties: object
    ) -> None:
        with self._ack_lock:
            was_connected = self._connected
            self._new_generation(connected=False)
        if self._stopping or self._version_refused or self._failure is not None:
            return
        if not was_connected and not self._counts["connects"] and not self._counts["refused"]:
            self._silent_refusals += 1
            self._version_refused = (
                self._silent_refusals >= SILENT_REFUSALS_MAX
                and self._version is MQTTProtocolVersion.MQTTv5
            )
        _log.warning("disconnected", url=self._settings.url, reason=str(reason))

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: object,
    ) -> None:
        if mid == self._subscribe_mid and any(reason.is_failure for reason in reasons):
            self._failure = f"subscription to {topics.DEVICE_FILTER} refused ({reasons[0]})"

    def _on_message(self, _client: Client, _data: object, received: MQTTMessage) -> None:
        topic, payload = _topic(received), received.payload
        if topic == DROPPED_TOPIC:
            self._counts["broker_dropped"] = int(payload) if payload.isdigit() else 0
            return
        if len(payload) > MESSAGE_BYTES_MAX:
            payload = payload[:MESSAGE_BYTES_MAX]
            self._counts["cut"] += 1
        message = Message(topic, bytes(payload), self._clock(), bool(received.retain))
        self._counts["received"] += 1
        self._received_here += received.qos > 0
        arrived = _Arrived(message, received.mid, received.qos, self._generation)
        self._pending.put(arrived, self._settings.commit_messages)

    def _new_generation(self, *, connected: bool) -> None:
        """Void every acknowledgement of the former connection; the caller holds the lock.

        It happens before paho empties its output for the next connection, so an acknowledgement is
        either written to the connection it belongs to or not at all.
        """
        self._generation += 1
        self._connected = connected
        self._received_here = self._acknowledged_here = 0

    def _commit(self, client: Client, timeout_s: float) -> int:
        """Journal one frame, acknowledge it after its commit, return its number of messages."""
        frame = self._pending.take(self._settings.commit_messages, timeout_s)
        if frame:
            self._writer.append([entry.message for entry in frame], self._clock())
            self._counts["journalled"] += len(frame)
            self._acknowledge(client, frame)
        return len(frame)

    def _acknowledge(self, client: Client, frame: list[_Arrived]) -> None:
        with self._ack_lock:
            for entry in frame:
                if entry.qos == 0:
                    continue
                if entry.generation != self._generation or not self._connected:
                    self._counts["voided"] += 1
                    continue
                client.ack(entry.mid, entry.qos)
                self._counts["acknowledged"] += 1
                self._acknowledged_here += 1

    def _tick(self) -> None:
        """Tick once in each second of the clock, also when the clock is set back."""
        now_ns = self._clock()
        number = now_ns // TICK_NS
        if number != self._tick_number:
            self._writer.tick(now_ns)
            self._tick_number = number


_COUNTERS = (
    "received",
    "journalled",
    "acknowledged",
    "voided",
    "connects",
    "refused",
    "unreachable",
    "sessions_lost",
    "cut",
    "broker_dropped",
)


def _topic(received: MQTTMessage) -> str:
    try:
        return received.topic
    except UnicodeDecodeError:
        # No broker should pass it on; the decoder refuses what is left of it.
        return "undecodable-topic"
