"""Logins, rights and configuration files of an MQTT broker: one login a device.

Both brokers refuse anonymous clients and let a device publish below its own topics only.
"""

import base64
import csv
import hashlib
import io
import json
import os
import pwd
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from domain.equipment import Firm, Fleet, Kind
from domain.errors import UsageError
from ingest import topics

BrokerKind = Literal["mosquitto", "nats"]

INGEST_USER = "equipwatch.ingest"
"""Login of the ingest process. The dot keeps service logins apart from every equipment id."""

DISPATCH_USER = "equipwatch.dispatch"
"""Login that publishes notifications to firms."""

PACKET_BYTES_MAX = 4 * 1024 * 1024
"""Largest MQTT packet that the broker takes; above every limit of the contract."""

INFLIGHT_MAX = 10_000
"""Unacknowledged messages of one client in mosquitto; MQTT 5 clients may ask for fewer."""

QUEUED_BYTES_MAX = 1 << 30
"""Bytes that mosquitto queues for one absent subscriber before it drops messages."""

NATS_ACK_PENDING_MAX = 65_535
"""Unacknowledged messages of one MQTT session in nats-server: its upper limit."""

NATS_ACK_WAIT_S = 5
"""After this long nats-server sends an unacknowledged message again."""

NATS_STORE_BYTES_MAX = 4 << 30
"""Bytes that nats-server keeps on disk for absent subscribers."""

AUTOSAVE_S = 10
"""Interval at which mosquitto saves its queues: what a power cut of the broker may lose."""

SESSION_EXPIRY_D = 14
"""Days after which mosquitto forgets the session of a client that does not come back."""

DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
"""mosquitto's count of messages that it had to drop."""

_PBKDF2_ITERATIONS = 101
_SALT_BYTES = 12
_PASSWORD_BYTES = 18
_PASSWORDS = "passwords.csv"
_HASHES = "passwd"
_NO_SUBJECT = "equipwatch.nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user of the broker and the topic filters it may use.

    Parameters
    ----------
    publish, subscribe
        MQTT topic filters; empty = nothing.
    """

    username: str
    password: str = field(default="", repr=False)
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


def firm_user(firm_id: str) -> str:
    """User name under which a firm reads its notifications."""
    return f"firm.{firm_id}"


def usernames(fleet: Fleet, firms: Iterable[Firm]) -> tuple[str, ...]:
    """Every user name that a registry needs: our own, devices and gateways, firms."""
    return tuple(login.username for login in _logins(fleet, firms))


def logins_for(
    fleet: Fleet, firms: Iterable[Firm], passwords: Mapping[str, str]
) -> tuple[Login, ...]:
    """Logins of devices, gateways, firms and our own processes.

    A device that is its own gateway has one login with both rights.

    Raises
    ------
    UsageError
        If a user has no password.
    """
    logins = _logins(fleet, firms)
    missing = [login.username for login in logins if not passwords.get(login.username)]
    if missing:
        raise UsageError(f"no password for {', '.join(missing[:5])}; run ensure_passwords first")
    return tuple(replace(login, password=passwords[login.username]) for login in logins)


def _logins(fleet: Fleet, firms: Iterable[Firm]) -> list[Login]:
    """Logins without passwords."""
    return [
        Login(username=INGEST_USER, subscribe=(f"{topics.ROOT}/#", DROPPED_TOPIC)),
        Login(username=DISPATCH_USER, publish=(topics.notify("+"),)),
        *(
            Login(username=name, publish=tuple(rights))
            for name, rights in _device_rights(fleet).items()
        ),
        *(
            Login(username=firm_user(firm.id), subscribe=(topics.notify(firm.id),))
            for firm in firms
        ),
    ]


def _device_rights(fleet: Fleet) -> Mapping[str, Mapping[str, None]]:
    """Per device or gateway, the topics it may publish on, each once and in order."""
    rights: dict[str, dict[str, None]] = {}
    for kind in Kind:
        for item in fleet.members(kind):
            # One line a device: mosquitto's start grows with the square of the lines, and what is
            # published on a stream that the grammar does not know is quarantined where people see
            # it.
            rights.setdefault(item.id, {})[topics.device_filter(kind, item.id)] = None
            if item.gateway_id:
                rights.setdefault(item.gateway_id, {})[topics.gateway(item.gateway_id)] = None
    return rights


def ensure_passwords(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """Password of every name: kept where there is one, random where not; others are dropped.

    The source is ``passwords.csv`` in the directory, readable by its owner only.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / _PASSWORDS
    known = load_passwords(path)
    passwords = {name: known.get(name) or secrets.token_urlsafe(_PASSWORD_BYTES) for name in names}
    if passwords != known:
        write_passwords(path, passwords)
    return passwords


