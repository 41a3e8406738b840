"""Notifications over MQTT, QoS 1, one topic a firm."""

import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from domain.equipment import Firm
from domain.notifications import Delivery, Notification, Outcome

PUBACK_TIMEOUT_S = 5.0
RECONNECT_MIN_S = 1
RECONNECT_MAX_S = 30
KEEPALIVE_S = 30
QUEUE_LIMIT = 100
"""Most messages that the client holds; a delivery is refused beyond it and retried later."""

_NO_SUBSCRIBERS = 0x10
"""MQTT 5 PUBACK reason "No matching subscribers"."""


class MqttChannel:
    """Publishes notifications with a login and a network thread of its own.

    A PUBACK says that the broker took the message. MQTT 5 also says when nobody subscribes to the
    firm's topic, which counts as not reached; MQTT 3.1.1 cannot tell.

    Parameters
    ----------
    topic_for
        Topic of a firm id.
    client_id
        Empty = drawn by the broker.
    tls
        How to encrypt and whom to trust; ``None`` = no TLS.
    """

    name = "mqtt"

    def __init__(
        self,
        *,
        host: str,
        port: int,
        topic_for: Callable[[str], str],
        username: str = "",
        password: str = "",
        client_id: str = "",
        tls: ssl.SSLContext | None = None,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        puback_timeout_s: float = PUBACK_TIMEOUT_S,
    ) -> None:
        self._topic_for = topic_for
        self._puback_timeout_s = puback_timeout_s
        self._acked: dict[int, Future[ReasonCode]] = {}
        self._abandoned: set[int] = set()
        self._lock = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        if username:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.max_queued_messages_set(QUEUE_LIMIT)
        self._client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        self._client.on_publish = self._on_publish
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._connected = threading.Event()
        self._why_not = "not connected to the broker yet"
        self._address = (host, port)

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until connected; say whether it is."""
        return self._connected.wait(timeout_s)

    def close(self) -> None:
        """Disconnect and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def deliver(self, notification: Notification, firm: Firm, now_ns: int) -> Delivery:
        """Publish once and wait a bounded time for the broker's PUBACK."""
        outcome, detail = self._publish(self._topic_for(firm.id), notification.body.encode())
        return Delivery(
            notification_id=notification.id,
            attempt=notification.attempts + 1,
            at_ns=now_ns,
            outcome=outcome,
            detail=detail,
        )

    def _publish(self, topic: str, body: bytes) -> tuple[Outcome, str]:
        if not self._connected.is_set():
            return Outcome.RETRY, self._why_not
        info = self._client.publish(topic, body, qos=1)
        if info.rc is MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            return Outcome.RETRY, f"{QUEUE_LIMIT} messages wait for the broker already"
        acked = self._ack_of(info.mid)
        try:
            return _verdict(acked.result(self._puback_timeout_s))
        except TimeoutError:
            return Outcome.RETRY, f"no PUBACK within {self._puback_timeout_s:g} s"
        finally:
            self._forget(info.mid, acked)

    def _ack_of(self, mid: int) -> Future[ReasonCode]:
        """The acknowledgement of a message, whichever thread speaks of it first."""
        with self._lock:
            return self._acked.setdefault(mid, Future())

    def _forget(self, mid: int, acked: Future[ReasonCode]) -> None:
        with self._lock:
            del self._acked[mid]
            if not acked.done():
                self._abandoned.add(mid)

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        mid: int,
        reason_code: ReasonCode,
        _properties: Properties,
    ) -> None:
        with self._lock:
            if mid in self._abandoned:
                self._abandoned.remove(mid)
            else:
                self._acked.setdefault(mid, Future()).set_result(reason_code)

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason_code.is_failure:
            self._why_not = f"the broker refused the login: {reason_code}"
        else:
            self._connected.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._connected.is_set():
            self._why_not = f"disconnected from the broker: {reason_code}"
        self._connected.clear()


def _verdict(reason_code: ReasonCode) -> tuple[Outcome, str]:
    if reason_code.is_failure:
        return Outcome.RETRY, f"the broker refused it: {reason_code}"
    if reason_code.value == _NO_SUBSCRIBERS:
        return Outcome.RETRY, "nobody subscribes to the firm's topic"
    return Outcome.DELIVERED, f"PUBACK: {reason_code}"
