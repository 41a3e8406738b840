"""Configuration files of an MQTT broker: its listeners, users, rights and bounds.

Both brokers refuse anonymous clients and let a device publish below its own topics only.
"""

import base64
import hashlib
import json
import os
import pwd
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domain.errors import UsageError
from ingest.logins import Login, write_private

BrokerKind = Literal["mosquitto", "nats"]
ClientCertificates = Literal["off", "optional", "required"]

PACKET_BYTES_MAX = 4 * 1024 * 1024
"""Largest MQTT packet that the broker takes; above every limit of the contract, so that what is
merely too long is quarantined where people see it."""

CONNECTIONS_MAX = 30_000
"""Connections of one listener, unless the settings say otherwise."""

TLS_HANDSHAKE_S = 10
"""Time that nats-server gives a slow terminal for the TLS handshake; its default is 2 s."""

INFLIGHT_MAX = 10_000
"""Unacknowledged messages of one client in mosquitto; MQTT 5 clients may ask for fewer."""

QUEUED_BYTES_MAX = 1 << 30
"""Bytes that mosquitto queues for one absent subscriber before it drops messages, unless the
settings say otherwise."""

NATS_ACK_PENDING_MAX = 16_000
"""Unacknowledged messages of one subscription in nats-server. It refuses what would bring the
subscriptions of a session above 65,535 together, and ``a/#`` counts as two."""

NATS_ACK_WAIT_S = 5
"""After this long nats-server sends an unacknowledged message again."""

NATS_STORE_FACTOR = 4
"""nats-server keeps so many times as many bytes as mosquitto: on disk, for all subscribers."""

AUTOSAVE_S = 10
"""Interval at which mosquitto saves its queues: what a power cut of the broker may lose."""

SESSION_EXPIRY_D = 14
"""Days after which mosquitto forgets the session of a client that does not come back."""

_PBKDF2_ITERATIONS = 101
_SALT_BYTES = 12
_HASHES = "passwd"
_NO_SUBJECT = "equipwatch.nothing"
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the broker encrypts, and whether clients need certificates.

    Parameters
    ----------
    certificate, key
        The broker's own, PEM.
    ca, revoked
        Certificate of the authority that signs clients' certificates, and its revocation list.
    client_certificates
        ``off``: everybody logs in with a password. ``required``: a certificate, whose common name
        is the user name, takes the place of the password. ``optional``: either, each on a port of
        its own.
    certificate_port
        That port; 0 = a free one.
    """

    certificate: Path
    key: Path
    ca: Path
    revoked: Path
    client_certificates: ClientCertificates = "off"
    certificate_port: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """What the broker has to be able to read."""
        return (self.certificate, self.key, self.ca, self.revoked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where and how a broker listens, and its bounds.

    Parameters
    ----------
    tls
        ``None`` = no encryption; otherwise there is no listener without it.
    connections_max
        Connections of one port; more are closed at once.
    queued_bytes_max
        Bytes queued for one absent subscriber.
    """

    host: str
    port: int
    tls: Tls | None = None
    connections_max: int = CONNECTIONS_MAX
    queued_bytes_max: int = QUEUED_BYTES_MAX

    @property
    def url(self) -> str:
        """Address for a client on this machine: ``mqtt://host:port``, with TLS ``mqtts://``."""
        scheme = "mqtt" if self.tls is None else "mqtts"
        return f"{scheme}://{_REACHED_AT.get(self.host, self.host)}:{self.port}"


def mosquitto_hash(password: str, salt: bytes) -> str:
    """Password as mosquitto 2.0 stores it: ``$7$iterations$salt$hash``, PBKDF2-SHA512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ITERATIONS)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"$7${_PBKDF2_ITERATIONS}${'$'.join(encoded)}"


def write_config(
    directory: Path,
    logins: Sequence[Login],
    listener: Listener,
    *,
    kind: BrokerKind,
    user: str | None = None,
) -> Path:
    """Write a broker's configuration with its users and rights; return the configuration's path.

    Parameters
    ----------
    user
        System user that mosquitto runs as when root starts it, and that then owns the files;
        ``None`` = the present user, since mosquitto would otherwise drop to one that cannot read
        them.

    Raises
    ------
    UsageError
        If nats-server is asked for client certificates.
    """
    directory = directory.absolute()
    for path in (directory, directory / "data"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kind == "nats":
        return _write_nats(directory, logins, listener)
    files = {
        _HASHES: _password_file(directory / _HASHES, logins),
        "acl": "\n".join(_acl_block(login) for login in logins),
        "mosquitto.conf": _mosquitto_conf(directory, listener, user),
    }
    for name, text in files.items():
        write_private(directory / name, text)
    if user is not None:
        tls = listener.tls
        secured = () if tls is None else (tls.key.parent, *tls.files)
        for path in (directory, *directory.iterdir(), *secured):
            shutil.chown(path, user)
    return directory / "mosquitto.conf"


def _password_file(path: Path, logins: Sequence[Login]) -> str:
    """Password file; an unchanged password keeps its salt and so its line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = dict(line.split(":", 1) for line in lines)
    return "".join(
        f"{login.username}:{mosquitto_hash(login.password, _salt(known.get(login.username)))}\n"
        for login in logins
    )