def load_passwords(path: Path) -> dict[str, str]:
    """Passwords by user name out of a CSV file ``username,password``; none when it is missing."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != ["username", "password"]:
            raise UsageError(f"{path} must have the columns username,password")
        return {row["username"]: row["password"] for row in rows}


def write_passwords(path: Path, passwords: Mapping[str, str]) -> None:
    """Write ``username,password`` as CSV, readable by the owner only."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("username", "password"))
    rows.writerows(passwords.items())
    write_private(path, text.getvalue())


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; nobody but the owner can read it at any time."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def mosquitto_hash(password: str, salt: bytes) -> str:
    """Password as mosquitto 2.0 stores it: ``$7$iterations$salt$hash``, PBKDF2-SHA512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ITERATIONS)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"$7${_PBKDF2_ITERATIONS}${'$'.join(encoded)}"


def write_config(
    directory: Path,
    logins: Sequence[Login],
    *,
    host: str,
    port: int,
    kind: BrokerKind,
    user: str | None = None,
) -> Path:
    """Write a broker's configuration with its users and rights; return the configuration's path.

    Parameters
    ----------
    host, port
        Address of the listener.
    user
        System user that mosquitto runs as when root starts it, and that then owns the files;
        ``None`` = the present user, since mosquitto would otherwise drop to one that cannot read
        them.
    """
    directory = directory.absolute()
    for path in (directory, directory / "data"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kind == "nats":
        return _write_nats(directory, logins, host, port)
    files = {
        _HASHES: _password_file(directory / _HASHES, logins),
        "acl": "\n".join(_acl_block(login) for login in logins),
        "mosquitto.conf": _mosquitto_conf(directory, host, port, user),
    }
    for name, text in files.items():
        write_private(directory / name, text)
    if user is not None:
        for path in (directory, *directory.iterdir()):
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


def _mosquitto_conf(directory: Path, host: str, port: int, user: str | None) -> str:
    owner = user or pwd.getpwuid(os.geteuid()).pw_name
    return f"""\
# Written by equipwatch; change its settings and write it anew instead of editing this file.
per_listener_settings false
user {owner}
listener {port} {host}
allow_anonymous false
password_file {directory}/{_HASHES}
acl_file {directory}/acl

persistence true
persistence_location {directory}/data/
autosave_interval {AUTOSAVE_S}
persistent_client_expiration {SESSION_EXPIRY_D}d

# The default of 1,000 queued messages drops the rest silently: bytes are the bound here.
max_queued_messages 0
max_queued_bytes {QUEUED_BYTES_MAX}
max_inflight_messages {INFLIGHT_MAX}
max_packet_size {PACKET_BYTES_MAX}
max_connections -1
sys_interval 10
set_tcp_nodelay true

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


def _write_nats(directory: Path, logins: Sequence[Login], host: str, port: int) -> Path:
    config = {
        "server_name": "equipwatch",
        "host": "127.0.0.1",
        "port": -1,
        "max_payload": PACKET_BYTES_MAX,
        "jetstream": {
            "store_dir": str(directory / "data"),
            "max_file_store": NATS_STORE_BYTES_MAX,
            "sync_interval": f"{AUTOSAVE_S}s",
        },
        "mqtt": {
            "host": host,
            "port": port,
            "ack_wait": f"{NATS_ACK_WAIT_S}s",
            "max_ack_pending": NATS_ACK_PENDING_MAX,
        },
        "authorization": {"users": [_nats_user(login) for login in logins]},
    }
    path = directory / "nats-server.conf"
    write_private(path, json.dumps(config, indent=1))
    return path


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
