"""Logins of a broker: one a device, gateway and firm of the registry, and two of our own.

Their passwords are kept in a file that only its owner can read.
"""

import csv
import io
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from domain.equipment import Firm, Fleet, Kind
from domain.errors import UsageError
from ingest import topics

INGEST_USER = "equipwatch.ingest"
"""Login of the ingest process. The dot keeps service logins apart from every equipment id."""

DISPATCH_USER = "equipwatch.dispatch"
"""Login that publishes notifications to firms."""

DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
"""mosquitto's count of messages that it had to drop."""

_PASSWORD_BYTES = 18
_PASSWORDS = "passwords.csv"


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
