"""The MQTT session of the ingest process: paho's connection on one side of `ingest.chain`.

paho's network thread hands over what arrives; the loop of `Ingest.run` commits and acknowledges.
"""

import threading
import time
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
from ingest import topics
from ingest.broker import DROPPED_TOPIC
from ingest.chain import Chain, ChainLimits, FrameWriter

DRAIN_S = 5.0
"""How long a stop may go on committing what still arrives."""

SILENT_REFUSALS_MAX = 2
"""Connections closed without an answer to MQTT 5 after which 3.1.1 is tried."""

_RECONNECT_MIN_S = 1
_RECONNECT_MAX_S = 15
_KEEPALIVE_S = 30
_ROOM_POLL_S = 0.05
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
    tls_client
        File with a client certificate and its key, for a broker that asks for one.
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
    tls_client: str = ""
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


class Ingest:
    """Receives, journals and acknowledges.

    Parameters
    ----------
    open_writer
        Opens the journal.
    disk_share
        Share of the disk budget in use.
    clock
        Received time in nanoseconds.

    Raises
    ------
    UsageError
        If the address is none, or the receive window is so small that it would stall.
    """

    def __init__(
        self,
        settings: SessionSettings,
        open_writer: Callable[[], FrameWriter],
        *,
        disk_share: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if settings.commit_messages * 2 > settings.receive_maximum:
            raise UsageError("receive_maximum must be at least twice commit_messages")
        settings.address()
        self._settings = settings
        self._chain = Chain(
            open_writer,
            clock=clock,
            disk_share=disk_share,
            limits=ChainLimits(
                commit_messages=settings.commit_messages,
                commit_messages_max=settings.receive_maximum // 2,
            ),
        )
        self._version = MQTTProtocolVersion.MQTTv5
        self._silent_refusals = 0
        self._version_refused = False
        self._failure: str | None = None
        self._subscribe_mid: int | None = None
        self._network: threading.Thread | None = None
        self._stopping = False
        self._counts = {"refused": 0, "unreachable": 0}

    def stats(self) -> Mapping[str, float]:
        """Counters since the start, and ``connected``, ``pending``, ``unacknowledged`` now."""
        return {**self._chain.stats(), **self._counts}

    def unacknowledged(self) -> int:
        """Messages received on the present connection and not acknowledged yet."""
        return self._chain.unacknowledged()

    def run(self, stop: threading.Event) -> None:
        """Receive until ``stop``; then commit and acknowledge what has arrived, and disconnect.

        While the broker is away, ticks go on; while the journal cannot be written, nothing is
        acknowledged.

        Raises
        ------
        DependencyError
            If the broker refuses login or subscription, or the network thread died.
        """
        chain = self._chain
        while not chain.open():
            if stop.wait(self._settings.commit_interval_s):
                return
        client = self._start()
        try:
            while not stop.is_set():
                chain.wait(self._settings.commit_interval_s)
                while chain.commit(client.ack) >= self._settings.commit_messages:
                    chain.tick()
                chain.tick()
                self._check()
                if self._version_refused:
                    client = self._fall_back(client)
            deadline = time.monotonic() + DRAIN_S
            while chain.commit(client.ack) and time.monotonic() < deadline:
                pass
        finally:
            self._stopping = True
            client.disconnect()
            client.loop_stop()
            chain.close()

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
            client.tls_set(settings.tls_ca or None, settings.tls_client or None)
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
        self._chain.connected(session_present=flags.session_present)
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
        never_connected = not self._chain.stats()["connects"]
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
        # Before paho empties its output for the next connection, so that an acknowledgement is
        # either written to the connection it belongs to or not at all.
        was_connected = self._chain.is_connected
        self._chain.disconnected()
        if self._stopping or self._version_refused or self._failure is not None:
            return
        never_answered = not self._chain.stats()["connects"] and not self._counts["refused"]
        if not was_connected and never_answered:
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
            if payload.isdigit():
                self._chain.broker_dropped(int(payload))
            return
        while self._chain.is_full() and not self._stopping:
            time.sleep(_ROOM_POLL_S)
        self._chain.receive(
            topic, bytes(payload), received.mid, received.qos, retain=received.retain
        )


def _topic(received: MQTTMessage) -> str:
    try:
        return received.topic
    except UnicodeDecodeError:
        # No broker should pass it on; the decoder refuses what is left of it.
        return "undecodable-topic"
