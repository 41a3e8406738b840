"""Checks that tell, before anybody depends on it, whether this installation can work."""

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from domain.errors import EquipwatchError
from runtime.settings import Settings
from runtime.site import Site
from runtime.wiring import open_state

FREE_DISK_BYTES_MIN = 2 * 1024**3
"""Less free space than this is reported: the journal would soon have to refuse messages."""

_CONNECT_TIMEOUT_S = 3.0


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


def _broker(settings: Settings, _site: Site) -> str:
    if settings.broker.url:
        _reach(settings.broker.url, 1883)
        return f"{settings.broker.url} accepts connections"
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return f"our own: {program or 'the nats-server that comes with the package'}"


def _reach(url: str, default_port: int) -> None:
    address = urlsplit(url)
    place = (address.hostname or "", address.port or default_port)
    with socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S):
        pass
