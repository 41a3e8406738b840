"""The demo: a simulated district on the real service, with an honest account at the end."""

import contextlib
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import structlog

from domain.errors import DependencyError, UsageError
from domain.incidents import Incident
from domain.ports import StateStore
from ingest.broker import load_passwords
from ingest.journal import JournalReader
from runtime.broker import authority_of
from runtime.offline import all_incidents
from runtime.pipeline import CONSUMER
from runtime.serve import PASSWORDS, free_port
from runtime.settings import Settings, load
from runtime.site import Endpoints, Site
from runtime.supervisor import spawn
from runtime.verdict import judge
from runtime.wiring import open_state, open_telemetry
from simulators.demo import demo_scenario
from simulators.publisher import BrokerAddress, Publisher, PublishReport
from simulators.world import World

ENDLESS_S = 24 * 3_600.0
"""How long a demo without a length goes on at most."""

_START_TIMEOUT_S = 60.0
_DRAIN_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_CONSOLE_PORT = 8080
_POLL_S = 0.2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the user chose.

    Parameters
    ----------
    seconds
        Length; ``None`` = until interrupted.
    seed
        ``None`` = drawn now.
    data
        New directory for everything; ``None`` = one below ``demo-data``.
    """

    devices: int
    seconds: float | None
    seed: int | None
    data: Path | None


def run_demo(options: DemoOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the demo and return its account.

    Parameters
    ----------
    say
        Tells the user what happens while it runs.
    """
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    site = Site((options.data or _fresh_directory(seed)).absolute())
    if site.journal.exists():
        raise UsageError(f"{site.root} holds an installation already; name a new directory")
    length_s = options.seconds or ENDLESS_S
    scenario = demo_scenario(seed, devices=options.devices, duration_s=length_s)
    settings = load(site.root)
    state = open_state(settings, site)
    try:
        _register(state, World(scenario, seed, time.time_ns()))
        with _service(site) as endpoints:
            say(_welcome(site, endpoints, seed, options))
            world = World(scenario, seed, time.time_ns())
            with _watching(state, say):
                published = _publish(world, site, endpoints, options.seconds)
            ended_ns = time.time_ns()
            _drain(site, state, published.published)
        return _account(settings, site, state, world, published, seed=seed, ended_ns=ended_ns)
    finally:
        state.close()


def _fresh_directory(seed: int) -> Path:
    return Path("demo-data") / f"{time.strftime('%Y%m%d-%H%M%S')}-{seed}"


def _register(state: StateStore, world: World) -> None:
    with state.writing() as tx:
        tx.registry.put(world.registry())
        for firm in world.firms():
            tx.registry.put_firm(firm)


@contextlib.contextmanager
def _service(site: Site) -> Iterator[Endpoints]:
    """The service as its own processes, ready for messages."""
    log = (site.root / "service.log").open("wb")
    port = _CONSOLE_PORT if _is_free(_CONSOLE_PORT) else free_port("127.0.0.1")
    arguments = ["--data", str(site.root), "--http-port", str(port), "--mqtt-port", "0"]
    process = spawn(["serve", *arguments], {}, log=log)
    try:
        yield _wait_ready(site, process)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _wait_ready(site: Site, process: "subprocess.Popen[bytes]") -> Endpoints:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        endpoints = site.read_endpoints()
        if endpoints is not None and _ready(endpoints):
            return endpoints
        time.sleep(_POLL_S)
    raise DependencyError(f"the service did not become ready; see {site.root / 'service.log'}")


def _ready(endpoints: Endpoints) -> bool:
    try:
        return httpx2.get(f"{endpoints.console}/readyz", timeout=2).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def _welcome(site: Site, endpoints: Endpoints, seed: int, options: DemoOptions) -> str:
    length = "until Ctrl-C" if options.seconds is None else f"for {options.seconds:g} s"
    return (
        f"equipwatch demo: {options.devices} simulated devices, seed {seed}, {length}\n"
        f"  console   {endpoints.console}\n"
        f"  login     admin / {site.secrets().admin_password}\n"
        f"  broker    {endpoints.broker}\n"
        f"  data      {site.root} (delete it when you are done)"
    )