def _salt(encoded: str | None) -> bytes:
    if encoded is None:
        return secrets.token_bytes(_SALT_BYTES)
    return base64.b64decode(encoded.split("$")[3])


def _acl_block(login: Login) -> str:
    lines = [f"user {login.username}"]
    lines += [f"topic write {topic}" for topic in login.publish]
    lines += [f"topic read {topic}" for topic in login.subscribe]
    return "\n".join(lines) + "\n"


def _listeners(listener: Listener) -> str:
    """Lines of every listener; each option belongs to the listener above it."""
    first, tls = f"listener {listener.port} {listener.host}\n", listener.tls
    common = f"max_connections {listener.connections_max}\nuse_username_as_clientid true\n"
    if tls is None:
        return first + common
    common += f"certfile {tls.certificate}\nkeyfile {tls.key}\ntls_version tlsv1.2\n"
    by_certificate = (
        f"{common}cafile {tls.ca}\ncrlfile {tls.revoked}\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    if tls.client_certificates == "required":
        return first + by_certificate
    if tls.client_certificates == "optional":
        return f"{first}{common}\nlistener {tls.certificate_port} {listener.host}\n{by_certificate}"
    return first + common


def _mosquitto_conf(directory: Path, listener: Listener, user: str | None) -> str:
    owner = user or pwd.getpwuid(os.geteuid()).pw_name
    return f"""\
# Written by equipwatch; change its settings and write it anew instead of editing this file.
# docs/broker.md says what each line protects against.
per_listener_settings false
user {owner}
allow_anonymous false
password_file {directory}/{_HASHES}
acl_file {directory}/acl

{_listeners(listener)}
persistence true
persistence_location {directory}/data/
autosave_interval {AUTOSAVE_S}
persistent_client_expiration {SESSION_EXPIRY_D}d

# The default of 1,000 queued messages drops the rest silently: bytes are the bound here.
max_queued_messages 0
max_queued_bytes {listener.queued_bytes_max}
max_inflight_messages {INFLIGHT_MAX}
# Unlike message_size_limit, which acknowledges what it throws away, this ends the connection.
max_packet_size {PACKET_BYTES_MAX}
sys_interval 10
set_tcp_nodelay true

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


def _write_nats(directory: Path, logins: Sequence[Login], listener: Listener) -> Path:
    mqtt: dict[str, object] = {
        "host": listener.host,
        "port": listener.port,
        "ack_wait": f"{NATS_ACK_WAIT_S}s",
        "max_ack_pending": NATS_ACK_PENDING_MAX,
    }
    if listener.tls is not None:
        mqtt["tls"] = _nats_tls(listener.tls)
    config = {
        "server_name": "equipwatch",
        "host": "127.0.0.1",
        "port": -1,
        "max_payload": PACKET_BYTES_MAX,
        "max_connections": listener.connections_max,
        "jetstream": {
            "store_dir": str(directory / "data"),
            "max_file_store": NATS_STORE_FACTOR * listener.queued_bytes_max,
            "sync_interval": f"{AUTOSAVE_S}s",
        },
        "mqtt": mqtt,
        "authorization": {"users": [_nats_user(login) for login in logins]},
    }
    path = directory / "nats-server.conf"
    write_private(path, json.dumps(config, indent=1))
    return path


def _nats_tls(tls: Tls) -> Mapping[str, object]:
    if tls.client_certificates != "off":
        raise UsageError(
            "broker.client_certificates needs mosquitto: nats-server cannot be told which "
            "certificates are revoked; install mosquitto, or set it to off"
        )
    return {
        "cert_file": str(tls.certificate),
        "key_file": str(tls.key),
        "min_version": "1.2",
        "timeout": TLS_HANDSHAKE_S,
    }


def _nats_user(login: Login) -> Mapping[str, object]:
    # An empty list would allow everything, and a denial of everything would also deny the internal
    # subjects of the MQTT session.
    permissions = {
        "publish": {"allow": _subjects(login.publish) or [_NO_SUBJECT]},
        "subscribe": {"allow": _subjects(login.subscribe) or [_NO_SUBJECT]},
    }
    return {"user": login.username, "password": login.password, "permissions": permissions}


def _subjects(filters: Iterable[str]) -> list[str]:
    """NATS subjects of MQTT topic filters; ``$SYS`` topics exist in mosquitto only."""
    levels = {"+": "*", "#": ">"}
    return [
        ".".join(levels.get(level, level) for level in topic.split("/"))
        for topic in filters
        if not topic.startswith("$")
    ]
