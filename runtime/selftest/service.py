"""The service under test: real processes on a directory, broker and ports of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from domain.errors import DependencyError, UsageError
from ingest.broker import load_passwords
from runtime.selftest.processes import children, kill_leftovers
from runtime.serve import PASSWORDS, free_port
from runtime.site import Site
from runtime.supervisor import spawn
from runtime.wiring import using_state
from simulators.load import LoadPlan, LoadPublisher
from simulators.publisher import BrokerAddress, PublishLimits

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0

PATIENCE_S = 120.0
"""After this long without any progress a test stops waiting, and counts what is there."""

LONGEST_S = 1_800.0
"""Longest wait for what makes progress."""

CHILDREN = ("ingest", "core", "broker")
"""Processes of the service beside its supervisor."""

SUPERVISOR = "supervisor"

DRAIN_S = 120.0
"""Longest time that simulated devices wait for outstanding PUBACKs at the end."""

_HOST = "127.0.0.1"
_POLL_S = 0.05


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until a condition holds; say whether it did within the time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(_POLL_S)
    return condition()


def wait_while_moving(condition: Callable[[], bool], figure: Callable[[], float]) -> bool:
    """Poll until a condition holds, as long as a figure moves; say whether it did.

    What is slow is not lost: a loaded machine gets the time it needs, up to `LONGEST_S`.
    """
    began_s = since_s = time.monotonic()
    last = figure()
    while not condition():
        now_s = time.monotonic()
        if (value := figure()) != last:
            last, since_s = value, now_s
        if now_s - since_s >= PATIENCE_S or now_s - began_s >= LONGEST_S:
            return condition()
        time.sleep(_POLL_S)
    return True


@dataclass(kw_only=True)
class Service:
    """One ``equipwatch serve`` and its children.

    Parameters
    ----------
    log
        File for what all processes say.
    broker
        Program that serves as its broker: ``mosquitto``, ``nats`` or empty for its own choice.
    environment
        Settings beside the ports.
    starts
        How often the supervisor was started.
    """

    site: Site
    log: Path
    broker: str
    environment: Mapping[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=lambda: free_port(_HOST))
    mqtt_port: int = field(default_factory=lambda: free_port(_HOST))
    starts: int = 0
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the supervisor."""
        environment = {
            "EQUIPWATCH_BROKER__PREFER": self.broker,
            "EQUIPWATCH_HTTP__METRICS_PUBLIC": "true",
            **self.environment,
        }
        ports = ["--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port)]
        with self.log.open("ab") as log:
            self._process = spawn(
                ["serve", "--data", str(self.site.root), *ports], environment, log=log
            )
        self.starts += 1

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until it says that it can work.

        Raises
        ------
        DependencyError
            If it does not within the time.
        """
        wait_for(lambda: not self.running or self.readiness() == "", timeout_s)
        if not self.running or self.readiness():
            raise DependencyError(f"the service did not become ready: {self.tail()}")

    def readiness(self) -> str:
        """Empty when the service says that it is ready, else its words."""
        try:
            answer = httpx2.get(f"http://{_HOST}:{self.http_port}/readyz", timeout=10)
        except httpx2.HTTPError as error:
            return f"no answer ({type(error).__name__})"
        if answer.status_code == httpx2.codes.OK:
            return ""
        return str(answer.json().get("detail", answer.text))

    def metrics(self) -> Mapping[str, float]:
        """Gauges without labels; none while the service does not answer."""
        try:
            answer = httpx2.get(f"http://{_HOST}:{self.http_port}/metrics", timeout=10)
        except httpx2.HTTPError:
            return {}
        lines = [line.split(" ") for line in answer.text.splitlines() if line[:1] != "#"]
        return {name: float(value) for name, value in lines if "{" not in name}

    @property
    def running(self) -> bool:
        """Whether the supervisor lives."""
        return self._process is not None and self._process.poll() is None

    def children(self) -> Mapping[str, int]:
        """Process ids of the living children by name."""
        return children(self._process.pid) if self._process is not None else {}

    def child(self, name: str, timeout_s: float = START_TIMEOUT_S) -> int:
        """Process id of a child, waiting for the supervisor to start it.

        Raises
        ------
        DependencyError
            If it does not, or has given up.
        """
        found: dict[str, int] = {}

        def present() -> bool:
            found.update(self.children())
            return name in found or not self.running

        if not wait_for(present, timeout_s) or name not in found:
            raise DependencyError(f"the supervisor does not start {name}: {self.tail()}")
        return found[name]

    def victims(self, names: Sequence[str]) -> Sequence[int]:
        """Process ids of children to be killed, each waited for; the supervisor is none of them."""
        return [self.child(name) for name in names if name != SUPERVISOR]

    def kill(self, victims: Sequence[int], *, supervisor: bool = False) -> None:
        """``kill -9`` processes, and the supervisor first, which is then started again."""
        if supervisor and self._process is not None:
            self._process.kill()
        for pid in victims:
            # A supervisor that dies sends its children SIGTERM, so one may have ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if supervisor and self._process is not None:
            self._process.wait()
            self.start()

    def stop(self) -> int:
        """End the service as an operator does; return its exit code.

        Raises
        ------
        DependencyError
            If it does not end within `STOP_TIMEOUT_S`.
        """
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise DependencyError("the service does not stop") from error

    def close(self) -> None:
        """End whatever of this service still runs."""
        if self.running:
            with contextlib.suppress(DependencyError):
                self.stop()
        # A killed supervisor leaves its broker.
        kill_leftovers(self.site.root)
        if self._process is not None:
            self._process.wait()

    def restarts(self) -> Mapping[str, int]:
        """How often each child was started again, by the log of the supervisors."""
        started: Counter[str] = Counter()
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if "child_started" in line:
                started.update(name for name in CHILDREN if f'"{name}"' in line)
        started.subtract({"ingest": self.starts, "core": self.starts})
        return dict(sorted(started.items()))

    def tail(self, lines: int = 8) -> str:
        """End of the log."""
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(line[:400] for line in said[-lines:])


@contextlib.contextmanager
def serving(
    plan: LoadPlan,
    root: Path,
    *,
    broker: str = "",
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Service]:
    """Service that is ready for a plan's messages, on a directory that holds nothing yet.

    Parameters
    ----------
    log
        Default: beside the directory.
    """
    site = Site(root)
    if site.journal.exists():
        raise UsageError(f"{root} holds an installation already; name an empty directory")
    site.create()
    with using_state(root) as state, state.writing() as tx:
        tx.registry.put(plan.equipment)
    service = Service(
        site=site,
        log=log or root.with_name(f"{root.name}.log"),
        broker=broker,
        environment=environment or {},
    )
    service.start()
    try:
        service.wait_ready()
        yield service
    finally:
        service.close()


def publisher(
    service: Service, plan: LoadPlan, *, endless: bool = False, outstanding: int = 10_000
) -> LoadPublisher:
    """Devices of a plan on the service's broker, not started yet."""
    return LoadPublisher(
        plan=plan,
        address=BrokerAddress(port=service.mqtt_port),
        passwords=load_passwords(service.site.broker / PASSWORDS),
        # Brokers go away here by intent, and quick returns keep the load near its rate.
        limits=PublishLimits(
            drain_s=DRAIN_S, backoff_longest_s=1.0, inflight=100, outstanding=outstanding
        ),
        endless=endless,
    )


def in_workplace(
    directory: Path | None, say: Callable[[str], None], test: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """Run a test in the directory named, which stays, or in a temporary one.

    A temporary one is kept, and named, when the test failed or a promise was broken.

    Raises
    ------
    DependencyError
        If processes cannot be found in ``/proc``.
    """
    if not Path("/proc/self/stat").exists():
        raise DependencyError("self-tests find processes in /proc: run them on Linux")
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        return test(directory.absolute())
    made = Path(tempfile.mkdtemp(prefix="equipwatch-selftest-"))
    keep = True
    try:
        report = test(made)
        keep = bool(report["broken"])
    finally:
        if keep:
            say(f"kept for a look: {made}")
        else:
            shutil.rmtree(made, ignore_errors=True)
    return report
