"""Recordings: published as the devices that made them, or run offline through the pipeline."""

import contextlib
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.equipment import Kind
from domain.errors import DependencyError, UsageError
from domain.messages import Message
from domain.registry import RegistryFile
from ingest.broker import load_passwords
from runtime.broker import authority_of
from runtime.inputs import registry_file, start_instant
from runtime.offline import OfflineReport, replay_offline
from runtime.reports import incident_report
from runtime.serve import PASSWORDS
from runtime.settings import Settings, load
from runtime.site import Site
from runtime.wiring import open_state, open_telemetry
from simulators.outgoing import Outgoing
from simulators.publisher import BrokerAddress, Publisher, PublishReport
from simulators.replay import Capture, Shift, parse_map, read_series, series_messages

_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A broker and the logins of its devices."""

    address: BrokerAddress
    passwords: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReplay:
    """How a CSV series becomes a device; see `simulators.replay`."""

    maps: tuple[str, ...]
    kind: Kind
    equipment_id: str
    timestamp_column: str
    shift: str


def target(*, data: Path | None, broker: str, passwords: Path | None) -> Target:
    """Broker and logins named on the command line, or those of a running service."""
    site = Site(data) if data is not None else None
    endpoints = site.read_endpoints() if site is not None else None
    url = broker or (endpoints.broker if endpoints is not None else "")
    if not url:
        raise UsageError("name a --broker, or the --data of a running service")
    file = passwords or (site.broker / PASSWORDS if site is not None else None)
    if file is None or not file.is_file():
        raise UsageError("name --passwords, a CSV with the columns username,password")
    ca = None if site is None else authority_of(site).ca_certificate
    return Target(
        address=BrokerAddress.of(url, ca),
        passwords=load_passwords(file),
    )


def publish_series(
    file: Path, series: SeriesReplay, to: Target, *, speed: float | None
) -> dict[str, Any]:
    """Publish a CSV series as one device."""
    maps = [parse_map(text) for text in series.maps]
    if not maps or not series.equipment_id:
        raise UsageError("a CSV series needs --map and --equipment")
    recorded = read_series(file, maps, series.kind, timestamp_column=series.timestamp_column)
    start_ns = time.time_ns()
    messages = series_messages(
        recorded,
        kind=series.kind,
        equipment_id=series.equipment_id,
        start_ns=start_ns,
        speed=speed,
        shift=Shift(series.shift),
    )
    # The messages carry their pace already; the publisher keeps it.
    pace = 1.0 if speed else None
    report = _publish(to, messages, start_ns=start_ns, speed=pace)
    return {
        "rows": len(recorded.times_ns),
        "skipped_cells": recorded.skipped_cells,
        "published": report.published,
        "failed": report.failed,
        "refused_logins": list(report.refused),
        "duration_s": round(report.duration_s, 3),
    }


def _publish(
    to: Target, messages: Iterator[Outgoing], *, start_ns: int, speed: float | None
) -> PublishReport:
    place = (to.address.host, to.address.port)
    try:
        # The publisher waits for a broker that is restarting; a wrong address should fail at once.
        socket.create_connection(place, _CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise DependencyError(
            f"no MQTT broker answers at {place[0]}:{place[1]}: {error}"
        ) from error
    return Publisher(to.address, to.passwords).run(messages, start_ns=start_ns, speed=speed)


def publish_capture(
    file: Path, to: Target, *, start: str | None, speed: float | None
) -> dict[str, Any]:
    """Publish a captured stream, each message by the login of its device."""
    capture = Capture(file)
    start_ns = time.time_ns() if start is None else start_instant(start)
    began_ns = time.time_ns()
    messages = capture.messages(start_ns=start_ns)
    report = _publish(to, messages, start_ns=start_ns, speed=speed)
    return {
        "lines": capture.lines,
        "bad_lines": capture.bad,
        "published": report.published,
        "failed": report.failed,
        "refused_logins": list(report.refused),
        "duration_s": round((time.time_ns() - began_ns) / 1e9, 3),
    }


def run_offline(
    file: Path, *, registry: Path | None, start: str | None, data: Path | None
) -> dict[str, Any]:
    """Run a captured stream through a fresh journal and the production pipeline.

    Parameters
    ----------
    registry
        Registry CSV of the devices; refused rows are reported, the rest is used.
    data
        Where journal and stores are kept; ``None`` deletes them afterwards.
    """
    if registry is None or start is None:
        raise UsageError("an offline replay needs --registry FILE and --start ISO")
    start_ns = start_instant(start)
    parsed = registry_file(registry)
    capture = Capture(file)
    messages = (
        Message(outgoing.topic, outgoing.payload, outgoing.at_ns, outgoing.retain)
        for outgoing in capture.messages(start_ns=start_ns)
    )
    with _workplace(data) as site:
        report = _run(load(data), site, parsed, messages, start_ns)
    return {
        "incidents": [incident_report(incident) for incident in report.incidents],
        "counts": {
            **report.counters,
            "bad_lines": capture.bad,
            "disordered_lines": capture.disordered,
            "refused_registry_rows": len(parsed.refused),
        },
        "wall_s": round(report.wall_s, 3),
        "messages_per_s": round(report.messages_per_s),
    }


def _run(
    settings: Settings,
    site: Site,
    parsed: RegistryFile,
    messages: Iterator[Message],
    start_ns: int,
) -> OfflineReport:
    if site.journal.exists():
        raise UsageError(
            f"{site.root} holds a journal already; an offline replay needs a fresh one"
        )
    state = open_state(settings, site)
    telemetry = open_telemetry(settings, site)
    try:
        with state.writing() as tx:
            tx.registry.put(parsed.rows)
        return replay_offline(
            messages,
            start_ns=start_ns,
            journal=site.journal,
            telemetry=telemetry,
            state=state,
            parameters=settings.detectors,
        )
    finally:
        telemetry.close()
        state.close()


@contextlib.contextmanager
def _workplace(data: Path | None) -> Iterator[Site]:
    if data is not None:
        yield Site(data)
        return
    with tempfile.TemporaryDirectory(prefix="equipwatch-replay-") as directory:
        yield Site(Path(directory))
