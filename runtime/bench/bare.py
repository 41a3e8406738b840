"""The floor: a bare paho subscriber that acknowledges in batches and does nothing else.

Same protocol, session, receive window and acknowledgement rhythm as `ingest.session`, so that the
difference between the two is what the journal and its guarantees cost.
"""

import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest import topics
from runtime.settings import IngestSettings
from runtime.supervisor import die_with_parent

_KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A broker and a session on it.

    Parameters
    ----------
    url
        ``mqtt://host:port``.
    """

    url: str
    username: str
    password: str = field(repr=False)
    client_id: str

    def endpoint(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 1883


def run_bare(
    address: Address,
    settings: IngestSettings,
    subscribed: "Synchronized[int]",
    first_ns: "Synchronized[int]",
    acknowledged: "Synchronized[int]",
) -> None:
    """Subscribe and acknowledge until SIGTERM; the body of a process of its own.

    Parameters
    ----------
    subscribed
        Becomes 1 with the broker's SUBACK.
    first_ns
        Instant at which the first messages were taken up.
    acknowledged
        Messages acknowledged so far.
    """
    die_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    arrived: deque[tuple[int, int]] = deque()
    full = threading.Event()

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        arrived.append((message.mid, message.qos))
        if len(arrived) >= settings.commit_messages:
            full.set()

    def on_subscribe(*_: object) -> None:
        subscribed.value = 1

    client = client_of(address, manual_ack=True)
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    connect(client, address, settings)
    client.subscribe(topics.DEVICE_FILTER, qos=1)
    client.loop_start()
    while not stop.is_set():
        full.wait(settings.commit_interval_s)
        full.clear()
        count = len(arrived)
        if count and not first_ns.value:
            first_ns.value = time.time_ns()
        for _ in range(count):
            client.ack(*arrived.popleft())
        acknowledged.value += count
    client.disconnect()
    client.loop_stop()


def client_of(address: Address, *, manual_ack: bool) -> Client:
    """MQTT 5 client with the address's login."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=address.client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=manual_ack,
    )
    client.username_pw_set(address.username, address.password)
    return client


def connect(client: Client, address: Address, settings: IngestSettings) -> None:
    """Connect to a session that the broker keeps, with ingest's receive window."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = settings.receive_maximum
    host, port = address.endpoint()
    client.connect(host, port, _KEEPALIVE_S, clean_start=False, properties=properties)


def forget_session(address: Address) -> None:
    """Have the broker drop the session and all that it queued for it."""
    client = client_of(address, manual_ack=False)
    gone = threading.Event()
    client.on_connect = lambda *_: gone.set()
    host, port = address.endpoint()
    client.connect(host, port, _KEEPALIVE_S, clean_start=True)
    client.loop_start()
    gone.wait(_KEEPALIVE_S)
    client.disconnect()
    client.loop_stop()
