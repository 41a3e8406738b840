"""Checks that tell, before anybody depends on it, whether this installation can work."""

import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from urllib.parse import urlsplit

from domain.errors import EquipwatchError
from domain.instants import seconds, to_iso
from ingest.broker import mosquitto_program
from runtime.broker import authority_of
from runtime.settings import BrokerSettings, Settings
from runtime.site import Site
from runtime.wiring import open_state

FREE_DISK_BYTES_MIN = 2 * 1024**3
"""Less free space than this is reported: the journal would soon have to refuse messages."""

EXPIRY_NOTICE_D = 14
"""A certificate with fewer days left is reported."""

CA_NOTICE_D = 180
"""The same for the authority's own, which every device has to be given anew."""

_CONNECT_TIMEOUT_S = 3.0
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of one check; ``detail`` says what was found, and how to mend it when not ok."""

    name: str
    ok: bool
    detail: str

    def report(self) -> dict[str, object]:
        """Plain object for printing."""
        return {"check": self.name, "ok": self.ok, "detail": self.detail}


def examine(settings: Settings, site: Site) -> list[Check]:
    """Run every check; none changes anything but the state store's schema version."""
    checks: dict[str, Callable[[Settings, Site], str]] = {
        "data directory": _data_directory,
        "free disk": _free_disk,
        "state store": _state_store,
        "telemetry store": _telemetry_store,
        "broker": _broker,
        "broker certificates": _certificates,
    }
    return [_run(name, check, settings, site) for name, check in checks.items()]


def _run(
    name: str, check: Callable[[Settings, Site], str], settings: Settings, site: Site
) -> Check:
    try:
        return Check(name=name, ok=True, detail=check(settings, site))
    except (EquipwatchError, OSError) as error:
        return Check(name=name, ok=False, detail=str(error))


def _data_directory(_settings: Settings, site: Site) -> str:
    site.create()
    if not os.access(site.root, os.W_OK):
        raise EquipwatchError(f"{site.root} cannot be written")
    return f"{site.root} can be written"


def _free_disk(_settings: Settings, site: Site) -> str:
    free = shutil.disk_usage(site.root).free
    if free < FREE_DISK_BYTES_MIN:
        raise EquipwatchError(f"only {free} bytes are free; want {FREE_DISK_BYTES_MIN}")
    return f"{free // 1024**2} MiB free"


def _state_store(settings: Settings, site: Site) -> str:
    state = open_state(settings, site)
    try:
        with state.reading() as tx:
            devices = len(tx.registry.fleet().slots)
            return f"{devices} devices, {len(tx.registry.firms())} firms"
    finally:
        state.close()


def _telemetry_store(settings: Settings, site: Site) -> str:
    telemetry = settings.telemetry
    if telemetry.store != "influxdb":
        return f"{telemetry.store} in {site.root}"
    _reach(telemetry.url, 8086)
    return f"InfluxDB {telemetry.version}.x answers at {telemetry.url}"


def _broker(settings: Settings, site: Site) -> str:
    broker = settings.broker
    if broker.url.startswith("mqtts:"):
        return _greet(broker, site)
    if broker.url:
        _reach(broker.url, 1883)
        return f"{broker.url} accepts connections"
    if broker.tls == "off" and broker.host not in _LOCAL:
        raise EquipwatchError(
            f"our own broker listens on {broker.host} without encryption: passwords can be read on "
            "the way; set broker.tls = on"
        )
    program = None if broker.prefer == "nats" else mosquitto_program()
    if program is None and broker.client_certificates != "off":
        raise EquipwatchError("broker.client_certificates needs mosquitto; install it")
    return f"our own: {program or 'the nats-server that comes with the package'}"


def _greet(broker: BrokerSettings, site: Site) -> str:
    """Make a TLS connection as ingest would, and look at the broker's certificate."""
    address = urlsplit(broker.url)
    own_ca = authority_of(site).ca_certificate
    trusted = broker.tls_ca or (str(own_ca) if own_ca.exists() else None)
    context = ssl.create_default_context(cafile=trusted)
    place = (address.hostname or "", address.port or 8883)
    with (
        socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=place[0]) as encrypted,
    ):
        ends = str((encrypted.getpeercert() or {})["notAfter"])
    _check_expiry("its certificate", seconds(ssl.cert_time_to_seconds(ends)), EXPIRY_NOTICE_D)
    return f"{broker.url} accepts connections; its certificate is valid until {ends}"


def _certificates(settings: Settings, site: Site) -> str:
    """How long what we have issued ourselves is valid."""
    expiries = authority_of(site).expiries()
    if not expiries:
        return "none of our own yet" if settings.broker.tls == "on" else "none of our own"
    for name, expires_ns in expiries.items():
        _check_expiry(name, expires_ns, CA_NOTICE_D if name == "ca.crt" else EXPIRY_NOTICE_D)
    name, first_ns = min(expiries.items(), key=itemgetter(1))
    return f"the first to expire is {name}, on {to_iso(first_ns)}"


def _check_expiry(name: str, expires_ns: int, notice_d: int) -> None:
    left_d = (expires_ns - time.time_ns()) / seconds(86_400)
    if left_d < notice_d:
        how = "expired" if left_d < 0 else f"expires in {left_d:.0f} days"
        raise EquipwatchError(f"{name} {how} ({to_iso(expires_ns)}); see docs/broker.md")


def _reach(url: str, default_port: int) -> None:
    address = urlsplit(url)
    place = (address.hostname or "", address.port or default_port)
    with socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S):
        pass