def _publish(
    world: World, site: Site, endpoints: Endpoints, seconds: float | None
) -> PublishReport:
    publisher = Publisher(
        BrokerAddress.of(endpoints.broker, authority_of(site).ca_certificate),
        load_passwords(site.broker / PASSWORDS),
    )
    stop = threading.Event()
    length_s = seconds or ENDLESS_S
    try:
        return publisher.run(
            world.outgoing(length_s), start_ns=world.start_ns, duration_s=seconds, stop=stop
        )
    except KeyboardInterrupt:
        stop.set()
        return publisher.report()


@contextlib.contextmanager
def _watching(state: StateStore, say: Callable[[str], None]) -> Iterator[None]:
    """Tell of incidents while the demo runs."""
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(state, say, stop), name="watch")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(state: StateStore, say: Callable[[str], None], stop: threading.Event) -> None:
    last = 0
    while not stop.wait(1.0):
        with state.reading() as tx:
            events = tx.incidents.events_after(last)
            incidents = {e.incident_id: tx.incidents.get(e.incident_id) for e in events}
        for event in events:
            last = event.number
            incident = incidents[event.incident_id]
            if incident is not None and event.action in {"opened", "level_raised"}:
                say(f"  {event.action:<13} {_line(incident)}")


def _line(incident: Incident) -> str:
    return f"{incident.level:<10} {incident.kind:<22} {incident.equipment_id}"


def _drain(site: Site, state: StateStore, published: int) -> None:
    """Wait until everything published is in the journal and recorded by the pipeline.

    The broker's PUBACK to a device says nothing about ingest, which may still be behind.
    """
    deadline = time.monotonic() + _DRAIN_TIMEOUT_S
    target: int | None = None
    reader = JournalReader(site.journal)
    try:
        while time.monotonic() < deadline:
            if target is None and reader.counts() >= published:
                target = reader.last_position()
            with state.reading() as tx:
                if target is not None and tx.offsets.get(CONSUMER) >= target:
                    return
            time.sleep(_POLL_S)
        journalled = reader.counts()
    finally:
        reader.close()
    raise DependencyError(
        f"after {_DRAIN_TIMEOUT_S:g} s {journalled} of {published} messages are in the journal, "
        f"and the pipeline has not recorded all of them"
    )


def _account(
    settings: Settings,
    site: Site,
    state: StateStore,
    world: World,
    published: PublishReport,
    *,
    seed: int,
    ended_ns: int,
) -> dict[str, Any]:
    """Counts that must add up, and incidents held against the truth."""
    counters, journalled, stored, findings = _counts(settings, site, state)
    verdict = judge(world.truth(), all_incidents(state), ended_ns=ended_ns)
    return {
        "seed": seed,
        "published": published.published,
        "unpublished": published.failed,
        "journalled": journalled,
        "decoded": counters["decoded"],
        "quarantined": counters["quarantined"],
        "items": counters["items"],
        "stored": stored,
        "alive": counters["alive"],
        "repeats_dropped": counters["duplicated"],
        "lost": max(0, published.published - journalled) + counters["lost"],
        "duplicated": stored - counters["accepted"],
        "findings": findings,
        "incidents": list(verdict.found),
        "missed": len(verdict.missed),
        "spurious": len(verdict.spurious),
        "data": str(site.root),
    }


def _counts(
    settings: Settings, site: Site, state: StateStore
) -> tuple[Mapping[str, int], int, int, int]:
    with state.reading() as tx:
        counters = tx.offsets.counters(CONSUMER)
        findings = tx.incidents.count_findings()
    reader = JournalReader(site.journal)
    telemetry = open_telemetry(settings, site)
    try:
        return counters, reader.counts(), telemetry.count(), findings
    finally:
        telemetry.close()
        reader.close()
