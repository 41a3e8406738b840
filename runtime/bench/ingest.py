"""``equipwatch bench ingest``: what ingest costs above a bare subscriber, in one run.

All variants get the same messages at the same rate from the same broker, in turn and in rounds, so
that whatever else the machine does hits them alike. CPU time is that of the variant's processes
from the end of a short warm-up until the last message was finished, ticks and idle loops included;
broker and publisher are not counted.
"""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domain.equipment import EMPTY_FLEET
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S
from ingest.broker import DISPATCH_USER, INGEST_USER, ensure_passwords, logins_for, start_broker
from runtime.bench.bare import Address
from runtime.bench.load import PUBLISHER_USER, Load, LoadProcess, Sent, publisher_login
from runtime.bench.meter import Sampler, cpu_s, resident_mb
from runtime.bench.report import VARIANTS, Cost, Endurance, Speed, latency_ms, report_of
from runtime.bench.subjects import BareSubject, ServiceSubject, Subject, wait_until
from runtime.bench.watch import IncidentWatch
from runtime.serve import free_port
from runtime.settings import load
from runtime.site import Site
from runtime.wiring import open_state, open_telemetry
from simulators.load import LoadPlan

ALARMS_PER_S = 5.0
"""Alarm buttons pressed in a second of an endurance run: enough for a 99th percentile."""

FINISH_TIMEOUT_S = 120.0
"""How long the last messages may take after they were sent."""

SETTLE_S = 3.0
"""Wait for the incidents of an endurance run's last messages."""

ALARMS_PACED = 20
"""Alarm buttons of a whole run for cost or speed."""

CORE = ("pipeline", "dispatch", "api")
"""Roles of the core in an endurance run: all of them, as in production."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What the user chose.

    Parameters
    ----------
    seconds
        Measured length of one paced run of one variant.
    rounds
        Runs of each variant; the median counts.
    duration_s
        Length of the endurance runs, from which latency, memory and loss come; 0 leaves them out.
    backlog_s
        Messages that are queued for a drain, as seconds of the load; 0 leaves the drains out.
    warm_up_s
        What comes before the measured part of a paced run: first messages of a device cost more
        than later ones.
    single_per_s, devices, gateways
        Single messages a second, and devices that report once a second through gateways.
    directory
        Where everything is kept meanwhile, for its disk counts; ``None`` = the system's temporary
        directory.
    """

    seconds: float = 20.0
    rounds: int = 3
    duration_s: float = 20.0
    backlog_s: float = 20.0
    warm_up_s: float = 3.0
    single_per_s: float = 3_000.0
    devices: int = 20_000
    gateways: int = 200
    directory: Path | None = None

    def loads(self) -> tuple[Load, Load]:
        """The district load, and devices behind gateways at one item a second."""
        singles = min(self.devices, int(self.single_per_s))
        return (
            Load(name="single", devices=singles, items_per_s=self.single_per_s),
            Load(
                name="batch",
                devices=self.devices,
                items_per_s=float(self.devices),
                gateways=self.gateways,
            ),
        )


