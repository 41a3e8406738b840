"""Publishing simulated or replayed messages: one MQTT connection with its own login per device.

One thread serves all connections through a selector, because a thread per device costs more than
the devices do. Unacknowledged messages are kept and sent again after a reconnect with the same
bytes, so every message counted as published reached the broker at least once.
"""

import selectors
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Self
from urllib.parse import urlsplit
from zlib import crc32

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from domain.errors import DependencyError, UsageError
from domain.instants import NS_PER_S, seconds, to_iso
from simulators.logins import Login, login_of
from simulators.outgoing import Outgoing

SESSIONS_MAX = 5_000
"""Connections of one publisher: each takes a file descriptor."""

_TURN_S = 0.2
"""Longest wait for the network in one turn of the loop."""

_MISC_S = 1.0
"""Interval of keep-alive checks and reconnect attempts."""

_PULL_MAX = 500
"""Messages taken from the source in one turn, so that the network is served in between."""

_OFFLINE = b'{"online": false}'


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker listens.

    Parameters
    ----------
    tls
        How to encrypt and whom to trust; ``None`` = no TLS.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, ca: Path | None = None) -> Self:
        """Address of ``mqtt://host:port`` or ``mqtts://host:port``.

        Parameters
        ----------
        ca
            Certificate that signs the broker's; ``None`` or missing = the system's.
        """
        parts = urlsplit(url if "//" in url else f"mqtt://{url}")
        host = parts.hostname or ""
        if parts.scheme != "mqtts":
            return cls(host=host, port=parts.port or 1883)
        cafile = str(ca) if ca is not None and ca.exists() else None
        tls = ssl.create_default_context(cafile=cafile)
        return cls(host=host, port=parts.port or 8883, tls=tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishLimits:
    """Limits of a publisher.

    Parameters
    ----------
    inflight
        Messages of one device that wait for their PUBACK.
    outstanding
        Messages of all devices not acknowledged yet; at the limit the source has to wait.
    refusals
        A device whose login the broker refuses this often in a row is given up.
    drain_s
        Time after the last message for outstanding PUBACKs.
    unreachable_s
        A broker that never answered for so long is an error.
    """

    inflight: int = 20
    outstanding: int = 10_000
    refusals: int = 3
    drain_s: float = 10.0
    unreachable_s: float = 20.0
    connect_timeout_s: float = 5.0
    keepalive_s: int = 60
    backoff_first_s: float = 0.5
    backoff_longest_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What a run did.

    Parameters
    ----------
    published
        Distinct messages that the broker acknowledged, alive ones included.
    acknowledged
        PUBACKs received.
    failed
        Messages taken from the source that were never acknowledged.
    by_stream
        ``published`` by the topic's last level.
    reconnects
        Connections made again after they were lost.
    refused
        Devices whose login the broker refused.
    lag_s_max
        Longest time a message was handed over after it was due.
    """

    published: int
    acknowledged: int
    failed: int
    by_stream: Mapping[str, int]
    duration_s: float
    reconnects: int
    refused: tuple[str, ...]
    lag_s_max: float


@dataclass(slots=True, eq=False)
class _Session:
    """One device's connection and its messages that are not acknowledged."""

    login: Login
    client: mqtt.Client
    waiting: deque[Outgoing] = field(default_factory=deque)
    inflight: dict[int, tuple[Outgoing, float]] = field(default_factory=dict)
    connected: bool = False
    ever_connected: bool = False
    given_up: bool = False
    refusals: int = 0
    losses: int = 0
    retry_at_s: float = 0.0

    @property
    def outstanding(self) -> int:
        return len(self.waiting) + len(self.inflight)


class Publisher:
    """Publishes messages as the devices that their topics name.

    Parameters
    ----------
    passwords
        Password by equipment or gateway id; a device without one connects without a login.
    on_acknowledged
        Called for each message that the broker has acknowledged, with the time it took [s] since
        it was first sent.
    """

    def __init__(
        self,
        address: BrokerAddress,
        passwords: Mapping[str, str] | None = None,
        *,
        limits: PublishLimits | None = None,
        on_acknowledged: Callable[[Outgoing, float], None] | None = None,
    ) -> None:
        self._address = address
        self._on_acknowledged = on_acknowledged
        self._passwords = passwords or {}
        self._limits = limits or PublishLimits()
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._sessions: dict[str, _Session] = {}
        self._logins: dict[str, Login] = {}
        self._by_stream: Counter[str] = Counter()
        self._acknowledged = 0
        self._taken = 0
        self._reconnects = 0
        self._outstanding = 0
        self._lost = 0
        self._lag_s_max = 0.0
        self._ever_connected = False
        self._broker_retry_at_s = 0.0
        self._start_s = 0.0
        self._start_ns = 0
        self._speed = 1.0

    def run(
        self,
        messages: Iterable[Outgoing],
        *,
        start_ns: int,
        speed: float | None = 1.0,
        duration_s: float | None = None,
        stop: Event | None = None,
    ) -> PublishReport:
        """Publish until the messages end, the time is over or ``stop`` is set; then part cleanly.

        Parameters
        ----------
        messages
            In order of ``at_ns``; taken lazily, no faster than the broker acknowledges.
        start_ns
            The messages' instant that is now.
        speed
            Seconds of the messages' time in one of ours; ``None`` = as fast as the broker can.
        duration_s
            Our time after which to stop.

        Raises
        ------
        DependencyError
            If the broker cannot be reached at the beginning.
        UsageError
            If the speed is not positive or there are more devices than `SESSIONS_MAX`.
        """
        if speed is not None and speed <= 0:
            raise UsageError(f"a speed is positive, not {speed:g}")
        self._start_s, self._start_ns = time.monotonic(), start_ns
        self._speed = float("inf") if speed is None else speed
        deadline_s = float("inf") if duration_s is None else self._start_s + duration_s
        try:
            self._publish(iter(messages), deadline_s, stop or Event())
            self._drain()
        finally:
            self._part()
        return self.report()

    def report(self) -> PublishReport:
        """Counts so far."""
        published = sum(self._by_stream.values())
        return PublishReport(
            published=published,
            acknowledged=self._acknowledged,
            failed=self._taken - published,
            by_stream=dict(sorted(self._by_stream.items())),
            duration_s=time.monotonic() - self._start_s,
            reconnects=self._reconnects,
            refused=tuple(sorted(s.login.user for s in self._sessions.values() if s.given_up)),
            lag_s_max=self._lag_s_max,
        )

    def _publish(self, messages: Iterator[Outgoing], deadline_s: float, stop: Event) -> None:
        upcoming = next(messages, None)
        misc_at_s = 0.0
        while upcoming is not None and not stop.is_set():
            now_s = time.monotonic()
            if now_s >= deadline_s:
                return
            upcoming = self._take_due(upcoming, messages, now_s)
            misc_at_s = self._misc_when_due(misc_at_s, now_s)
            until_s = deadline_s
            if upcoming is not None and self._outstanding < self._limits.outstanding:
                until_s = min(until_s, self._due_s(upcoming))
            self._serve(min(max(until_s - time.monotonic(), 0.0), _TURN_S))

    def _take_due(
        self, upcoming: Outgoing | None, messages: Iterator[Outgoing], now_s: float
    ) -> Outgoing | None:
        taken = 0
        while (
            upcoming is not None
            and taken < _PULL_MAX
            and self._outstanding < self._limits.outstanding
            and self._due_s(upcoming) <= now_s
        ):
            if self._speed != float("inf"):
                self._lag_s_max = max(self._lag_s_max, now_s - self._due_s(upcoming))
            self._hand_over(upcoming)
            upcoming = next(messages, None)
            taken += 1
        return upcoming

    def _due_s(self, outgoing: Outgoing) -> float:
        return self._start_s + (outgoing.at_ns - self._start_ns) / NS_PER_S / self._speed

    def _hand_over(self, outgoing: Outgoing) -> None:
        login = self._logins.get(outgoing.topic)
        if login is None:
            login = self._logins[outgoing.topic] = login_of(outgoing.topic)
        session = self._sessions.get(login.user) or self._open(login)
        self._taken += 1
        if session.given_up:
            return
        session.waiting.append(outgoing)
        self._outstanding += 1
        self._send_waiting(session)

    def _open(self, login: Login) -> _Session:
        if len(self._sessions) >= SESSIONS_MAX:
            raise UsageError(f"one publisher serves at most {SESSIONS_MAX} devices")
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=login.user, protocol=mqtt.MQTTv311
        )
        session = _Session(login=login, client=client)
        self._sessions[login.user] = session
        self._configure(session)
        self._connect(session, time.monotonic())
        return session

    def _configure(self, session: _Session) -> None:
        client, limits = session.client, self._limits
        client.connect_timeout = limits.connect_timeout_s
        if self._address.tls is not None:
            client.tls_set_context(self._address.tls)
        client.max_inflight_messages_set(limits.inflight)
        password = self._passwords.get(session.login.user)
        if password is not None:
            client.username_pw_set(session.login.user, password)
        if session.login.alive_topic:
            client.will_set(session.login.alive_topic, _OFFLINE, qos=1, retain=True)

        def on_connect(_c: mqtt.Client, _u: Any, _f: Any, reason: Any, _p: Any) -> None:  # noqa: ANN401 - paho's types
            self._on_connect(session, refused=bool(reason.is_failure))

        def on_disconnect(_c: mqtt.Client, _u: Any, _f: Any, _r: Any, _p: Any) -> None:  # noqa: ANN401 - paho's types
            self._on_disconnect(session)

        def on_publish(_c: mqtt.Client, _u: Any, mid: int, _r: Any, _p: Any) -> None:  # noqa: ANN401 - paho's types
            self._on_publish(session, mid)

        def on_socket_open(_c: mqtt.Client, _u: Any, sock: Any) -> None:  # noqa: ANN401 - paho's types
            self._selector.register(sock, selectors.EVENT_READ, session)

        def on_socket_close(_c: mqtt.Client, _u: Any, sock: Any) -> None:  # noqa: ANN401 - paho's types
            self._selector.unregister(sock)

        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_publish = on_publish
        client.on_socket_open = on_socket_open
        client.on_socket_close = on_socket_close

    def _connect(self, session: _Session, now_s: float) -> None:
        if now_s < self._broker_retry_at_s:
            session.retry_at_s = self._broker_retry_at_s
            return
        try:
            session.client.connect(
                self._address.host, self._address.port, keepalive=self._limits.keepalive_s
            )
        except OSError as error:
            self._broker_unreachable(session, now_s, error)

    def _broker_unreachable(self, session: _Session, now_s: float, error: OSError) -> None:
        if not self._ever_connected and now_s - self._start_s > self._limits.unreachable_s:
            where = f"{self._address.host}:{self._address.port}"
            raise DependencyError(f"no MQTT broker answers at {where}: {error}") from error
        session.losses += 1
        session.retry_at_s = now_s + self._backoff_s(session)
        self._broker_retry_at_s = now_s + self._limits.backoff_first_s

    def _backoff_s(self, session: _Session) -> float:
        limits = self._limits
        doubled = limits.backoff_first_s * 2.0 ** min(session.losses - 1, 10)
        # Devices that were lost together must not all come back in one instant.
        spread = 1.0 + (crc32(session.login.user.encode()) % 100) / 100.0
        return min(doubled, limits.backoff_longest_s) * spread

    def _on_connect(self, session: _Session, *, refused: bool) -> None:
        if refused:
            session.refusals += 1
            if session.refusals >= self._limits.refusals:
                self._give_up(session)
            return
        session.connected = True
        session.refusals = session.losses = 0
        self._ever_connected = True
        if session.ever_connected:
            self._reconnects += 1
            self._announce(session)
        session.ever_connected = True

    def _announce(self, session: _Session) -> None:
        """Say "online" after a lost connection: the broker has published the will meanwhile."""
        if not session.login.alive_topic:
            return
        now_ns = self._start_ns
        if self._speed != float("inf"):
            now_ns += seconds((time.monotonic() - self._start_s) * self._speed)
        payload = f'{{"ts":"{to_iso(now_ns)}","online":true}}'.encode()
        session.waiting.appendleft(Outgoing(now_ns, session.login.alive_topic, payload, True))
        self._taken += 1
        self._outstanding += 1

    def _give_up(self, session: _Session) -> None:
        session.given_up = True
        self._outstanding -= session.outstanding
        session.waiting.clear()
        session.inflight.clear()

    def _on_disconnect(self, session: _Session) -> None:
        session.connected = False
        session.losses += 1
        session.retry_at_s = time.monotonic() + self._backoff_s(session)

    def _on_publish(self, session: _Session, mid: int) -> None:
        self._acknowledged += 1
        sent = session.inflight.pop(mid, None)
        if sent is None:
            return
        outgoing, sent_at_s = sent
        self._by_stream[outgoing.topic.rpartition("/")[2]] += 1
        self._outstanding -= 1
        if self._on_acknowledged is not None:
            self._on_acknowledged(outgoing, time.monotonic() - sent_at_s)

    def _send_waiting(self, session: _Session) -> None:
        while (
            session.connected and session.waiting and len(session.inflight) < self._limits.inflight
        ):
            outgoing = session.waiting.popleft()
            info = session.client.publish(
                outgoing.topic, outgoing.payload, qos=1, retain=outgoing.retain
            )
            session.inflight[info.mid] = (outgoing, time.monotonic())

    def _serve(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            session: _Session = key.data
            # A lost connection ends in on_disconnect; the code it also returns says nothing more.
            session.client.loop_read()
            while _decrypted(session.client):
                session.client.loop_read()
            self._send_waiting(session)
            if session.client.want_write():
                session.client.loop_write()

    def _misc_when_due(self, due_s: float, now_s: float) -> float:
        if now_s < due_s:
            return due_s
        for session in list(self._sessions.values()):
            if session.client.want_write():
                session.client.loop_write()
            if session.client.socket() is not None:
                session.client.loop_misc()
            elif not session.given_up and now_s >= session.retry_at_s:
                self._connect(session, now_s)
            self._send_waiting(session)
        return now_s + _MISC_S

    def _drain(self) -> None:
        end_s = time.monotonic() + self._limits.drain_s
        misc_at_s = 0.0
        while self._outstanding > 0 and time.monotonic() < end_s:
            misc_at_s = self._misc_when_due(misc_at_s, time.monotonic())
            self._serve(_TURN_S)

    def _part(self) -> None:
        """Disconnect every device with a DISCONNECT, after which no will is published."""
        for session in self._sessions.values():
            session.given_up = session.given_up or (
                session.outstanding > 0 and not session.ever_connected
            )
            if session.client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                while session.client.want_write() and session.client.loop_write() == 0:
                    pass
            sock = session.client.socket()
            if sock is not None:
                _close(sock, self._selector)
        self._selector.close()


def _decrypted(client: mqtt.Client) -> bool:
    """Whether bytes wait inside the TLS layer, where a selector cannot see them."""
    sock = client.socket()
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _close(sock: Any, selector: selectors.BaseSelector) -> None:  # noqa: ANN401 - paho's socket-like
    if sock in selector.get_map():
        selector.unregister(sock)
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        # The broker closed first: the DISCONNECT has arrived.
        return