def run_bench(options: BenchOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the benchmark in a directory of its own, which is deleted, and return its figures.

    Parameters
    ----------
    say
        Told what is being measured.

    Raises
    ------
    DependencyError
        If there is no broker, or a process ends or stalls.
    """
    single, batch = options.loads()
    with open_bench(options, say) as bench:
        costs = [
            bench.cost(offered, variant)
            for _ in range(options.rounds)
            for offered in (single, batch)
            for variant in VARIANTS
        ]
        speeds = [
            bench.speed(offered, variant)
            for offered in (single, batch)
            for variant in VARIANTS
            if options.backlog_s
        ]
        runs = [bench.endurance(offered) for offered in (single, batch) if options.duration_s]
    return report_of(costs, speeds, runs)


@contextmanager
def open_bench(options: BenchOptions, say: Callable[[str], None]) -> Iterator["Bench"]:
    """Broker and directory of one benchmark, for the length of a block."""
    root = Path(tempfile.mkdtemp(prefix="equipwatch-bench-", dir=options.directory))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        passwords = ensure_passwords(root / "broker", (INGEST_USER, DISPATCH_USER, PUBLISHER_USER))
        ours = logins_for(EMPTY_FLEET, (), passwords)
        logins = (*ours, publisher_login(passwords[PUBLISHER_USER]))
        broker = start_broker(root / "broker", logins, prefer="mosquitto")
        stack.callback(broker.stop)
        yield Bench(options, root, broker.url, passwords, say)


class Bench:
    """A broker, and the ways to measure against it.

    Parameters
    ----------
    root
        Directory for everything.
    url, passwords
        The broker and the logins on it.
    """

    def __init__(
        self,
        options: BenchOptions,
        root: Path,
        url: str,
        passwords: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._root = root
        self._url = url
        self._passwords = passwords
        self._say = say
        self._runs = 0

    def cost(self, offered: Load, variant: str) -> Cost:
        """CPU time of one paced run."""
        options = self._options
        plan = offered.plan(options.warm_up_s + options.seconds, alarms=ALARMS_PACED)
        with self._subject(plan, variant) as subject, self._load(plan, paced=True) as process:
            subject.start()
            process.go()
            time.sleep(options.warm_up_s)
            before_s, before = cpu_s(subject.pids()), subject.received()
            sent = process.finish()
            _finish(subject, sent)
            spent_s = cpu_s(subject.pids()) - before_s
        messages = sent.messages - before
        self._say(f"{offered.name} {variant}: {1e6 * spent_s / messages:.1f} us a message")
        return Cost(
            load=offered.name,
            variant=variant,
            cpu_s=spent_s,
            messages=messages,
            items=messages * plan.items_per_message,
            asked_per_s=offered.messages_per_s,
            offered_per_s=sent.messages_per_s,
        )

    def speed(self, offered: Load, variant: str) -> Speed:
        """Rate at which queued messages are finished, from the first that arrives."""
        plan = offered.plan(self._options.backlog_s, alarms=ALARMS_PACED)
        with self._subject(plan, variant) as subject, self._load(plan, paced=False) as process:
            subject.start()
            subject.pause()
            process.go()
            sent = process.finish()
            subject.resume()
            _finish(subject, sent)
            took_s = (time.time_ns() - subject.first_ns()) / NS_PER_S
        speed = sent.messages / took_s
        self._say(f"{offered.name} {variant}: {speed:.0f} messages/s of a backlog")
        return Speed(load=offered.name, variant=variant, messages_per_s=speed)

    def endurance(self, offered: Load) -> Endurance:
        """Latency, memory and loss of ingest with the whole core."""
        duration_s = self._options.duration_s
        plan = offered.plan(duration_s, alarms=int(ALARMS_PER_S * duration_s))
        peaks = [0.0]
        with self._service(plan, CORE) as subject, self._load(plan, paced=True) as process:
            subject.start()
            pids = subject.pids()
            watch = IncidentWatch(subject.state)
            with watch, Sampler(lambda: peaks.append(resident_mb(pids))):
                process.go()
                sent = process.finish()
                _finish(subject, sent)
                # An overload is claimed after a hold, by one of the next ticks.
                time.sleep(SETTLE_S)
            subject.stop()
            stored = _stored(subject.site)
        run = _endurance(offered, plan, sent, watch.seen_ns)
        run = replace(run, lost=sent.items - stored, rss_mb=max(peaks))
        self._say(
            f"{offered.name} full, {plan.duration_s:.0f} s: {latency_ms(run.latencies_ns)} ms"
        )
        return run

    def _subject(self, plan: LoadPlan, variant: str) -> AbstractContextManager[Subject]:
        if variant == "bare":
            return self._bare()
        return self._service(plan, ("pipeline",) if variant == "full" else ())

    @contextmanager
    def _bare(self) -> Iterator[Subject]:
        address = self._address(INGEST_USER, f"bench-bare-{secrets.token_hex(8)}")
        subject = BareSubject(address, load(None).ingest)
        try:
            yield subject
        finally:
            subject.discard()

    @contextmanager
    def _service(self, plan: LoadPlan, core: Sequence[str]) -> Iterator[ServiceSubject]:
        self._runs += 1
        site = Site(self._root / f"run-{self._runs}")
        _register(site, plan)
        address = self._address(INGEST_USER, site.secrets().ingest_client_id)
        subject = ServiceSubject(site, address, core=core, environment=self._environment())
        try:
            yield subject
        finally:
            subject.discard()

    @contextmanager
    def _load(self, plan: LoadPlan, *, paced: bool) -> Iterator[LoadProcess]:
        address = self._address(PUBLISHER_USER, f"bench-{secrets.token_hex(8)}")
        process = LoadProcess(plan, address, paced=paced)
        try:
            yield process
        finally:
            process.close()

    def _address(self, username: str, client_id: str) -> Address:
        return Address(
            url=self._url,
            username=username,
            password=self._passwords[username],
            client_id=client_id,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "EQUIPWATCH_BROKER__URL": self._url,
            "EQUIPWATCH_BROKER__USERNAME": INGEST_USER,
            "EQUIPWATCH_BROKER__PASSWORD": self._passwords[INGEST_USER],
            "EQUIPWATCH_BROKER__NOTIFY_USERNAME": DISPATCH_USER,
            "EQUIPWATCH_BROKER__NOTIFY_PASSWORD": self._passwords[DISPATCH_USER],
            "EQUIPWATCH_HTTP__PORT": str(free_port("127.0.0.1")),
        }


def _register(site: Site, plan: LoadPlan) -> None:
    state = open_state(load(None), site)
    try:
        with state.writing() as tx:
            tx.registry.put(plan.equipment)
    finally:
        state.close()


def _finish(subject: Subject, sent: Sent) -> None:
    wait_until(lambda: subject.done() >= sent.messages, FINISH_TIMEOUT_S, subject.check)


def _stored(site: Site) -> int:
    telemetry = open_telemetry(load(None), site)
    try:
        return telemetry.count()
    finally:
        telemetry.close()


def _endurance(
    offered: Load, plan: LoadPlan, sent: Sent, seen_ns: Mapping[tuple[str, IncidentKind], int]
) -> Endurance:
    alarm = IncidentKind.ALARM_BUTTON
    latencies_ns = [
        seen_ns[equipment, alarm] - sent_ns
        for equipment, sent_ns in sent.alarms_ns.items()
        if (equipment, alarm) in seen_ns
    ]
    return Endurance(
        load=offered.name,
        messages=sent.messages,
        items=sent.items,
        asked_per_s=offered.messages_per_s,
        offered_per_s=sent.messages_per_s,
        latencies_ns=latencies_ns,
        missed=sum(expected not in seen_ns for expected in plan.expected()),
        duration_s=plan.duration_s,
        lost=0,
        rss_mb=0.0,
    )
